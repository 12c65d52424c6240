"""How to reach the SQL marts: what dbt reads, where it writes, and a read-only connection for everyone else.

The marts are a DuckLake: any number of processes read while one builds, neither waiting for the other. Everything
here is derived; deleting the folder and building again gives the same tables.
"""

import fcntl
import importlib.util
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
from pydantic import SecretStr

from tickline.errors import ConfigError, LakeError
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.schemas import DATASETS

EXTENSIONS = ("ducklake", "sqlite_scanner", "postgres_scanner", "httpfs")
"""The DuckDB extensions in use. They come as wheels in the lock, so nothing is downloaded at run time."""

_SQLITE = "sqlite:"
# A rollback journal lets a reader's open transaction stop a commit; a write-ahead log does not.
_SQLITE_OPTIONS = "meta_journal_mode 'wal', meta_busy_timeout 60000"

_POSTGRES = "postgres:"
# The DuckLake's own tables are in a schema of their own, beside those of the lake's catalog; so says the dbt profile.
_POSTGRES_OPTIONS = "metadata_schema 'tickline_marts'"
_ASK_FOR_TURN = "select pg_try_advisory_lock(7415012961)"


@dataclass(frozen=True, slots=True)
class Marts:
    """Where the marts are: DuckLake catalog (`sqlite:<path>` or `postgres:<dsn>`), Parquet root, extensions.

    `storage` is what reaches objects in a bucket, as `Storage.options()` names it; empty for directories. `password`
    is that of the PostgreSQL user, where the environment or the machine does not hold it for libpq to find.
    """

    catalog: str
    data: str
    extensions: Path
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)
    password: SecretStr | None = None


def marts_of(lake: Lake, home: Path) -> Marts:
    """The marts of a lake: catalog in the lake's PostgreSQL, Parquet below the lake's root, where it has either.

    Those of a lake in a directory with its catalog in SQLite are under its home. Raises ConfigError where an
    extension's wheel is not installed.
    """
    place, reach = embedded(home), lake.storage.options()
    in_postgres = lake.catalog.url.startswith("postgresql")
    if not reach and not in_postgres:
        return place
    catalog, password = _libpq(lake.catalog.url) if in_postgres else (place.catalog, None)
    return replace(place, catalog=catalog, password=password, data=lake.storage.uri("marts"), storage=reach)


def embedded(home: Path) -> Marts:
    """The marts of one machine, under `<home>/marts`, with the DuckDB extensions linked into place.

    Raises ConfigError where an extension's wheel is not installed.
    """
    folder = home.resolve() / "marts"
    folder.mkdir(parents=True, exist_ok=True)
    extensions = link_extensions(folder / "extensions")
    return Marts(f"{_SQLITE}{folder / 'catalog.db'}", str(folder / "data"), extensions)


def connect(marts: Marts) -> duckdb.DuckDBPyConnection:
    """A read-only connection whose default database is the marts; it never blocks a build, nor a build it.

    Raises LakeError where no mart was built yet.
    """
    return _attached(marts, "read_only")


def connect_to_write(marts: Marts) -> duckdb.DuckDBPyConnection:
    """A writing connection whose default database is the marts, for a holder of `building`.

    Raises LakeError where the marts cannot be opened.
    """
    return _attached(marts, "read_write")


def _attached(marts: Marts, mode: str) -> duckdb.DuckDBPyConnection:
    connection = _open(marts, ":memory:")
    options = _SQLITE_OPTIONS if marts.catalog.startswith(_SQLITE) else _POSTGRES_OPTIONS
    location = f"{_literal('ducklake:' + marts.catalog)} as marts ({_placed(marts)}, {mode}, {options})"
    try:
        connection.execute(f"attach {location}")
    except duckdb.Error as error:
        connection.close()
        raise LakeError(f"the marts at {marts.catalog} cannot be opened; build them first: {error}") from error
    connection.execute("use marts")
    return connection


def _placed(marts: Marts) -> str:
    # The catalog remembers where its files were when it was made; a home may have been moved or copied since.
    return f"data_path {_literal(marts.data)}, override_data_path true"


