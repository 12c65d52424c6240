from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.kpi.robustness import Variant, edge_variants, sign_stable
from tickline.lake.schema import MONEY

cents = st.integers(-300, 300).map(lambda number: Decimal(number) / 100)


def sign(number: Decimal) -> int:
    return (number > 0) - (number < 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(cents, max_size=8))
def test_a_sign_is_stable_where_no_trade_left_out_changes_it(results):
    total = sign(sum(results))
    without_each = [sign(sum(results[:nth] + results[nth + 1 :])) for nth in range(len(results))]
    expected = total != 0 and all(one == total for one in without_each)
    assert sign_stable(pl.Series(results, dtype=MONEY)) is expected


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(cents, st.sampled_from([True, False, None])), min_size=1, max_size=8), st.integers(1, 4))
def test_variants_are_what_plain_arithmetic_gives(trades, top):
    closed = pl.DataFrame(
        {
            "lane": "cross",
            "opportunity_id": [str(nth) for nth in range(len(trades))],
            "is_micro": [micro for _, micro in trades],
            **{name: pl.Series([result for result, _ in trades], dtype=MONEY) for name in ("stake", "detected")},
            **{name: pl.Series([result for result, _ in trades], dtype=MONEY) for name in ("expected", "realised")},
        },
        schema_overrides={"is_micro": pl.Boolean},
    )
    by_weight = sorted((result for result, _ in trades), key=abs, reverse=True)
    expected = {
        Variant.RAW: sum(by_weight),
        Variant.FILTERED: sum(result for result, micro in trades if micro is False),
        Variant.WITHOUT_LARGEST: {sum(by_weight) - one for one in by_weight if abs(one) == abs(by_weight[0])},
    }
    found = edge_variants(closed, ["lane"], top=top)
    realised = dict(found.select("variant", "realised").iter_rows())
    assert realised[Variant.RAW] == expected[Variant.RAW]
    assert realised[Variant.FILTERED] == expected[Variant.FILTERED]
    assert realised[Variant.WITHOUT_LARGEST] in expected[Variant.WITHOUT_LARGEST]
    kept = dict(found.select("variant", "trades").iter_rows())
    assert kept[Variant.WITHOUT_TOP] == max(0, len(trades) - top)
    assert found["is_conclusive"].n_unique() == 1


@pytest.mark.parametrize(
    ("results", "is_conclusive"),
    [
        (["1", "1", "1", "1", "1"], True),
        (["-1", "-1", "-1", "-1", "-1"], True),
        (["9", "-1", "-1", "-1", "-1"], False),
        (["5", "4", "4", "-1", "-1"], False),
        (["5"], False),
    ],
)
def test_what_a_few_trades_carry_is_not_conclusive(results, is_conclusive):
    money = pl.Series([Decimal(one) for one in results], dtype=MONEY)
    ids = [str(nth) for nth in range(len(results))]
    closed = pl.DataFrame({"lane": "cross", "opportunity_id": ids, "is_micro": False}).with_columns(
        **dict.fromkeys(("stake", "detected", "expected", "realised"), money)
    )
    assert edge_variants(closed, ["lane"], top=3)["is_conclusive"].to_list() == [is_conclusive] * 4
