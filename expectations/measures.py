"""What is counted of each dataset: predicates of one bad row, the key that must not repeat, who is expected.

One function a stage, in the order of the stages. Besides the dataset's own columns a predicate may use those of the
stage's lookups, and `partition_day`: the date the row's partition is named by, null where it is named by none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from expectations.context import JUDGED, Context
from expectations.predicates import (
    crossed,
    missing,
    negative,
    not_among,
    not_finite,
    not_positive,
    off_grid,
    out_of_order,
    outside,
    outside_sessions,
)
from tickline.reference.sessions import windows

SEGMENTS = ("pre", "regular", "post")

# A vwap is a quotient of sums: its last digits may pass the price it stands at.
_VWAP_SLACK = 1e-9

_SUBJECTS = {"period": pl.String(), "subject": pl.String(), "floor": pl.Int64(), "windows": pl.Int64()}

Predicates = dict[str, pl.Expr]


@dataclass(frozen=True, slots=True)
class Expected:
    """Who should be there. `subjects`: period, subject, floor (least rows), windows (bars there is room for).

    `floors` are the least rows of each period's partition as a whole.
    """

    subjects: pl.DataFrame
    floors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Measures:
    """How the rows of a dataset's partitions are measured.

    `subject` is the column a profile has a row per value of. `bad` are predicates of one row, `disordered` of a row
    and its predecessor; the rows they are true for are counted. `key` must not repeat within a subject, nor `row_id`
    within a partition. `essential` columns must hold a value somewhere. `covers` says which rows fill a bar window.
    `lookups` are small tables joined to every row by some columns before `bad` is judged.
    """

    subject: str
    bad: Predicates
    disordered: Predicates
    expected: Expected
    key: str | None = None
    row_id: str | None = None
    essential: tuple[str, ...] = ()
    covers: pl.Expr | None = None
    lookups: tuple[tuple[pl.DataFrame, tuple[str, ...]], ...] = ()


def measures(dataset: str, periods: Sequence[str], context: Context) -> Measures:
    """How a dataset's partitions of some periods are measured. Raises KeyError where the dataset has no suite."""
    return _STAGES[dataset.partition("_")[0]](dataset, periods, context)


_ESSENTIAL = {
    "raw_trades": ("instrument", "ts_event", "price", "size"),
    "raw_quotes": ("instrument", "ts_event", "bid", "ask"),
    "raw_book": ("instrument", "ts_event", "kind", "side", "price", "size"),
    "raw_markets": ("instrument", "ts_recv", "market_id", "title"),
}


def _raw(dataset: str, periods: Sequence[str], context: Context) -> Measures:
    # Bad rows are the firewall's to refuse; here they are counted for the record.
    bad = {"nulls": missing(*_ESSENTIAL[dataset]), "unknown_instruments": missing("calendar")}
    if dataset != "raw_markets":
        bad["defects"] = ~missing("defect")
    return Measures(
        "instrument",
        bad,
        _order(dataset),
        _instruments_expected(_by_utc_day(context.sessions), periods, context),
        essential=_ESSENTIAL[dataset],
        lookups=(_listed(context, "calendar"),),
    )


def _clean(dataset: str, periods: Sequence[str], context: Context) -> Measures:
    bad = {
        "unknown_instruments": missing("calendar"),
        "outside_day": pl.col("ts_event").dt.date() != pl.col("partition_day"),
    }
    bad |= _CLEAN[dataset](context)
    return Measures(
        "instrument",
        bad,
        _order(dataset),
        _instruments_expected(_by_utc_day(context.sessions), periods, context),
        key="trade_id" if dataset == "clean_trades" else None,
        row_id="raw_row",
        lookups=(_listed(context, "calendar", "tick_size", "lot_size"),),
    )


def _clean_trades(context: Context) -> Predicates:
    return {
        "nulls": missing("instrument", "ts_event", "price", "size", "seq", "sets", "raw_row"),
        "not_finite": not_finite("price", "size"),
        "not_positive": not_positive("price", "size"),
        "off_grid": off_grid("tick_size", "price") | off_grid("lot_size", "size"),
        "unknown_sides": not_among("side", ("buy", "sell")),
        "outside_session": outside_sessions(context.sessions),
    }


def _clean_quotes(context: Context) -> Predicates:
    # Many venues quote no sizes: a missing size is not a finding.
    return {
        "nulls": missing("instrument", "ts_event", "bid", "ask", "seq", "raw_row"),
        "not_finite": not_finite("bid", "ask", "bid_size", "ask_size"),
        "not_positive": not_positive("bid", "ask", "bid_size", "ask_size"),
        "off_grid": off_grid("tick_size", "bid", "ask"),
        "crossed": crossed("bid", "ask", context.max_cross_bps),
        "outside_session": outside_sessions(context.sessions),
    }


