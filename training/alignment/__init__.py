"""GRPO on rubric rewards: rows with rubrics in, an aligned model out that the agent serves."""
