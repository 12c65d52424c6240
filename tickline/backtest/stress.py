"""What markets do at their worst, done to recorded bars: each scenario a declaration that turns bars into other bars.

Bars keep what makes them bars: prices stay on the instrument's grid, between low and high, and bids below asks.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import numpy as np
import polars as pl
from pydantic import Field

from tickline.bars.grid import require_listed, scales
from tickline.errors import ConfigError
from tickline.lake.schemas import BARS
from tickline.reference.models import Declared

PHASES = ("open", "high", "low", "close")
SIDES = ("", "bid_", "ask_")

FURTHEST = math.log(1000)
"""How far a swing may take a price, on the log scale: amounts stay within what a bar can hold."""

Bars: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**64)]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a scenario happens: bars whose ts_open (UTC ns) lies between the two, both included, of all instruments."""

    first_ns: int
    last_ns: int

    def holds(self) -> pl.Expr:
        """Whether a bar lies in the span."""
        return pl.col("ts_open").to_physical().is_between(self.first_ns, self.last_ns)


class Scenario(Declared):
    """Something that happens to all instruments of a frame of bars, at a time drawn from the seed."""

    seed: Seed = 0

    @abstractmethod
    def span(self, bars: pl.DataFrame) -> Span:
        """Where in these bars it happens. Raises ConfigError where they are too few."""

    @abstractmethod
    def apply(self, bars: pl.DataFrame, *, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
        """These bars (BARS of one timeframe), as if it had happened. Rows outside the span are the same.

        `tick_sizes` gives the grid of each instrument. Raises ConfigError where bars are too few or one is missing.
        """

    def spread_factors(self, bars: pl.DataFrame) -> pl.Series:
        """What the cost model multiplies its assumed spread by at each bar (Float64), where quotes do not tell."""
        return pl.Series("spread_factor", [1.0]).new_from_index(0, bars.height)


class FlashCrash(Scenario):
    """Prices fall by `depth` over `fall` bars, evenly on the log scale, and come back over as many."""

    depth: Annotated[float, Field(gt=0, le=0.99)] = 0.1
    fall: Bars = 5

    def span(self, bars: pl.DataFrame) -> Span:
        """The bars of the fall and of the recovery."""
        return _drawn(bars, 2 * self.fall, self.seed)

    def apply(self, bars: pl.DataFrame, *, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
        """As `Scenario.apply`."""
        span = self.span(bars)
        begins, ends = self._level(pl.col("step")), self._level(pl.col("step") + 1)
        levels = {
            "open": begins,
            "high": pl.max_horizontal(begins, ends),
            "low": pl.min_horizontal(begins, ends),
            "close": ends,
            "vwap": (begins + ends) / 2,
        }
        moved = _times(lambda _, phase: levels[phase])
        return reprice(_stepped(bars, span), moved, where=span.holds(), tick_sizes=tick_sizes)

    def _level(self, step: pl.Expr) -> pl.Expr:
        """What is left of a price after so many bars of the span."""
        depth = 1 - (step / self.fall - 1).abs()
        return (depth * float(np.log1p(-self.depth))).exp()


class OpeningGap(Scenario):
    """A session opens `size` away from where it would have, and prices stay there."""

    size: Annotated[float, Field(ge=-0.99, le=10, allow_inf_nan=False)] = -0.1

    def span(self, bars: pl.DataFrame) -> Span:
        """From the first bar of a session other than the first to the last bar."""
        dates = bars["session_date"].unique().sort()
        if dates.len() < 2:
            raise ConfigError(f"bars of {dates.len()} sessions have no opening to gap at: give two sessions or more")
        chosen = dates[int(np.random.default_rng(self.seed).integers(1, dates.len()))]
        ts, is_chosen = pl.col("ts_open").to_physical(), pl.col("session_date") == chosen
        return Span(*bars.select(first=ts.filter(is_chosen).min(), last=ts.max()).row(0))

    def apply(self, bars: pl.DataFrame, *, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
        """As `Scenario.apply`."""
        moved = _times(lambda _price, _phase: pl.lit(1 + self.size))
        return reprice(bars, moved, where=self.span(bars).holds(), tick_sizes=tick_sizes)


class VolatilityBurst(Scenario):
    """Prices swing `factor` times as far, on the log scale, around the line from the span's first open to last close.

    Every log return in the span differs from its mean by `factor` times as much, and both ends stay where they were.
    Quotes move with their middle, so spreads keep their share of the price. No price moves more than a thousandfold.
    """

    factor: Annotated[float, Field(gt=1, le=20)] = 5.0
    length: Annotated[int, Field(ge=2, le=1_000_000)] = 60

    def span(self, bars: pl.DataFrame) -> Span:
        """`length` bars."""
        return _drawn(bars, self.length, self.seed)

    def apply(self, bars: pl.DataFrame, *, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
        """As `Scenario.apply`."""
        span = self.span(bars)
        stepped = _stepped(bars, span)
        in_order = stepped.filter(span.holds()).sort("ts_open")
        lines = in_order.group_by("instrument", maintain_order=True).agg(
            from_price=pl.col("open").drop_nulls().first().log(),
            to_price=pl.col("close").drop_nulls().last().log(),
            from_step=pl.col("step").min(),
            to_step=pl.col("step").max() + 1,
        )
        lined = stepped.join(lines, on="instrument", how="left", maintain_order="left")
        return reprice(lined, _times(self._swing), where=span.holds(), tick_sizes=tick_sizes)

    def _swing(self, price: pl.Expr, phase: str) -> pl.Expr:
        within = {"open": 0.0, "close": 1.0}.get(phase, 0.5)
        share = (pl.col("step") + within - pl.col("from_step")) / (pl.col("to_step") - pl.col("from_step"))
        line = pl.col("from_price") + share * (pl.col("to_price") - pl.col("from_price"))
        swing = ((price.log() - line) * (self.factor - 1)).clip(-FURTHEST, FURTHEST)
        return swing.exp().fill_null(1.0)  # quotes of an instrument nobody traded have no line to swing around


class VenueOutage(Scenario):
    """The venue is away: bars of `length` times in a row are missing."""

    length: Bars = 30

    def span(self, bars: pl.DataFrame) -> Span:
        """The times whose bars go missing."""
        return _drawn(bars, self.length, self.seed)

    def apply(self, bars: pl.DataFrame, *, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
        """As `Scenario.apply`; the rows of the span are not there."""
        require_listed(bars["instrument"].unique(), tick_sizes.keys())
        return bars.filter(~self.span(bars).holds())


class StaleFeed(Scenario):
    """The feed repeats itself: for `length` times in a row each instrument's bar is the last one before.

    All but the bar's own place in time repeats, so ts_first and ts_last tell, as they would of a feed that is stuck.
    """

    length: Bars = 30

    def span(self, bars: pl.DataFrame) -> Span:
        """The times whose bars repeat what was before them."""
        return _drawn(bars, self.length, self.seed, before=1)

    def apply(self, bars: pl.DataFrame, *, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
        """As `Scenario.apply`. An instrument without a bar before the span keeps its bars."""
        require_listed(bars["instrument"].unique(), tick_sizes.keys())
        span = self.span(bars)
        place = ("instrument", "session_date", "segment", "ts_open", "ts_close", "is_final")
        repeated = [name for name in BARS.columns if name not in place]
        before = bars.filter(pl.col("ts_open").to_physical() < span.first_ns).sort("ts_open")
        last = before.group_by("instrument", maintain_order=True).last().with_columns(has_last=pl.lit(value=True))
        beside = bars.join(
            last.select("instrument", "has_last", *repeated),
            on="instrument",
            how="left",
            maintain_order="left",
            suffix="_last",
        )
        repeats = span.holds() & pl.col("has_last").is_not_null()
        return beside.with_columns(
            pl.when(repeats).then(pl.col(f"{name}_last")).otherwise(pl.col(name)).alias(name) for name in repeated
        ).select(*BARS.columns)


class SpreadBlowout(Scenario):
    """Bids and asks stand `factor` times as far apart, around the same middle; prints stay where they were.

    Where a bar has no quotes, `spread_factors` says what the cost model makes of its own spread.
    """

    factor: Annotated[float, Field(gt=1, le=1000)] = 10.0
    length: Bars = 30

    def span(self, bars: pl.DataFrame) -> Span:
        """The times whose spreads are wide."""
        return _drawn(bars, self.length, self.seed)

    def apply(self, bars: pl.DataFrame, *, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
        """As `Scenario.apply`."""
        moved: dict[str, pl.Expr] = {}
        for phase in PHASES:
            half = (pl.col(f"ask_{phase}") - pl.col(f"bid_{phase}")) / 2 * self.factor
            moved |= {f"bid_{phase}": _middle(phase) - half, f"ask_{phase}": _middle(phase) + half}
        return reprice(bars, moved, where=self.span(bars).holds(), tick_sizes=tick_sizes)

    def spread_factors(self, bars: pl.DataFrame) -> pl.Series:
        """`factor` at the span's bars that have no quotes, else 1."""
        unquoted = self.span(bars).holds() & (pl.col("quotes").fill_null(0) == 0)
        return bars.select(spread_factor=pl.when(unquoted).then(self.factor).otherwise(1.0))["spread_factor"]


SCENARIOS: dict[str, type[Scenario]] = {
    "flash_crash": FlashCrash,
    "opening_gap": OpeningGap,
    "volatility_burst": VolatilityBurst,
    "venue_outage": VenueOutage,
    "stale_feed": StaleFeed,
    "spread_blowout": SpreadBlowout,
}
"""Every scenario by the name configuration gives it."""


def reprice(
    bars: pl.DataFrame, moved: Mapping[str, pl.Expr], *, where: pl.Expr, tick_sizes: Mapping[str, float]
) -> pl.DataFrame:
    """Bars (BARS, and columns `moved` and `where` may use) whose prices were moved where said, as bars again.

    Prices come to the grid: prints to the nearest tick, bids to the one below and asks to the one above, so that what
    was apart stays apart; none is below one tick, no ask below two. Low and high take in open and close, vwap lies
    between them, and turnover is vwap times volume. Other rows stay as they are. Raises ConfigError where an instrument
    has no tick size.
    """
    require_listed(bars["instrument"].unique(), tick_sizes.keys())
    gridded = bars.with_columns(where.alias("is_moved")).join(
        _grid(tick_sizes), on="instrument", how="left", maintain_order="left"
    )
    placed = gridded.with_columns(
        _where_moved(expr if name == "vwap" else _on_grid(expr, name), name) for name, expr in moved.items()
    )
    sides = [side for side in SIDES if f"{side}open" in moved]
    enclosed = placed.with_columns(_enclosing(side, at) for side in sides for at in ("high", "low"))
    return (enclosed.pipe(_retold) if "" in sides else enclosed).select(*BARS.columns)


def _retold(bars: pl.DataFrame) -> pl.DataFrame:
    """Bars whose vwap and turnover fit their moved prices."""
    within = bars.with_columns(_where_moved(pl.col("vwap").clip(pl.col("low"), pl.col("high")), "vwap"))
    turnover = (pl.col("vwap") * pl.col("volume")).cast(BARS.columns["turnover"])
    return within.with_columns(_where_moved(turnover.fill_null(pl.col("turnover")), "turnover"))


def _grid(tick_sizes: Mapping[str, float]) -> pl.DataFrame:
    """For each instrument the power of ten that makes its prices whole, and how many such units a tick is."""
    names = {"instrument": list(tick_sizes), "tick_size": list(tick_sizes.values())}
    listed = pl.DataFrame(names, schema={"instrument": pl.String, "tick_size": pl.Float64})
    scaled = scales(listed.with_columns(calendar=pl.lit(""), lot_size=pl.lit(1.0))).join(listed, on="instrument")
    return scaled.select("instrument", "price_scale", tick_units=(pl.col("tick_size") * pl.col("price_scale")).round())


def _on_grid(price: pl.Expr, name: str) -> pl.Expr:
    ticks = price * pl.col("price_scale") / pl.col("tick_units")
    # A price on the grid is within rounding of a whole number of ticks, and must not fall to the next.
    whole = {"bid": (ticks + 1e-6).floor(), "ask": (ticks - 1e-6).ceil()}.get(name[:3], ticks.round())
    return whole.clip(lower_bound=2 if name.startswith("ask") else 1) * pl.col("tick_units") / pl.col("price_scale")


def _where_moved(expr: pl.Expr, name: str) -> pl.Expr:
    return pl.when("is_moved").then(expr).otherwise(name).alias(name)


def _enclosing(side: str, at: str) -> pl.Expr:
    """The highest or lowest of a side's prices, where it has one."""
    names = [f"{side}{phase}" for phase in PHASES]
    extreme = pl.max_horizontal(names) if at == "high" else pl.min_horizontal(names)
    return _where_moved(pl.when(pl.col(f"{side}{at}").is_not_null()).then(extreme), f"{side}{at}")


def _times(factor: Callable[[pl.Expr, str], pl.Expr]) -> dict[str, pl.Expr]:
    """Every price times its factor, given the price and its phase; quotes take the factor of their middle."""
    moved = {name: pl.col(name) * factor(pl.col(name), name) for name in (*PHASES, "vwap")}
    for phase in PHASES:
        by = factor(_middle(phase), phase)
        moved |= {f"{side}{phase}": pl.col(f"{side}{phase}") * by for side in SIDES[1:]}
    return moved


def _middle(phase: str) -> pl.Expr:
    return (pl.col(f"bid_{phase}") + pl.col(f"ask_{phase}")) / 2


def _stepped(bars: pl.DataFrame, span: Span) -> pl.DataFrame:
    """Bars with `step`: how many of the span's times come before a bar's own."""
    nth = pl.col("ts_open").rank("dense").cast(pl.Int64)
    return bars.with_columns(step=nth - nth.filter(span.holds()).min())


def _drawn(bars: pl.DataFrame, length: int, seed: int, *, before: int = 0) -> Span:
    """A span of so many times in a row, anywhere after the first `before`."""
    times = bars["ts_open"].to_physical().unique().sort()
    if times.len() < length + before:
        raise ConfigError(f"a scenario of {length + before} bars over {times.len()}: shorten it or give more bars")
    first = int(np.random.default_rng(seed).integers(before, times.len() - length + 1))
    return Span(times[first], times[first + length - 1])
