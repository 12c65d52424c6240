"""Data docs are a static site that names every suite and partition, built with no network."""

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from expectations.checks import verdict
from expectations.docs import build_docs
from expectations.evaluate import evaluate
from expectations.profiles import profile
from expectations.suites import SUITES

pytestmark = pytest.mark.slow

AT = datetime(2026, 3, 10, tzinfo=UTC)


def _judged(world, dataset, change=None):
    """Verdicts as the catalog gives them back: results as plain JSON."""
    outcomes = evaluate(SUITES[dataset], profile([world.partition(dataset, change)], world.context))
    verdicts = [verdict(key, "0" * 64, outcome, AT) for key, outcome in outcomes.items()]
    return [replace(each, results=json.loads(json.dumps(each.results))) for each in verdicts]


def test_the_site_names_suites_partitions_and_what_failed(world, tmp_path, monkeypatch):
    verdicts = [*_judged(world, "clean_trades", lambda rows: rows.drop("price")), *_judged(world, "bars_1h")]
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something wants the network"))

    index = build_docs(verdicts, tmp_path)

    text = index.read_text()
    assert "clean_trades" in text
    assert "bars_1h" in text
    pages = {page.stem: page.read_text() for page in index.parent.glob("validations/*/*/*/*.html")}
    assert pages.keys() == {"v 2026-03-09"}
    (failing,) = index.parent.glob("validations/clean_trades/*/*/*.html")
    assert "price is missing" in failing.read_text()
    assert "Columns and types are exactly the declared ones" in failing.read_text()


def test_building_again_leaves_nothing_of_the_site_before_and_touches_nothing_else(world, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    build_docs(_judged(world, "sessions"), tmp_path)

    index = build_docs(_judged(world, "instruments"), tmp_path)

    assert {page.parent.parent.parent.name for page in index.parent.glob("validations/*/*/*/*.html")} == {"instruments"}
    assert (tmp_path / "mine.txt").read_text() == "kept"
