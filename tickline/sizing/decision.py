"""What a portfolio's weights are at a session's close: pure, out of the closes up to it."""

import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from tickline.errors import BacktestError
from tickline.lake.schemas import ALLOCATIONS
from tickline.sizing.allocation import FEWEST_ROWS, PLACES, allocate
from tickline.sizing.overlays import drawdown_cut, volatility_target
from tickline.sizing.portfolio import PortfolioSpec

_EXACT = decimal.Context(prec=60, rounding=decimal.ROUND_DOWN)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The rows of ALLOCATIONS but for their session, and facts about the portfolio as a whole."""

    weights: pl.DataFrame
    facts: Mapping[str, Any]


def decide(spec: PortfolioSpec, closes: pl.DataFrame, lots: Mapping[str, Decimal]) -> Decision:
    """Weigh a portfolio by the closes of its lookback.

    `closes` has instrument, ts_close (ns, UTC) and close (Float64, positive), a row for each bar, and the columns that
    say which row of which partition it is; `lots` are the instruments' lot sizes. Between its own closes an
    instrument's price is its last. Raises BacktestError where there is too little to weigh by, and as `allocate` does.
    """
    prices = _side_by_side(spec, closes)
    returns = prices.select(pl.all() / pl.all().shift(1) - 1).slice(1)
    if returns.height < FEWEST_ROWS:
        raise BacktestError(
            f"{spec.name} has {returns.height} returns of {spec.timeframe} bars over a lookback of {spec.lookback}, "
            f"fewer than {FEWEST_ROWS}; take a longer lookback or shorter bars"
        )
    found = allocate(returns, spec.allocation)
    a_year = spec.sessions_per_year * prices.height / spec.lookback  # bars
    volatilities = returns.select(pl.all().std() * a_year**0.5).unpivot(variable_name="name", value_name="volatility")
    base = found.weights.rename({"weight": "base_weight", "risk_contribution": "risk_share"})
    exposure = _exposure(spec, _mix(returns, base), a_bars=prices.height / spec.lookback)
    rows = (
        base.join(volatilities, on="name", maintain_order="left")
        .rename({"name": "instrument"})
        .join(_last(closes), on="instrument", maintain_order="left")
        .with_columns(
            pl.lit(spec.name).alias("portfolio"),
            pl.lit(spec.allocation.method).alias("method"),
            pl.lit(exposure).alias("exposure"),
            pl.col("volatility").round(PLACES),
            (pl.col("base_weight") * exposure).round(PLACES).clip(-spec.cap, spec.cap).alias("weight"),
            pl.lit(returns.height, pl.Int64).alias("returns"),
        )
    )
    facts = {
        "volatility": round(found.volatility * a_year**0.5, PLACES),
        "effective_bets": round(found.effective_bets, PLACES),
        "inputs_sha256": found.inputs_sha256,
    }
    return Decision(rows.with_columns(_amounts(spec, rows, lots)), facts)


def _side_by_side(spec: PortfolioSpec, closes: pl.DataFrame) -> pl.DataFrame:
    """A column of prices for each instrument, a row for each moment a bar closed, from where all have a price."""
    there = set(closes["instrument"])
    silent = [name for name in spec.instruments if name not in there]
    if silent:
        raise BacktestError(
            f"{', '.join(silent)} of {spec.name} has no close over a lookback of {spec.lookback}; leave it out, or "
            "take a longer lookback"
        )
    return (
        closes.sort("ts_close")
        .pivot(on="instrument", index="ts_close", values="close", on_columns=sorted(there))
        .sort("ts_close")
        .select(pl.col(name).forward_fill() for name in sorted(there))
        .drop_nulls()
    )


def _mix(returns: pl.DataFrame, base: pl.DataFrame) -> pl.Series:
    """What the weights would have returned, bar by bar, had they been held all along."""
    terms = [pl.col(name) * weight for name, weight in base.select("name", "base_weight").iter_rows()]
    return returns.select(pl.sum_horizontal(terms).alias("mix"))["mix"]


def _exposure(spec: PortfolioSpec, mix: pl.Series, *, a_bars: float) -> float:
    """How much of the weights is taken from now on; `a_bars` are bars a session."""
    exposure = 1.0
    target, cut = spec.overlays.volatility, spec.overlays.drawdown
    # An overlay says what a row is exposed by from the rows before it: the row asked for is the one after the last.
    if target is not None:
        window = target.window or len(mix)
        if window > len(mix):
            raise BacktestError(
                f"{spec.name} has {len(mix)} returns, fewer than the volatility window of {window}; shorten it or "
                "take a longer lookback"
            )
        exposure *= _after_last(
            mix,
            volatility_target(
                pl.col("mix"),
                target=target.target / a_bars**0.5,
                window=window,
                sessions_per_year=spec.sessions_per_year,
                max_leverage=target.max_leverage,
            ),
        )
    if cut is not None:
        equity = pl.concat([pl.Series("mix", [1.0]), (1 + mix).cum_prod()])
        exposure *= _after_last(equity, drawdown_cut(pl.col("mix"), begin=cut.begin, end=cut.end))
    return min(round(exposure, PLACES), spec.max_exposure)


def _after_last(values: pl.Series, overlay: pl.Expr) -> float:
    frame = pl.concat([values.to_frame("mix"), pl.DataFrame({"mix": [None]}, schema={"mix": pl.Float64})])
    return float(frame.select(overlay.alias("exposure"))["exposure"][-1])


def _last(closes: pl.DataFrame) -> pl.DataFrame:
    """Each instrument's last bar, its close as `price`, and how many closes there are."""
    own = pl.exclude("instrument", "ts_close").sort_by("ts_close").last()
    return closes.group_by("instrument").agg(own, pl.len().cast(pl.Int64).alias("closes")).rename({"close": "price"})


def _amounts(spec: PortfolioSpec, rows: pl.DataFrame, lots: Mapping[str, Decimal]) -> Sequence[pl.Series]:
    """What each weight is in money, exactly, and the whole lots that buys at the last price: never more than that."""
    notionals, sizes = [], []
    with decimal.localcontext(_EXACT):
        for name, weight, price in rows.select("instrument", "weight", "price").iter_rows():
            notional = (Decimal(str(weight)) * spec.capital).quantize(Decimal("1e-12"))
            notionals.append(notional)
            sizes.append(int(notional / Decimal(str(price)) / lots[name]) * lots[name])
    money = ALLOCATIONS.columns["notional"]
    return pl.Series("notional", notionals, dtype=money), pl.Series("size", sizes, dtype=money)
