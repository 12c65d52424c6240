"""Allocations as stages: decided at a session's close, causal, the same bytes again, stale only where they change."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from expectations.allocation_checks import judge_allocations, measures_of, weighed_by
from expectations.universe_checks import suites_of
from tickline.errors import BacktestError, ConfigError, LakeError
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import ALLOCATIONS
from tickline.pipeline.plan import State, standings
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Built, Inputs, Stage, materialise
from tickline.pipeline.tracing import trace
from tickline.sizing.portfolio import Caps, Overlays
from tickline.universe import load_universe
from tickline.workspace import Workspace

SPEC: dict[str, Any] = {
    "name": "pair",
    "venue": "desk",
    "instruments": ["ETH-EUR", "BTC-EUR"],
    "timeframe": "15m",
    "lookback": 2,
    "sessions_per_year": 365,
    "allocation": {"method": "inverse_volatility"},
    "overlays": {"volatility": {"target": 0.0001}, "caps": {"weight": 0.3}},
    "capital": 100_000,
}
OTHER: dict[str, Any] = {**SPEC, "name": "other", "lookback": 1, "overlays": {}}
SESSIONS = ("2026-03-08", "2026-03-09")


def write_spec(config: Path, spec: dict[str, Any] = SPEC, **changes: object) -> None:
    (config / "portfolios" / f"{spec['name']}.yaml").write_text(yaml.safe_dump(spec | changes))


@pytest.fixture(scope="module")
def config(small_config: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small universe with two portfolios on it."""
    folder = small_config(tmp_path_factory.mktemp("with_portfolios"))
    (folder / "portfolios").mkdir()
    return folder


