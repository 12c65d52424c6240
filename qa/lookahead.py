"""Nothing shipped says anything today that tomorrow would change: every strategy, feature and label on data cut short.

Each is run on a whole history and on what was known of it by several times. What it said up to then has to be the same
to the last bit: for strategies every order, fill, end and the equity. Cheaters that look ahead on purpose are run too,
and every one of them has to be caught.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from numba import njit
from rich.progress import track

from qa import _cheats, _histories, _scripted
from qa._histories import DELAY, NAMES, History
from qa._scripted import MINUTE, START
from tickline.backtest import tick_engine
from tickline.backtest.assumptions import Assumptions, Costs, venue_of
from tickline.backtest.bar_engine import Place
from tickline.backtest.bars import Listed, charges_of, listed, prepare
from tickline.backtest.floor import Clocks
from tickline.backtest.matching import Log, Seat, new_log
from tickline.backtest.run import Account, run_bars
from tickline.backtest.tick_engine import open_floor
from tickline.reference.models import FeeSchedule
from tickline.signals import strategies
from tickline.signals.anomalies import Limits, anomalies
from tickline.signals.classifier import Training, predict, serve, train
from tickline.signals.correlation import correlation_matrix
from tickline.signals.desk import EVENT, Records, open_desk
from tickline.signals.features import FEATURES, FeatureSpec, compute
from tickline.signals.regimes import regimes
from tickline.signals.strategy import Parameters, Strategy, engine_for, fresh_memory, load_strategy
from tickline.signals.volatility_regimes import fit, volatility_regimes

MINUTES, SMALL = 3_000, 1_600
CUTS, SMALL_CUTS = (0.45, 0.613, 0.75, 0.9, 0.9993), (0.5, 0.9993)
TRAINED = 0.4
"""Where models stop learning, as a share of the history."""

ASSUMED = Assumptions(costs=Costs(taker_bps=Decimal(2), maker_bps=Decimal(1), slippage_ticks=1, funding_bps=Decimal(1)))
FEES = FeeSchedule()


@dataclass(frozen=True)
class Subject:
    """What may look ahead: `said` gives what it says of a history, in rows with the `ts` (Int64, UTC ns) of each.

    What is said later than `lag` before a cut is not compared. `traded` counts what shows that it did anything at all.
    """

    name: str
    said: Callable[[History], pl.DataFrame]
    lag: int = 0
    traded: Callable[[pl.DataFrame], int] = lambda said: said.drop("ts", "instrument", strict=False).drop_nulls().height


@dataclass(frozen=True)
class Verdict:
    """How many rows a subject said before the cuts, of how many that tell something, and at how many cuts others."""

    rows: int
    telling: int
    differing: int


def run(
    small: Annotated[bool, typer.Option("--small", help="CI's size: a shorter history, two cuts.")] = False,
) -> dict[str, Any]:
    """Example: qa lookahead --small"""
    history = _histories.drawn(11, SMALL if small else MINUTES)
    cuts = [START + round(share * (SMALL if small else MINUTES)) * MINUTE for share in (SMALL_CUTS if small else CUTS)]
    shipped = {"strategies": list(shipped_strategies()), "features": list(features()), "labellers": list(labellers())}
    everyone = [(kind, one) for kind, several in shipped.items() for one in several]
    verdicts = {
        (kind, one.name): judge(one, history, cuts) for kind, one in track(everyone, "cutting", auto_refresh=False)
    }
    caught = {one.name: judge(one, history, cuts).differing > 0 for one in track(list(cheaters()), "cheating")}
    differing = sorted(f"{kind}: {name}" for (kind, name), verdict in verdicts.items() if verdict.differing)
    silent = sorted(f"{kind}: {name}" for (kind, name), verdict in verdicts.items() if not verdict.telling)
    return {
        "ok": not differing and not silent and all(caught.values()),
        **{kind: len(several) for kind, several in shipped.items()},
        "cuts": len(cuts),
        "rows_compared": sum(verdict.rows for verdict in verdicts.values()),
        "differ": len(differing),
        "differing": differing,
        "silent": silent,
        "cheaters": len(caught),
        "cheaters_caught": sum(caught.values()),
        "cheaters_missed": sorted(name for name, is_caught in caught.items() if not is_caught),
    }


def judge(subject: Subject, history: History, cuts: Sequence[int]) -> Verdict:
    """Whether what a subject says of a history changes with what comes after the cuts (UTC ns)."""
    whole = subject.said(history)
    rows = telling = differing = 0
    for cut in cuts:
        until = pl.col("ts") <= cut - subject.lag
        before, known = whole.filter(until), subject.said(history.known_by(cut)).filter(until)
        rows, telling = rows + before.height, telling + subject.traded(before)
        differing += not before.equals(known)
    return Verdict(rows, telling, differing)


def shipped_strategies() -> Iterator[Subject]:
    """Every module of the package that declares a STRATEGY, on bars where it listens to them, else on ticks."""
    for found in pkgutil.iter_modules(strategies.__path__):
        if hasattr(importlib.import_module(f"{strategies.__name__}.{found.name}"), "STRATEGY"):
            strategy = load_strategy(f"{strategies.__name__}.{found.name}")
            said = partial(_on_bars if strategy.streams else _on_ticks, strategy, strategy.chosen({}))
            yield Subject(strategy.name, said, 0 if strategy.streams else 2 * DELAY, _fills)


def features() -> Iterator[Subject]:
    """Every feature with its defaults, on the rows it reads."""
    return (Subject(name, partial(_feature, FeatureSpec(name))) for name in FEATURES)


def labellers() -> Iterator[Subject]:
    """Everything that labels bars, fitted up to a time before every cut where it is fitted."""
    until = datetime.fromtimestamp(START // 10**9 + round(TRAINED * SMALL) * 60, UTC)
    yield Subject("regimes", lambda known: _timed(regimes(known.bars.lazy()).collect()))
    yield Subject("anomalies", _anomalies)
    yield Subject("correlation_matrix", _correlations)
    yield Subject("volatility_regimes", partial(_volatility, until))
    yield Subject("classifier", partial(_classified, until))


def cheaters() -> Iterator[Subject]:
    """What has to be caught."""
    yield Subject("strategy: closes in its parameters", _peeking, traded=_fills)
    yield Subject("strategy: closes compiled into it", _sighted)
    for name, expression in _cheats.FEATURES.items():
        yield Subject(f"feature: {name}", partial(_expression, expression))
    for name, label in _cheats.LABELLERS.items():
        yield Subject(f"labeller: {name}", lambda known, label=label: _timed(label(known.bars)))


def _fills(said: pl.DataFrame) -> int:
    return said.filter(what="fill").height


def _on_bars(strategy: Strategy, parameters: Parameters, known: History) -> pl.DataFrame:
    """What a strategy does on bars, its signals made of the same bars."""
    streams = [_with_signals(known.bars, strategy.signals), known.longer][: len(strategy.streams)]
    traded = _listed(strategy.instruments)
    account = Account(traded, Decimal(100_000), ASSUMED)
    ready = prepare(streams, known.sessions, traded, assumed=ASSUMED, signals=strategy.signals)
    ran = run_bars(strategy, parameters, account, ready, charges_of(known.sessions, traded, ASSUMED))
    equity = [(ts, "equity", row) for ts, row in zip(ready.bars.events["ts"].tolist(), ran.track.tolist(), strict=True)]
    return _lines([*_logged(ran.log, ran.desk), *equity])


def _with_signals(bars: pl.DataFrame, signals: Sequence[str]) -> pl.DataFrame:
    if not signals:
        return bars
    (named,) = set(signals)  # there is one so far: whoever adds another says here how it is made
    labels = (
        regimes(bars.lazy())
        .collect()
        .select("instrument", pl.col("ts").alias("ts_close"), pl.col("label").alias(named))
    )
    return bars.join(labels, on=["instrument", "ts_close"], how="left", maintain_order="left")


def _on_ticks(strategy: Strategy, parameters: Parameters, known: History) -> pl.DataFrame:
    """What a strategy does on the tape."""
    traded = _listed(1)
    latency = DELAY / 1e6
    venue = venue_of(ASSUMED.model_copy(update={"order_latency_ms": latency, "answer_latency_ms": latency}), [FEES])
    desk, account = (open_desk(traded.grid, capital=10**13, unit=float(traded.unit)) for _ in range(2))
    seat, clocks = Seat(desk[0], new_log(100_000), np.zeros(1, EVENT)[0]), Clocks(wake=1_000_000_000)
    floor = open_floor(known.tape, account[0], clocks)
    engine = engine_for(tick_engine.build, strategy)
    place = Place(venue[0], _scripted.charges())
    engine(parameters, fresh_memory(strategy, parameters), seat, place, known.tape, floor)
    return _lines(_logged(seat.log, account))


def _logged(log: Log, desk: Records) -> list[tuple[int, str, list[int]]]:
    """(when, what, facts) of every intent, fill and end."""
    fills, ended = log.fills[: log.tally["fills"]], log.ended[: log.tally["ended"]]
    orders = np.concatenate([ended, desk["orders"][0, : desk["working"][0]]])
    orders = orders[np.argsort(orders["id"], kind="stable")]
    terms = ["ts_sent", "id", "instrument", "lots", "kind", "tif", "flags", "price", "trigger", "group", "tag"]
    traded = ["ts", "order", "instrument", "lots", "price", "fee", "maker"]
    return [
        *((facts[0], "intent", list(facts[1:])) for facts in orders[terms].tolist()),
        *((facts[0], "fill", list(facts[1:])) for facts in fills[traded].tolist()),
        *((facts[0], "end", list(facts[1:])) for facts in ended[["ts_ended", "id", "status", "filled"]].tolist()),
    ]


def _lines(lines: list[tuple[int, str, list[int]]]) -> pl.DataFrame:
    return pl.DataFrame(lines, schema={"ts": pl.Int64, "what": pl.String, "facts": pl.List(pl.Int64)}, orient="row")


def _listed(instruments: int) -> Listed:
    return listed([_scripted.instrument(name) for name in NAMES[:instruments]], FEES)


def _feature(spec: FeatureSpec, known: History) -> pl.DataFrame:
    frames = (known.bars.with_columns(ts="ts_close"), known.quotes, known.trades)
    rows = next(frame for frame in frames if set(spec.feature.reads) <= set(frame.columns))
    return _timed(compute(rows.lazy(), [spec]).collect().select("instrument", "ts", *spec.columns))


def _expression(expression: pl.Expr, known: History) -> pl.DataFrame:
    return _timed(known.bars.select("instrument", ts="ts_close", said=expression.over("instrument")))


def _anomalies(known: History) -> pl.DataFrame:
    opens = known.sessions.select("session_date", "segment", "open")
    return _timed(anomalies(known.bars.lazy(), opens.lazy(), Limits(window=100, sessions=5)).collect()).drop(
        "volume_score"
    )


def _correlations(known: History) -> pl.DataFrame:
    wide = known.bars.pivot("instrument", index="ts_close", values="close").rename({"ts_close": "ts"})
    return _timed(correlation_matrix(wide.lazy(), list(NAMES), 50).collect())


def _volatility(until: datetime, known: History) -> pl.DataFrame:
    bars = known.bars.filter(instrument=NAMES[0])
    return _timed(volatility_regimes(bars, fit(bars, trained_to=until)))


def _classified(until: datetime, known: History) -> pl.DataFrame:
    """A classifier of the next move, learned anew from what is known."""
    specs = [FeatureSpec("rsi"), FeatureSpec("zscore"), FeatureSpec("atr")]
    names = tuple(column for spec in specs for column in spec.columns)
    following = pl.col("close").shift(-1).over("instrument")
    rows = (
        compute(known.bars.lazy(), specs)
        .collect()
        .with_columns(
            ts="ts_close",
            label_ts=pl.col("ts_close").shift(-1).over("instrument"),
            label=(following > pl.col("close")).cast(pl.Int64),
        )
    )
    card, model = train(rows, Training("next_move", names, until, {}))
    return _timed(predict(serve(card, model), rows))


def _timed(said: pl.DataFrame) -> pl.DataFrame:
    return said.with_columns(pl.col("ts").cast(pl.Int64))


def _peeking(known: History) -> pl.DataFrame:
    parameters = _cheats.Peeked(_cheats.closes_of(known.bars, NAMES[0]))
    return _on_bars(_cheats.PEEKING, parameters, known)


def _sighted(known: History) -> pl.DataFrame:
    """What the strategy asks for on each bar, with a desk on which nothing ever happens."""
    ready = prepare([known.bars], known.sessions, _listed(1), assumed=ASSUMED, signals=())
    decide = njit(_cheats.sighted(_cheats.closes_of(known.bars, NAMES[0])))
    memory, desk = np.zeros(1), open_desk(_listed(1).grid, capital=10**13, unit=1e-8)
    lines = []
    for event in ready.bars.events:
        desk["asked"] = 0
        decide((), memory, event, desk[0])
        asked = desk["intents"]["lots"][0, : desk["asked"][0]].tolist()
        lines.append((int(event["ts"]), "intent", asked))
    return _lines(lines)
