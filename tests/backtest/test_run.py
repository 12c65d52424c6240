"""A run as a whole: what it says of itself, that it is the same every time, and what becomes of one that fails."""

from decimal import Decimal

import numpy as np
import orjson
import pytest

from qa._scripted import SCRIPTED, Script, bars, charges, fail, frame, instrument, sessions, submit
from tickline.backtest import run as run_module
from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.bars import listed, prepare
from tickline.backtest.run import Account, frames_of, run_bars
from tickline.errors import BacktestError
from tickline.reference.models import FeeSchedule

FLAT = (100, 100, 100, 100)
FEES = FeeSchedule(maker_bps=Decimal(1), taker_bps=Decimal("2.5"))


class Bench:
    """One instrument's bars, ready to run scripts on."""

    def __init__(self, *rows, assumed=None, capital=Decimal(1_000), lot="1"):
        market = bars(*rows)
        self.account = Account(listed([instrument("A", lot=lot)], FEES), capital, assumed or Assumptions())
        self.ready = prepare(
            [frame(market, "A")], sessions(market), self.account.traded, assumed=self.account.assumed, signals=()
        )

    def run(self, *plays, notes=0, **options):
        return run_bars(SCRIPTED, Script(np.concatenate(plays), notes), self.account, self.ready, charges(), **options)

    def facts(self, ran):
        numbers = Script(1, 2)
        frames = frames_of(ran, SCRIPTED, numbers, self.account, self.ready)
        return frames["backtest_run"].row(0, named=True)


def test_a_run_says_what_was_run_on_what_and_what_came_of_it():
    bench = Bench(FLAT, FLAT, (110,) * 4)
    facts = bench.facts(bench.run(submit(0, 10), submit(0, 0), submit(0, 1, price=50)))
    assert (facts["strategy"], facts["mode"], facts["strategy_code"]) == ("scripted", "bar", SCRIPTED.code)
    assert orjson.loads(facts["parameters"]) == {"plays": 1, "notes": 2}
    assert (facts["ts_from"], facts["ts_to"]) == (
        bench.ready.rows["ts_close"].min(),
        bench.ready.rows["ts_close"].max(),
    )
    assert (facts["rows"], facts["orders"], facts["refused"], facts["fills"]) == (3, 2, 1, 1)
    assert (facts["capital"], facts["fees"], facts["charges"]) == (Decimal(1_000), Decimal("0.0025"), Decimal(0))
    assert (facts["cash"], facts["equity"], facts["conserved"]) == (Decimal("989.9975"), Decimal("1000.9975"), True)


def test_a_venues_fees_apply_where_no_costs_are_assumed():
    for costs, fee in ((Costs(), "0.0025"), (Costs(taker_bps=Decimal(10)), "0.01")):
        bench = Bench(FLAT, FLAT, assumed=Assumptions(costs=costs))
        assert bench.facts(bench.run(submit(0, 10)))["fees"] == Decimal(fee)


def test_capital_counts_in_whole_units():
    bench = Bench(FLAT, capital=Decimal("0.123456789"))
    assert bench.run(submit(0, 0)).desk["capital"][0] == 12_345_678


def test_the_same_run_twice_leaves_the_same_bytes():
    bench = Bench(*[(100 + nth % 7, 110 + nth % 5, 90 - nth % 3, 100 + nth % 11) for nth in range(50)])
    asked = [submit(nth, (-1) ** nth * (nth % 5 + 1), tag=nth) for nth in range(40)]
    one, other = bench.run(*asked), bench.run(*asked)
    for part in ("fills", "ended", "tally"):
        assert getattr(one.log, part).tobytes() == getattr(other.log, part).tobytes()
    assert one.desk.tobytes() == other.desk.tobytes()
    assert one.track.tobytes() == other.track.tobytes()


def test_a_log_that_was_too_small_changes_nothing(monkeypatch):
    bench = Bench(*[FLAT] * 3_000)
    asked = [submit(nth, 1 - 2 * (nth % 2), tag=nth % 5) for nth in range(3_000)]
    large = bench.run(*asked)
    monkeypatch.setattr(run_module, "_ENTRIES", 16)
    small = bench.run(*asked)
    assert large.log.fills.size == 2_999
    assert small.log.fills.tobytes() == large.log.fills.tobytes()
    assert small.track.tobytes() == large.track.tobytes()


def test_more_orders_than_anything_sane_makes_are_refused(monkeypatch):
    monkeypatch.setattr(run_module, "_ENTRIES", 16)
    monkeypatch.setattr(run_module, "MOST_ENTRIES", 100)
    bench = Bench(*[FLAT] * 3_000)
    with pytest.raises(BacktestError, match=r"scripted made more than 100 orders over 3,000 bars"):
        bench.run(*(submit(nth, 0) for nth in range(3_000)))


def test_a_strategy_that_fails_fails_the_run_and_is_named():
    with pytest.raises(BacktestError, match=r"scripted.*ZeroDivisionError"):
        Bench(FLAT, FLAT).run(submit(0, 1), fail(1))


def test_sums_that_do_not_fit_fail_the_run():
    huge = (2**50,) * 4
    with pytest.raises(BacktestError, match="scripted"):
        Bench(huge, huge, capital=Decimal(3 * 10**10), assumed=Assumptions(margin=1e-9)).run(submit(0, 2**20))


def test_while_it_only_watches_a_strategy_sees_every_bar_and_trades_none():
    bench = Bench(*[(100 + nth,) * 4 for nth in range(6)])
    asked = [submit(nth, 1, tag=nth) for nth in range(6)]
    ran = bench.run(*asked, warmup=3)
    assert ran.log.fills[["row", "tag"]].tolist() == [(4, 3), (5, 4)]
    assert ran.log.ended["tag"].tolist() == [3, 4]
    assert ran.track[:3].tolist() == [[10**11, 10**11]] * 3
