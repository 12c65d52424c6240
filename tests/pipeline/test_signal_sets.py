"""Signal sets as stages: made session by session without a look ahead, and read by strategies at the closes of bars."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from expectations.signal_checks import judge_signals, measures_of
from expectations.universe_checks import suites_of
from runners.commands.backtest import changed
from tickline.backtest.report.page import report
from tickline.backtest.walkforward import summarise
from tickline.errors import ConfigError, LakeError
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import SIGNALS
from tickline.pipeline.backtests import child, with_signals
from tickline.pipeline.evidence import evidence_from, run_over, with_regimes
from tickline.pipeline.graph import find
from tickline.pipeline.plan import State, standings
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Built, Inputs, Stage, materialise
from tickline.pipeline.trying import stressed
from tickline.signals.regimes import Regime, Thresholds, regimes
from tickline.universe import load_universe
from tickline.workspace import Workspace

pytestmark = pytest.mark.slow

SESSIONS = ("2026-03-07", "2026-03-08", "2026-03-09")
THRESHOLDS = {"patterns": 100, "order": 3, "memory": 128, "every": 8, "entropy_enter": 0.98, "hurst_enter": 0.12}
SET = {
    "name": "moods",
    "venue": "desk",
    "instruments": ["BTC-EUR", "ETH-EUR"],
    "timeframe": "5m",
    "lookback": 1,
    "columns": {
        "regime": {"of": "regime", "output": "label", "parameters": THRESHOLDS},
        "slow": {"of": "sma", "parameters": {"n": 50}},
    },
}
STRATEGY = {
    "name": "minded",
    "module": "minded_by_regime",
    "venue": "desk",
    "instruments": ["BTC-EUR"],
    "timeframes": ["5m"],
    "signals": "moods",
    "windows": {"test": 1, "warmup": 1},
}


def write(config: Path, kind: str, content: dict[str, object]) -> None:
    (config / kind).mkdir(exist_ok=True)
    (config / kind / f"{content['name']}.yaml").write_text(yaml.safe_dump(content))


def with_column(name: str, **column: object) -> dict[str, object]:
    """The set with one column made otherwise."""
    return SET | {"columns": SET["columns"] | {name: column}}  # type: ignore[operator]


@pytest.fixture
def config(small_config: Callable[[Path], Path], tmp_path: Path, drops: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small universe with a signal set, and a strategy beside this file that reads it."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    child().close()  # one that another test started would not find the strategy
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(drops))
    folder = small_config(tmp_path)
    write(folder, "signals", SET)
    write(folder, "strategies", STRATEGY)
    return folder


@pytest.fixture
def here(config: Path, made_once: Path, tmp_path: Path) -> Iterator[Workspace]:
    """The set made over the small universe's bars."""
    shutil.copytree(made_once, tmp_path / "home", symlinks=True)
    workspace = Workspace(config, tmp_path / "home")
    for period in SESSIONS:
        materialise(workspace.lake, set_stage(workspace), period, run="test")
    yield workspace
    workspace.lake.catalog.close()


def set_stage(here: Workspace) -> Stage:
    return find(here.graph, "moods", "signals")


def signals_of(here: Workspace, period: str) -> pl.DataFrame:
    return here.lake.read(PartitionKey("signals", "moods", period)).collect()


def states(here: Workspace) -> dict[str, State]:
    return {f"{one.stage}/{one.period}": one.state for one in standings(here.lake, here.graph)}


def test_each_session_has_a_row_for_each_bar_and_column(here: Workspace) -> None:
    for period in SESSIONS:
        made, bars = signals_of(here, period), here.lake.read(PartitionKey("bars_5m", "desk", period)).collect()
        assert dict(made.schema) == SIGNALS.columns
        assert made.height == 2 * bars.height
        assert made["session_date"].unique().to_list() == [date.fromisoformat(period)]
    first, second = (signals_of(here, period).filter(name="slow")["value"].null_count() for period in SESSIONS[:2])
    assert (first, second) == (2 * 49, 0)  # two instruments, warmed up by the session before


