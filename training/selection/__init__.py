"""Which questions teach, and which must not be trained on: filters over graded answers, and the leakage report."""
