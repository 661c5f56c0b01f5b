"""A distilled library as files: YAML that `load_library` reads, and beside it what each principle was made from.

The provenance is a file of its own, `provenance.jsonl`, keyed by the principle's id: an entry of a library has no place for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from agent.batch.disk import disk_error, replace_file
from agent.errors import ConfigError
from principles_store.principle import SCENARIO_VALUES
from training.distillation.candidates import Candidate
from training.distillation.card import FIRST_LINE, library_card
from training.distillation.coverage import likeness_to
from training.distillation.distill import Distilled, Workbench, voices_of

LIBRARY, CARD, PROVENANCE, REPORT = "library", "README.md", "provenance.jsonl", "report.md"
_HEAD = """\
# Principles of the dimension {dimension}, distilled from clinicians' rubrics by `clinalign rubrics distill`.
# What each was made from stands in ../{provenance}. Not medical advice; no clinician has read these principles yet.
"""
_MEDOID_HEAD = """\
# No model worded them: each statement is one criterion that stands for its group, and the situations are what users asked,
# cut and with obvious identifiers taken out. Have a person word them before they are used or passed on.
"""


def write_library(distilled: Distilled, bench: Workbench, folder: Path) -> Path:
    """Write the library and its provenance below `folder`; return the library's folder. Files of an earlier run are replaced."""
    target = folder / LIBRARY
    try:
        target.mkdir(parents=True, exist_ok=True)
        for dimension in SCENARIO_VALUES:
            file = target / f"{dimension}.yaml"
            members = [each for each in distilled.library if each.principle.dimension == dimension]
            if members:
                replace_file(file, [_yaml(dimension, members).encode()])
            else:
                file.unlink(missing_ok=True)
        rows = list(provenance(distilled.library, bench))
        card = library_card(distilled, bench, rows, beside=(PROVENANCE, REPORT))
        replace_file(target / CARD, [card.encode()])
        replace_file(folder / PROVENANCE, (json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows))
    except OSError as error:
        raise disk_error(f"can't write the library into {folder}", error) from error
    return target


def check_folder(folder: Path) -> None:
    """Raise ConfigError if the folder holds a library's files that are not of a distillation: they would be replaced."""
    strangers = [file.name for file in sorted((folder / LIBRARY).glob("*.y*ml")) if file.stem not in SCENARIO_VALUES]
    card = folder / LIBRARY / CARD
    if card.is_file() and not card.read_bytes().startswith(FIRST_LINE.encode()):
        strangers.append(CARD)
    if strangers or (folder.exists() and not folder.is_dir()):
        what = f"holds {strangers[0]}, which no distillation wrote" if strangers else "is a file"
        raise ConfigError(f"{folder / LIBRARY if strangers else folder} {what}; name another folder with -o")


def provenance(candidates: Sequence[Candidate], bench: Workbench) -> Iterator[dict[str, Any]]:
    """Yield what each principle was made from: criteria, counts, reviewers; keyed by its id."""
    voices = voices_of(candidates, bench.embedder)
    likeness = likeness_to(voices, bench.vectors, bench.evidence.signs, bench.split.inside)
    for candidate, voice, row in zip(candidates, voices, likeness, strict=True):
        members = [int(m) for number in candidate.clusters for m in bench.clusters[number].members]
        nearness = (bench.vectors[members] @ voice.vectors[0]).tolist()
        rubrics = list(dict.fromkeys(bench.evidence.owner(member).id for member in members))
        by_id = {bench.evidence.owner(member).id: bench.evidence.owner(member) for member in members}
        reviewers = Counter(name for rubric in by_id.values() for name in rubric.reviewers)
        yield {
            "id": candidate.principle.id,
            "worded_by": candidate.model or "nobody: a medoid",
            "reason": candidate.reason,
            "clusters": [bench.materials[number].id for number in candidate.clusters],
            "criteria": len(members),
            "rubrics": len(rubrics),
            "accounts_for": int((row >= bench.threshold).sum()),
            "reviewers": dict(sorted(reviewers.items())),
            "unreviewed_rubrics": sum(not rubric.reviewers for rubric in by_id.values()),
            "scenario_shares": dict(bench.materials[candidate.clusters[0]].key.shares),
            "supporting": [
                {
                    "rubric": bench.evidence.owner(member).id,
                    "file": bench.evidence.owner(member).file,
                    "criterion": bench.evidence.texts[member],
                    "points": bench.evidence.criteria[member].points,
                    "likeness": round(cosine, 3),
                }
                for member, cosine in sorted(zip(members, nearness, strict=True), key=lambda pair: -pair[1])
            ],
        }


def _yaml(dimension: str, members: Sequence[Candidate]) -> str:
    head = _HEAD.format(dimension=dimension, provenance=PROVENANCE)
    head += "" if all(each.is_abstracted for each in members) else _MEDOID_HEAD
    entries = [each.principle.model_dump(mode="json", exclude_defaults=True) for each in members]
    return head + "\n" + yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=110)
