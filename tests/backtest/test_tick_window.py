"""A window in tick mode: pieces of ticks, each tested with what a search of those before it chose."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from tickline.backtest.spec import StrategySpec
from tickline.backtest.tick_window import run_tick_window
from tickline.backtest.window import Material, Window, account_of
from tickline.lake.schema import NS, Schema
from tickline.lake.schemas import CLEAN, CLOSING, SESSIONS, Feed
from tickline.reference.models import Instrument, InstrumentKind, Venue, VenueKind

DAY = date(2026, 3, 6)
MIDNIGHT = datetime(2026, 3, 6, tzinfo=UTC)
CAPITAL = Decimal(100_000)


def venue() -> Venue:
    btc = Instrument(name="BTC", kind=InstrumentKind.SPOT, quote="USD", tick_size=Decimal("0.01"), lot_size=Decimal(1))
    fields = {"kind": VenueKind.CRYPTO, "calendar": "always", "start": DAY, "instruments": (btc,)}
    return Venue.model_validate({"name": "desk", "feeds": {"trades": {"kind": "table"}}, **fields})


def frame(schema: Schema, rows: int, dataset: str, **columns: object) -> pl.DataFrame:
    """Rows of a schema with lineage; what is not given is null."""
    given = pl.DataFrame({"instrument": ["BTC"] * rows}).with_columns(
        **{name: pl.Series(of) if isinstance(of, list) else pl.lit(of) for name, of in columns.items()}
    )
    whole = given.select(
        (pl.col(name) if name in given.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.columns.items()
    )
    return whole.with_row_index("input_row").with_columns(input=pl.lit(dataset), input_period=pl.lit(DAY.isoformat()))


def material() -> Material:
    """A book of one bid and one ask, and a trade at either every second for two minutes."""
    times = [MIDNIGHT + timedelta(seconds=nth) for nth in range(120)]
    at = {"ts_event": times, "ts_recv": times, "seq": list(range(1, 121)), "sets": 15, "size": 5.0}
    sides = ["buy" if nth % 2 else "sell" for nth in range(120)]
    prices = [101.0 if nth % 2 else 99.0 for nth in range(120)]
    trades = frame(CLEAN[Feed.TRADES], 120, "clean_trades", side=sides, price=prices, **at)
    start = {"ts_event": MIDNIGHT, "ts_recv": MIDNIGHT, "kind": "snapshot", "epoch": 1, "seq": 0, "last_seq": 0}
    book = frame(CLEAN[Feed.BOOK], 2, "clean_book", side=["bid", "ask"], price=[99.0, 101.0], size=[5.0, 5.0], **start)
    session = {"venue": "desk", "calendar": "always", "session_date": DAY, "segment": "regular"}
    span = {"open": MIDNIGHT, "close": MIDNIGHT + timedelta(days=1), "is_early_close": False}
    sessions = pl.DataFrame([session | span]).with_columns(pl.col("open", "close").cast(NS))
    sessions = sessions.select(pl.col(name).cast(kind) for name, kind in SESSIONS.columns.items())
    opening = frame(CLOSING[Feed.BOOK], 0, "closing_book")
    return Material((trades, book, opening), sessions, venue())


def run(made: Material, **declared: object) -> dict[str, pl.DataFrame]:
    """A maker's window."""
    spec = {"name": "made", "module": "tickline.signals.strategies.maker", "venue": "desk", "instruments": ["BTC"]}
    spec |= {"mode": "tick", "capital": CAPITAL, "parameters": {"half_spread": 100.0, "skew": 0.0}}
    checked = StrategySpec.model_validate({**spec, "windows": {"test": 1}, **declared})
    return run_tick_window(checked, Window((), (), (DAY,)), made, account_of(checked, made.venue))


def searched(pieces: int, min_trades: int) -> dict[str, pl.DataFrame]:
    """A window of so many pieces, all but the first tested after a search of the one before."""
    search = {"space": {"lots": {"values": [1, 2]}}, "min_trades": min_trades}
    return run(material(), windows={"test": 1, "pieces": {"count": pieces, "train": 1}}, search=search)


@pytest.mark.slow
@pytest.mark.parametrize(("min_trades", "trades"), [(0, True), (10**6, False)])
def test_a_piece_is_tested_with_what_was_chosen_before_it_and_stays_flat_where_nothing_was(min_trades, trades):
    frames = searched(2, min_trades)
    (made,) = frames["backtest_run"].to_dicts()
    assert (frames["backtest_folds"]["chosen"].sum(), made["parameters"] != "{}") == (int(trades), trades)
    assert (made["orders"] > 0, made["conserved"]) == (trades, True)
    if not trades:
        assert frames["backtest_equity"]["equity"].unique().to_list() == [float(CAPITAL)]


@pytest.mark.slow
def test_a_piece_begins_at_its_own_time_however_long_its_book_stood_still():
    frames = searched(3, 0)
    begins = MIDNIGHT + timedelta(seconds=119) / 3
    assert frames["backtest_orders"]["ts_sent"].min() >= begins
    seconds = [MIDNIGHT + timedelta(seconds=nth) for nth in range(40, 120)]
    assert frames["backtest_equity"]["ts"].to_list() == seconds
    assert frames["backtest_run"]["ts_to"].to_list() == [seconds[39], seconds[-1]]


@pytest.mark.slow
def test_nothing_is_sent_before_the_session_on_the_book_the_day_before_left():
    made = material()
    left = {"side": ["bid", "ask"], "price": [99.0, 101.0], "size": [5.0, 5.0]}
    noon = MIDNIGHT - timedelta(hours=12)
    opening = frame(CLOSING[Feed.BOOK], 2, "closing_book", ts_last=noon, seq_last=0, **left)
    frames = run(replace(made, streams=(made.streams[0], made.streams[1].clear(), opening)))
    assert frames["backtest_fills"].height > 0
    assert frames["backtest_orders"]["ts_sent"].min() >= MIDNIGHT
    assert frames["backtest_equity"]["ts"].min() == MIDNIGHT
