"""How far a judge's verdicts move where an answer is changed in ways that should move none. docs/judge-robustness.md."""
