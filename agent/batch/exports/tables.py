"""Files that rows go into one at a time: Parquet, alone or cut into several, and JSON lines.

Of the rows no more than one row group is in memory, however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from agent.batch.exports.row_shapes import Shape, arrow_schema
from agent.errors import InputError

_ROW_GROUP_BYTES = 4_000_000
"""Of JSON; as Python objects some ten times as much."""
_SHARD_BYTES = 500_000_000
"""Of JSON per file, about what the Hugging Face hub recommends."""


class Table(Protocol):
    """Takes rows."""

    def add(self, row: Mapping[str, Any], size: int) -> None:
        """Take a row that is `size` bytes of JSON, or about that."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class ParquetFile:
    """One Parquet file."""

    def __init__(self, file: Path, shape: Mapping[str, Shape]) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError as error:
            raise InputError(
                f"Parquet needs pyarrow ({error.name} is missing): pip install 'clinalign[batch]'"
            ) from error
        self._table_of = pa.Table.from_pylist
        self._schema = arrow_schema(shape)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []
        self._bytes = 0

    def add(self, row: Mapping[str, Any], size: int) -> None:
        self._rows.append(row)
        self._bytes += size
        if self._bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._table_of(self._rows, schema=self._schema))
        self._rows, self._bytes = [], 0


class ParquetShards:
    """A folder of Parquet files as the Hugging Face hub names them: train-00000-of-00002.parquet."""

    def __init__(self, folder: Path, shape: Mapping[str, Shape]) -> None:
        folder.mkdir()
        self._folder, self._shape = folder, shape
        self._files: list[Path] = []
        self._open: ParquetFile | None = None
        self._bytes = 0

    def add(self, row: Mapping[str, Any], size: int) -> None:
        if self._open is None:
            self._files.append(self._folder / f"{len(self._files):05}.parquet")
            self._open, self._bytes = ParquetFile(self._files[-1], self._shape), 0
        self._open.add(row, size)
        self._bytes += size
        if self._bytes >= _SHARD_BYTES:
            self._open.close()
            self._open = None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        for number, file in enumerate(self._files):
            file.rename(self._folder / f"train-{number:05}-of-{len(self._files):05}.parquet")


class JsonLines:
    """One file of JSON lines."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("x", encoding="ascii", newline="\n")

    def add(self, row: Mapping[str, Any], size: int) -> None:
        self._file.write(json.dumps(row) + "\n")  # ASCII: nothing in it that someone's reader takes for a line's end

    def close(self) -> None:
        self._file.close()