@pytest.fixture
def here(
    made_once: Path, config: Path, drops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A home in which the portfolios' sessions were made."""
    shutil.copytree(made_once, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(drops))
    write_spec(config)
    write_spec(config, OTHER)
    workspace = Workspace(config, tmp_path / "home")
    for name in ("pair", "other"):
        stage = stage_of(workspace, name)
        for period in stage.periods:
            materialise(workspace.lake, stage, period, run="test")
    yield workspace
    workspace.lake.catalog.close()


def stage_of(here: Workspace, name: str = "pair") -> Stage:
    (stage,) = (stage for stage in here.graph if stage.venue == name)
    return stage


def weights_of(here: Workspace, period: str, name: str = "pair") -> pl.DataFrame:
    return here.lake.read(PartitionKey("allocations", name, period)).collect()


def states(here: Workspace, graph: list[Stage]) -> dict[str, State]:
    return {f"{one.stage}/{one.period}": one.state for one in standings(here.lake, graph)}


def remade(here: Workspace, day: str, change: Any) -> list[Stage]:
    """The graph after the bars of a session were made again, and otherwise."""
    stage = next(one for one in here.graph if one.venue == "desk" and "bars_15m" in one.datasets)
    altered = replace(stage, config={**stage.config, "other": True})

    def changed(inputs: Inputs, period: str) -> Built:
        made = stage.build(inputs, period)
        return replace(made, frames=dict(made.frames) | {"bars_15m": change(made.frames["bars_15m"])})

    materialise(here.lake, replace(altered, build=changed), day, run="late")
    return [altered if one is stage else one for one in here.graph]


def test_each_session_with_a_whole_lookback_has_its_weights_decided_at_its_close(here: Workspace) -> None:
    assert stage_of(here).periods == SESSIONS
    assert stage_of(here, "other").periods == ("2026-03-07", *SESSIONS)
    for period in SESSIONS:
        weights = weights_of(here, period)
        assert dict(weights.schema) == ALLOCATIONS.columns
        assert weights["instrument"].to_list() == ["BTC-EUR", "ETH-EUR"]
        following = datetime.fromisoformat(f"{period}T00:00:00+00:00").timestamp() + 86_400
        assert weights["ts"].unique().to_list() == [datetime.fromtimestamp(following, UTC)]
        assert weights["session_date"].cast(pl.String).unique().to_list() == [period]


def test_weights_are_what_numpy_makes_of_the_closes_of_the_lookback(here: Workspace) -> None:
    closes = here.lake.dataset("bars_15m", venue="desk").filter(pl.col("ts_close") <= datetime(2026, 3, 9, tzinfo=UTC))
    wide = closes.collect().pivot(on="instrument", index="ts_close", values="close").sort("ts_close")
    prices = wide.select("BTC-EUR", "ETH-EUR").to_numpy()
    returns = prices[1:] / prices[:-1] - 1
    assert len(prices) == 2 * 96
    deviations = returns.std(axis=0, ddof=1)
    base = (1 / deviations) / (1 / deviations).sum()
    exposure = min(1.0, 0.0001 / ((returns @ base).std(ddof=1) * np.sqrt(96 * 365)))
    weights = weights_of(here, SESSIONS[0])
    assert 0 < exposure < 1
    assert weights["base_weight"].to_numpy() == pytest.approx(base, abs=1e-11)
    assert weights["exposure"].to_numpy() == pytest.approx(exposure, rel=1e-9)
    assert weights["volatility"].to_numpy() == pytest.approx(deviations * np.sqrt(96 * 365), abs=1e-11)
    assert weights["weight"].to_numpy() == pytest.approx(np.minimum(base * exposure, 0.3), abs=1e-11)
    assert weights["risk_share"].sum() == pytest.approx(1)
    assert weights["price"].to_list() == prices[-1].tolist()
    for row in weights.iter_rows(named=True):
        lots = row["size"] / Decimal("0.001")
        assert lots == lots.to_integral_value()
        left = row["notional"] - row["size"] * Decimal(str(row["price"]))
        assert 0 <= left < Decimal("0.001") * Decimal(str(row["price"]))


def test_a_weight_names_the_bar_of_its_price(here: Workspace) -> None:
    for row in weights_of(here, SESSIONS[1]).iter_rows(named=True):
        bars = here.lake.read(PartitionKey(row["input"], "desk", row["input_period"])).collect()
        (bar,) = bars[row["input_row"]].to_dicts()
        assert (bar["instrument"], bar["close"], bar["ts_close"]) == (row["instrument"], row["price"], row["ts"])


def test_the_price_of_a_weight_is_walked_back_to_its_raw_ticks(here: Workspace) -> None:
    traced = trace(here.lake, PartitionKey("allocations", "pair", SESSIONS[1]), 0)
    (raw,) = traced.raw.values()
    assert raw["price"].to_list()[-1] == traced.asked["price"] == traced.row["close"]
    assert any(f"{SESSIONS[1]}.csv" in name for name in traced.sources)
    with pytest.raises(LakeError, match="is no partition in the lake of backtest_fills or allocations"):
        trace(here.lake, PartitionKey("bars_1m", "desk", SESSIONS[1]), 0)


def test_sessions_are_rebuilt_to_the_same_bytes(here: Workspace) -> None:
    for name in ("pair", "other"):
        for period in stage_of(here, name).periods:
            assert all(one.equal for one in rebuild(here.lake, stage_of(here, name), period))


def test_another_future_changes_no_weight_of_the_past_and_leaves_it_fresh(here: Workspace) -> None:
    before = {period: weights_of(here, period) for period in SESSIONS}
    half = datetime(2026, 3, 9, 12, tzinfo=UTC)
    graph = remade(here, SESSIONS[1], lambda bars: bars.filter(pl.col("ts_close") <= half))
    # Only what read the session is stale; as if all bars were settled again.
    settled = [one for one in graph if one.venue in ("pair", "other")]
    assert {name for name, state in states(here, settled).items() if state is State.STALE} == {
        f"pair/allocations/{SESSIONS[1]}",
        f"other/allocations/{SESSIONS[1]}",
    }
    for period in SESSIONS:
        materialise(here.lake, stage_of(here), period, run="again")
    assert weights_of(here, SESSIONS[0]).equals(before[SESSIONS[0]])
    assert not weights_of(here, SESSIONS[1]).equals(before[SESSIONS[1]])


@pytest.mark.parametrize(
    "changes",
    [{"lookback": 1}, {"overlays": {}}, {"allocation": {"method": "equal_weight"}}, {"capital": 1_000}],
)
def test_another_parameter_makes_exactly_the_portfolios_partitions_stale(
    here: Workspace, config: Path, changes: dict[str, Any]
) -> None:
    write_spec(config, **changes)
    changed = Workspace(config, here.home)
    found = states(changed, changed.graph)
    stale = {name for name, state in found.items() if state is State.STALE}
    assert stale == {f"pair/allocations/{period}" for period in SESSIONS}
    others = {state for name, state in found.items() if not name.startswith("pair/")}
    assert others == {State.FRESH}


def test_what_is_only_said_of_a_portfolio_makes_nothing_stale(here: Workspace, config: Path) -> None:
    write_spec(config, description="the same in other words", owner="team:desk")
    told = Workspace(config, here.home)
    assert set(states(told, told.graph).values()) == {State.FRESH}


def test_too_little_data_fails_its_session_and_no_other(here: Workspace) -> None:
    remade(here, SESSIONS[1], lambda bars: bars.filter(pl.col("instrument") != "BTC-EUR"))
    with pytest.raises(BacktestError, match="BTC-EUR of other has no close over a lookback of 1"):
        materialise(here.lake, stage_of(here, "other"), SESSIONS[1], run="again")
    remade(here, SESSIONS[1], lambda bars: bars.filter(pl.col("ts_close") <= datetime(2026, 3, 9, 3, tzinfo=UTC)))
    with pytest.raises(BacktestError, match="other has 11 returns of 15m bars over a lookback of 1, fewer than 20"):
        materialise(here.lake, stage_of(here, "other"), SESSIONS[1], run="again")
    assert materialise(here.lake, stage_of(here, "other"), SESSIONS[0], run="again")


def test_bars_that_are_not_there_are_named(small: Workspace, config: Path) -> None:
    write_spec(config)
    stage = stage_of(Workspace(config, small.home))
    with pytest.raises(LakeError, match=r"pair/allocations/2026-03-08 needs sessions/desk/2026, which is not"):
        materialise(small.lake, stage, SESSIONS[0], run="test")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": "desk"}, "a file is called after what it declares"),
        ({"venue": "nowhere"}, "no venue 'nowhere' is declared; there are desk, sim"),
        ({"instruments": ["BTC-EUR", "DOGE"]}, "desk does not list DOGE; it lists BTC-EUR, ETH-EUR"),
        ({"instruments": ["BTC-EUR", "BTC-EUR"]}, "an instrument is named twice"),
        ({"allocation": {"method": "astrology"}}, "astrology.*'risk_parity', 'hrp'"),
        ({"allocation": {"method": "hrp", "speed": 3}}, r"allocation.speed"),
        ({"allocation": {"method": "min_variance", "high": 0.4}}, "no 2 weights from 0.0 to 0.4 add up to 1"),
        ({"allocation": {"method": "black_litterman", "market": {"BTC-EUR": 1}}}, "market weighs BTC-EUR; weigh BTC"),
        (
            {
                "allocation": {
                    "method": "black_litterman",
                    "market": {"BTC-EUR": 0.5, "ETH-EUR": 0.5},
                    "views": [{"asset": "DOGE", "expected": 0.1}],
                }
            },
            "a view on DOGE, which has no returns; there are BTC-EUR, ETH-EUR",
        ),
        ({"timeframe": "1d"}, "2 closes leave fewer than 20 returns"),
        ({"lookback": 0}, "lookback: input should be greater than or equal to 1"),
        ({"overlays": {"drawdown": {"begin": 0.2, "end": 0.1}}}, "give the lower first"),
    ],
)
def test_what_cannot_be_weighed_is_refused_when_the_configuration_is_loaded(
    config: Path, tmp_path: Path, drops: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], match: str
) -> None:
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(drops))
    shutil.copytree(config, tmp_path / "config")
    (tmp_path / "config" / "portfolios" / "pair.yaml").write_text(yaml.safe_dump(SPEC | changes))
    with pytest.raises(ConfigError, match=match):
        load_universe(tmp_path / "config")