def expose(marts: Marts, objects: Iterable[tuple[PartitionKey, str]], *, database: Path) -> None:
    """Write a small DuckDB file in which the lake's objects appear as one relation a dataset.

    `objects` are partitions and the URI of their object: for the days to build, those of every venue, because a
    build replaces whole days. A dataset without objects is an empty relation of the same columns. Rows gain
    `venue` and `day`, the partition's own; the former is `partition_venue` where rows name a venue themselves.

    Raises LakeError where an object cannot be opened.
    """
    chosen = sorted(objects)
    unknown = sorted({key.dataset for key, _ in chosen} - DATASETS.keys())
    if unknown:
        raise LakeError(f"no such dataset: {', '.join(unknown)}; the marts know those in tickline.lake.schemas")
    database.unlink(missing_ok=True)
    with _open(marts, str(database)) as connection:
        connection.execute("create table objects (dataset text, venue text, day date, uri text)")
        if chosen:
            connection.executemany(
                "insert into objects values (?, ?, ?, ?)",
                [(key.dataset, key.venue, key.period if key.is_daily else None, uri) for key, uri in chosen],
            )
        for dataset in DATASETS:
            try:
                _relate(connection, dataset, [uri for key, uri in chosen if key.dataset == dataset])
            except duckdb.Error as error:
                raise LakeError(f"an object of {dataset} cannot be opened; run `tickline scrub`: {error}") from error


@contextmanager
def building(marts: Marts) -> Iterator[None]:
    """Hold the turn to build: a second builder waits here until the first is done or its process is gone.

    Without turns one of two interleaved builders fails: SQLite says "database is locked", DuckLake over PostgreSQL
    "transaction conflict". Raises LakeError where PostgreSQL cannot be reached.
    """
    if marts.catalog.startswith(_SQLITE):
        with Path(f"{marts.catalog.removeprefix(_SQLITE)}.turn").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield
    else:
        with closing(_turn_in_postgres(marts)):
            yield


def tidy(marts: Marts, *, before: datetime) -> int:
    """Forget what the tables held before a moment, and remove the files that served nothing else, for a holder of
    `building`; returns how many files went.

    Files of a few rows become larger ones on the way. Who reads since that moment is not disturbed. Raises LakeError
    where a file cannot be removed.
    """
    with connect_to_write(marts) as connection:
        try:
            connection.execute("call ducklake_merge_adjacent_files('marts')")
            connection.execute("call ducklake_expire_snapshots('marts', older_than => ?)", [before])
            return len(connection.execute("call ducklake_cleanup_old_files('marts', cleanup_all => true)").fetchall())
        except duckdb.Error as error:
            raise LakeError(f"the marts at {marts.catalog} are built but could not be tidied: {error}") from error


def profile_env(marts: Marts, database: Path) -> dict[str, str]:
    """The environment in which dbt builds the marts from the relations of a file written by `expose`.

    dbt blots the values of names that begin with DBT_ENV_SECRET_ out of everything it writes; libpq reads PGPASSWORD
    by itself.
    """
    storage = {name.upper(): value for name, value in _secret(marts.storage).items()}
    confidential = {name: storage.pop(name) for name in ("SECRET", "SESSION_TOKEN")}
    return {
        "TICKLINE_MARTS_TARGET": "embedded" if marts.catalog.startswith(_SQLITE) else "cluster",
        "TICKLINE_MARTS_CATALOG": marts.catalog,
        "TICKLINE_MARTS_DATA": marts.data,
        "TICKLINE_MARTS_LAKE": str(database),
        "TICKLINE_DUCKDB_EXTENSIONS": str(marts.extensions),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        **{f"TICKLINE_MARTS_S3_{name}": value for name, value in storage.items()},
        **{f"DBT_ENV_SECRET_TICKLINE_MARTS_S3_{name}": value for name, value in confidential.items()},
        **({"PGPASSWORD": marts.password.get_secret_value()} if marts.password else {}),
    }


def link_extensions(folder: Path) -> Path:
    """Link the installed extension wheels into a folder that DuckDB accepts as its extension directory.

    Raises ConfigError where a wheel is missing.
    """
    with duckdb.connect(":memory:") as connection:
        version, platform = connection.execute("select version(), platform from pragma_platform()").fetchall()[0]
    place = folder / version / platform
    place.mkdir(parents=True, exist_ok=True)
    for name in EXTENSIONS:
        link = place / f"{name}.duckdb_extension"
        wheel = _in_wheel(name, version)
        if not link.is_symlink() or link.readlink() != wheel:
            fresh = place / f".{name}.{os.getpid()}"
            fresh.symlink_to(wheel)
            fresh.replace(link)
    return folder


