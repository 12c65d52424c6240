"""Two backtests side by side: what is the same is not shown, what differs is."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from tickline.backtest.report.compare import aligned, compare, only_in
from tickline.backtest.report.measures import measures_of


@pytest.fixture(scope="module")
def evidence(simulate):
    return simulate()


@pytest.fixture(scope="module")
def other(simulate):
    return simulate(seed=8)


def later(evidence, days):
    """The same run so many days later."""
    moved = {
        "run": ("ts_from", "ts_to"),
        "equity": ("ts", "session_date"),
        "trades": ("ts_entry", "ts_exit"),
    }
    frames = {
        name: getattr(evidence, name).with_columns(
            (pl.col(column) + timedelta(days=days)).cast(getattr(evidence, name).schema[column]) for column in columns
        )
        for name, columns in moved.items()
    }
    return replace(evidence, **frames)


def sections(page):
    """The page's text by the heading of its sections."""
    found = {}
    for part in page.split("<h2>")[1:]:
        title, _, text = part.partition("</h2>")
        found[title] = text.split("</section>")[0]
    return found


def test_a_run_compared_with_itself_differs_in_nothing(evidence) -> None:
    told = sections(compare(evidence, evidence))
    for title in ("Parameters that differ", "Assumptions that differ", "Inputs that differ"):
        assert "None." in told[title]
        assert "<table" not in told[title]
    assert f"{evidence.trades.height} trades are in both, 0 of them with another" in told["Trades"]
    assert "Only in" not in told["Trades"]
    assert "+" not in told["Measures"]


def test_the_same_runs_give_the_same_bytes(simulate) -> None:
    assert compare(simulate(), simulate(seed=8)) == compare(simulate(), simulate(seed=8))


def test_what_differs_is_listed(evidence, other) -> None:
    cheaper = replace(
        other,
        assumed=other.assumed.model_copy(update={"fill_at": "close"}),
        provenance=other.provenance | {"configuration": "99" * 32},
    )
    told = sections(compare(evidence, cheaper))
    assert "<span>slow</span>" in told["Parameters that differ"]
    assert "<span>fast</span>" not in told["Parameters that differ"], "all windows of both chose the same"
    assert told["Assumptions that differ"].count("<tr>") == 2, "a heading and the orders"
    assert "99" * 32 in told["Inputs that differ"]
    assert "ab" * 32 not in told["Inputs that differ"]
    change = measures_of(other)["total_return"] - measures_of(evidence)["total_return"]
    assert f"{change:+.2%}" in told["Measures"]


def test_curves_begin_at_one_where_the_later_one_does(evidence, other) -> None:
    ours, theirs, is_shared = aligned(evidence, later(other, 10))
    start = theirs["ts"][0]
    assert is_shared
    assert theirs["growth"][0] == 1
    assert ours.filter(pl.col("ts") <= start)["growth"][-1] == 1
    assert ours["ts"][0] < evidence.equity["ts"][1] < start, "what came before is still drawn"


def test_curves_of_different_times_are_not_weighed_against_each_other(evidence) -> None:
    moved = later(evidence, 1_000)
    assert not aligned(evidence, moved)[2]
    assert "cannot be weighed" in compare(evidence, moved)
    assert "No trade is in both." in compare(evidence, moved)


def test_trades_of_one_run_alone_are_found_even_beside_equal_ones(evidence) -> None:
    twice = pl.concat([evidence.trades.head(1), evidence.trades])
    cut = evidence.trades.slice(1)
    assert only_in(replace(evidence, trades=twice), evidence).equals(evidence.trades.head(1))
    assert only_in(evidence, replace(evidence, trades=cut)).equals(evidence.trades.head(1))
    assert only_in(evidence, evidence).is_empty()


def test_trades_at_another_price_are_counted(evidence) -> None:
    dearer = evidence.trades.with_columns(entry_price=pl.col("entry_price") + (pl.int_range(pl.len()) < 4))
    told = sections(compare(evidence, replace(evidence, trades=dearer)))
    assert f"{evidence.trades.height} trades are in both, 4 of them" in told["Trades"]


def test_hostile_names_are_not_markup(evidence, simulate) -> None:
    hostile = "<script>alert(1)</script>"
    page = compare(evidence, simulate(windows=1, instrument=hostile, strategy=hostile, parameter=hostile, text=hostile))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
