import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.schemas import SESSIONS
from tickline.ticks.windows import DAY_NS, Windows, windows


def sessions_of(market, spans) -> pl.DataFrame:
    rows = [
        ("coin", "always", market.day, segment, market.start + opens, market.start + closes, False)
        for segment, opens, closes in spans
    ]
    physical = pl.Schema(SESSIONS.columns | {"open": pl.Int64(), "close": pl.Int64()})
    return pl.DataFrame(rows, schema=physical, orient="row").cast(pl.Schema(SESSIONS.columns))


def test_sessions_are_cut_to_the_day_and_joined_where_they_touch(market) -> None:
    hour = DAY_NS // 24
    spans = [
        ("regular", -5 * hour, hour),
        ("pre", 2 * hour, 3 * hour),
        ("regular", 3 * hour, 4 * hour),
        ("post", 23 * hour, 30 * hour),
    ]

    found = windows(sessions_of(market, spans), "always", market.day)
    regular = windows(sessions_of(market, spans), "always", market.day, segments=frozenset({"regular"}))

    assert ((found.opens - market.start) // hour).tolist() == [0, 2, 23]
    assert ((found.closes - market.start) // hour).tolist() == [1, 4, 24]
    assert ((regular.opens - market.start) // hour).tolist() == [0, 3]


@settings(deadline=None)
@given(edges=st.sets(st.integers(0, 40), max_size=8), times=st.lists(st.integers(-2, 45), max_size=30))
def test_a_time_is_inside_exactly_when_no_outside_stretch_holds_it(edges, times) -> None:
    bounds = sorted(edges)[: len(edges) // 2 * 2]
    hours = Windows(np.array(bounds[::2], dtype=np.int64), np.array(bounds[1::2], dtype=np.int64))
    ascending = np.array(sorted(times), dtype=np.int64)

    outside = np.concatenate([ascending[stretch] for stretch in hours.outside(ascending)] or [ascending[:0]])

    assert outside.tolist() == [ts for ts in sorted(times) if not hours.contains(ts)]
