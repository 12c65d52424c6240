"""Bars add up: the bar of two sets of ticks follows from the bars of each, in any order and grouping.

In between, bars are *parts*: volume is a whole number of the last place of the instrument's lot (`grid`), so sums stay
exact, and what follows from other columns (vwap, is_final) is absent. Two ways of adding suffice: `fold` puts
consecutive windows together, `unite` two sets of ticks of the same windows (and `gather` any number of them).
"""

import polars as pl

from tickline.bars.grid import divide, require_exact, scales, units
from tickline.errors import ConfigError
from tickline.lake.schemas import BARS, NS

_DERIVED = ("volume", "vwap", "is_final")
PARTS = {name: dtype for name, dtype in BARS.columns.items() if name not in _DERIVED} | {
    "volume_units": pl.Int64(),
    "size_scale": pl.Float64(),
}
"""Columns of parts: those of BARS, with volume as whole units and the scale that makes it a volume again."""

COUNTS = ("volume_units", "turnover", "trades", "quotes")
"""Columns that add up; zero where there was nothing to count."""

_IDENTITY = BARS.sort
_OF_WINDOW = ("session_date", "segment", "ts_close", "size_scale")

# Each group of columns names one tick: its place in time, then its prices, which also break ties.
_EARLIEST = (("ts_first", "seq_first", "open"), ("quote_ts_first", "quote_seq_first", "bid_open", "ask_open"))
_LATEST = (("ts_last", "seq_last", "close"), ("quote_ts_last", "quote_seq_last", "bid_close", "ask_close"))
_HIGHEST = ("high", "bid_high", "ask_high")
_LOWEST = ("low", "bid_low", "ask_low")

_OTHER, _WINS = "_other", "_wins"


def parts_of(bars: pl.DataFrame, instruments: pl.DataFrame) -> pl.DataFrame:
    """The parts behind finished bars. Raises ConfigError for bars of an instrument that is not listed."""
    parts = (
        bars.lazy()
        .join(scales(instruments).lazy(), on="instrument", how="left", maintain_order="left")
        .with_columns(units(pl.col("volume"), pl.col("size_scale")).alias("volume_units"))
        .select(*PARTS)
        .collect()
    )
    if parts["size_scale"].null_count():
        unknown = parts.filter(pl.col("size_scale").is_null())["instrument"].unique().sort()
        raise ConfigError(f"bars of {', '.join(unknown)}, not among the venue's instruments; declare them")
    return parts


def bars_of(parts: pl.DataFrame, *, watermark: int) -> pl.DataFrame:
    """Finished bars, in the BARS schema and order.

    A bar is final when its window closed by the watermark: the UTC ns up to which its ticks are known to be complete.
    Raises ConfigError where a volume is too large to be exact.
    """
    require_exact(parts)
    volume = divide(parts["volume_units"], parts["size_scale"])
    vwap = divide(parts["turnover"].cast(pl.Float64), volume)
    is_final = pl.col("ts_close") <= pl.lit(watermark).cast(NS)
    finished = parts.lazy().with_columns(volume.alias("volume"), vwap.alias("vwap"), is_final.alias("is_final"))
    return finished.select(*BARS.columns).sort(BARS.sort).collect()


def fold(parts: pl.DataFrame) -> pl.DataFrame:
    """One part for each window out of the parts within it, which stand in order of time and do not overlap."""
    consecutive = parts.lazy().group_by(_IDENTITY, maintain_order=True)
    return (
        consecutive.agg(
            pl.col(_OF_WINDOW).first(),
            *(pl.col(name).first(ignore_nulls=True) for tick in _EARLIEST for name in tick),
            *(pl.col(name).last(ignore_nulls=True) for tick in _LATEST for name in tick),
            pl.col(_HIGHEST).max(),
            pl.col(_LOWEST).min(),
            pl.col(COUNTS).sum(),
        )
        .select(*PARTS)
        .collect()
    )


def gather(parts: pl.DataFrame) -> pl.DataFrame:
    """One part for each window out of any parts of it, in any order; each tick stands behind one of them alone."""
    first = parts.select(pl.struct(_IDENTITY).is_first_distinct()).to_series()
    if first.all():
        return parts
    return unite(parts.filter(first), gather(parts.filter(~first)))


def unite(parts: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """One part for each window out of two sets that have at most one each, the ticks behind them disjoint.

    Where two ticks share time and seq, open is the lower and close the higher of their prices.
    """
    pairs = (
        parts.lazy()
        .join(others.lazy(), on=_IDENTITY, how="full", coalesce=True, suffix=_OTHER)
        .with_columns(_replaces(_other(tick), tick, _precedes(_other(tick), tick)) for tick in _EARLIEST)
        .with_columns(_replaces(_other(tick), tick, _precedes(tick, _other(tick))) for tick in _LATEST)
    )
    united = pairs.select(
        *_IDENTITY,
        *(pl.coalesce(name, name + _OTHER) for name in _OF_WINDOW),
        *(_either(name, tick) for tick in _EARLIEST + _LATEST for name in tick),
        *(pl.max_horizontal(name, name + _OTHER) for name in _HIGHEST),
        *(pl.min_horizontal(name, name + _OTHER) for name in _LOWEST),
        *(pl.col(name).fill_null(0) + pl.col(name + _OTHER).fill_null(0) for name in COUNTS),
    )
    return united.select(*PARTS).collect()


def _other(tick: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name + _OTHER for name in tick)


def _precedes(tick: tuple[str, ...], another: tuple[str, ...]) -> pl.Expr:
    """Whether one tick comes before another: by time, then seq, then prices."""
    before = pl.lit(False)
    for mine, theirs in zip(reversed(tick), reversed(another), strict=True):
        before = (pl.col(mine) < pl.col(theirs)) | ((pl.col(mine) == pl.col(theirs)) & before)
    return before


def _replaces(other: tuple[str, ...], tick: tuple[str, ...], wins: pl.Expr) -> pl.Expr:
    """Whether a tick's counterpart takes its place: it wins, or the tick does not exist."""
    return (wins | pl.col(tick[0]).is_null()).alias(other[0] + _WINS)


def _either(name: str, tick: tuple[str, ...]) -> pl.Expr:
    """A column of a tick or of its counterpart."""
    other_wins = pl.col(tick[0] + _OTHER + _WINS)
    return pl.when(other_wins).then(pl.col(name + _OTHER)).otherwise(pl.col(name)).alias(name)
