"""The catalog, on SQLite and on a real PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, event, inspect, text

from tickline.errors import LakeError, LeaseLost
from tickline.lake.catalog import Catalog
from tickline.lake.engine import open_engine
from tickline.lake.keys import PartitionKey
from tickline.lake.migrations import migrate
from tickline.lake.records import Draft, Input, Lease, ObjectState, Verdict
from tickline.lake.tables import metadata

KEY = PartitionKey("raw_trades", "coinsim", "2026-03-06")
NOW = datetime(2026, 3, 6, tzinfo=UTC)


def lease(catalog: Catalog, name: str = "stage") -> Lease:
    return catalog.acquire(name, "me:1:1", expires_at=NOW + timedelta(days=10_000), dead=lambda _: True)


def draft(sha256: str, key: PartitionKey = KEY, **facts: int) -> Draft:
    return Draft(key, sha256 * 64, 1, 10, 100, facts)


def commit(catalog: Catalog, *drafts: Draft, inputs: tuple[Input, ...] = (), held: Lease | None = None) -> None:
    catalog.commit(drafts, made_from=inputs, code="c" * 64, run="run", lease=held or lease(catalog))


def test_a_new_catalog_has_exactly_the_declared_tables(catalog: Catalog, catalog_url: str) -> None:
    inspected = inspect(create_engine(catalog_url))
    assert set(inspected.get_table_names()) == set(metadata.tables) | {"alembic_version"}
    for name, table in metadata.tables.items():
        assert {column["name"] for column in inspected.get_columns(name)} == set(table.columns.keys())


def test_opening_a_catalog_again_loses_nothing(catalog: Catalog, catalog_url: str) -> None:
    commit(catalog, draft("a"))
    again = Catalog(catalog_url)
    assert again.current(KEY) == catalog.current(KEY)
    again.close()


def test_a_catalog_of_a_newer_tickline_is_refused(catalog: Catalog, catalog_url: str) -> None:
    with create_engine(catalog_url).begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(LakeError, match="revision 9999, newer than this Tickline knows; upgrade it"):
        Catalog(catalog_url)


def test_a_database_that_fails_is_a_lake_error_with_the_way_out(catalog: Catalog, catalog_url: str) -> None:
    with create_engine(catalog_url).begin() as connection:
        connection.execute(text("drop table verdict"))
    with pytest.raises(LakeError, match=r"verdict.*then run it again"):
        catalog.failures_after(0)
    with pytest.raises(LakeError, match=r"verdict.*then run it again"):
        catalog.record_verdicts([Verdict(KEY, "a" * 64, "s", "h", True, "error", NOW, {})])
    with pytest.raises(LakeError, match="unable to open"):
        Catalog("sqlite:////nonexistent/catalog.db")


def test_many_openers_of_a_new_catalog_migrate_it_once(catalog_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(Catalog, [catalog_url] * 8))
    assert opened[0].everything() == {}
    for catalog in opened:
        catalog.close()


def test_a_migration_that_fails_leaves_no_half_made_table(catalog_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import alembic.operations

    made: list[str] = []
    create = alembic.operations.Operations.create_table

    def fail_at_third(self: object, name: str, *columns: object, **options: object) -> object:
        made.append(name)
        if len(made) == 3:
            raise RuntimeError("killed")
        return create(self, name, *columns, **options)

    monkeypatch.setattr("alembic.op.create_table", lambda *a, **k: fail_at_third(alembic.op._proxy, *a, **k))  # type: ignore[attr-defined]
    engine = open_engine(catalog_url).execution_options(writes=True)
    with pytest.raises(RuntimeError):
        migrate(engine)
    monkeypatch.undo()
    assert inspect(create_engine(catalog_url)).get_table_names() == []
    Catalog(catalog_url).close()


def test_inputs_come_back_in_order(catalog: Catalog) -> None:
    inputs = (Input("source", "b", "1" * 64), Input("source", "a", "2" * 64), Input("config", "c", "3" * 64))
    commit(catalog, draft("a"), inputs=inputs)
    published = catalog.current(KEY)
    assert published is not None
    assert tuple(catalog.inputs_of(published)) == inputs


def test_changed_facts_of_equal_bytes_are_a_new_generation(catalog: Catalog) -> None:
    commit(catalog, draft("a", watermark=1))
    commit(catalog, draft("a", watermark=1))
    commit(catalog, draft("a", watermark=2))
    assert [p.facts["watermark"] for p in catalog.history(KEY)] == [1, 2]


def test_of_racing_publishers_one_wins_and_the_others_are_told(catalog: Catalog) -> None:
    def race(number: int) -> str:
        sha = format(number, "x")
        try:
            held = catalog.acquire("stage", f"p:{number}:0", expires_at=_soon(), dead=lambda _: False)
            commit(catalog, draft(sha), held=held)
        except LeaseLost:
            return "lost"
        return sha

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(race, range(1, 9)))
    won = [outcome for outcome in outcomes if outcome != "lost"]
    current = catalog.current(KEY)
    assert len(won) == 1
    assert current is not None
    assert current.sha256 == won[0] * 64


def test_tokens_only_ever_grow(catalog: Catalog) -> None:
    tokens = []
    for _ in range(3):
        held = lease(catalog)
        tokens.append(held.token)
        catalog.release(held)
    assert tokens == [1, 2, 3]


def test_a_lease_that_expired_is_taken_over(catalog: Catalog) -> None:
    catalog.acquire("stage", "gone:1:1", expires_at=datetime.now(UTC) - timedelta(seconds=1), dead=lambda _: False)
    held = catalog.acquire("stage", "me:2:2", expires_at=_soon(), dead=lambda _: False)
    assert held.token == 2


def test_the_newest_verdict_of_a_suite_counts_and_only_on_its_own_object(catalog: Catalog) -> None:
    commit(catalog, draft("a"))
    judge: Callable[..., Verdict] = lambda sha, passed: Verdict(  # noqa: E731
        KEY, sha * 64, "raw", "h" * 64, passed, "ERROR", NOW, {"rows": 10}, [{"name": "rows", "success": passed}]
    )
    published = catalog.current(KEY)
    assert published is not None
    catalog.record_verdicts([judge("a", False), judge("a", True)])
    assert [verdict.passed for verdict in catalog.verdicts_on([published])] == [True]
    catalog.record_verdicts([judge("b", False)])
    assert catalog.verdicts_on([published]) == []


def test_an_object_published_again_counts_as_present(catalog: Catalog) -> None:
    commit(catalog, draft("a"))
    catalog.set_state("a" * 64, ObjectState.LOST)
    commit(catalog, draft("a", again=1))
    assert catalog.objects() == {"a" * 64: ObjectState.PRESENT}


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=5)


@pytest.mark.parametrize(("stopped_by", "told"), [(KeyboardInterrupt, False), (RuntimeError, True)])
def test_an_interrupt_while_a_connection_is_put_back_is_passed_on_without_a_traceback(
    tmp_path, caplog, stopped_by, told
):
    engine = open_engine(f"sqlite:///{tmp_path / 'catalog.db'}")

    @event.listens_for(engine, "reset")
    def _stop(*_):
        raise stopped_by

    with suppress(KeyboardInterrupt), engine.connect() as connection:
        connection.exec_driver_sql("select 1")
    assert ("Exception during reset" in caplog.text) is told
