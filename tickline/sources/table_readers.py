"""Tables of any common format, read in bounded pieces: CSV, JSON lines, JSON arrays, Parquet and Arrow (Feather).

A reader yields the file's columns as the file has them, CSV and JSON as text. Whether the columns are the expected
ones is judged once a file by `check_columns`; a record that does not have them all is kept with a defect.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tickline.errors import SchemaDrift, SourceError
from tickline.sources.archives import BLOCK_BYTES, MAX_LINE_BYTES, blocks
from tickline.sources.rows import LONGEST_QUOTED, quoted

RECORD, DEFECT = "\x00record", "\x00defect"
"""Columns a reader adds: no table calls its own so."""

Format = Literal["csv", "json_lines", "json_arrays", "parquet", "arrow"]

# What pyarrow raises over damaged metadata: its own errors, and those of decoding names and numbers in it.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table should look like.

    `wanted` are the columns to read, `ignored` those that may be there besides. `names` names the columns of a table
    that does not name them itself: a CSV without a header, or JSON arrays.
    """

    wanted: frozenset[str]
    ignored: frozenset[str] = frozenset()
    names: tuple[str, ...] | None = None
    separator: str = ","


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records in order: the wanted columns, RECORD (its number, from 0) and DEFECT (why it cannot be read, or
    null); `end` is the number the next piece begins with."""

    frame: pl.DataFrame
    end: int


Reader = Callable[[Path, Shape, int], Iterator[Piece]]
"""(path, shape, bytes or rows a piece) -> the table's pieces. Raises SourceError, and SchemaDrift as a subclass."""


