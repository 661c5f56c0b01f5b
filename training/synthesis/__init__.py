"""Rubrics for questions that nobody has labelled: principles and seeds made specific to each, checked, at batch scale."""