def test_labels_are_those_of_the_labeller_over_the_sessions_read(here: Workspace) -> None:
    bars = here.lake.dataset("bars_5m", venue="desk", first=SESSIONS[1], last=SESSIONS[2]).collect()
    said = regimes(bars.sort("instrument", "ts_close").lazy(), Thresholds()._replace(**THRESHOLDS)).collect()
    own = signals_of(here, SESSIONS[2]).filter(name="regime")
    both = own.join(said, left_on=["instrument", "ts_close"], right_on=["instrument", "ts"])
    assert both.height == own.height
    assert both["value"].to_list() == [None if one is None else float(one) for one in both["label"]]
    assert set(own["value"]) == {0.0, 1.0}


def test_no_label_changes_where_the_future_is_cut_off(here: Workspace) -> None:
    stage, period = set_stage(here), SESSIONS[1]
    whole = signals_of(here, period)
    bars = find(here.graph, "desk", "bars_5m")
    for share in (0.2, 0.55, 0.9):
        known = whole["ts_close"].sort()[int(share * (whole.height - 1))]

        def until(inputs: Inputs, period: str, *, known: object = known) -> Built:
            built = bars.build(inputs, period)
            frames = {name: frame.filter(pl.col("ts_close") <= known) for name, frame in built.frames.items()}
            return replace(built, frames=frames)

        materialise(here.lake, replace(bars, build=until), period, run="cut")
        materialise(here.lake, stage, period, run="cut")
        assert signals_of(here, period).equals(whole.filter(pl.col("ts_close") <= known))


def test_signals_are_rebuilt_to_the_same_bytes(here: Workspace) -> None:
    assert all(one.equal for period in SESSIONS for one in rebuild(here.lake, set_stage(here), period))


def test_another_parameter_makes_exactly_the_set_and_its_readers_stale(here: Workspace, config: Path) -> None:
    for stage in here.graph:
        if stage.venue == "minded":
            for period in stage.periods:
                materialise(here.lake, stage, period, run="test")
    assert set(states(here).values()) == {State.FRESH}
    write(config, "signals", with_column("slow", of="sma", parameters={"n": 49}))
    after = states(Workspace(config, here.home))
    stale = {name for name, state in after.items() if state is not State.FRESH}
    assert stale == {name for name in after if name.startswith(("moods/", "minded/"))}
    write(config, "signals", with_column("slow", of="sma", parameters={"n": 50}) | {"description": "the same"})
    assert set(states(Workspace(config, here.home)).values()) == {State.FRESH}


def test_a_changed_bar_makes_the_sessions_that_read_it_stale(here: Workspace) -> None:
    bars = find(here.graph, "desk", "bars_5m")

    def without_a_bar(inputs: Inputs, period: str) -> Built:
        built = bars.build(inputs, period)
        return replace(built, frames={name: frame.slice(1) for name, frame in built.frames.items()})

    materialise(here.lake, replace(bars, build=without_a_bar), SESSIONS[1], run="late")
    found = {one.period: one.state for one in standings(here.lake, [set_stage(here)])}
    assert found == {SESSIONS[0]: State.FRESH, SESSIONS[1]: State.STALE, SESSIONS[2]: State.STALE}


def test_a_strategy_holds_just_while_the_label_it_waits_for_stands(here: Workspace) -> None:
    spec, venue = here.universe.strategies["minded"], here.universe.venues["desk"]
    days = {date.fromisoformat(SESSIONS[2]): (date.fromisoformat(SESSIONS[2]),)}
    frames = run_over(here.lake, spec, venue, days)
    label = signals_of(here, SESSIONS[2]).filter(name="regime", instrument="BTC-EUR").sort("ts_close")
    turns = label.filter(pl.col("value") != pl.col("value").shift(1).fill_null(0.0))["ts_close"].to_list()
    assert frames["backtest_orders"]["ts_sent"].to_list() == turns
    assert len(turns) > 1
    anyway = run_over(here.lake, spec.model_copy(update={"parameters": {"regime": -1}}), venue, days)
    assert anyway["backtest_orders"].height == 1


def test_under_stress_a_strategy_keeps_the_signals_of_what_was_recorded(here: Workspace) -> None:
    spec, venue = here.universe.strategies["minded"], here.universe.venues["desk"]
    days = {date.fromisoformat(day): (date.fromisoformat(day),) for day in SESSIONS[1:]}
    calm, *stormy = stressed(here.lake, spec, venue, days, seed=3)
    assert calm["trades"] > 1
    assert all(row["trades"] > 1 for row in stormy)


