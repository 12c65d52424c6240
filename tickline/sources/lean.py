"""QuantConnect LEAN's tick files: one zip for each instrument and local day, holding one headerless CSV.

Formats: https://github.com/QuantConnect/Lean/tree/master/Data (the readme.md of each security type) and Tick.cs.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import Field

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import Feed
from tickline.reference.clocks import Zone
from tickline.reference.models import Declared, SourceSpec, Symbol, Venue
from tickline.sources.archives import BLOCK_BYTES, blocks, describe, path_of
from tickline.sources.files import LONGEST_PAUSE_DAYS
from tickline.sources.rows import divided, home_day, line_number, midnight, quoted, raw_rows, settings_of
from tickline.sources.source import Batch, SourceObject

MS_PER_DAY = 86_400_000
SUSPICIOUS = "!"

Security = Literal["equity", "forex", "crypto"]
FOLDER = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Folder = Annotated[str, Field(pattern=FOLDER)]


@dataclass(frozen=True, slots=True)
class Layout:
    """A line's fields in order, and how many of them every line has."""

    fields: tuple[str, ...]
    required: int


LAYOUTS: dict[tuple[Security, Feed], Layout] = {
    ("equity", Feed.TRADES): Layout(("ms", "price", "size", "exchange", "conditions", "suspicious"), 6),
    ("equity", Feed.QUOTES): Layout(
        ("ms", "bid", "bid_size", "ask", "ask_size", "quoting_exchange", "quote_conditions", "suspicious"), 5
    ),
    ("forex", Feed.QUOTES): Layout(("ms", "bid", "ask"), 3),
    ("crypto", Feed.TRADES): Layout(("ms", "price", "size", "suspicious"), 3),
    ("crypto", Feed.QUOTES): Layout(("ms", "bid", "bid_size", "ask", "ask_size", "suspicious"), 5),
}
KIND = {Feed.TRADES: "trade", Feed.QUOTES: "quote"}
PRICE_SCALE: dict[Security, int] = {"equity": 10_000, "forex": 1, "crypto": 1}
"""What a price in a file is divided by."""


class Settings(Declared):
    """`folder` holds one folder for each instrument, called as `symbols` says or else like the instrument in lower
    case. A file's name is a date, and its times the milliseconds since midnight, of `time_zone`."""

    folder: Path
    security: Security
    time_zone: Zone
    symbols: dict[Symbol, Folder] = Field(default={})


@dataclass(frozen=True, slots=True)
class Lean:
    """LEAN's tick files of one feed. A print the vendor calls suspicious carries `!` after its conditions."""

    settings: Settings
    feed: Feed
    folders: dict[str, Path]
    block_bytes: int = BLOCK_BYTES

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, feed: Feed) -> Self:
        """The source a venue declares. Raises ConfigError."""
        settings = settings_of(Settings, spec, venue, feed)
        if (settings.security, feed) not in LAYOUTS:
            raise ConfigError(f"venue {venue.name}: feeds.{feed}: LEAN has no {settings.security} {feed} ticks")
        names = {instrument.name: instrument.name.lower() for instrument in venue.instruments} | settings.symbols
        shared = Counter(names.values())
        unclear = [name for name, folder in names.items() if shared[folder] > 1 or not re.fullmatch(FOLDER, folder)]
        if unclear:
            listed = ", ".join(map(repr, unclear))
            raise ConfigError(
                f"venue {venue.name}: feeds.{feed}: symbols: name a folder of its own for each of {listed}"
            )
        return cls(settings, feed, {name: settings.folder / folder for name, folder in names.items()})

    def objects(self, day: date) -> list[SourceObject]:
        """The files of the local dates a UTC day touches, by instrument.

        Raises SourceError where an instrument has no folder or a file cannot be read.
        """
        for instrument, folder in self.folders.items():
            if not folder.is_dir():
                raise SourceError(f"{folder}: no such folder, but {instrument}'s files should lie there")
        return [
            describe(path)
            for instrument in self.folders
            for local_date in self._local_dates(day)
            if (path := self._path(instrument, local_date)).exists()
        ]

    def batches(self, source_object: SourceObject, day: date, *, cursor: str | None = None) -> Iterator[Batch]:
        """The file's rows of a UTC day. A cursor is the number of lines read.

        Raises SourceError where the file is not the zip its name says, is damaged, or has changed.
        """
        path = path_of(source_object)
        instrument, local_date = self._identity(path)
        first, last = self._utc_days(local_date)
        skip, line = line_number(cursor), 0
        for block in blocks(path, _is_member(path), block_bytes=self.block_bytes):
            lines = _lines(block)
            start, line = line, line + len(lines)
            if line <= skip:
                continue
            rows = self._rows(lines[max(skip - start, 0) :], max(skip, start), local_date)
            frame = rows.with_columns(instrument=pl.lit(instrument))
            yield Batch(frame.filter(home_day(first, last) == day), str(line))

    def complete(self, day: date) -> bool:
        """Whether every instrument has a file of the last local date the day touches, or a later one."""
        last = self._local_dates(day)[-1]
        dates = [last + timedelta(days=after) for after in range(LONGEST_PAUSE_DAYS + 1)]
        return all(any(self._path(instrument, date).exists() for date in dates) for instrument in self.folders)

    def _rows(self, lines: list[str], first_line: int, local_date: date) -> pl.DataFrame:
        """Lines as raw rows of the file's instrument; a line or a time that is not well-formed has a defect."""
        layout = LAYOUTS[self.settings.security, self.feed]
        split = pl.col("line").str.strip_chars_end("\r").str.split_exact(",", len(layout.fields))
        fields = (
            pl.DataFrame({"line": pl.Series(lines, dtype=pl.String)})
            .with_row_index("seq", offset=first_line)
            .filter(pl.col("line").str.strip_chars().str.len_bytes() > 0)
            .with_columns(split.struct.rename_fields([*layout.fields, "surplus"]).alias("fields"))
            .unnest("fields")
            .with_columns(ms=_ms(), delivery=pl.lit(0), given_ms="ms")
            .with_columns(ts_event=self._utc(local_date))
            .with_columns(defect=_defect(layout), **_conditions(layout))
        )
        scale = PRICE_SCALE[self.settings.security]
        prices = {name: scale for name in ("price", "bid", "ask") if scale != 1 and name in layout.fields}
        return divided(raw_rows(fields, self.feed), prices)

    def _utc(self, local_date: date) -> pl.Expr:
        """The instant `ms` after midnight by the clocks of the files' zone; null where they skip it."""
        zone = str(self.settings.time_zone)
        start = pl.lit(datetime.combine(local_date, time()), pl.Datetime("ns"))
        local = start + pl.duration(nanoseconds=(pl.col("ms") * 1_000_000).round().cast(pl.Int64))
        zoned = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        return zoned.dt.convert_time_zone("UTC")

    def _local_dates(self, day: date) -> list[date]:
        """The local dates a UTC day touches, in order."""
        return _dates(midnight(day), self.settings.time_zone)

    def _utc_days(self, local_date: date) -> tuple[date, date]:
        """The first and last UTC day a local date touches."""
        days = _dates(datetime.combine(local_date, time(), self.settings.time_zone), ZoneInfo("UTC"))
        return days[0], days[-1]

    def _path(self, instrument: str, local_date: date) -> Path:
        return self.folders[instrument] / f"{local_date:%Y%m%d}_{KIND[self.feed]}.zip"

    def _identity(self, path: Path) -> tuple[str, date]:
        """The instrument and local date of one of this source's files."""
        for instrument, folder in self.folders.items():
            if folder.absolute() == path.parent:
                return instrument, datetime.strptime(path.name[:8], "%Y%m%d").replace(tzinfo=UTC).date()
        raise SourceError(f"{path}: lies in no instrument's folder of this source")


