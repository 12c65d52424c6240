"""Backtests as stages: made window by window, walked back to ticks, stale where and only where something changed."""

import base64
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from assets.preview import metadata_of
from expectations.backtest_checks import gated_by, judge_backtests, measures_of
from tickline.backtest.stress import SCENARIOS
from tickline.errors import BacktestError, ConfigError, GateClosed, LakeError
from tickline.lake.keys import PartitionKey
from tickline.lake.registry import Rank, Registry
from tickline.lake.schemas import DATASETS
from tickline.pipeline.approval import Candidate, promote, require_approved
from tickline.pipeline.backtests import OF_WINDOW, SUMMARY
from tickline.pipeline.evidence import evidence_of, run_over
from tickline.pipeline.plan import State, standings
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Stage, materialise
from tickline.pipeline.tracing import trace
from tickline.pipeline.trying import CALM, stressed
from tickline.universe import load_universe
from tickline.workspace import Workspace

SPEC = {
    "name": "trend",
    "module": "tickline.signals.strategies.sma_trend",
    "venue": "desk",
    "instruments": ["BTC-EUR"],
    "timeframes": ["1m"],
    "capital": 100_000,
    "parameters": {"fast": 5, "slow": 20, "stop": 0.0},
    "windows": {"train": 1, "test": 1},
    "search": {"space": {"fast": {"values": [3, 6]}, "slow": {"values": [20, 40]}}, "min_trades": 1},
}
WINDOWS = ("2026-03-08", "2026-03-09")


def write_spec(config: Path, **changes: object) -> None:
    (config / "strategies" / "trend.yaml").write_text(yaml.safe_dump(SPEC | changes))


