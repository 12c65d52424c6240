import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import typer
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

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


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[review.Change], Path]:
    """What a review of the project against itself says, and the folder with the warehouse it planned in."""
    scratch = tmp_path_factory.mktemp("unchanged")
    return review.review(review.PROJECT, review.PROJECT, scratch), scratch


@pytest.mark.slow
def test_an_unchanged_project_has_no_changes(unchanged):
    assert unchanged[0] == []


@pytest.mark.slow
def test_sqlmesh_and_dbt_build_the_same_tables(unchanged, build, objects, tmp_path):
    build(tmp_path / "home", objects)
    dbt = marts.connect(marts.embedded(tmp_path / "home"))
    sqlmesh = duckdb.connect(unchanged[1] / "lake.duckdb")
    names = [name for name in review.contracts(review.PROJECT) if name.startswith("kpi_")]
    assert len(names) == 15
    for name in names:
        built = dbt.table(name).pl()
        planned = sqlmesh.sql(f"select * from lake.marts.{name}").pl()
        assert built.height > 0
        assert_frame_equal(planned.sort(planned.columns), built.sort(built.columns))


@pytest.mark.slow
def test_the_command_tells_changes_apart_by_what_they_do_to_readers(head, monkeypatch):
    git = ["git", "-C", str(head.parent), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", head.name], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *words], check=True)
    edit(
        head,
        "kpi_spread_daily",
        ("        spreads_bps[1] as", "        spreads_bps[2] / spreads_bps[1] as tail,\n        spreads_bps[1] as"),
        ("quotes, median_bps", "quotes, tail, median_bps"),
    )
    edit(head, "stg_gaps", ("/ 6e7", "/ 6e7 + 1"))
    edit(head, "kpi_coverage_daily", ("count(distinct ts_open)", "count(ts_open)"))
    raise_version(head, "kpi_coverage_daily")
    monkeypatch.setattr(review, "PROJECT", head)
    ran = CliRunner().invoke(command(), ["--base", "HEAD", "--json"])
    document = json.loads(ran.stdout.splitlines()[-1])
    assert (ran.exit_code, document["ok"], document["base"]) == (1, False, "HEAD")
    changes = {change["model"]: change for change in document["changes"]}
    assert {name: change["category"] for name, change in changes.items()} == {
        "kpi_spread_daily": "non-breaking",
        "stg_gaps": "breaking",
        "kpi_gaps_daily": "indirect breaking",
        "kpi_coverage_daily": "breaking",
        "kpi_data_quality_daily": "indirect breaking",
    }
    versions = {name: (change["base_version"], change["head_version"]) for name, change in changes.items()}
    assert versions == dict.fromkeys(changes, (1, 1)) | {"kpi_coverage_daily": (1, 2)}
    rows = {name: change["rows"] and tuple(change["rows"].values()) for name, change in changes.items()}
    assert rows == {
        "stg_gaps": None,
        "kpi_spread_daily": (13, 0, 0, 0, ["tail"], []),
        "kpi_gaps_daily": (0, 10, 0, 0, [], []),
        "kpi_coverage_daily": (15, 0, 0, 0, [], []),
        "kpi_data_quality_daily": (1, 5, 0, 0, [], []),
    }


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(review.main)
    return app


@pytest.mark.slow
def test_a_project_that_does_not_plan_is_an_error(head, monkeypatch):
    edit(head, "kpi_gaps_daily", ("group by", "group of"))
    monkeypatch.setattr(review, "project_at", lambda commit, target: head)
    ran = CliRunner().invoke(command(), ["--base", "HEAD"])
    assert ran.exit_code == 2
    assert "kpi_gaps_daily" in ran.stderr


def test_the_command_starts_by_its_name():
    ran = subprocess.run([sys.executable, "-m", "runners.review", "--help"], capture_output=True, text=True, check=True)
    assert "--base" in ran.stdout
