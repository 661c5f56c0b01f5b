"""The questions of a run as TRL takes them: a train and a gold data set with the columns prompt, id, split and rubric.

Trained on are Arrow files on disk, made once per data, tokenizer and split, or with data.streaming the rows as they are read
again in every epoch. Both have the same rows in the same order. The one importer of datasets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import InputError
from training.alignment.config import SHIPPED, AlignmentConfig, DataSection
from training.alignment.rows import Row
from training.alignment.survey import GOLD, TRAIN, DataCounts, Survey, TokenCount, placed, prompt_of, row_bytes, survey

if TYPE_CHECKING:
    import datasets

_SPLITS = {TRAIN: "train", GOLD: "gold"}
_COLUMNS = 1
"""Version of the columns; part of the cache's key."""


@dataclass(frozen=True)
class AlignmentData:
    """What a run trains on and is measured by."""

    train: datasets.Dataset | datasets.IterableDataset
    gold: datasets.Dataset
    """In the order of the questions' ranks."""
    counts: DataCounts
    digest: str
    """SHA-256 over the bytes of data.gold_files and data.files, one after another; of shipped questions over their rows."""


def open_datasets(config: AlignmentConfig, *, count_tokens: TokenCount, cache: Path) -> AlignmentData:
    """Read, check and split the questions; `cache`: folder for what is kept on disk, by what is in it.

    `count_tokens`: of a conversation as the policy reads it. Raises InputError naming file, line, field and remedy.
    """
    digest = data_digest(config.data)
    found = survey(config.data, count_tokens)
    key = hashlib.sha256(f"{_COLUMNS} {digest} {config.data.system!r} ".encode() + found.sides).hexdigest()
    return AlignmentData(
        train=_streamed(config.data, found) if config.data.streaming else _on_disk(config.data, found, cache, key),
        gold=_gold(config.data, found),
        counts=found.counts,
        digest=digest,
    )


def data_digest(data: DataSection) -> str:
    """Return the SHA-256 of all that is read, hexadecimal; for a single file what sha256sum says."""
    content = hashlib.sha256()
    for path in (*data.gold_files, *data.files):
        if str(path) == SHIPPED:
            for _, _, row in placed(data.model_copy(update={"files": (path,), "gold_files": ()})):
                content.update(row_bytes(row))
            continue
        try:
            with path.open("rb") as opened:
                while block := opened.read(1 << 20):
                    content.update(block)
        except OSError as error:
            raise InputError(
                f"{path}: can't be read ({error.strerror}); check data.files and data.gold_files"
            ) from error
    return content.hexdigest()


def _rows(data: DataSection, sides: bytearray, side: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of one side with their numbers, as they are in the files now."""
    number = -1
    for number, (_, place, row) in enumerate(placed(data)):
        if number >= len(sides):
            raise InputError(f"{place}: the data have changed since the run began; start it anew with them")
        if sides[number] == side:
            yield number, _columns(row, data.system, side)
    if number + 1 < len(sides):
        raise InputError(
            f"data.files: {len(sides):,} rows when the run began, {number + 1:,} now; start it anew with them"
        )


def _columns(row: Row, system: str | None, side: int) -> dict[str, Any]:
    return {
        "prompt": prompt_of(row, system),
        "id": row.id,
        "split": _SPLITS[side],
        "rubric": [item.as_dict() for item in row.rubric],
    }


def _train_rows(data: DataSection, sides: bytearray) -> Iterator[dict[str, Any]]:
    return (columns for _, columns in _rows(data, sides, TRAIN))


def _on_disk(data: DataSection, found: Survey, cache: Path, key: str) -> datasets.Dataset:
    import datasets

    with without_bars():
        return datasets.Dataset.from_generator(
            _train_rows,
            features=_features(),
            cache_dir=str(cache),
            gen_kwargs={"data": data, "sides": found.sides},
            fingerprint=key[:32],
        )


def _streamed(data: DataSection, found: Survey) -> datasets.IterableDataset:
    import datasets

    return datasets.IterableDataset.from_generator(
        _train_rows, features=_features(), gen_kwargs={"data": data, "sides": found.sides}
    )


def _gold(data: DataSection, found: Survey) -> datasets.Dataset:
    import datasets

    rows = dict(_rows(data, found.sides, GOLD))
    return datasets.Dataset.from_list([rows[number] for number in found.gold], features=_features())


def _features() -> datasets.Features:
    """Return the columns' types: guessed ones would differ between a file with axes and one without any."""
    from datasets import Features, List, Value

    text = Value("string")
    criterion = {"criterion": text, "points": Value("int64"), "axis": text, "principle_id": text}
    return Features(
        {"prompt": List({"role": text, "content": text}), "id": text, "split": text, "rubric": List(criterion)}
    )


@contextmanager
def without_bars() -> Iterator[None]:
    """Keep the library from drawing its own progress on the terminal."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()
