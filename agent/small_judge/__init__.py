"""A judge of some twenty million parameters that runs anywhere: a cross-encoder on ONNX Runtime, distilled from graded rows.

`training/small_judge.py` makes its folder; here it is opened and asked. docs/small-judge.md.
"""
