"""A BERT of random weights and the real tokenizer, and graded rows whose verdicts can be told by a word: to train on in seconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from principles_store.embedding import default_model_folder

TOPICS = (
    "fever rash cough asthma migraine sprain anaemia gout insomnia reflux eczema vertigo tinnitus colic croup sciatica"
).split()
ADVICE = "rest water paracetamol stretching sleep honey ice heat walking fruit".split()


def build_tiny_bert(folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """Write config, weights and tokenizer to a folder and return it."""
    import torch
    from transformers import BertConfig, BertModel

    settings = {
        "vocab_size": 30522,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        **config,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(BertConfig(**settings))
    model.save_pretrained(folder)
    shutil.copy(default_model_folder() / "tokenizer.json", folder)
    return folder


def graded_rows(conversations: int = 12, *, answers: int = 2, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows in which a criterion is met if the answer names what it asks about; ten verdicts for each conversation."""
    draw = Random(seed)
    rows = []
    for number in range(conversations):
        topic = f"{TOPICS[number % len(TOPICS)]} {number}"
        for run in range(answers):
            named = draw.sample(ADVICE, 3)
            asked = [*draw.sample(named, 2), *draw.sample([word for word in ADVICE if word not in named], 3)]
            rubric = [
                {"criterion": f"Recommends {word}.", "points": points}
                for word, points in zip(asked, (5, -3, 4, -6, 2), strict=True)
            ]
            rows.append(
                {
                    "id": f"{number}/{run}",
                    "prompt_id": str(number),
                    "prompt": [{"role": "user", "content": f"What helps against {topic}?"}],
                    "response": " ".join(f"You can try {word} for {topic}." for word in named),
                    "rubrics": [
                        {**criterion, "tags": [f"axis:{'accuracy' if criterion['points'] > 0 else 'completeness'}"]}
                        for criterion in rubric
                    ],
                    "verdicts": [{"criteria_met": word in named} for word in asked],
                    "judge": "openai:a",
                    "protocol": "one call",
                }
            )
    return rows


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write graded rows and return their file."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file
