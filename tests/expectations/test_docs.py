"""Data docs are a static site that names every suite and partition, built with no network."""

import socket
from datetime import UTC, datetime

import pytest

from expectations.docs import build_docs
from expectations.evaluate import evaluate
from expectations.profiles import profile
from expectations.suites import SUITES


def test_the_site_names_suites_partitions_and_what_failed(world, tmp_path, monkeypatch):
    outcomes = {}
    for dataset, change in (("clean_trades", lambda rows: rows.drop("price")), ("bars_1h", None)):
        outcomes |= evaluate(SUITES[dataset], profile([world.partition(dataset, change)], world.context))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something wants the network"))

    index = build_docs(outcomes, tmp_path, evaluated_at=datetime(2026, 3, 10, tzinfo=UTC))

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
    evaluated_at = datetime(2026, 3, 10, tzinfo=UTC)
    sessions = evaluate(SUITES["sessions"], profile([world.partition("sessions")], world.context))
    build_docs(sessions, tmp_path, evaluated_at=evaluated_at)
    instruments = evaluate(SUITES["instruments"], profile([world.partition("instruments")], world.context))

    index = build_docs(instruments, tmp_path, evaluated_at=evaluated_at)

    assert {page.parent.parent.parent.name for page in index.parent.glob("validations/*/*/*/*.html")} == {"instruments"}
    assert (tmp_path / "mine.txt").read_text() == "kept"
