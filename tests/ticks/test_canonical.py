import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tickline.lake.schemas import RAW, Feed
from tickline.ticks.canonical import canonical, runs_of

rows = st.lists(
    st.tuples(
        st.sampled_from([None, "", "A", "AB", "b", "é", "日本"]),
        st.sampled_from([None, 0, 1, 2]),
        st.sampled_from([None, -1, 0, 1]),
        st.integers(0, 2),
        st.sampled_from([None, "1", "2"]),
        st.sampled_from([None, 1.0, 2.0, float("nan")]),
    ),
    max_size=25,
)


def frame_of(market, drawn) -> pl.DataFrame:
    names = ("instrument", "ts_event", "seq", "delivery", "trade_id", "price")
    return market.raw(Feed.TRADES, [dict(zip(names, row, strict=True)) for row in drawn])


@settings(deadline=None)
@given(drawn=rows)
def test_canonical_order_is_the_sort_key_and_then_every_other_column(market, drawn) -> None:
    frame = frame_of(market, drawn)
    sort = RAW[Feed.TRADES].sort

    expected = frame.sort(*sort, *(name for name in frame.columns if name not in sort))

    assert_frame_equal(canonical(frame, Feed.TRADES), expected)


def test_rows_in_canonical_order_are_not_copied(market) -> None:
    frame = market.raw(Feed.TRADES, [market.trade(ms) for ms in range(10)])

    assert canonical(frame, Feed.TRADES) is frame


@settings(deadline=None)
@given(names=st.lists(st.sampled_from([None, "A", "B"]), max_size=20))
def test_runs_cover_the_rows_in_order(market, names) -> None:
    frame = pl.DataFrame({"instrument": names}, schema={"instrument": pl.String})

    runs = runs_of(frame)

    covered = [
        name
        for name, run in zip(runs.instruments, runs.slices(), strict=True)
        for name in [name] * (run.stop - run.start)
    ]
    assert covered == names