def _open(marts: Marts, database: str) -> duckdb.DuckDBPyConnection:
    # Without replacements a Python name in scope can never be taken for a table.
    settings: dict[str, Any] = {"extension_directory": str(marts.extensions), "python_enable_replacements": "false"}
    connection = duckdb.connect(database, config=settings)
    if marts.storage:
        secret = ", ".join(f"{name} {_literal(value)}" for name, value in _secret(marts.storage).items())
        connection.execute(f"create secret (type s3, {secret})")
    if marts.password:
        # A secret, not part of the address, which errors repeat.
        connection.execute(f"create secret (type postgres, password {_literal(marts.password.get_secret_value())})")
    return connection


def _libpq(url: str) -> tuple[str, SecretStr | None]:
    """What libpq calls the database of a SQLAlchemy URL, and the password, if the URL has one."""
    from psycopg2.extensions import make_dsn
    from sqlalchemy import make_url

    parsed = make_url(url)
    _, parts = parsed.get_dialect()().create_connect_args(parsed)
    password = parts.pop("password", None)
    return f"{_POSTGRES}{make_dsn(**parts)}", SecretStr(password) if password else None


def _turn_in_postgres(marts: Marts) -> Any:
    """A connection that holds the turn until it is closed."""
    import psycopg2

    password = marts.password.get_secret_value() if marts.password else None
    try:
        session = psycopg2.connect(marts.catalog.removeprefix(_POSTGRES), password=password)
        # Not within a transaction, which would keep the server from tidying up for as long as the build takes.
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(_ASK_FOR_TURN)
            # Asked again and again: a wait inside libpq could not be interrupted.
            while cursor.fetchone() != (True,):
                time.sleep(0.5)
                cursor.execute(_ASK_FOR_TURN)
    except psycopg2.Error as error:
        raise LakeError(f"the marts at {marts.catalog} cannot be built: {error}See that the database is up") from error
    return session


def _secret(storage: Mapping[str, str]) -> dict[str, str]:
    """What DuckDB calls the options that reach a bucket."""
    endpoint = urlsplit(storage.get("aws_endpoint_url", "https://s3.amazonaws.com"))
    return {
        "key_id": storage.get("aws_access_key_id", ""),
        "secret": storage.get("aws_secret_access_key", ""),
        "session_token": storage.get("aws_session_token", ""),
        "region": storage.get("aws_region", "us-east-1"),
        "endpoint": endpoint.netloc,
        "use_ssl": "true" if endpoint.scheme == "https" else "false",
        "url_style": "path" if "aws_endpoint_url" in storage else "vhost",
    }


def _in_wheel(name: str, version: str) -> Path:
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(f"DuckDB extension {name} is not installed; `make setup` installs the locked wheels")
    path = Path(found.submodule_search_locations[0]) / "extensions" / version / f"{name}.duckdb_extension"
    if not path.is_file():
        raise ConfigError(f"{path} is missing: the wheel of {name} is not for duckdb {version}; run `make setup`")
    return path


def _relate(connection: duckdb.DuckDBPyConnection, dataset: str, uris: list[str]) -> None:
    schema = DATASETS[dataset]
    columns = ", ".join(f"ticks.{column}" for column in schema.columns)
    whose = "objects.venue as partition_venue" if "venue" in schema.columns else "objects.venue"
    partition = f"{whose}, objects.day, "
    if not uris:
        connection.register("ticks", schema.empty().to_arrow())
        connection.execute(
            f"create table {dataset} as select {partition}{columns} from ticks, objects where false"  # noqa: S608
        )
        connection.unregister("ticks")
        return
    # Partitions of equal content share one object: it is listed once, and the join gives each its rows.
    files = ", ".join(_literal(uri) for uri in dict.fromkeys(uris))
    # A filter on day or venue reaches the file list through the join, so a build opens only that day's objects.
    connection.execute(
        f"create view {dataset} as select {partition}{columns} "  # noqa: S608
        f"from read_parquet([{files}], filename = true) as ticks "
        f"join objects on objects.uri = ticks.filename and objects.dataset = {_literal(dataset)}"
    )


def _literal(text: str) -> str:
    # DDL takes no bound parameters.
    return "'" + text.replace("'", "''") + "'"
