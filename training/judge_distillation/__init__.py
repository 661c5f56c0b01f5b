"""From graded rows to the folder of a small judge. `training/small_judge.py` puts the parts together. docs/small-judge.md."""
