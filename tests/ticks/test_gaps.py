from tickline.lake.schemas import Feed

MINUTE = 60_000  # ms
SEQUENCED = {"consecutive_seq": 1, "silence_s": 1e6}


def test_missing_ids_become_one_gap_with_the_ids_around_it(market) -> None:
    rows = [market.trade(seq, seq=seq) for seq in (1, 2, 3, 7, 8)]

    gaps = market.judge(Feed.TRADES, rows, venue=market.venue(parameters=SEQUENCED)).gaps

    assert gaps.select("instrument", "kind", "seq_from", "seq_to", "missing").rows() == [("AAA", "sequence", 3, 7, 3)]
    assert (gaps["ts_to"] - gaps["ts_from"]).dt.total_milliseconds().to_list() == [4]


def test_a_refused_row_is_not_missing(market) -> None:
    rows = [market.trade(seq, seq=seq) for seq in (1, 2, 3, 5)] + [market.trade(4, seq=4, price=-1.0)]

    assert market.judge(Feed.TRADES, rows, venue=market.venue(parameters=SEQUENCED)).gaps.is_empty()


def test_ids_that_need_not_be_consecutive_make_no_gap(market) -> None:
    rows = [market.trade(seq, seq=seq) for seq in (1, 100)]

    assert "sequence" not in market.judge(Feed.TRADES, rows).gaps["kind"]


def test_silence_in_a_session_is_a_gap_up_to_its_edges_and_the_break_is_not(market) -> None:
    times = [*range(9 * 60, 11 * 60, 4), *range(13 * 60 + 30, 17 * 60, 4)]
    rows = [market.trade(minute * MINUTE, instrument="HRS") for minute in times]

    gaps = market.judge(Feed.TRADES, rows).gaps
    own = gaps.filter(instrument="HRS")

    hours = [((ts.hour, ts.minute)) for ts in own["ts_from"]], [((ts.hour, ts.minute)) for ts in own["ts_to"]]
    assert hours == ([(10, 56), (13, 0)], [(12, 0), (13, 30)])
    assert own["seq_from"].to_list() == [656 * MINUTE, None]
    assert own["seq_to"].to_list() == [None, 810 * MINUTE]


def test_an_instrument_without_any_row_is_silent_all_session(market) -> None:
    gaps = market.judge(Feed.TRADES, [])

    assert sorted(gaps.gaps["instrument"]) == ["AAA", "BBB", "HRS", "HRS"]
