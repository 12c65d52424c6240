"""Schema changes of the catalog, oldest first. They only ever add or widen; none drops what a reader may hold."""

from pathlib import Path
from threading import Lock

from sqlalchemy import Engine, inspect, text

from tickline.errors import LakeError

# Alembic keeps the running migration in module globals, so one thread of a process migrates at a time.
_ONE_AT_A_TIME = Lock()
_FOLDER = Path(__file__).parent
REVISIONS = tuple(path.stem.split("_")[0] for path in sorted((_FOLDER / "versions").glob("[0-9]*.py")))


def migrate(engine: Engine) -> None:
    """Bring the catalog to the newest revision in one transaction; do nothing where it is there already.

    Raises LakeError where a newer Tickline has written the catalog.
    """
    with _ONE_AT_A_TIME:
        current = _revision(engine)
        if current == REVISIONS[-1]:
            return
        if current is not None and current not in REVISIONS:
            raise LakeError(
                f"catalog {engine.url!r} is at revision {current}, newer than this Tickline knows; upgrade it"
            )
        _upgrade(engine)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("select version_num from alembic_version"))
        return revision


def _upgrade(engine: Engine) -> None:
    # Alembic takes 0.3 s to import and is needed only when there is something to migrate.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    script = ScriptDirectory.from_config(config)
    with (
        EnvironmentContext(config, script, fn=lambda rev, _context: script._upgrade_revs("head", rev)) as environment,
        engine.begin() as connection,
    ):
        if connection.dialect.name == "postgresql":
            # Two processes may open a new catalog at once; the second waits and finds nothing to do.
            connection.execute(text("select pg_advisory_xact_lock(7415012960)"))
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
