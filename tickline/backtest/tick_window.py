"""One window of a strategy in tick mode: its sessions' ticks cut into pieces, each tested after a search of those
before it, and put one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from tickline.backtest.bar_engine import Charges
from tickline.backtest.bars import LINEAGE, Listed, charges_of
from tickline.backtest.floor import Clocks
from tickline.backtest.folds import PIECES, folds_frame, score_of, study_of
from tickline.backtest.results import equity_frame, fills_frame, orders_frame, round_trips, trades_frame
from tickline.backtest.run import Account, Ran, run_frame, run_ticks, stay_out
from tickline.backtest.search import chosen, search
from tickline.backtest.space import trial_id
from tickline.backtest.spec import StrategySpec
from tickline.backtest.study import Score
from tickline.backtest.sweep import Swept
from tickline.backtest.tick_engine import sample_times
from tickline.backtest.ticks import Frames, Tape, origins, tape_of
from tickline.backtest.window import Material, Window
from tickline.errors import BacktestError
from tickline.lake.schema import NS
from tickline.lake.schemas import BACKTEST_FOLDS, CLOSING, Feed
from tickline.signals.desk import Records
from tickline.signals.strategy import Parameters

SAMPLE_NS = 1_000_000_000
"""How often equity is taken."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A span of ticks: the frames they are from, and their tape."""

    frames: Frames
    tape: Tape


def run_tick_window(
    spec: StrategySpec, window: Window, material: Material, account: Account
) -> dict[str, pl.DataFrame]:
    """The frames of the `backtest_*` datasets that one window in tick mode leaves, by name.

    Each piece begins flat, with the whole capital, and stays so where the search before it lets no set be chosen.
    Raises BacktestError where there are no ticks to run on, or every trial failed.
    """
    sessions = material.sessions.filter(pl.col("session_date").is_in(list(window.test)))
    charges = charges_of(sessions, account.traded, account.assumed)
    whole = _within(material, sessions)
    parts: list[dict[str, pl.DataFrame]] = []
    cut = spec.windows.pieces
    if cut is None:
        piece = _piece(whole, account.traded, sessions)
        parts.append(_tested(spec, spec.chosen(), account, piece, charges, day=window.test[0]))
    else:
        edges = _edges(whole, cut.count)
        for nth in range(cut.train, cut.count):
            training = _piece(_between(whole, edges[nth - cut.train], edges[nth]), account.traded, sessions)
            found, folds = _searched(spec, account, training, charges, fold=nth)
            piece = _piece(_between(whole, edges[nth], edges[nth + 1]), account.traded, sessions)
            parameters = spec.chosen(found) if found is not None else None
            tested = _tested(spec, parameters, account, piece, charges, day=window.test[0])
            parts.append(tested | {"backtest_folds": folds})
    return _joined(spec, parts)


def _searched(
    spec: StrategySpec, account: Account, piece: Piece, charges: Charges, *, fold: int
) -> tuple[Mapping[str, float] | None, pl.DataFrame]:
    """What a search of a piece chose, if anything, and its table of trials."""
    asked = spec.search
    assert asked is not None
    swept: dict[str, Swept] = {}

    def one(values: Mapping[str, float]) -> Swept:
        parameters = spec.chosen(values)
        capital = int(account.capital / account.traded.unit)
        try:
            return _swept(parameters, capital, _run(spec, parameters, account, piece, charges), piece.tape.ticks)
        except BacktestError as error:
            return Swept(parameters, capital, np.zeros(0, np.int64), capital, failure=str(error))

    def evaluate(batch: Sequence[Mapping[str, float]]) -> list[Score]:
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(one, batch))
        swept.update({trial_id(values): result for values, result in zip(batch, results, strict=True)})
        return [score_of(result, asked.objectives) for result in results]

    trials = search(study_of(asked, spec), evaluate)
    found = chosen(trials)
    return found, folds_frame(trials, swept, found, fold=fold)


def _run(spec: StrategySpec, parameters: Parameters, account: Account, piece: Piece, charges: Charges) -> Ran:
    clocks = Clocks(wake=round(spec.wake_ms * 1_000_000), sample=SAMPLE_NS)
    return run_ticks(spec.strategy, parameters, account, piece.tape, clocks=clocks, charges=charges)


def _swept(parameters: Parameters, capital: int, ran: Ran, ticks: Records) -> Swept:
    equity, first, last = ran.track[:, 0], int(ticks["ts"][0]), int(ticks["ts"][-1])
    marks = np.linspace(0, equity.size, PIECES + 1).round().astype(np.int64)[1:] - 1
    peaks = np.maximum.accumulate(np.maximum(equity, 1))
    deepest = float((1 - equity / peaks).max()) if equity.size else 0.0
    trips, ts = round_trips(ran.log.fills), ran.log.fills["ts"]
    held = np.where(trips["exit"] >= 0, ts[trips["exit"]], last) - ts[trips["entry"]] if trips.size else np.zeros(1)
    longest = float(held.max()) / max(1, last - first)
    return Swept(parameters, capital, equity[marks], int(equity[-1]), deepest, trades=trips.size, longest=longest)