def check_columns(path: Path, found: Iterable[str], shape: Shape) -> None:
    """Raise SchemaDrift, with what is missing, unexpected or there twice, unless a table has the wanted columns and
    no others than the ignored ones."""
    names = list(found)
    drift = [f"missing {name!r}" for name in sorted(shape.wanted - set(names))]
    drift += [f"unexpected {name!r}" for name in sorted(set(names) - shape.wanted - shape.ignored)]
    drift += [f"{name!r} twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if drift:
        raise SchemaDrift(
            f"{path}: has other columns than declared: {', '.join(drift)}; map them, or list them under `ignore`"
        )


def read_csv(path: Path, shape: Shape, block_bytes: int) -> Iterator[Piece]:
    """One record a line; a field may be quoted, but not hold a line end."""
    names = shape.names
    if names is not None:
        check_columns(path, names, shape)
    line = 0
    for block in blocks(path, block_bytes=block_bytes):
        text = block.removesuffix(b"\n").decode("utf-8", "replace").split("\n")
        start, line = line, line + len(text)
        if names is None:
            names = tuple(_fields(text.pop(0).rstrip("\r"), shape.separator))
            check_columns(path, names, shape)
            start += 1
        yield Piece(_csv_records(text, start, names, shape), line)


def _csv_records(text: list[str], start: int, names: tuple[str, ...], shape: Shape) -> pl.DataFrame:
    """Unquoted lines are split at once, quoted ones one by one, so that a stray quote costs its own line only."""
    lines = (
        pl.DataFrame({"line": pl.Series(text, dtype=pl.String).str.strip_chars_end("\r")})
        .with_row_index(RECORD, offset=start)
        .filter(pl.col("line").str.strip_chars().str.len_bytes() > 0)
    )
    slots = [f"field_{at}" for at in range(len(names) + 1)]
    plain = lines.filter(~pl.col("line").str.contains('"', literal=True)).with_columns(
        pl.col("line").str.split_exact(shape.separator, len(names)).struct.rename_fields(slots).alias("fields")
    )
    with_quotes = lines.filter(pl.col("line").str.contains('"', literal=True))
    parsed = [_fields(line, shape.separator)[: len(slots)] for line in with_quotes["line"]]
    columns = {
        slot: pl.Series([fields[at] if at < len(fields) else None for fields in parsed], dtype=pl.String)
        for at, slot in enumerate(slots)
    }
    records = pl.concat([plain.unnest("fields"), with_quotes.with_columns(**columns)]).sort(RECORD)
    last, surplus = (pl.col(slot) for slot in slots[-2:])
    defect = pl.when(last.is_null() | surplus.is_not_null()).then(
        pl.format("not {} fields: '{}'", pl.lit(len(names)), quoted("line"))
    )
    return records.select(
        RECORD,
        defect.alias(DEFECT),
        *(
            pl.when(pl.col(slot) != "").then(pl.col(slot)).alias(name)
            for slot, name in zip(slots, names, strict=False)
            if name in shape.wanted
        ),
    )


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


def read_json_lines(path: Path, shape: Shape, block_bytes: int) -> Iterator[Piece]:
    """One JSON object a line. Every object may lack columns, at the price of a defect, but none may have unknown
    ones."""
    line, checked = 0, False
    for block in blocks(path, block_bytes=block_bytes):
        text = block.removesuffix(b"\n").split(b"\n")
        objects = [_object(line + at, raw) for at, raw in enumerate(text) if raw.strip()]
        line += len(text)
        keys = {key for _, _, found in objects if found is not None for key in found}
        if keys:
            check_columns(path, keys if not checked else keys | shape.wanted, shape)
            checked = True
        records = [
            (number, defect or _lacking(found, shape), *(found.get(name) for name in sorted(shape.wanted)))
            for number, defect, found in ((number, defect, found or {}) for number, defect, found in objects)
        ]
        yield Piece(_frame(records, tuple(sorted(shape.wanted))), line)


def _object(number: int, raw: bytes) -> tuple[int, str | None, dict[str, Any] | None]:
    text = raw[:LONGEST_QUOTED].decode("utf-8", "replace")
    try:
        found = orjson.loads(raw)
    except ValueError as error:
        return number, f"not JSON ({error}): '{text}'", None
    return (number, None, found) if isinstance(found, dict) else (number, f"not an object: '{text}'", None)


def _lacking(found: dict[str, Any], shape: Shape) -> str | None:
    missing = sorted(shape.wanted - found.keys())
    return f"lacks {', '.join(missing)}" if missing else None


def read_json_arrays(path: Path, shape: Shape, _block_bytes: int) -> Iterator[Piece]:
    """One JSON document: an array of arrays, each a record."""
    if shape.names is None:
        raise SourceError(f"{path}: arrays do not name their columns; list them under `names`")
    names = shape.names
    check_columns(path, names, shape)
    content = b"".join(blocks(path))
    if len(content) > MAX_LINE_BYTES:
        raise SourceError(f"{path}: one JSON document of {len(content)} bytes; split it, or store JSON lines")
    try:
        document = orjson.loads(content)
    except ValueError as error:
        raise SourceError(f"{path}: not JSON: {error}; fetch it again") from error
    if not isinstance(document, list):
        raise SourceError(f"{path}: holds {type(document).__name__}, expected an array of arrays")
    wanted = [(at, name) for at, name in enumerate(names) if name in shape.wanted]
    records = [
        (number, None, *(record[at] for at, _ in wanted))
        if isinstance(record, list) and len(record) == len(names)
        else (number, f"not {len(names)} values: '{str(record)[:LONGEST_QUOTED]}'", *(None for _ in wanted))
        for number, record in enumerate(document)
    ]
    yield Piece(_frame(records, tuple(name for _, name in wanted)), len(records))


def read_parquet(path: Path, shape: Shape, batch_rows: int) -> Iterator[Piece]:
    """A Parquet file, by row groups."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            check_columns(path, table.schema_arrow.names, shape)
            yield from _arrow_pieces(table.iter_batches(batch_rows, columns=sorted(shape.wanted)), shape)
    except _UNREADABLE as error:
        raise SourceError(f"{path}: not a readable Parquet file: {error}; fetch it again") from error


def read_arrow(path: Path, shape: Shape, _batch_rows: int) -> Iterator[Piece]:
    """An Arrow IPC file (Feather version 2), by record batches."""
    try:
        with pa.memory_map(str(path)) as stream, pa.ipc.open_file(stream) as table:
            check_columns(path, table.schema.names, shape)
            yield from _arrow_pieces((table.get_batch(at) for at in range(table.num_record_batches)), shape)
    except _UNREADABLE as error:
        raise SourceError(f"{path}: not a readable Arrow file: {error}; fetch it again") from error


def _arrow_pieces(batches: Iterable[pa.RecordBatch], shape: Shape) -> Iterator[Piece]:
    end = 0
    for batch in batches:
        batch.validate(full=True)  # a damaged file is an error, not a crash
        frame = pl.DataFrame(pl.from_arrow(batch.select(sorted(shape.wanted))))
        start, end = end, end + frame.height
        yield Piece(frame.with_row_index(RECORD, offset=start).with_columns(pl.lit(None, pl.String).alias(DEFECT)), end)


def _frame(records: list[tuple[Any, ...]], names: tuple[str, ...]) -> pl.DataFrame:
    """Records of (number, defect, value...) as a frame of text."""
    columns: list[tuple[Any, ...]] = list(zip(*records, strict=True)) or [()] * (2 + len(names))
    return pl.DataFrame(
        {
            RECORD: pl.Series(columns[0], dtype=pl.UInt32),
            DEFECT: pl.Series(columns[1], dtype=pl.String),
        }
        | {
            name: pl.Series(values, dtype=pl.String, strict=False)
            for name, values in zip(names, islice(columns, 2, None), strict=True)
        }
    )


READERS: dict[Format, tuple[Reader, int]] = {
    "csv": (read_csv, BLOCK_BYTES),
    "json_lines": (read_json_lines, BLOCK_BYTES),
    "json_arrays": (read_json_arrays, BLOCK_BYTES),
    "parquet": (read_parquet, 262_144),
    "arrow": (read_arrow, 262_144),
}
"""Each format's reader, and how much of a file it reads at once: bytes of text, or rows."""
