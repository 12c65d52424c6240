"""How a catalog's database is opened while other processes open it too."""

import sqlite3
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy import text

from tickline.errors import LakeError
from tickline.lake import engine
from tickline.lake.engine import open_engine


def half_made(path: Path) -> sqlite3.Connection:
    """A new database whose maker has not committed its first transaction."""
    maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    maker.execute("begin immediate")
    maker.execute("create table made (by text)")
    return maker


def test_a_database_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    maker = half_made(tmp_path / "catalog.db")
    Timer(0.2, maker.commit).start()
    with open_engine(f"sqlite:///{tmp_path / 'catalog.db'}").connect() as connection:
        assert connection.scalar(text("pragma journal_mode")) == "wal"
        assert connection.scalar(text("select count(*) from made")) == 0
    maker.close()


def test_a_database_that_another_process_never_lets_go_of_is_a_lake_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = half_made(tmp_path / "catalog.db")
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(LakeError, match="database is locked"):
        open_engine(f"sqlite:///{tmp_path / 'catalog.db'}").connect()
    maker.close()
