"""Slippage curves: the size they say is best is, and own fills bring back the curve they were made by."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.lane_schemas import LANE_FILLS
from tickline.sizing.impact import MOST_UNITS, ImpactCurve, ImpactFitting, best_size, refit, slippage

DECLARED = {"cross": ImpactCurve(alpha=0.01, power=1.0), "intra": ImpactCurve()}


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-5, 0.05), st.floats(0.2, 2), st.floats(0.001, 0.2))
def test_no_other_size_makes_more(alpha, power, edge):
    curve = ImpactCurve(alpha=alpha, power=power)
    best = best_size(curve, edge)
    if best == MOST_UNITS:
        return

    def made(units):
        return units * (edge - slippage(curve, units))

    assert all(made(best) >= made(best * of) - 1e-12 * best for of in (0.5, 0.9, 0.99, 1.01, 1.1, 2))


def test_without_an_edge_nothing_and_without_impact_all_there_is():
    assert best_size(ImpactCurve(), 0.0) == best_size(ImpactCurve(), -0.1) == 0
    assert best_size(ImpactCurve(alpha=0), 0.01) == MOST_UNITS


def fills(alpha, power, *, count, wild=0.0, seed=3, lane="cross"):
    random = np.random.default_rng(seed)
    sizes = np.exp(random.uniform(0, 6, count)).round(2)
    slipped = alpha * sizes**power * (1 + 0.1 * random.standard_normal(count)) + 0.0005 * random.standard_normal(count)
    slipped[: int(wild * count)] += 0.5
    is_buy = random.random(count) < 0.5
    rows = pl.DataFrame(
        {
            "lane": [lane] * count,
            "action": ["enter"] * count,
            "direction": np.where(is_buy, "buy", "sell"),
            "size": sizes,
            "expected_price": [0.4] * count,
            "price": 0.4 + np.where(is_buy, 1, -1) * slipped,
        }
    )
    return rows.select(pl.col(name).cast(LANE_FILLS.columns[name]) for name in rows.columns)


@pytest.mark.parametrize("wild", [0.0, 0.15])
@pytest.mark.parametrize(("alpha", "power"), [(0.002, 0.5), (0.0005, 0.9)])
def test_fills_bring_back_their_curve_however_wild_a_few_of_them_are(alpha, power, wild):
    found = refit(fills(alpha, power, count=400, wild=wild), DECLARED, ImpactFitting())["cross"]
    for units in (5, 50, 300):
        assert slippage(found, units) == pytest.approx(alpha * units**power, rel=0.15)


def test_too_few_fills_or_all_of_one_size_leave_what_was_declared():
    few = fills(0.002, 0.5, count=49)
    same = fills(0.002, 0.5, count=100).with_columns(pl.lit(5).cast(few.schema["size"]).alias("size"))
    assert refit(few, DECLARED, ImpactFitting()) == refit(same, DECLARED, ImpactFitting()) == DECLARED


def test_only_entries_count_and_the_order_of_rows_does_not():
    entered = fills(0.002, 0.5, count=100)
    left = entered.with_columns(pl.lit("unwind").alias("action"), pl.col("price") + 1)
    shuffled = pl.concat([left, entered]).sample(fraction=1, shuffle=True, seed=2)
    assert refit(shuffled, DECLARED, ImpactFitting()) == refit(entered, DECLARED, ImpactFitting())


def test_fills_that_cost_nothing_say_that_there_is_no_impact():
    free = fills(0.002, 0.5, count=100).with_columns(pl.col("expected_price").alias("price"))
    assert slippage(refit(free, DECLARED, ImpactFitting())["cross"], 300) < 1e-6