@pytest.fixture(scope="module")
def config(small_config: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small universe with a strategy on it."""
    folder = small_config(tmp_path_factory.mktemp("with_strategy"))
    (folder / "strategies").mkdir()
    write_spec(folder)
    return folder


@pytest.fixture(scope="module")
def traded_once(config: Path, made_once: Path, drops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the strategy's windows and summary were made and judged."""
    home = tmp_path_factory.mktemp("traded") / "home"
    shutil.copytree(made_once, home, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TICKLINE_REAL_DATA", str(drops))
        here = Workspace(config, home)
        spec = here.universe.strategies["trend"]
        for stage in stages_of(here):
            for period in stage.periods:
                judge_backtests(here.lake, spec, materialise(here.lake, stage, period, run="test"))
        here.lake.catalog.close()
    return home


@pytest.fixture
def here(
    traded_once: Path, config: Path, drops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    shutil.copytree(traded_once, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(drops))
    write_spec(config)
    workspace = Workspace(config, tmp_path / "home")
    yield workspace
    workspace.lake.catalog.close()


def stages_of(here: Workspace) -> list[Stage]:
    return [stage for stage in here.graph if stage.venue == "trend"]


def states(here: Workspace, graph: list[Stage]) -> dict[str, State]:
    """How the strategy's periods stand, by stage and period."""
    found = standings(here.lake, graph, suites=gated_by(here.universe.strategies.values()))
    return {f"{one.stage}/{one.period}": one.state for one in found if one.stage.venue == "trend"}


def test_every_window_leaves_tables_as_declared(here: Workspace) -> None:
    for dataset in (*OF_WINDOW, SUMMARY):
        for period in WINDOWS if dataset != SUMMARY else ("all",):
            frame = here.lake.read(PartitionKey(dataset, "trend", period)).collect()
            assert dict(frame.schema) == DATASETS[dataset].columns
    assert set(states(here, here.graph).values()) == {State.FRESH}


def test_a_window_is_tested_with_what_its_training_chose(here: Workspace) -> None:
    folds = here.lake.read(PartitionKey("backtest_folds", "trend", WINDOWS[0])).collect()
    run = here.lake.read(PartitionKey("backtest_run", "trend", WINDOWS[0])).collect()
    assert folds.height == 4
    (chosen,) = folds.filter("chosen")["parameters"].str.json_decode(pl.Struct({"fast": pl.Int64, "slow": pl.Int64}))
    used = run["parameters"].str.json_decode(pl.Struct({"fast": pl.Int64, "slow": pl.Int64}))[0]
    assert used == chosen
    assert folds.filter("chosen")["objective"].item() == folds.filter(pl.col("failure").is_null())["objective"].max()


def test_the_summary_adds_the_windows_up(here: Workspace) -> None:
    summary = here.lake.read(PartitionKey(SUMMARY, "trend", "all")).collect()
    trades = here.lake.dataset("backtest_trades", venue="trend").collect()
    equity = here.lake.dataset("backtest_equity", venue="trend").collect()
    ends = equity.group_by("session_date").agg(pl.col("equity").last() / 100_000)
    (whole,) = summary.filter(scope="all").to_dicts()
    assert summary.height == 1 + len(WINDOWS)
    assert whole["trades"] == trades.height
    assert whole["total_return"] == pytest.approx(ends["equity"].product() - 1, rel=1e-9)
    assert whole["trials"] == 8


def test_a_window_whose_training_let_nothing_be_chosen_stays_flat_and_says_so(here: Workspace, config: Path) -> None:
    write_spec(config, search=SPEC["search"] | {"min_trades": 10**6})
    strict = Workspace(config, here.home)
    for stage in stages_of(strict):
        for period in stage.periods:
            materialise(strict.lake, stage, period, run="test")
    lake = strict.lake
    run, folds, equity, fills = (
        lake.read(PartitionKey(f"backtest_{name}", "trend", WINDOWS[0])).collect()
        for name in ("run", "folds", "equity", "fills")
    )
    assert (run["parameters"].item(), run["orders"].item(), run["conserved"].item()) == ("{}", 0, True)
    assert (folds["chosen"].any(), set(folds["failure"])) == (False, {"fewer than 1000000 trades"})
    assert (equity["equity"].unique().to_list(), fills.height) == ([100_000], 0)
    summary = lake.catalog.current(PartitionKey(SUMMARY, "trend", "all"))
    assert summary is not None
    assert {name: summary.facts[name] for name in ("windows", "windows_missing", "windows_flat")} == {
        "windows": 2,
        "windows_missing": 0,
        "windows_flat": 2,
    }
    (whole,) = lake.scan([summary]).filter(pl.col("scope") == "all").collect().to_dicts()
    assert (whole["total_return"], whole["trades"], whole["sharpe"]) == (0.0, 0, None)
    judged = judge_backtests(lake, strict.universe.strategies["trend"], [summary])
    (outcome,) = judged.values()
    assert not outcome.passed
    lake.catalog.close()


def test_a_fill_is_walked_back_to_the_raw_ticks_of_its_bar(here: Workspace) -> None:
    key = PartitionKey("backtest_fills", "trend", WINDOWS[0])
    traced = trace(here.lake, key, 0)
    (raw,) = traced.raw.values()
    (clean,) = traced.clean.values()
    assert float(traced.asked["price"]) == traced.row["open"]
    assert raw.height == clean.height > 0
    assert traced.row["open"] in raw["price"].to_list()
    assert any(f"{WINDOWS[0]}.csv" in name for name in traced.sources)
    with pytest.raises(LakeError, match="there is no 999"):
        trace(here.lake, key, 999)


def test_windows_are_rebuilt_to_the_same_bytes(here: Workspace) -> None:
    for stage in stages_of(here):
        for period in stage.periods:
            assert all(one.equal for one in rebuild(here.lake, stage, period))


def test_another_parameter_makes_exactly_the_strategy_stale(here: Workspace, config: Path) -> None:
    write_spec(config, parameters={"fast": 5, "slow": 30, "stop": 0.0})
    changed = Workspace(config, here.home)
    assert set(states(changed, changed.graph).values()) == {State.STALE}
    others = standings(changed.lake, [stage for stage in changed.graph if stage.venue != "trend"])
    assert {one.state for one in others} == {State.FRESH}


def test_what_is_only_said_of_a_strategy_makes_nothing_stale(here: Workspace, config: Path) -> None:
    write_spec(config, description="the same in other words", minutes=5)
    told = Workspace(config, here.home)
    assert set(states(told, told.graph).values()) == {State.FRESH}


def test_other_gates_leave_the_results_and_ask_for_a_new_verdict(here: Workspace, config: Path) -> None:
    write_spec(config, gates={"sharpe": -100.0})
    judged = Workspace(config, here.home)
    assert set(states(judged, judged.graph).values()) == {State.UNJUDGED}


def test_a_changed_bar_makes_just_the_windows_that_read_it_stale(here: Workspace) -> None:
    stage = next(one for one in here.graph if one.venue == "desk" and "bars_1m" in one.datasets)
    altered = replace(stage, config={**stage.config, "other": True})
    first = stage.periods[0]
    built = altered.build

    def without_a_bar(inputs: object, period: str) -> object:
        made = built(inputs, period)
        return replace(made, frames={"bars_1m": made.frames["bars_1m"].slice(1)})

    materialise(here.lake, replace(altered, build=without_a_bar), first, run="late")
    graph = [altered if one is stage else one for one in here.graph]
    unsettled = {name for name, state in states(here, graph).items() if state is State.STALE}
    assert f"trend/backtest/{WINDOWS[0]}" in unsettled  # trains on the first session
    own = standings(here.lake, stages_of(here))
    assert {f"{one.stage}/{one.period}": one.state for one in own}[f"trend/backtest/{WINDOWS[1]}"] is State.FRESH


def test_a_window_whose_bars_are_missing_says_which(small: Workspace, config: Path) -> None:
    here = Workspace(config, small.home)
    stage = stages_of(here)[0]
    with pytest.raises(LakeError, match="needs instruments/desk/all, which is not in the lake"):
        materialise(here.lake, stage, stage.periods[0], run="test")
    with pytest.raises(BacktestError, match="has no window that was run"):
        materialise(here.lake, stages_of(here)[1], "all", run="test")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"parameters": {"fast": 0}}, "fast: Input should be greater than or equal to 1"),
        ({"parameters": {"quick": 3}}, "quick"),
        ({"instruments": ["DOGE"]}, "desk does not list DOGE"),
        ({"module": "tickline.signals.strategies.nothing"}, "no strategy 'tickline.signals.strategies.nothing'"),
        ({"venue": "nowhere"}, "no venue 'nowhere' is declared"),
        ({"windows": {"test": 1}}, "a search needs sessions to train on"),
        ({"search": {"space": {"fast": {"low": 0, "high": 9}}}}, "parameter fast"),
        ({"name": "desk"}, "a file is called after what it declares"),
    ],
)
def test_what_cannot_be_run_is_refused_when_the_configuration_is_loaded(
    config: Path, tmp_path: Path, drops: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], match: str
) -> None:
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(drops))
    shutil.copytree(config, tmp_path / "config")
    write_spec(tmp_path / "config", **changes)
    with pytest.raises(ConfigError, match=match):
        load_universe(tmp_path / "config")


