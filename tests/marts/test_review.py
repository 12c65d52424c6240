import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from runners import review
from tickline.errors import ConfigError
from tickline.kpi import marts


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A working tree's copy of the project, to change at will."""
    return Path(shutil.copytree(review.PROJECT, tmp_path / "head", ignore=shutil.ignore_patterns("target", "logs")))


def edit(project: Path, model: str, *changes: tuple[str, str]) -> None:
    (path,) = project.glob(f"models/**/{model}.sql")
    sql = path.read_text()
    for before, after in changes:
        assert before in sql
        sql = sql.replace(before, after)
    path.write_text(sql)


def raise_version(project: Path, model: str) -> None:
    for path in project.glob("models/**/*.yml"):
        pattern = rf"(- name: {model}\n(?:(?!- name: \w+_).*\n)*?      meta: {{version: )1"
        path.write_text(re.sub(pattern, r"\g<1>2", path.read_text()))


def test_every_mart_declares_a_contract_and_the_key_of_its_rows():
    contracts = review.contracts(review.PROJECT)
    models = {path.stem for path in review.PROJECT.glob("models/**/*.sql")}
    assert contracts.keys() == models
    assert {contract.version > 0 for contract in contracts.values()} == {True}
    assert {name for name, contract in contracts.items() if contract.key} == {m for m in models if m.startswith("kpi_")}


@pytest.mark.parametrize(
    ("category", "versions", "refused"),
    [
        ("breaking", (1, 1), True),
        ("breaking", (1, 2), False),
        ("breaking", (None, None), True),
        ("non-breaking", (1, 1), False),
        ("indirect breaking", (1, 1), False),
    ],
)
def test_only_a_breaking_change_without_a_higher_version_is_refused(category, versions, refused):
    assert review.Change("kpi", category, *versions, None).refused is refused


def test_a_commit_without_the_project_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match="no-such-commit"):
        review.project_at("no-such-commit", tmp_path)


@pytest.mark.slow
def test_an_unchanged_project_has_no_changes(head, tmp_path):
    assert review.review(review.PROJECT, head, tmp_path) == []


@pytest.mark.slow
def test_changes_are_told_apart_by_what_they_do_to_readers(head, tmp_path):
    edit(
        head,
        "kpi_spread_daily",
        ("        spreads_bps[1] as", "        spreads_bps[2] / spreads_bps[1] as tail,\n        spreads_bps[1] as"),
        ("quotes, median_bps", "quotes, tail, median_bps"),
    )
    edit(head, "stg_gaps", ("/ 6e7", "/ 6e7 + 1"))
    edit(head, "kpi_coverage_daily", ("count(distinct ts_open)", "count(ts_open)"))
    raise_version(head, "kpi_coverage_daily")
    changes = {change.model: change for change in review.review(review.PROJECT, head, tmp_path)}
    assert {name: change.category for name, change in changes.items()} == {
        "kpi_spread_daily": "non-breaking",
        "stg_gaps": "breaking",
        "kpi_gaps_daily": "indirect breaking",
        "kpi_coverage_daily": "breaking",
        "kpi_data_quality_daily": "indirect breaking",
    }
    assert [name for name, change in changes.items() if change.refused] == ["stg_gaps"]
    assert changes["kpi_spread_daily"].rows == review.Rows(13, 0, 0, 0, ("tail",), ())
    assert changes["kpi_gaps_daily"].rows == review.Rows(0, 10, 0, 0, (), ())
    assert changes["kpi_coverage_daily"].rows == review.Rows(15, 0, 0, 0, (), ())
    assert changes["kpi_data_quality_daily"].rows == review.Rows(1, 5, 0, 0, (), ())


@pytest.mark.slow
def test_a_project_that_does_not_plan_is_an_error(head, tmp_path):
    edit(head, "kpi_gaps_daily", ("group by", "group of"))
    with pytest.raises(ConfigError, match="kpi_gaps_daily"):
        review.review(review.PROJECT, head, tmp_path)


@pytest.mark.slow
def test_sqlmesh_and_dbt_build_the_same_tables(build, objects, tmp_path):
    home = tmp_path / "home"
    build(home, objects)
    context, _ = review.plan(review.PROJECT, tmp_path, environment="prod")
    sqlmesh = context.engine_adapter.cursor
    dbt = marts.connect(marts.embedded(home))
    names = [name for name in review.contracts(review.PROJECT) if name.startswith("kpi_")]
    assert len(names) == 8
    for name in names:
        built = dbt.table(name).pl()
        planned = sqlmesh.sql(f"select * from lake.marts.{name}").pl()
        assert built.height > 0
        assert_frame_equal(planned.sort(planned.columns), built.sort(built.columns))


@pytest.mark.slow
def test_the_command_prints_one_json_object_last():
    command = [sys.executable, "-m", "runners.review", "--base", "HEAD", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode == 2:
        pytest.skip(ran.stderr)
    assert json.loads(ran.stdout.splitlines()[-1])["ok"] is (ran.returncode == 0)