def _is_member(path: Path) -> Callable[[str], bool]:
    """Whether a zip member is the one a file's path promises: LEAN writes `DATE_SYMBOL_Trade_Tick.csv` for equities
    and `DATE_SYMBOL_tick_quote.csv` for the rest."""
    day, kind = path.stem.split("_")
    symbol = path.parent.name
    promised = {f"{day}_{symbol}_{kind}_tick.csv", f"{day}_{symbol}_tick_{kind}.csv"}
    return lambda name: name.lower() in {name.lower() for name in promised}


def _dates(start: datetime, zone: ZoneInfo) -> list[date]:
    """The dates a zone's clocks show in the 24 hours from an instant."""
    first, last = (moment.astimezone(zone).date() for moment in (start, start + timedelta(days=1, microseconds=-1)))
    return [first] if first == last else [first, last]


def _lines(block: bytes) -> list[str]:
    return block.removesuffix(b"\n").decode("utf-8", "replace").split("\n")


def _ms() -> pl.Expr:
    ms = pl.col("ms").cast(pl.Float64, strict=False)
    return pl.when(ms.is_finite() & (ms >= 0) & (ms < MS_PER_DAY)).then(ms)


def _defect(layout: Layout) -> pl.Expr:
    """Why a line is not one of the layout, or null."""
    incomplete = pl.col("surplus").is_not_null() | pl.col(layout.fields[layout.required - 1]).is_null()
    found = [
        _because(incomplete, f"not {len(layout.fields)} fields", "line"),
        _because(pl.col("ts_event").is_null(), "no millisecond of the file's day", "given_ms"),
    ]
    if "suspicious" in layout.fields:
        found.append(_because(~pl.col("suspicious").is_in(["0", "1"]), "neither suspicious nor not", "suspicious"))
    return pl.coalesce(found)


def _because(condition: pl.Expr, reason: str, text: str) -> pl.Expr:
    return pl.when(condition).then(pl.format("{}: '{}'", pl.lit(reason), quoted(text)))


def _conditions(layout: Layout) -> dict[str, pl.Expr]:
    """The sale conditions as delivered, marked where the vendor calls the print suspicious."""
    if "suspicious" not in layout.fields:
        return {}
    given = pl.col("conditions") if "conditions" in layout.fields else pl.lit(None, pl.String)
    marked = pl.when(pl.col("suspicious") == "1").then(given.fill_null("") + SUSPICIOUS).otherwise(given)
    return {"conditions": marked}