def test_a_report_shows_the_regimes_a_strategy_was_tested_in(here: Workspace) -> None:
    spec, venue = here.universe.strategies["minded"], here.universe.venues["desk"]
    days = {date.fromisoformat(SESSIONS[2]): (date.fromisoformat(SESSIONS[2]),)}
    frames = run_over(here.lake, spec, venue, days)
    evidence = with_regimes(evidence_from(spec, venue, [frames], summarise(spec, [frames]), {}), here.lake, spec)
    said = signals_of(here, SESSIONS[2]).filter(name="regime", instrument="BTC-EUR").select("ts_close", "value")
    assert evidence.regimes is not None
    shown = said.sort("ts_close").join_asof(evidence.regimes, left_on="ts_close", right_on="ts")
    assert shown["label"].to_list() == [Regime(int(value)).name.lower() for value in said["value"]]
    assert evidence.regimes.height < said.height  # where it changes, not at every bar
    assert "Equity (UTC) over the regime in force below it." in report(evidence)


@pytest.mark.slow
def test_the_shipped_ensemble_trades_only_where_it_is_predictable(here: Workspace) -> None:
    changes = {"module": "tickline.signals.strategies.ensemble", "parameters": {"members": 2, "threshold": 0.1}}
    spec, venue = here.universe.strategies["minded"].model_copy(update=changes), here.universe.venues["desk"]
    days = {date.fromisoformat(day): (date.fromisoformat(day),) for day in SESSIONS[1:]}
    heeding = run_over(here.lake, spec, venue, days)
    anyway = spec.model_copy(update={"parameters": changes["parameters"] | {"regime": -1}})  # type: ignore[operator]
    assert heeding["backtest_fills"].height > 0
    assert not heeding["backtest_fills"].equals(run_over(here.lake, anyway, venue, days)["backtest_fills"])
    labels = pl.concat([signals_of(here, day) for day in SESSIONS[1:]]).filter(name="regime", instrument="BTC-EUR")
    held = heeding["backtest_equity"].join(labels, left_on="ts", right_on="ts_close").sort("ts")
    # What it holds at a close was said at the one before, and the next bar's open is where it trades.
    before = held.with_columns(pl.col("value").shift(1)).filter(pl.col("value") == 0.0)
    assert before["exposure"].to_list() == [0.0] * before.height
    assert (held["exposure"] != 0.0).any()


def test_what_is_as_declared_passes_its_checks(here: Workspace) -> None:
    declared = here.universe.signals["moods"]
    published = list(here.lake.catalog.everything(dataset="signals", venue="moods").values())
    outcomes = judge_signals(here.lake, declared, published)
    assert len(outcomes) == len(SESSIONS)
    assert all(outcome.passed for outcome in outcomes.values())
    found = standings(here.lake, [set_stage(here)], suites=suites_of(here.universe))
    assert {one.state for one in found} == {State.FRESH}


@pytest.mark.parametrize(
    ("change", "measure"),
    [
        (lambda rows: rows.slice(1), "uneven"),
        (lambda rows: pl.concat([rows, rows.head(2)]), "uneven"),
        (lambda rows: rows.with_columns(instrument=pl.lit("DOGE")), "strangers"),
        (lambda rows: rows.with_columns(session_date=pl.col("session_date").dt.offset_by("1d")), "strangers"),
        (lambda rows: rows.with_columns(value=pl.lit(float("nan"))), "not_finite"),
        (lambda rows: rows.with_columns(value=pl.lit(None, pl.Float64)), "silent"),
    ],
)
def test_what_is_not_as_declared_is_measured(
    here: Workspace, change: Callable[[pl.DataFrame], pl.DataFrame], measure: str
) -> None:
    session, rows = date.fromisoformat(SESSIONS[1]), signals_of(here, SESSIONS[1])
    declared = here.universe.signals["moods"]
    assert measures_of(declared, session, rows) == {"strangers": 0, "uneven": 0, "not_finite": 0, "silent": 0}
    assert measures_of(declared, session, change(rows))[measure] > 0


def test_a_run_by_ticks_of_a_strategy_that_reads_signals_is_refused(here: Workspace) -> None:
    with pytest.raises(ConfigError, match="minded reads signals, which are known at the close of bars"):
        changed(here.universe.strategies["minded"], None, "tick")


