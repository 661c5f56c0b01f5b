"""The card of an exported folder: a README.md whose YAML head `datasets` reads, and whose text says what the rows are worth.

It quotes no text of a row. The licence is the user's to name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from agent.batch.exports.output_file import Counts, in_rows
from agent.batch.exports.row_shapes import without_half_characters
from agent.batch.exports.targets import CARD_MARK
from agent.batch.rows import Survey
from agent.state import DISCLAIMER


@dataclass(frozen=True)
class Made:
    """What an export was made from."""

    output: Path
    counts: Counts
    survey: Survey | None
    """Of the input; None where it could not be read, or was not as it had been."""

    @property
    def unfinished(self) -> int | None:
        """Rows of the input that the output doesn't have yet; None where that can't be told."""
        return None if self.survey is None else max(0, self.survey.rows - self.counts.rows)


_BEFORE_PUBLISHING = """\
**Before you publish this:** it holds {texts} word for word, and these may be a patient's.
`--redact` changes what a model is sent, not what stands here. Have every row checked, or leave it where it is. Then name a
licence in the head of this file: none is given until you do."""

_ANSWERS = """\
# {title}

> {disclaimer}

Medical answers that software has criticised by a library of clinical principles and, where that made them better by its own
check, revised. Made by `{mark}` (ClinAlign {version}).

{before_publishing}

## The rows

One row per answer: the object of `clinalign revise --json` and the `id` of the input row. `answer` is the draft itself, and
`accepted` false, wherever no revision passed the check; `stopped_because` says why. `rubric`, `critiques` and `edits` say what was
looked for, what was found and what was changed, `library_hash`, `models` and `calls` what by.

```python
answers = datasets.load_dataset("FOLDER", split="train"){errors}
```

{counts}

## What it is not

The criteria, the verdicts and the edits are a program's, or those of the models named below. No clinician has written or
checked them, and a verdict can be wrong. A draft that was kept is not thereby a good one. Nothing here is advice to anyone.

{origin}
"""

_PREFERENCES = """\
# {title}

> {disclaimer}

{pairs} of answers to the same medical conversation, for preference training. Made by `{mark} --preferences`
(ClinAlign {version}).

{before_publishing}

## The rows

TRL's conversational preference format with an explicit prompt: `prompt` is the conversation, `rejected` the draft (the input's, or
where it had none the one that was written for it), `chosen` the revision of that draft. `id` is that of the input row and
`principle_ids` are those that the edits rest on; TRL leaves these two columns out.

```python
pairs = datasets.load_dataset("FOLDER", split="train")
```

{counts}

## What "chosen" means

**The preferences are not clinicians'.** They come from ClinAlign's own never-worse check: a rubric that the software wrote from its
principles, and a blind judgement in which the revision lost no criterion of it that the draft met and gained at least one. The
writer of the rubric and the judge are named below. A model that is trained on these rows learns what that judge holds for better,
its mistakes included, and anything that its revisions have in common, their length for one. Measure what comes out
by another judge than the one named here, and by clinicians.

{origin}
"""


_LOAD_ERRORS = """
failed = datasets.load_dataset("FOLDER", "errors", split="train")  # {"id", "error": {"type", "message"}}"""


def answers_card(made: Made) -> str:
    """Return the card of a folder of answers."""
    title = _plain(f"Revised answers of {made.output.stem}")
    common = _common(made, title, texts="answers, drafts and what was quoted from them")
    errors = _LOAD_ERRORS if made.counts.failed else ""
    return _head(title, ["medical"], with_errors=bool(errors)) + _ANSWERS.format(**common, errors=errors)


def preferences_card(made: Made, *, rows: int) -> str:
    """Return the card of a folder of preference rows."""
    title = _plain(f"Preferences of {made.output.stem}")
    common = _common(made, title, texts="conversations, answers and drafts")
    pairs = in_rows(rows, "pair")
    return _head(title, ["medical", "trl", "preference"], with_errors=False) + _PREFERENCES.format(
        **common, pairs=pairs
    )


def _common(made: Made, title: str, *, texts: str) -> dict[str, str]:
    return {
        "title": title,
        "disclaimer": DISCLAIMER,
        "mark": CARD_MARK,
        "version": version("clinalign"),
        "before_publishing": _BEFORE_PUBLISHING.format(texts=texts),
        "counts": _counts(made),
        "origin": _origin(made),
    }


def _head(title: str, tags: list[str], *, with_errors: bool) -> str:
    names = {"default": "data", **({"errors": "errors"} if with_errors else {})}
    configs = [
        {"config_name": name, "data_files": [{"split": "train", "path": f"{folder}/train-*.parquet"}]}
        for name, folder in names.items()
    ]
    head: dict[str, Any] = {"pretty_name": title, "tags": ["clinalign", *tags], "configs": configs}
    written = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=200)
    return f"---\n{written}# license: name one here before you publish\n---\n\n"


def _counts(made: Made) -> str:
    counts, survey = made.counts, made.survey
    rows = [
        (
            "rows of the input",
            "not counted: it was not at hand as the run had read it" if survey is None else survey.rows,
        ),
        ("not done when this was made", "not known" if made.unfinished is None else made.unfinished),
        *[(f"failed: {kind}", count) for kind, count in counts.failed.most_common()],
        *[(f"draft kept: {reason}", count) for reason, count in counts.kept.most_common()],
        ("revised, and the revision accepted", counts.accepted),
    ]
    return _table(("what became of the rows", "rows"), rows)


def _origin(made: Made) -> str:
    counts = made.counts
    rows = [
        ("library of principles, content hash", _several(counts.libraries)),
        ("engine", _several(counts.engines)),
        ("model that wrote", _several(Counter(writer for writer, _ in counts.models))),
        ("model that judged", _several(Counter(judge for _, judge in counts.models))),
        *([("input, SHA-256", f"`{made.survey.sha256}`")] if made.survey else []),
    ]
    return "## How it was made\n\n" + _table(("what", "which"), rows)


def _several(names: Iterable[str]) -> str:
    return ", ".join(f"`{_plain(name)}`" for name in names)


def _table(head: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    cells = [f"| {_plain(name)} | {f'{value:,}' if isinstance(value, int) else value} |" for name, value in rows]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *cells])


def _plain(text: str) -> str:
    """Return a name in one line that can't end a table's cell or a code span."""
    return " ".join(without_half_characters(text).replace("|", "/").replace("`", "'").split())
