"""`tickline kpi`, `adjudicate` and `packet` over a lake in which a set of lanes left three days."""

import json
import shutil
from pathlib import Path

import pytest

from runners.sample_lake import DAYS
from runners.sample_lanes import lane_days
from tickline.kpi.lanes import READS, run_of
from tickline.lake.lake import Output, open_lake

CONFIG = Path(__file__).parents[2] / "config"
NAME = "predsim_lanes"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    monkeypatch.setenv("TICKLINE_CONFIG", str(config))
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    lake = open_lake(tmp_path / "home")
    with lake.lease("all") as lease:
        outputs = [Output(key, frame, {}) for key, frame in lane_days(DAYS, name=NAME).items() if key.dataset in READS]
        lake.publish(outputs, made_from=[], code="code", run="run", lease=lease)
    lake.catalog.close()
    return tmp_path


def test_the_figures_are_those_of_the_run_and_a_day_can_be_named(home, tickline):
    run = run_of(lane_days(DAYS, name=NAME))
    told = tickline("kpi", "--propose", "--sample", "--json")
    assert told.code == 0
    assert sum(row["opened"] for row in told.json["families"]) == run.opened.height
    assert {row["statement"] for row in told.json["costs"]} == {"not provided"}
    assert {row["proposed"] == row["now"] for row in told.json["proposals"]} <= {True, False}
    assert tickline("kpi", "--from", str(DAYS[1]), "--to", str(DAYS[1]), "--json").json["days"] == [str(DAYS[1])]
    assert "conversion" in tickline("kpi", NAME).out


def test_what_is_adjudicated_leaves_the_list_and_a_stranger_is_refused(home, tickline):
    listed = tickline("kpi", "--sample", "--json").json["sample"]
    one = listed[0]["opportunity_id"]
    assert tickline("adjudicate", one, "real", "--by", "ada", "--why", "looked").code == 0
    left = tickline("kpi", "--sample", "--json").json["sample"]
    assert [row["opportunity_id"] for row in left] == [row["opportunity_id"] for row in listed[1:]]
    refused = tickline("adjudicate", "nobody", "real", "--by", "ada", "--why", "looked")
    assert refused.code == 1
    assert "not in the sample" in refused.err


def test_a_statement_that_does_not_agree_is_told_and_ends_with_1(home, tickline):
    (home / "left.csv").write_text(
        "venue,ts,market,kind,amount\nleft,2026-03-06T12:00:00Z,market,fee,1.00\n", encoding="utf-8"
    )
    told = tickline("kpi", "--statement", "left.csv", "--json")
    assert told.code == 1
    assert {row["standing"] for row in told.json["statement"]} == {"different", "missing"}
    assert {row["venue"]: row["statement"] for row in told.json["costs"]}["right"] == "not provided"


def test_a_packet_of_what_no_check_judged_is_no_go_on_paper_and_in_data(home, tickline):
    told = tickline("packet", "--out", "packet.html", "--json")
    assert told.code == 1
    assert told.json["go"] is False
    assert told.json["canary"]["notional"] == "0"
    assert any("not judged" in risk for risk in told.json["risks"])
    assert f"lane_positions/{NAME}/{DAYS[0]}" in told.json["hashes"]
    assert "NO GO" in (home / "packet.html").read_text()
    written = json.loads((home / "packet.json").read_text())
    assert written == {key: told.json[key] for key in written}
