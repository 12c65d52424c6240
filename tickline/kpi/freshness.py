"""Which days of the marts were built, and from what: a table beside the marts, deleted and rebuilt with them."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import duckdb

from tickline.errors import LakeError
from tickline.kpi.marts import Marts, connect, connect_to_write
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.lineage import Lineage, walk
from tickline.lake.records import Publication
from tickline.lake.schemas import Feed

PROJECT = Path(__file__).parents[2] / "dbt_project"
"""The SQL models, macros and tests."""

MODELS = frozenset(path.stem for path in (PROJECT / "models" / "kpi").glob("*.sql"))
"""The marts."""

_LANES = frozenset({"opportunities", "decisions", "lane_fills", "lane_positions"})
MART_INPUTS = _LANES | {f"{stage}_{feed}" for stage in ("raw", "clean", "quarantine", "gaps") for feed in Feed}
"""Datasets by UTC day the marts read; with bars_1m by session date, and each venue's reference."""


def day_inputs(lake: Lake, days: Iterable[str]) -> dict[str, list[Publication]]:
    """The publications each day of the marts is built from, of every venue, by day."""
    wanted = set(days)
    found: dict[str, list[Publication]] = {day: [] for day in sorted(wanted)}
    for key, publication in lake.catalog.everything().items():
        if key.period in wanted and (key.dataset == "bars_1m" or key.dataset in MART_INPUTS):
            found[key.period].append(publication)
        elif key.dataset == "instruments":
            for of_day in found.values():
                of_day.append(publication)
        elif key.dataset == "sessions":
            for day, of_day in found.items():
                if day.startswith(key.period):
                    of_day.append(publication)
    return found


def stale_days(lake: Lake, marts: Marts, days: Iterable[str], *, suite: str) -> dict[str, str]:
    """The days whose inputs are not those the marts were built from, with the hash of their inputs now."""
    built = built_from(marts)
    return {day: sha256 for day, sha256 in inputs_now(lake, days, suite=suite).items() if built.get(day) != sha256}


def inputs_now(lake: Lake, days: Iterable[str], *, suite: str) -> dict[str, str]:
    """The hash of what each day would be built from and judged by now; a day without input is not there.

    That is its partitions, the SQL project and `suite`, the hash of the suite a day of the marts is judged by.
    """
    project = project_sha256()
    return {
        day: hashlib.sha256(
            "\n".join([project, suite, *sorted(f"{p.key}={p.sha256}" for p in published)]).encode()
        ).hexdigest()
        for day, published in day_inputs(lake, days).items()
        if any(publication.key.period == day for publication in published)
    }


@cache
def project_sha256() -> str:
    """The hash of the dbt project's models, macros, tests and settings."""
    digest = hashlib.sha256()
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in (".sql", ".yml") and not {"target", "logs"} & set(path.relative_to(PROJECT).parts):
            digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def built_from(marts: Marts) -> dict[str, str]:
    """The hash of the inputs each built day was made from; nothing where no mart was built yet."""
    try:
        with connect(marts) as connection:
            return dict(connection.execute("select cast(day as varchar), inputs from built_from").fetchall())
    except (LakeError, duckdb.CatalogException):
        return {}


def built_keys(marts: Marts) -> dict[PartitionKey, str]:
    """What `built_from` says, under the partitions that verdicts on the days are recorded under."""
    return {mart_key(day): sha256 for day, sha256 in built_from(marts).items()}


def explain_day(lake: Lake, marts: Marts, model: str, day: str, *, suite: str) -> Lineage:
    """The lineage tree of a day of a mart: every partition it was built from, of every venue, down to source objects.

    Raises LakeError where the day was never built, or was built from other partitions, SQL or suite than there are now.
    """
    name, built = f"{model}/{mart_key(day).venue}/{day}", built_from(marts).get(day)
    if built is None:
        raise LakeError(f"{name} was never built; `tickline backfill --stage marts` builds it")
    if built != inputs_now(lake, [day], suite=suite).get(day):
        raise LakeError(f"{name} was built from something else than there is now; `tickline backfill` builds it again")
    inputs = (walk(lake.catalog, publication) for publication in day_inputs(lake, [day])[day])
    return Lineage("mart", name, built, code=project_sha256(), inputs=tuple(inputs))


def record_built(marts: Marts, days: Mapping[str, str]) -> None:
    """Record the inputs' hash of days just built."""
    with connect_to_write(marts) as connection:
        connection.execute("create table if not exists built_from (day date, inputs text)")
        connection.execute("begin")
        connection.executemany("delete from built_from where day = ?", [[day] for day in days])
        connection.executemany("insert into built_from values (?, ?)", [list(item) for item in days.items()])
        connection.execute("commit")


def mart_key(day: str) -> PartitionKey:
    """The partition verdicts on a day of the marts are recorded under."""
    return PartitionKey("kpi_data_quality_daily", "all", day)
