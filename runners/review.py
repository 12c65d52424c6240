"""`make review`: what a change to the SQL marts does to those who read them, before it is merged.

SQLMesh plans the dbt project of the working tree against that of a base commit, in a scratch warehouse over the
sample lake; the production marts are never opened. Printed are each changed model's category and the rows that
differ. A breaking change must raise the model's `meta.version`: without that the exit code is 1.
"""

import io
import logging
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
import yaml

from runners import sample_lake
from tickline.errors import ConfigError, TicklineError
from tickline.kpi import marts

if TYPE_CHECKING:
    from sqlmesh import Context
    from sqlmesh.core.context_diff import ContextDiff
    from sqlmesh.core.snapshot import Snapshot

PROJECT = Path(__file__).parent.parent / "dbt_project"
_LABELS = {
    "BREAKING": "breaking",
    "NON_BREAKING": "non-breaking",
    "FORWARD_ONLY": "forward-only",
    "INDIRECT_BREAKING": "indirect breaking",
    "INDIRECT_NON_BREAKING": "indirect non-breaking",
    "METADATA": "metadata",
}


@dataclass(frozen=True, slots=True)
class Contract:
    """What a model promises its readers: a version, and the columns that name a row (none for staging)."""

    version: int
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a model differ between base and working tree."""

    same: int
    changed: int
    only_base: int
    only_head: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One changed model. `rows` is None where there is nothing to compare: staging, added or removed models."""

    model: str
    category: str
    base_version: int | None
    head_version: int | None
    rows: Rows | None

    @property
    def refused(self) -> bool:
        """Whether readers would break without having been told by a higher version."""
        return self.category == "breaking" and (self.head_version or 0) <= (self.base_version or 0)


def review(base: Path, head: Path, scratch: Path) -> list[Change]:
    """The models that differ between two dbt projects, by name; works in copies under `scratch`.

    Raises ConfigError where one of the two cannot be planned.
    """
    with redirect_stdout(sys.stderr):
        from sqlglot.errors import SqlglotError
        from sqlmesh.utils.errors import SQLMeshError

        try:
            plan(base, scratch, environment="prod")
            context, diff = plan(head, scratch, environment="review")
            return _changes(context, diff, contracts(base), contracts(head))
        except (SQLMeshError, SqlglotError) as error:
            raise ConfigError(f"the dbt project cannot be planned; `dbt build` shows the same: {error}") from error


def plan(project: Path, scratch: Path, *, environment: str) -> tuple["Context", "ContextDiff"]:
    """Build a copy of a dbt project over the sample lake with SQLMesh, in the warehouse `<scratch>/lake.duckdb`.

    Returns the context and what differs from the environment `prod`. Raises SQLMeshError or SqlglotError where it
    cannot be planned.
    """
    database = scratch / "lake.duckdb"
    if not database.exists():
        marts.expose(marts.embedded(scratch), sample_lake.write(scratch / "objects"), database=database)
    context = _context(_adapted(project, scratch / environment, database))
    planned = context.plan(
        environment,
        execution_time=(sample_lake.DAYS[-1] + timedelta(days=1)).isoformat(),
        include_unmodified=True,
        auto_apply=True,
        no_prompts=True,
        skip_tests=True,
    )
    return context, planned.context_diff