def _tested(
    spec: StrategySpec, parameters: Parameters | None, account: Account, piece: Piece, charges: Charges, *, day: date
) -> dict[str, pl.DataFrame]:
    times = pl.Series("ts_close", sample_times(piece.tape, Clocks(sample=SAMPLE_NS))).cast(NS)
    ran = stay_out(account, times.len()) if parameters is None else _run(spec, parameters, account, piece, charges)
    sampled = pl.DataFrame({"ts_close": times}).with_columns(pl.lit(day).alias("session_date"))
    rows = _lineage(piece).with_columns(pl.lit(day).alias("session_date"))
    known = pl.DataFrame({"ts_close": pl.Series(piece.tape.ticks["ts_recv"]).cast(NS)})
    return {
        "backtest_run": run_frame(ran, spec.strategy, parameters, account, known, mode="tick"),
        "backtest_orders": orders_frame(ran.log, ran.desk, account.traded),
        "backtest_fills": fills_frame(ran.log, account.traded, rows),
        "backtest_trades": trades_frame(ran.log, ran.desk, account.traded),
        "backtest_equity": equity_frame(ran.track, sampled, account.traded),
        "backtest_folds": BACKTEST_FOLDS.empty(),
    }


def _joined(spec: StrategySpec, parts: Sequence[Mapping[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """Pieces one after the other; order ids go on, and equity is a piece's until the next one's begins."""
    shifted, before = [], 0
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        equity = part["backtest_equity"]
        if following is not None:
            equity = equity.filter(pl.col("ts") < following["backtest_equity"]["ts"].min())
        run = part["backtest_run"].with_columns(
            pl.lit(spec.name).alias("strategy"), ts_to=pl.lit(equity["ts"].max(), NS)
        )
        number = pl.when(pl.col("order") > 0).then(pl.col("order") + before).otherwise(0).alias("order")
        numbered = {name: part[name].with_columns(number) for name in ("backtest_orders", "backtest_fills")}
        before += int(run["orders"].item())
        shifted.append({**part, **numbered, "backtest_run": run, "backtest_equity": equity})
    return {name: pl.concat([part[name] for part in shifted]) for name in shifted[0]}


def _within(material: Material, sessions: pl.DataFrame) -> Frames:
    """The ticks of the sessions, trades and book, and the book the first of them goes on from, told right before it."""
    trades, book, opening = material.streams
    first, last = sessions["open"].min(), sessions["close"].max()
    inside = (pl.col("ts_event") >= first) & (pl.col("ts_event") < last)
    told = (pl.lit(first).cast(NS) - pl.duration(nanoseconds=1)).alias("ts_last")
    return Frames(trades.filter(inside), book.filter(inside), opening.with_columns(told))


def _edges(frames: Frames, count: int) -> list[int]:
    """Times (UTC ns) that cut the ticks into so many equal spans. Raises BacktestError where there are none."""
    times = pl.concat([frames.trades["ts_event"], frames.book["ts_event"]]).to_physical()
    if times.len() == 0:
        raise BacktestError("no ticks in these sessions: materialise clean trades and book, or choose others")
    first, last = int(times.min()), int(times.max()) + 1  # type: ignore[arg-type]
    return [first + (last - first) * nth // count for nth in range(count + 1)]


def _between(frames: Frames, first: int, last: int) -> Frames:
    """The ticks of a span, with the book as it stood at its beginning."""
    inside = pl.col("ts_event").to_physical().is_between(first, last, closed="left")
    return Frames(frames.trades.filter(inside), frames.book.filter(inside), _book_at(frames, first))


def _book_at(frames: Frames, ts: int) -> pl.DataFrame:
    """Every book as it stood at a time (UTC ns), as CLOSING book rows: the last size of each level since the last
    snapshot. It is told right before that time, so that nobody trades on it earlier."""
    earlier = frames.book.filter(pl.col("ts_event").to_physical() < ts)
    newest = earlier.filter(pl.col("epoch") == pl.col("epoch").max().over("instrument"))
    told = newest.select(
        "instrument",
        pl.col("ts_event").alias("ts_last"),
        pl.col("last_seq").max().over("instrument").alias("seq_last"),
        *("side", "price", "size", "epoch"),
    )
    opening = frames.opening.filter(pl.col("side").is_not_null()).with_columns(pl.lit(0, pl.Int32).alias("epoch"))
    goes_on = opening.join(told.filter(pl.col("epoch") > 0), on="instrument", how="anti")
    columns = list(CLOSING[Feed.BOOK].columns)
    levels = pl.concat([goes_on.select(columns), told.select(columns)], how="vertical_relaxed")
    return (
        levels.group_by("instrument", "side", "price", maintain_order=True)
        .agg(pl.col("size").last(), pl.col("ts_last").last(), pl.col("seq_last").last())
        .filter(pl.col("size") > 0)
        .with_columns(pl.lit(ts - 1).cast(NS).alias("ts_last"), pl.col("seq_last").max().over("instrument"))
        .select(columns)
        .sort("instrument", "side", "price")
    )


def _piece(frames: Frames, traded: Listed, sessions: pl.DataFrame) -> Piece:
    closes = np.sort(sessions["close"].to_physical().to_numpy())
    return Piece(frames, tape_of(frames, names=traded.names, instruments=traded.grid, closes=closes))


def _lineage(piece: Piece) -> pl.DataFrame:
    """For each tick of a tape the partition and row it is from."""
    made = origins(piece.tape.ticks).with_row_index("at")
    parts: Iterator[pl.DataFrame] = (
        ticks.drop("input_row").join(
            frame.select(*LINEAGE).with_row_index("given").with_columns(pl.col("given").cast(pl.UInt32)),
            left_on="nth",
            right_on="given",
            how="left",
        )
        for (dataset, frame) in (("clean_trades", piece.frames.trades), ("clean_book", piece.frames.book))
        for ticks in (made.filter(input=dataset).with_columns(pl.col("input_row").alias("nth")).drop("input"),)
    )
    opened = made.filter(input="closing_book").with_columns(pl.lit("").alias("input_period"))
    known = [part.select("at", *LINEAGE) for part in parts]
    return pl.concat([*known, opened.select("at", *LINEAGE)], how="vertical_relaxed").sort("at").select(*LINEAGE)
