"""A strategy tried on what did not happen: bars under stress, or a little otherwise, and other costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tickline.backtest.bars import LINEAGE
from tickline.backtest.montecarlo import Jitter, draw_parameters, perturb
from tickline.backtest.spec import StrategySpec
from tickline.backtest.stress import SCENARIOS
from tickline.backtest.walkforward import summarise
from tickline.backtest.window import Material, Window
from tickline.errors import ConfigError
from tickline.lake.lake import Lake
from tickline.lake.schemas import BARS
from tickline.pipeline.backtests import Days, child, material_of
from tickline.pipeline.evidence import inputs_for
from tickline.reference.models import Venue

CALM = "as recorded"
MEASURES = ("total_return", "max_drawdown", "sharpe", "trades")
JITTERED = {"costs": Jitter(0.5, 2.0), "latency": Jitter(0.5, 2.0)}
"""How far costs and latencies may be from those assumed: half to twice."""


def stressed(lake: Lake, spec: StrategySpec, venue: Venue, days: Days, *, seed: int) -> Iterator[dict[str, Any]]:
    """What a strategy with its own parameters comes to over some sessions as recorded, and under each scenario.

    Yields a row for each: scenario, total_return, max_drawdown, sharpe, trades and not_applicable, which says why there
    are too few bars for a scenario and is None where it was run. Scenarios move the bars it trades on; longer ones stay
    as recorded. Raises what `run_over` raises.
    """
    recorded = material_of(spec, venue, inputs_for(lake, spec, days))
    bars = _plain(recorded)
    yield _told(CALM, spec, recorded, sorted(days)) | {"not_applicable": None}
    for name, kind in SCENARIOS.items():
        scenario = kind(seed=seed)
        try:
            scenario.span(bars)
        except ConfigError as too_few:
            yield {"scenario": name} | dict.fromkeys(MEASURES) | {"not_applicable": str(too_few)}
            continue
        moved = scenario.apply(bars, tick_sizes=_tick_sizes(venue))
        yield _told(name, spec, _with_bars(recorded, moved), sorted(days)) | {"not_applicable": None}


def jittered(
    lake: Lake, spec: StrategySpec, venue: Venue, days: Days, *, draws: int, seed: int
) -> Iterator[dict[str, Any]]:
    """What a strategy comes to where every price is off by up to a tick, and costs and latencies are not as assumed.

    Yields a row for each draw: scenario, total_return, max_drawdown, sharpe, trades. Raises what `run_over` raises.
    """
    recorded = material_of(spec, venue, inputs_for(lake, spec, days))
    for nth, drawn in enumerate(draw_parameters(JITTERED, draws=draws, seed=seed).iter_rows(named=True)):
        moved = perturb(_plain(recorded), ticks=1, seed=seed + nth, tick_sizes=_tick_sizes(venue))
        other = _with_costs(spec, venue, drawn["costs"], drawn["latency"])
        yield _told(f"draw {nth}", other, _with_bars(recorded, moved), sorted(days))


def _told(name: str, spec: StrategySpec, material: Material, sessions: Sequence[date]) -> dict[str, Any]:
    window = Window(train=(), warmup=(), test=tuple(sessions))
    frames = child().run(spec.model_copy(update={"search": None}), window, material)
    (whole,) = summarise(spec, [frames]).filter(scope="all").to_dicts()
    return {"scenario": name} | {measure: whole[measure] for measure in MEASURES}


def _plain(material: Material) -> pl.DataFrame:
    return material.streams[0].select(*BARS.columns).sort(BARS.sort)


def _with_bars(recorded: Material, moved: pl.DataFrame) -> Material:
    """The material with other bars to trade on; each still names the row it was made from, and has its signals."""
    lineage = recorded.streams[0].select("instrument", "ts_open", *LINEAGE, pl.exclude(*BARS.columns, *LINEAGE))
    traced = moved.join(lineage, on=["instrument", "ts_open"], how="left", maintain_order="left")
    return replace(recorded, streams=(traced, *recorded.streams[1:]))


def _with_costs(spec: StrategySpec, venue: Venue, costs: float, latency: float) -> StrategySpec:
    assumed = spec.assumptions
    scale = Decimal(repr(round(costs, 6)))
    taker = venue.fees.taker_bps if assumed.costs.taker_bps is None else assumed.costs.taker_bps
    maker = venue.fees.maker_bps if assumed.costs.maker_bps is None else assumed.costs.maker_bps
    dearer = assumed.costs.model_copy(
        update={
            "taker_bps": taker * scale,
            "maker_bps": maker * scale,
            "slippage_ticks": round(assumed.costs.slippage_ticks * costs),
            "slippage_bps": assumed.costs.slippage_bps * scale,
        }
    )
    later = {
        "order_latency_ms": assumed.order_latency_ms * latency,
        "answer_latency_ms": assumed.answer_latency_ms * latency,
    }
    return spec.model_copy(update={"assumptions": assumed.model_copy(update={"costs": dearer, **later})})


def _tick_sizes(venue: Venue) -> Mapping[str, float]:
    return {instrument.name: float(instrument.tick_size) for instrument in venue.instruments}
