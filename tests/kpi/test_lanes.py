from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from runners.sample_lake import DAYS
from runners.sample_lanes import lane_days
from tickline.kpi.lanes import (
    READS,
    concentration,
    conversion,
    costs,
    double_counted,
    edges,
    families,
    fill_quality,
    read_run,
    run_of,
)
from tickline.lake.lake import Output, open_lake


def test_family_totals_are_the_positions_to_the_last_digit(run):
    found = families(run)
    assert found["opened"].sum() == run.opened.height
    assert found["closed"].sum() == run.closed.height
    assert found["opened_stake"].sum() == sum(run.opened["stake"])
    assert found["realised_edge"].sum() == sum(run.closed["realised"])
    assert found["drift"].sum() == sum(run.closed["realised"]) - sum(run.closed["expected"])


def test_days_add_up_to_the_run_but_for_what_is_held(run):
    parts = lane_days(DAYS, name="desk")
    by_day = [run_of({key: frame for key, frame in parts.items() if key.date == day}) for day in DAYS]
    counted = ["detected", "gated", "opened", "closed", "detected_bets", "gated_bets", "opened_bets"]
    summed = pl.concat(conversion(one) for one in by_day).group_by("lane", "variant").agg(pl.col(counted).sum())
    assert_frame_equal(summed.sort("lane", "variant"), conversion(run).select("lane", "variant", *counted))
    assert conversion(run).filter(variant="raw")["held"].sum() == by_day[-1].held.height
    assert by_day[0].held.height > 0


def test_a_bet_that_two_lanes_see_is_counted_once_in_the_lane_that_was_first(run):
    found = conversion(run).filter(variant="raw")
    seen = run.opportunities.select("day", "family").unique().height
    assert found["detected_bets"].sum() == seen < run.opportunities.height
    assert dict(found.select("lane", "detected_bets").iter_rows())["parity"] == 0


def test_an_opportunity_that_is_there_twice_is_one(run):
    twice = replace(run, opportunities=pl.concat([run.opportunities, run.opportunities]))
    assert_frame_equal(conversion(twice), conversion(run))


def test_lanes_add_up_to_families(run):
    assert_frame_equal(
        families(run).group_by("lane").agg(pl.col("opened_stake", "realised_edge", "fees").sum()).sort("lane"),
        families(run, ("lane",)).select("lane", "opened_stake", "realised_edge", "fees"),
    )
    raw = edges(run, top=3).filter(variant="raw")
    assert raw["realised"].sum() == families(run)["realised_edge"].sum()


def test_a_position_that_is_there_twice_is_found(run):
    assert double_counted(run).is_empty()
    again = run.closed.head(1)
    twice = replace(run, positions=pl.concat([run.positions, again]))
    assert double_counted(twice)["opportunity_id"].to_list() == again["opportunity_id"].to_list()
    later = replace(run, positions=pl.concat([run.positions, again.with_columns(day=DAYS[-1] + timedelta(days=9))]))
    assert double_counted(later)["closings"].to_list() == [2]


def test_costs_and_cash_are_those_of_the_fills(run):
    found = costs(run)
    assert found["fees"].sum() == sum(run.fills["fee"])
    assert found["cash"].sum() == sum(run.closed["realised"]) - sum(run.held["stake"])


def test_slippage_is_that_of_the_positions(run):
    entered = fill_quality(run).filter(action="enter")
    assert entered["slippage"].sum() == sum(run.opened["slippage"])
    assert entered["maker_share"].is_between(0, 1).all()


def test_shares_add_up_to_one_and_the_index_lies_between_even_and_one(run):
    found = concentration(run)
    for _, scope in found.group_by("scope"):
        assert scope["stake_share"].sum() == pytest.approx(1)
        assert 1 / scope.height <= scope["stake_hhi"][0] <= 1


def test_nothing_comes_of_nothing():
    empty = run_of({})
    for frame in (conversion(empty), families(empty), edges(empty, top=3), fill_quality(empty), concentration(empty)):
        assert frame.is_empty()
    assert costs(empty).is_empty()


def test_a_run_is_read_from_the_lake(run, tmp_path):
    lake = open_lake(tmp_path)
    parts = lane_days(DAYS, name="desk")
    for key, frame in parts.items():
        if key.dataset not in READS:
            continue
        with lake.lease(str(key)) as lease:
            lake.publish([Output(key, frame, {})], made_from=[], code="code", run="run", lease=lease)
    read = read_run(lake, "desk", first=DAYS[0].isoformat(), last=DAYS[-1].isoformat())
    assert_frame_equal(families(read), families(run))
    assert read_run(lake, "desk", first=DAYS[1].isoformat()).days == DAYS[1:]
    assert read_run(lake, "nobody").days == ()