def test_a_window_may_have_a_run_for_each_of_its_pieces_and_each_saw_something(here: Workspace) -> None:
    spec, key = here.universe.strategies["trend"], PartitionKey("backtest_run", "trend", WINDOWS[0])
    publication, run = here.lake.catalog.current(key), here.lake.read(key).collect()
    assert publication is not None
    blind = run.with_columns(rows=pl.lit(0, pl.Int64))
    for frame, short in ((run, 0.0), (pl.concat([run, run]), 0.0), (pl.concat([run, blind]), 1.0), (run.clear(), 1.0)):
        assert measures_of(spec, publication, frame)["rows_short"] == short


def test_the_ui_shows_of_a_summary_its_curve_the_measures_and_each_window(here: Workspace) -> None:
    publication = here.lake.catalog.current(PartitionKey(SUMMARY, "trend", "all"))
    assert publication is not None
    shown = metadata_of(here.lake, publication, None)["preview"].value  # type: ignore[attr-defined]
    image, verdict, *_ = shown.split("\n\n")
    drawn = base64.b64decode(image.removeprefix("![equity](data:image/svg+xml;base64,").removesuffix(")"))
    assert b"<polyline" in drawn
    assert verdict.endswith("(trend)")
    rows = shown[shown.index("| tested |") :].splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {scope}" for scope in (*WINDOWS, "all")]


