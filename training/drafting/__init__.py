"""Rubrics drafted from preferences: a model says what makes one of two responses the better one, and a blind judge checks it."""
