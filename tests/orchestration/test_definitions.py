"""The definitions of every configuration we ship load and hold together."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import build_definitions
from tickline.universe import load_universe

CONFIG = Path(__file__).parents[2] / "config"
NOW = datetime(2026, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize("name", [".", "real", "../tests/universe"])
def test_definitions_are_loadable(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path))
    monkeypatch.setenv("TICKLINE_CONFIG", str(CONFIG / name))
    definitions = build_definitions(load_universe(CONFIG / name), now=NOW)
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    assert {one.name for one in repository.schedule_defs} == {"daily_kpis_schedule", "daily_retention"}
    assert {one.name for one in repository.sensor_defs} >= {"new_data", "failed_checks", "failed_runs"}
    assert not any((tmp_path).iterdir()), "loading definitions must not make a home"


def test_schedules_ask_for_the_day_that_just_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path))
    universe = load_universe(CONFIG)
    venue = universe.venues["coinsim"]
    universe.venues["coinsim"] = venue.model_copy(update={"end": None})
    repository = build_definitions(universe, now=NOW).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        at = datetime(2026, 3, 15, 1, 15, tzinfo=UTC)
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, repository_def=repository)
        kpis = repository.get_schedule_def("daily_kpis_schedule").evaluate_tick(context)
        assert [request.partition_key for request in kpis.run_requests or ()] == ["2026-03-14"]
        retention = repository.get_schedule_def("daily_retention").evaluate_tick(context)
        assert len(retention.run_requests or ()) == 1