def test_a_bar_has_what_was_last_known_of_its_instrument_at_its_close() -> None:
    start = pl.datetime(2026, 3, 8, time_zone="UTC").cast(pl.Datetime("ns", "UTC"))

    def at(minutes: list[int]) -> pl.Series:
        return pl.select(start + pl.Series(minutes).cast(pl.Int64) * timedelta(minutes=1)).to_series()

    said = [("A", 5, 1.0), ("A", 10, None), ("A", 15, 3.0), ("B", 5, 7.0)]
    names, minutes, values = (list(one) for one in zip(*said, strict=True))
    signals = pl.DataFrame(
        {"instrument": names, "ts_close": at(minutes), "session_date": None, "segment": "regular", "value": values}
    ).with_columns(name=pl.lit("x"))
    bars = pl.DataFrame({"instrument": ["A"] * 5, "ts_close": at([4, 5, 9, 10, 16])})
    assert with_signals(bars, signals.lazy(), ["x", "y"]).select("x", "y").rows() == [
        (None, None),
        (1.0, None),
        (1.0, None),
        (None, None),
        (3.0, None),
    ]


def test_signals_that_were_not_made_are_named(here: Workspace, made_once: Path, tmp_path: Path) -> None:
    shutil.copytree(made_once, tmp_path / "other", symlinks=True)
    other = Workspace(here.config, tmp_path / "other")
    stage = find(other.graph, "minded", "backtest_run")
    with pytest.raises(LakeError, match="needs signals/moods/2026-03-07, which is not in the lake"):
        materialise(other.lake, stage, stage.periods[0], run="test")
    other.lake.catalog.close()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            with_column("x", of="tides"),
            r"moods.yaml:\d+: columns: x: 'tides' is no feature and no labeller; there are reg",
        ),
        (with_column("x", of="sma", parameters={"m": 3}), "x: feature sma: no parameter m; it has n"),
        (
            with_column("x", of="sma", parameters={"n": 0}),
            r"x: feature sma: n = 0; give a whole number in \[1, 10000\]",
        ),
        (with_column("x", of="regime", output="label", parameters={"k": 1}), "no parameter k; it has patterns, order"),
        (with_column("x", of="regime", output="label", parameters={"order": 9}), r"order = 9; .* in \[2, 7\]"),
        (with_column("x", of="regime", output="label", parameters={"hurst_leave": 0.4}), "else regimes flicker"),
        (with_column("x", of="regime"), "name one of its outputs: label, entropy, hurst"),
        (with_column("x", of="sma", output="upper"), "sma has no output 'upper'; it has but one"),
        (with_column("x", of="micro_price"), "'micro_price' reads more than bars"),
        (with_column("close", of="sma"), "close: a bar has a column of that name"),
        (SET | {"instruments": ["DOGE"]}, "desk does not list DOGE; it lists BTC-EUR, ETH-EUR"),
        (SET | {"venue": "nowhere"}, "no venue 'nowhere' is declared; there are desk, sim"),
        (SET | {"instruments": ["ETH-EUR"]}, r"minded.yaml: signals: moods is of ETH-EUR of desk alone"),
        (SET | {"columns": {"slow": {"of": "sma"}}}, "moods lacks regime, which minded reads; it has slow"),
        (SET | {"name": "minded"}, r"minded.yaml: name: 'minded' is that of .*signals/minded.yaml; partitions"),
    ],
)
def test_a_set_that_cannot_be_made_or_read_is_refused_when_the_configuration_is_loaded(
    config: Path, content: dict[str, object], match: str
) -> None:
    write(config, "signals", content)
    with pytest.raises(ConfigError, match=match):
        load_universe(config)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"signals": None}, "minded reads regime; name a set that has them of moods"),
        ({"signals": "tides"}, "no signal set 'tides' is declared; there are moods"),
        ({"mode": "tick", "windows": {"test": 1}}, "signals are known at the close of bars: set mode to bar"),
    ],
)
def test_a_strategy_that_would_not_get_its_signals_is_refused_when_the_configuration_is_loaded(
    config: Path, changes: dict[str, object], match: str
) -> None:
    write(config, "strategies", STRATEGY | changes)
    with pytest.raises(ConfigError, match=match):
        load_universe(config)
