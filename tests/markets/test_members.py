import polars as pl
import pytest

from tickline.lake.market_schemas import CLEAN_MARKETS
from tickline.markets.members import as_listed


def listed(*rows):
    """(market, group, label, result)."""
    told = [
        {"venue": "kalshi", "market_id": market, "group_id": group, "label": label, "result": result, "version": 1}
        for market, group, label, result in rows
    ]
    return pl.DataFrame(told, schema={"venue": pl.String()} | CLEAN_MARKETS.columns)


def whole(*results):
    return listed(*((name, "G", "exhaustive", result) for name, result in zip("ABC", results, strict=True)))


TODAY = whole(None, None, None).filter(pl.col("market_id") != "A")


@pytest.mark.parametrize(("result", "label"), [(None, "unknown"), ("yes", "unknown"), ("no", "exhaustive")])
def test_a_member_that_is_gone_may_have_won_unless_it_was_seen_to_lose(result, label):
    assert as_listed(TODAY, whole(result, None, None))["label"].to_list() == [label, label]


def test_groups_that_lost_nobody_and_days_before_which_nothing_is_known_stay_as_they_are():
    today = pl.concat([TODAY, listed(("X", "H", "exhaustive", None), ("Y", None, None, None))])
    before = pl.concat([whole("no", None, None), listed(("X", "H", "exhaustive", None), ("Z", None, None, None))])
    assert as_listed(today, before).equals(today)
    assert as_listed(today, today.clear()).equals(today)


def test_other_labels_and_other_groups_are_left_alone():
    today = pl.concat([TODAY.with_columns(label=pl.lit("non_exhaustive")), listed(("X", "H", "exhaustive", None))])
    told = as_listed(today, whole(None, None, None))
    assert told["label"].to_list() == ["non_exhaustive", "non_exhaustive", "exhaustive"]