def _clean_book(_context: Context) -> Predicates:
    # A level of size zero is a level removed. A book lives on while its market is closed.
    return {
        "nulls": missing("instrument", "ts_event", "kind", "side", "price", "size", "seq", "epoch", "raw_row"),
        "not_finite": not_finite("price", "size"),
        "not_positive": not_positive("price") | negative("size"),
        "off_grid": off_grid("tick_size", "price"),
        "unknown_sides": not_among("side", ("bid", "ask")) | not_among("kind", ("snapshot", "delta")),
    }


_CLEAN: dict[str, Callable[[Context], Predicates]] = {
    "clean_trades": _clean_trades,
    "clean_quotes": _clean_quotes,
    "clean_book": _clean_book,
}


def _quarantine(dataset: str, periods: Sequence[str], _context: Context) -> Measures:
    bad = {"nulls": missing("rule", "reason", "raw_row")}
    return Measures("instrument", bad, _order(dataset), _nobody(periods, floor=0), row_id="raw_row")


_OHLC = {side: tuple(f"{side}{at}" for at in ("open", "high", "low", "close")) for side in ("", "bid_", "ask_")}
_PRICES = tuple(price for ohlc in _OHLC.values() for price in ohlc)


def _bars(dataset: str, periods: Sequence[str], context: Context) -> Measures:
    room = windows(_sessions_of(dataset, periods, context), dataset.removeprefix("bars_"))
    in_window = pl.col("in_window").fill_null(value=False) & (pl.col("session_date") == pl.col("partition_day"))
    return Measures(
        "instrument",
        {"misaligned": ~in_window} | _bad_bars(context),
        _order(dataset),
        _instruments_expected(room.with_columns(period=_iso("session_date")), periods, context),
        key="ts_open",
        covers=in_window & (pl.col("segment") == "regular"),
        lookups=(
            _listed(context, "calendar", "tick_size"),
            (room.with_columns(in_window=pl.lit(value=True)), tuple(room.columns)),
        ),
    )


def _bad_bars(context: Context) -> Predicates:
    below = pl.col("vwap") * (1 + _VWAP_SLACK) < pl.col("low")
    above = pl.col("vwap") > pl.col("high") * (1 + _VWAP_SLACK)
    return {
        "nulls": missing("instrument", "session_date", "segment", "ts_open", "ts_close", "is_final"),
        "unknown_instruments": missing("calendar"),
        "not_finite": not_finite(*_PRICES, "volume", "vwap"),
        "not_positive": not_positive(*_PRICES),
        "negative": negative("volume", "turnover", "trades", "quotes"),
        "off_grid": off_grid("tick_size", *_PRICES),
        "high_below_low": pl.any_horizontal(pl.col(high) < pl.col(low) for _, high, low, _ in _OHLC.values()),
        "outside_range": pl.any_horizontal(
            outside(low, high, open_, close) for open_, high, low, close in _OHLC.values()
        ),
        "crossed": pl.any_horizontal(
            crossed(bid, ask, context.max_cross_bps) for bid, ask in zip(_OHLC["bid_"], _OHLC["ask_"], strict=True)
        ),
        "vwap_outside": pl.lit(value=False) if context.conditions else below | above,
        "misplaced_prints": _misplaced("ts_first", "ts_last") | _misplaced("quote_ts_first", "quote_ts_last"),
        "empty_bars": pl.sum_horizontal("trades", "quotes") == 0,
    }


def _misplaced(first: str, last: str) -> pl.Expr:
    late = (pl.col(last) >= pl.col("ts_close")) | (pl.col(first) > pl.col(last))
    return (pl.col(first) < pl.col("ts_open")) | late


def _sessions(dataset: str, periods: Sequence[str], context: Context) -> Measures:
    date, reach = pl.col("session_date").cast(pl.Datetime("ns", "UTC")), pl.duration(days=3)
    same_calendar = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in ("venue", "calendar"))
    bad = {
        "nulls": missing("venue", "calendar", "session_date", "segment", "open", "close", "is_early_close"),
        "unknown_segments": not_among("segment", SEGMENTS),
        "empty_sessions": pl.col("close") <= pl.col("open"),
        "far_from_date": (pl.col("open") < date - reach) | (pl.col("close") > date + reach),
    }
    disordered = _order(dataset) | {"overlaps": same_calendar & (pl.col("open") < pl.col("close").shift())}
    calendars = context.instruments["calendar"].unique().to_list()
    return Measures("calendar", bad, disordered, _everybody(calendars, periods), key="open")


def _instruments(dataset: str, periods: Sequence[str], _context: Context) -> Measures:
    bad = {
        "nulls": missing("venue", "instrument", "kind", "quote", "calendar", "tick_size", "lot_size"),
        "not_finite": not_finite("tick_size", "lot_size"),
        "not_positive": not_positive("tick_size", "lot_size"),
    }
    return Measures("instrument", bad, _order(dataset), _nobody(periods, floor=1), key="instrument")


