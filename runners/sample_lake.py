"""A lake of a few thousand rows that touches every branch of the marts: what a review of SQL changes runs over.

Two venues over three days: `alpha` trades round the clock, `beta` has one short session a day, closes early on
the second day and, on the third, delivers nothing although it is open. A set of lanes, `desk`, trades on paper.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from runners.sample_lanes import lane_days
from tickline.lake.keys import PartitionKey
from tickline.lake.schema import NS
from tickline.lake.schemas import BARS, CLEAN, GAPS, INSTRUMENTS, QUARANTINE, RAW, SESSIONS, Feed

FIRST = date(2026, 3, 6)
DAYS = tuple(FIRST + timedelta(days=number) for number in range(3))
SILENT = ("beta", DAYS[2])
_INSTRUMENTS = {"alpha": ("ONE", "TWO", "THREE"), "beta": ("X", "Y")}
_MINUTES = {("alpha", day): 1440 for day in DAYS} | {("beta", day): 390 for day in DAYS} | {("beta", DAYS[1]): 210}
_ROWS = 300


def partitions() -> dict[PartitionKey, pl.DataFrame]:
    """Every partition of the sample lake, in the schemas of the lake; the same rows on every call."""
    found = {}
    for venue in _INSTRUMENTS:
        found[PartitionKey.whole("instruments", venue)] = _instruments(venue)
        found[PartitionKey.whole("sessions", venue)] = _sessions(venue)
        for day in DAYS:
            if (venue, day) != SILENT:
                found |= _day(venue, day)
    return found | lane_days(DAYS, name="desk")


def write(folder: Path) -> list[tuple[PartitionKey, str]]:
    """Write the sample lake as Parquet files into a folder; returns each partition and its file."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (key, frame) in enumerate(partitions().items()):
        path = folder / f"{number:04}.parquet"
        frame.write_parquet(path)
        written.append((key, str(path)))
    return written


def _day(venue: str, day: date) -> dict[PartitionKey, pl.DataFrame]:
    found: dict[PartitionKey, pl.DataFrame] = {}
    for feed in Feed:
        raw = _raw(venue, day, feed)
        refused = pl.col("rule").is_not_null()
        judged = raw.with_row_index("raw_row").with_columns(_rule(feed).alias("rule"))
        found |= {
            PartitionKey.daily(f"raw_{feed}", venue, day): raw,
            PartitionKey.daily(f"clean_{feed}", venue, day): _fit(judged.filter(~refused), CLEAN[feed].columns),
            PartitionKey.daily(f"quarantine_{feed}", venue, day): _fit(
                judged.filter(refused).with_columns(reason=pl.lit("sampled")), QUARANTINE[feed].columns
            ),
        }
    found[PartitionKey.daily("gaps_quotes", venue, day)] = _gaps(venue, day)
    found[PartitionKey.daily("bars_1m", venue, day)] = _bars(venue, day)
    return found


def _raw(venue: str, day: date, feed: Feed) -> pl.DataFrame:
    names = _INSTRUMENTS[venue]
    row = pl.int_range(_ROWS)
    event = pl.lit(_open(venue, day)).cast(NS) + pl.duration(seconds=row * _MINUTES[venue, day] * 60 // _ROWS)
    bid = 100 + (row * 7 % 13) / 100
    frame = pl.select(
        # one row in 97 does not say what it is about, one in 89 not when it was received
        instrument=pl.when(row % 97 != 96).then((row % len(names)).replace_strict(dict(enumerate(names)))),
        ts_event=event,
        ts_recv=pl.when(row % 89 != 88).then(event + pl.duration(microseconds=500 + row * row % 9973)),
        bid=bid,
        ask=bid + 0.01 + (row % 5) / 100,
        price=bid,
        size=(1 + row % 9).cast(pl.Float64),
        seq=row,
        delivery=row // 50,
    )
    return _fit(frame, RAW[feed].columns)


def _rule(feed: Feed) -> pl.Expr:
    row = pl.col("raw_row").cast(pl.Int64)
    wrong = {Feed.TRADES: "price_off_grid", Feed.QUOTES: "crossed", Feed.BOOK: "book_gap"}[feed]
    return (
        pl.when(pl.col("instrument").is_null())
        .then(pl.lit("malformed"))
        .when(row % 31 == 30)
        .then(pl.lit("duplicate"))
        .when(row % 41 == 40)
        .then(pl.lit(wrong))
    )


def _bars(venue: str, day: date) -> pl.DataFrame:
    names = _INSTRUMENTS[venue]
    minute = pl.int_range(_MINUTES[venue, day])
    step = timedelta(minutes=1)
    frame = pl.select(minute=minute, ts_open=pl.lit(_open(venue, day)).cast(NS) + pl.duration(minutes=minute)).join(
        pl.DataFrame({"instrument": names, "number": range(len(names))}), how="cross"
    )
    # the n-th instrument misses every (n + 2)-th minute
    bars = frame.filter(pl.col("minute") % (pl.col("number") + 2) != 0).with_columns(
        session_date=pl.lit(day),
        segment=pl.lit("regular"),
        ts_close=pl.col("ts_open") + step,
        volume=(pl.col("minute") % 17 + 0.1),
        turnover=(pl.col("minute") % 17 + 0.1) * 100,
        trades=pl.col("minute") % 5 + 1,
        quotes=pl.col("minute") % 7,
    )
    return _fit(bars, BARS.columns)


def _gaps(venue: str, day: date) -> pl.DataFrame:
    start = pl.lit(_open(venue, day)).cast(NS)
    frame = pl.DataFrame(
        {"instrument": _INSTRUMENTS[venue][0], "kind": ["silence", "sequence", "silence"]}
    ).with_columns(
        ts_from=start + pl.duration(minutes=pl.int_range(3) * 20),
        ts_to=start + pl.duration(minutes=pl.int_range(3) * 20 + 5, seconds=30),
        missing=pl.when(pl.col("kind") == "sequence").then(12),
    )
    return _fit(frame, GAPS.columns)


def _sessions(venue: str) -> pl.DataFrame:
    opens = [_open(venue, day) for day in DAYS]
    minutes = [_MINUTES[venue, day] for day in DAYS]
    frame = pl.DataFrame(
        {
            "venue": venue,
            "calendar": f"{venue}_hours",
            "session_date": DAYS,
            "segment": "regular",
            "open": opens,
            "close": [start + timedelta(minutes=length) for start, length in zip(opens, minutes, strict=True)],
            "is_early_close": [length == 210 for length in minutes],
        }
    )
    return _fit(frame, SESSIONS.columns)


def _instruments(venue: str) -> pl.DataFrame:
    frame = pl.DataFrame({"venue": venue, "instrument": _INSTRUMENTS[venue], "calendar": f"{venue}_hours"})
    return _fit(frame, INSTRUMENTS.columns)


def _open(venue: str, day: date) -> datetime:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (cast to UTC nanoseconds where it is used)
    return midnight if venue == "alpha" else midnight + timedelta(hours=14, minutes=30)


def _fit(frame: pl.DataFrame, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """The frame's columns in a schema's order and types; those it lacks are null."""
    return frame.select(
        (pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name))
        for name, dtype in columns.items()
    )


def of_days(objects: Iterable[tuple[PartitionKey, str]], first: date, last: date) -> list[tuple[PartitionKey, str]]:
    """The objects that a build of some days is shown: theirs, and those that are not split by day."""
    return [(key, uri) for key, uri in objects if not key.is_daily or first <= key.date <= last]