def test_sessions_as_they_were_made_pass_their_checks_and_others_do_not(here: Workspace) -> None:
    spec = here.universe.portfolios["pair"]
    published = here.lake.catalog.currents(stage_of(here).keys(SESSIONS[0]))
    (outcome,) = judge_allocations(here.lake, spec, published.values()).values()
    assert outcome.passed, [result.name for result in outcome.results if not result.success]
    good = weights_of(here, SESSIONS[0])
    assert not any(value > 1e-9 for value in measures_of(spec, good).values())
    wrong = {
        "not_finite": pl.lit(None, pl.Float64).alias("volatility"),
        "base_off": pl.col("base_weight") * 1.01,
        "risk_off": pl.col("risk_share") * 1.01,
        "over_exposed": pl.lit(1.5).alias("exposure"),
        "over_cap": pl.lit(0.31).alias("weight"),
        "overweight": -pl.col("weight"),
        "over_notional": pl.col("size") * 2,
        "thin": pl.lit(100, pl.Int64).alias("closes"),
    }
    for name, change in wrong.items():
        assert measures_of(spec, good.with_columns(change))[name] > 1e-9, name
    assert measures_of(spec, good.head(1))["strangers"] == 1
    assert measures_of(spec, pl.concat([good, good.head(1)]))["strangers"] == 1


def test_a_portfolio_whose_declaration_changed_is_judged_anew(here: Workspace) -> None:
    spec = here.universe.portfolios["pair"]
    tighter = spec.model_copy(update={"overlays": Overlays(caps=Caps(weight=0.2))})
    assert weighed_by([spec]) != weighed_by([tighter])
    assert suites_of(here.universe).items() >= weighed_by([spec]).items()
