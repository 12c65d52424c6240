"""Spoiled recordings: lines among good ones, files damaged as a whole, and tables of every type.

Whatever a source is given, it yields rows the firewall can judge, or says what is wrong with a SourceError.
"""

import bz2
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import polars as pl

from qa import _hostile
from qa._attempts import Attempts
from qa._bad_rows import DAY
from qa._subjects import NOON, SUBJECTS, TABLE, Pack, Subject, delivered, gzipped, judged, zipped
from tickline.errors import FirewallError, SourceError
from tickline.lake.schemas import Feed

BOMB_BYTES = 80 * 1024 * 1024


def lines(rng: _hostile.Rng, count: int, folder: Path) -> Attempts:
    """Read `count` spoiled lines."""
    attempts = Attempts()
    weights = [1 + 40 // subject.file_lines for subject in SUBJECTS]
    while attempts.inputs < count:
        (subject,) = rng.choices(SUBJECTS, weights)
        left = min(subject.file_lines, count - attempts.inputs)
        spoiled = [_spoiled(rng.choice(subject.lines), rng) for _ in range(left)]
        before = len(attempts.failures)
        _read_lines(attempts, subject, spoiled, folder)
        if len(attempts.failures) > before:
            attempts.failures[before:] = _smallest(subject, spoiled, folder).failures
    return attempts


def files(rng: _hostile.Rng, count: int, folder: Path) -> Attempts:
    """Read `count` damaged files."""
    attempts = Attempts()
    for _ in range(count):
        subject = rng.choice(SUBJECTS)
        _read(attempts, subject, _damaged(subject, rng), folder)
    return attempts


def tables(rng: _hostile.Rng, count: int, folder: Path) -> Attempts:
    """Read `count` Parquet and Arrow files whose columns are of any type."""
    attempts = Attempts()
    for _ in range(count):
        form = rng.choice(("parquet", "arrow"))
        settings = TABLE | {"format": form, "names": None, "times": {"ts_event": {"from": "ms"} | rng.choice(TIMES)}}
        data = _odd_table(form, rng)
        if rng.random() < 0.2:
            data = _hostile.mangled(data, rng)
        _read(attempts, Subject(f"table {form}", (), _dated, delivered(Feed.TRADES, settings)), data, folder)
    return attempts


def _read_lines(attempts: Attempts, subject: Subject, spoiled: list[bytes], folder: Path) -> None:
    data = subject.pack(subject.content(spoiled))
    rows = _read(attempts, subject, data, folder, inputs=len(spoiled))
    if rows is not None:
        attempts.make(f"{subject.name}, judged", data, partial(judged, rows), errors=(FirewallError,), inputs=0)


def _read(attempts: Attempts, subject: Subject, data: bytes, folder: Path, *, inputs: int = 1) -> pl.DataFrame | None:
    place = folder / str(attempts.inputs)
    rows = attempts.make(subject.name, data, partial(subject.rows, data, place), errors=(SourceError,), inputs=inputs)
    shutil.rmtree(place)
    return rows


def _smallest(subject: Subject, spoiled: list[bytes], folder: Path) -> Attempts:
    """What still fails of lines that fail together, halved as often as one half alone fails."""
    failing = Attempts()
    _read_lines(failing, subject, spoiled, folder)
    for half in (spoiled[: len(spoiled) // 2], spoiled[len(spoiled) // 2 :]) if len(spoiled) > 1 else ():
        found = _smallest(subject, half, folder)
        if found.failures:
            return found
    return failing


def _spoiled(line: bytes, rng: _hostile.Rng) -> bytes:
    """A line with its bytes, its fields or its message changed; now and then as it was."""
    way = rng.random()
    if way < 0.05:
        return line
    at = min((place for mark in (b"{", b"[") if (place := line.find(mark)) >= 0), default=-1)
    if way < 0.5 and at >= 0:
        message = _hostile.changed(json.loads(line[at:]), rng)
        return line[:at] + json.dumps(message, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if way < 0.5:
        comma = b"|" if b"|" in line else b","
        fields = line.split(comma)
        fields[rng.randrange(len(fields))] = rng.choice(_hostile.TOKENS)
        return comma.join(fields)
    return _hostile.mangled(line, rng)


def _damaged(subject: Subject, rng: _hostile.Rng) -> bytes:
    content = subject.content([rng.choice(subject.lines) for _ in range(rng.randint(1, 30))])
    data = subject.pack(content)
    if rng.random() < 0.001:
        return _bomb(rng.choice((subject.pack, *PACKS)), rng.choice((b"\0", b"[")))
    ways: list[Callable[[], bytes]] = [
        *[lambda: _hostile.mangled(data, rng)] * 4,
        *[lambda: data[: rng.randrange(len(data))]] * 2,
        *[lambda: subject.pack(_hostile.mangled(content, rng))] * 2,
        lambda: rng.choice(PACKS)(content),
        lambda: _odd_zip(content, rng),
        lambda: rng.choice((data + data, data + rng.randbytes(8), subject.pack(data), b"", b"\n", content[:1])),
    ]
    return rng.choice(ways)()


PACKS: tuple[Pack, ...] = (bytes, gzipped, bz2.compress, zipped("x.csv"), lambda content: gzipped(gzipped(content)))


@cache
def _bomb(pack: Pack, filler: bytes) -> bytes:
    return pack(filler * (BOMB_BYTES // len(filler)))


def _odd_zip(content: bytes, rng: _hostile.Rng) -> bytes:
    """A zip of any number of members called anything, perhaps said to be encrypted or of an unknown method."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))) as archive:
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            called = rng.choice(
                (f"{DAY:%Y%m%d}_btc_trade_tick.csv", f"{DAY:%Y%m%d}_btc_tick_quote.csv", "../../x", "/x", "a/")
            )
            archive.writestr(zipfile.ZipInfo(called), content)
    data = bytearray(out.getvalue())
    entry = data.find(b"PK\x01\x02")
    if entry >= 0 and rng.random() < 0.5:
        offset, value = rng.choice(((8, 1), (10, 99), (10, 8), (20, 255), (24, 255), (27, 127), (42, 9)))
        data[entry + offset] = value
    return bytes(data)


def _dated(_data: bytes) -> str:
    return f"btc_{DAY:%Y%m%d}"


TIMES: tuple[dict[str, str], ...] = (
    *({"unit": unit} for unit in ("s", "ms", "us", "ns")),
    {},
    {"time_zone": "America/New_York"},
    {"format": "%Y-%m-%d", "time_zone": "UTC"},
    {"format": "%Y-%m-%dT%H:%M:%S%.f%z"},
)
NUMBERS = (None, 0, 1, -1, 7, 127, NOON, NOON * 1000, NOON * 10**9, 2**31, 2**62, -(2**63))
TEXTS = (
    None,
    "",
    "buy",
    "b",
    "7",
    "1.5",
    "NaN",
    "1e999",
    "\0",
    "é" * 50,
    f"{DAY}",
    f"{DAY}T12:00:00.5+0000",
    f"{NOON}000",
)

Column = Callable[[pl.Series, pl.Series], pl.Series]
"""A column of some type from a column of whole numbers and one of texts."""

COLUMNS: tuple[Column, ...] = (
    lambda numbers, _texts: numbers,
    lambda _numbers, texts: texts,
    *(
        partial(lambda dtype, numbers, _texts: numbers.cast(dtype, strict=False), dtype)
        for dtype in (
            *(pl.Int8, pl.UInt8, pl.Int32, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.Time, pl.Decimal(38, 9)),
            *(
                pl.Datetime("ms"),
                pl.Datetime("us", "Asia/Tokyo"),
                pl.Datetime("ns"),
                pl.Datetime("ns", "UTC"),
                pl.Duration,
            ),
        )
    ),
    lambda numbers, _texts: numbers.cast(pl.Int32, strict=False).cast(pl.Date),
    lambda _numbers, texts: texts.cast(pl.Categorical),
    lambda _numbers, texts: texts.cast(pl.Binary),
    lambda numbers, _texts: numbers.reshape((-1, 1)).cast(pl.List(pl.Int64)),
    lambda numbers, _texts: numbers.to_frame("x").to_struct(),
    lambda numbers, _texts: pl.Series([None] * len(numbers), dtype=pl.Null),
)


def _odd_table(form: str, rng: _hostile.Rng) -> bytes:
    """A table of a few rows with the columns of `TABLE`, each of any type, as a file."""
    height = rng.randint(0, 12)
    columns = {}
    for name in TABLE["names"]:
        numbers = pl.Series(rng.choices(NUMBERS, k=height), dtype=pl.Int64)
        texts = pl.Series(rng.choices(TEXTS, k=height), dtype=pl.String)
        columns[name] = rng.choice(COLUMNS if rng.random() < 0.3 else COLUMNS[:2])(numbers, texts)
    frame, out = pl.DataFrame(columns), io.BytesIO()
    if form == "parquet":
        frame.write_parquet(out, compression="uncompressed", row_group_size=5)
    else:
        frame.write_ipc(out, record_batch_size=5)
    return out.getvalue()