def test_evidence_and_ad_hoc_runs_agree_with_the_published_windows(here: Workspace) -> None:
    spec, venue = here.universe.strategies["trend"], here.universe.venues["desk"]
    evidence = evidence_of(here.lake, spec, venue)
    assert evidence.trades.height == here.lake.dataset("backtest_trades", venue="trend").collect().height
    run = evidence.run.filter(pl.col("ts_from").dt.date() == datetime(2026, 3, 8, tzinfo=UTC).date())
    chosen = yaml.safe_load(run["parameters"].item())
    again = spec.model_copy(update={"parameters": chosen})
    sessions = {date.fromisoformat(WINDOWS[0]): (date.fromisoformat(WINDOWS[0]),)}
    frames = run_over(here.lake, again, venue, sessions)
    published = here.lake.read(PartitionKey("backtest_fills", "trend", WINDOWS[0])).collect()
    assert frames["backtest_fills"].equals(published)


def test_stress_tells_of_every_scenario_beside_what_was_recorded(here: Workspace) -> None:
    spec, venue = here.universe.strategies["trend"], here.universe.venues["desk"]
    sessions = {date.fromisoformat(day): (date.fromisoformat(day),) for day in WINDOWS}
    rows = list(stressed(here.lake, spec, venue, sessions, seed=3))
    assert rows[0]["scenario"] == CALM
    assert len(rows) == 7
    assert len({row["total_return"] for row in rows}) > 1


def test_a_scenario_that_does_not_apply_is_named_with_the_reason_and_the_others_run(here: Workspace) -> None:
    spec, venue = here.universe.strategies["trend"], here.universe.venues["desk"]
    day = date.fromisoformat(WINDOWS[0])
    rows = {row["scenario"]: row for row in stressed(here.lake, spec, venue, {day: (day,)}, seed=3)}
    assert set(rows) == {CALM, *SCENARIOS}
    reasons = {name: row["not_applicable"] for name, row in rows.items() if row["not_applicable"]}
    assert list(reasons) == ["opening_gap"]
    assert "give two sessions or more" in reasons["opening_gap"]
    assert {name for name, row in rows.items() if row["total_return"] is None} == {"opening_gap"}


def test_only_what_passes_its_gates_as_it_is_now_may_be_approved(here: Workspace, config: Path) -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)

    def candidate(workspace: Workspace) -> Candidate:
        spec = workspace.universe.strategies["trend"]
        return Candidate(spec, stages_of(workspace), gated_by([spec]))

    with pytest.raises(GateClosed, match="is research, not approved"):
        require_approved(here.lake, candidate(here))
    with pytest.raises(GateClosed, match=r"cannot be approved: .* failed sharpe_short"):
        promote(here.lake, candidate(here), Rank.APPROVED, said_by="ada", why="", at=now)
    lenient = dict.fromkeys(("sharpe", "approval_sharpe"), -1e9)
    lenient |= {"max_drawdown": 1.0, "win_rate": 0.0, "min_trades": 0, "cost_share": 1e9, "pbo": 1.0}
    write_spec(config, gates=lenient)
    judged = Workspace(config, here.home)
    with pytest.raises(GateClosed, match="not fresh"):
        promote(judged.lake, candidate(judged), Rank.APPROVED, said_by="ada", why="", at=now)
    spec = judged.universe.strategies["trend"]
    published = judged.lake.catalog.everything(venue="trend")
    judge_backtests(judged.lake, spec, published.values())
    entry = promote(judged.lake, candidate(judged), Rank.APPROVED, said_by="ada", why="it is a test", at=now)
    assert require_approved(judged.lake, candidate(judged)) == entry
    assert Registry(judged.lake.catalog).rank("trend", entry.version) is Rank.APPROVED
    write_spec(config, gates=lenient, parameters={"fast": 4, "slow": 20, "stop": 0.0})
    changed = Workspace(config, here.home)
    with pytest.raises(GateClosed, match="approved as another version"):
        require_approved(changed.lake, candidate(changed))
    promote(judged.lake, candidate(judged), Rank.RETIRED, said_by="ada", why="enough", at=now)
    with pytest.raises(GateClosed, match="is retired, not approved"):
        require_approved(judged.lake, candidate(judged))