def contracts(project: Path) -> dict[str, Contract]:
    """The contract of every model, as the yml beside the models declares it."""
    declared = {}
    for path in sorted(project.glob("models/**/*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            tests = [test for test in model.get("data_tests", []) if "row_key" in test]
            key = tests[0]["row_key"]["arguments"]["columns"] if tests else []
            declared[model["name"]] = Contract(model.get("config", {}).get("meta", {}).get("version", 0), tuple(key))
    return declared


def project_at(commit: str, target: Path) -> Path:
    """The dbt project as committed, unpacked into a folder. Raises ConfigError where the commit has none."""
    archive = subprocess.run(
        ["git", "-C", str(PROJECT.parent), "archive", "--end-of-options", commit, PROJECT.name],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        raise ConfigError(f"no {PROJECT.name} at {commit}: {archive.stderr.decode().strip()}; name another --base")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(target, filter="data")
    return target / PROJECT.name


def _adapted(project: Path, copy: Path, database: Path) -> Path:
    """A copy that plans in the scratch database from the sample's first day, holding no change back as forward-only."""
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("target", "logs", ".user.yml"))
    settings_path = copy / "dbt_project.yml"
    settings = yaml.safe_load(settings_path.read_text())
    settings["models"][settings["name"]]["kpi"] |= {"+begin": sample_lake.FIRST.isoformat(), "+forward_only": False}
    settings_path.write_text(yaml.safe_dump(settings))
    # The database is called `lake`, as the sources say, and the marts are one schema of it.
    scratch = {"type": "duckdb", "path": str(database), "database": "lake", "schema": "marts", "threads": 1}
    profile = {settings["profile"]: {"target": "scratch", "outputs": {"scratch": scratch}}}
    (copy / "profiles.yml").write_text(yaml.safe_dump(profile))
    return copy


def _context(project: Path) -> "Context":
    from sqlmesh import Context
    from sqlmesh.core.config import ModelDefaultsConfig
    from sqlmesh.core.console import NoopConsole, set_console
    from sqlmesh.dbt.loader import sqlmesh_config

    set_console(NoopConsole())
    logging.getLogger("sqlmesh.core.engine_adapter").setLevel(logging.ERROR)  # it warns of every statement of a diff
    defaults = ModelDefaultsConfig(start=sample_lake.FIRST.isoformat())
    config = sqlmesh_config(project_root=project, model_defaults=defaults, disable_anonymized_analytics=True)
    return Context(paths=[str(project)], config=config)


def _changes(
    context: "Context", diff: "ContextDiff", base: dict[str, Contract], head: dict[str, Contract]
) -> list[Change]:
    categories = dict(_categories(context, diff))
    changes = []
    for model in sorted(categories):
        before, after = base.get(model), head.get(model)
        same_key = before is not None and after is not None and before.key == after.key and before.key
        rows = _rows(context, model, after.key) if same_key and after else None
        base_version, head_version = before.version if before else None, after.version if after else None
        changes.append(Change(model, categories[model], base_version, head_version, rows))
    return changes


def _categories(context: "Context", diff: "ContextDiff") -> Iterator[tuple[str, str]]:
    for added in diff.added:
        if diff.snapshots[added].is_model:
            yield _name(added.name), "added"
    for removed in diff.removed_snapshots.values():
        if removed.is_model:
            yield _name(removed.name), "removed"
    modified = {name: pair for name, pair in diff.modified_snapshots.items() if pair[0].is_model}
    changed = {name for name, (new, old) in modified.items() if new.fingerprint.data_hash != old.fingerprint.data_hash}
    breaking = {name for name in changed if _label(modified[name][0]) == "breaking"}
    for name, (new, _) in modified.items():
        upstream = set(context.dag.upstream(name))
        if name in changed:
            yield _name(name), _label(new)
        elif upstream & breaking:
            # SQLMesh calls a model metadata-only where, besides, a parent merely gained a column.
            yield _name(name), "indirect breaking"
        elif upstream & changed:
            yield _name(name), "indirect non-breaking"
        else:
            yield _name(name), "metadata"


def _label(snapshot: "Snapshot") -> str:
    if snapshot.change_category is None:
        raise ConfigError(f"SQLMesh gave no category to the change of {_name(snapshot.name)}")
    return _LABELS[snapshot.change_category.name]


def _rows(context: "Context", model: str, key: Iterable[str]) -> Rows | None:
    compared = context.table_diff(
        "prod", "review", on=list(key), select_models={f"*.{model}"}, decimals=9, show=False, skip_grain_check=True
    )
    if not compared:
        return None
    columns, rows = compared[0].schema_diff(), compared[0].row_diff()
    return Rows(
        same=rows.full_match_count,
        changed=rows.partial_match_count,
        only_base=rows.s_only_count,
        only_head=rows.t_only_count,
        columns_added=tuple(name for name, _ in columns.added),
        columns_removed=tuple(name for name, _ in columns.removed),
    )


def _name(fqn: str) -> str:
    return fqn.rsplit(".", 1)[-1].strip('"')


def _show(changes: list[Change]) -> None:
    if not changes:
        print("no model changed")
    for change in changes:
        print(f"{change.model:<28}{change.category:<24}{_described(change)}")
    for change in changes:
        if change.refused:
            print(f"{change.model}: a breaking change; raise its meta.version above {change.base_version} to say so")


def _described(change: Change) -> str:
    if change.rows is None:
        return ""
    rows = change.rows
    counts = f"rows: {rows.same} same, {rows.changed} changed, {rows.only_base} gone, {rows.only_head} new"
    columns = [f"+{name}" for name in rows.columns_added] + [f"-{name}" for name in rows.columns_removed]
    return f"{counts}; columns: {' '.join(columns)}" if columns else counts


def main(
    base: Annotated[str, typer.Option(help="Commit to compare the working tree with.")] = "main",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Plan the working tree's SQL marts against a base commit."""
    try:
        with tempfile.TemporaryDirectory(prefix="tickline-review-") as scratch:
            folder = Path(scratch)
            changes = review(project_at(base, folder / "committed"), PROJECT, folder)
    except TicklineError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
    ok = not any(change.refused for change in changes)
    if as_json:
        document: dict[str, Any] = {"ok": ok, "base": base, "changes": [asdict(change) for change in changes]}
        print(orjson.dumps(document).decode())
    else:
        _show(changes)
    raise typer.Exit(0 if ok else 1)


if __name__ == "__main__":
    typer.run(main)
