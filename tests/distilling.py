"""Work for a distillation: rubrics on three matters, a model that words principles, and a bench made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from principles_store.embedding import Embedder
from training.distillation.distill import Request, Workbench, prepare

QUESTIONS = (
    "my chest feels tight since this morning",
    "is this rash on my arm dangerous?",
    "fever of 39 in my toddler since last night",
    "can I take ibuprofen with my blood pressure tablets?",
    "my back hurts after lifting boxes",
    "headache every evening for two weeks",
    "how long will this cough last?",
    "a tick bit me on holiday, now what?",
)
ASKED_FOR = (
    "Says to call emergency services at once for {}.",
    "Tells the reader to phone an ambulance right now for {}.",
    "Asks how old the patient is before advising on {}.",
    "Asks for the age of the person with {}.",
)
PENALTIES = ("Recommends antibiotics for {}.", "Tells the user to take an antibiotic for {}.")
MATTERS = ("a crushing chest pain", "a spreading rash", "a high fever", "a bad headache")


def rubric_row(number: int, **fields: Any) -> dict[str, Any]:
    """Return a record of HealthRubrics as its JSON object."""
    matter = MATTERS[number % len(MATTERS)]
    criteria = [
        {"criterion": text.format(matter), "points": points, "axis": "accuracy"}
        for texts, points in ((ASKED_FOR, 7), (PENALTIES, -6))
        for text in texts
    ]
    question = f"{QUESTIONS[number % len(QUESTIONS)]} (visit {number})"
    return {
        "schema_version": 1,
        "id": f"r{number}",
        "conversation": [{"role": "user", "content": question}],
        "draft": criteria,
        "status": "accepted",
        "reviewers": ["Dr A", "Dr B"][: 1 + number % 2],
        **fields,
    }


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rubrics_file(folder: Path, count: int = 12) -> Path:
    return write_rows(folder / "rubrics.jsonl", [rubric_row(number) for number in range(count)])


def bench_of(folder: Path, embedder: Embedder, **request: Any) -> Workbench:
    """Return the bench of the rubrics, their vectors kept in the folder."""
    file = rubrics_file(folder)
    return prepare(Request([file], **{"clusters": 3, **request}), embedder, cache=folder / "vectors")


def wording(title: str = "Say when to call for help", points: int = 8, **fields: Any) -> dict[str, Any]:
    """Return a reply that can stand in a library."""
    return {
        "reason": "All of them ask for the same.",
        "outcome": "principle",
        "title": title,
        "statement": f"{title}: the answer does so in its first sentence.",
        "dimension": "urgency",
        "scenarios": ["emergent", "layperson"],
        "severity": "critical",
        "situations": [f"what now, case {n}" for n in ("one", "two", "three", "four")],
        "criteria": [
            {
                "text": f"Tells the reader: {title.lower()}.",
                "points": points,
                "paraphrase": f"The reader is told: {title.lower()}.",
                "meets": ["Call an ambulance now.", "Phone for help at once."],
                "breaks": ["Wait and see.", "This can wait until next week."],
            }
        ],
        "guidance": "Put it first.",
        **fields,
    }


def worded_by_sign(body: Mapping[str, Any]) -> str:
    """Reply as a sound model would: a principle of the polarity that is asked for, about the first criterion shown."""
    asked = body["messages"][1]["content"]
    first = re.search(r"<criterion[^>]*>\n(.*)\n", asked)
    title = first[1].rstrip(".") if first else "Nothing"
    return json.dumps(wording(title, points=8 if "principle is do." in asked else -8))