_COUNTS = ("raw_rows", "clean_rows", "quarantined_rows", "duplicate_rows", "session_minutes", "bar_minutes", "gaps")
_RATIOS = ("clean_ratio", "coverage")
_PERCENTILES = ("worst_p50_ms", "worst_p95_ms", "worst_p99_ms")


def _kpi(dataset: str, periods: Sequence[str], context: Context) -> Measures:
    p50, p95, p99 = (pl.col(name) for name in _PERCENTILES)
    bad = {
        "nulls": missing("venue", "day", *_COUNTS),
        "not_finite": not_finite(*_RATIOS, *_PERCENTILES, "gap_minutes", "median_spread_bps"),
        "negative": negative(*_COUNTS, *_RATIOS, "gap_minutes", "median_spread_bps", "trades", "quotes"),
        "unreconciled_rows": pl.col("raw_rows")
        != pl.sum_horizontal("clean_rows", "quarantined_rows", "duplicate_rows"),
        "ratio_above_one": pl.any_horizontal(pl.col(ratio) > 1 for ratio in _RATIOS),
        "unordered_percentiles": (p50 > p95) | (p95 > p99),
        "outside_day": pl.col("day") != pl.col("partition_day"),
    }
    regular = _sessions_of(dataset, periods, context).filter(segment="regular")
    venues = regular.select(period=_iso("session_date"), subject="venue").unique()
    subjects = venues.with_columns(floor=pl.lit(1, pl.Int64), windows=pl.lit(0, pl.Int64))
    floors = dict(venues.group_by("period").len().iter_rows())
    return Measures(
        "venue",
        bad,
        _order(dataset),
        Expected(subjects, {period: floors.get(period, 0) for period in periods}),
        key="day",
    )


_STAGES: dict[str, Callable[[str, Sequence[str], Context], Measures]] = {
    "raw": _raw,
    "clean": _clean,
    "quarantine": _quarantine,
    "bars": _bars,
    "sessions": _sessions,
    "instruments": _instruments,
    "kpi": _kpi,
}


def _order(dataset: str) -> Predicates:
    return {"out_of_order": out_of_order(*JUDGED[dataset].sort)}


def _listed(context: Context, *columns: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """What the instruments' list says of a row's instrument; nulls where it is not listed."""
    return context.instruments.select("instrument", *columns).unique("instrument", keep="first"), ("instrument",)


def _iso(day: str) -> pl.Expr:
    return pl.col(day).cast(pl.String)


def _sessions_of(dataset: str, periods: Sequence[str], context: Context) -> pl.DataFrame:
    """The sessions of some session dates or weeks, each once: a session near New Year is in two years' tables."""
    session_date = pl.col("session_date")
    day = session_date.dt.truncate("1w") if dataset == "bars_1w" else session_date
    return context.sessions.filter(day.cast(pl.String).is_in(list(periods))).unique(maintain_order=True)


def _by_utc_day(sessions: pl.DataFrame) -> pl.DataFrame:
    """Sessions once for each UTC day they touch, which is their `period`."""
    last = (pl.col("close") - pl.duration(nanoseconds=1)).dt.date()
    days = sessions.with_columns(pl.date_ranges(pl.col("open").dt.date(), last).alias("day")).explode("day")
    return days.with_columns(period=_iso("day"))


def _instruments_expected(room: pl.DataFrame, periods: Sequence[str], context: Context) -> Expected:
    """Instruments whose calendar has a regular session or window in a period; a period without one may be empty.

    `room` has a row per session or window: period, calendar, segment.
    """
    regular = room.filter(pl.col("segment") == "regular", pl.col("period").is_in(list(periods)))
    slots = regular.group_by("period", "calendar").agg(windows=pl.len().cast(pl.Int64))
    subjects = context.instruments.join(slots, on="calendar").select(
        "period", subject="instrument", floor=pl.lit(context.min_rows_each, pl.Int64), windows="windows"
    )
    may_be_open = set(subjects["period"]) | _unscheduled(periods, context)
    return Expected(subjects, {period: context.min_rows if period in may_be_open else 0 for period in periods})


def _unscheduled(periods: Sequence[str], context: Context) -> set[str]:
    """Periods of whose year a calendar is not known: nobody can say that they were closed."""
    calendars = set(context.instruments["calendar"])
    known = set(context.sessions.select("calendar", pl.col("session_date").dt.year()).unique().iter_rows())
    years = {period: int(period[:4]) for period in periods}
    return {at for at in periods if not calendars or any((calendar, years[at]) not in known for calendar in calendars)}


def _everybody(names: Sequence[str], periods: Sequence[str]) -> Expected:
    """Every subject in every period, with a row at least."""
    rows = [(period, name, 1, 0) for period in periods for name in names]
    return Expected(pl.DataFrame(rows, schema=_SUBJECTS, orient="row"), dict.fromkeys(periods, 1))


def _nobody(periods: Sequence[str], *, floor: int) -> Expected:
    """No subject in particular."""
    return Expected(pl.DataFrame(schema=_SUBJECTS), dict.fromkeys(periods, floor))
