"""The lake's fault commands at small size: they hold, and each notices a lake that is wrong in its own way."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

# What a careless lake would do: commit whoever holds the lease now, commit outputs one by one, believe the archive,
# call every object sound.
NO_FENCING = """
from sqlalchemy import select
from tickline.lake.catalog import Catalog
from tickline.lake.records import Lease
from tickline.lake.tables import leases
commit = Catalog.commit
def unfenced(self, drafts, *, lease, **options):
    with self._engine.connect() as connection:
        token = connection.scalar(select(leases.c.token).where(leases.c.name == lease.name))
    return commit(self, drafts, lease=Lease(lease.name, token), **options)
Catalog.commit = unfenced
"""
ONE_BY_ONE = """
from tickline.lake.lake import Lake
publish = Lake.publish
Lake.publish = lambda self, outputs, **options: [publish(self, [output], **options)[0] for output in outputs]
"""
STEP_BY_STEP = """
import alembic.runtime.environment
from alembic.ddl.impl import DefaultImpl
create = DefaultImpl.create_table
def committed(self, *arguments, **options):
    create(self, *arguments, **options)
    self.connection.exec_driver_sql("commit")
    self.connection.exec_driver_sql("begin immediate")
DefaultImpl.create_table = committed
"""
NO_READING_BACK = """
from tickline.lake import archive
archive._verify = lambda *_: None
"""
NO_COMPARING = """
from tickline.lake import scrub
scrub._examine = lambda *_: None
"""


def figure(*arguments: str, patch: str = "") -> dict[str, object]:
    """The figure of a qa command, run by a process that first spoils the lake with `patch`."""
    code = f"{patch}\nfrom qa.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode == 0) is said["ok"]
    return said


@pytest.mark.slow
def test_races_have_one_winner_and_no_mixture() -> None:
    assert figure("race", "--races", "4") == {"ok": True, "races": 4, "one_winner": 4, "mixed": 0}


@pytest.mark.slow
def test_scrub_finds_all_damage_and_nothing_else() -> None:
    said = figure("scrub", "--small")
    assert said["ok"], said
    assert (said["flips"], said["truncations"], said["swaps"], said["false_alarms"]) == (40, 10, 10, 0)


@pytest.mark.slow
def test_no_copy_is_lost_between_lake_and_archive() -> None:
    said = figure("archive", "--objects", "20")
    assert said["ok"], said
    assert said["restored_hash_equal"] == 20


def test_a_disk_that_matters_is_never_filled(tmp_path: Path) -> None:
    said = figure("enospc", "--on", str(tmp_path))
    assert not said["ok"]
    assert "64 MB" in str(said["reason"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_needs_nobody() -> None:
    said = figure("enospc", "--small")
    assert said["ok"], said


@pytest.mark.slow
@needs_strace
def test_a_kill_at_any_write_loses_and_mixes_nothing() -> None:
    said = figure("killsweep", "--small")
    assert said["ok"], said


@needs_strace
def test_tracing_that_is_refused_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    said = figure("killsweep", "--small")
    assert not said["ok"]
    assert "apt-get install strace" in str(said["reason"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patch", "command", "goal"),
    [
        pytest.param(NO_FENCING, "race --races 4", {"one_winner": 4}, id="race"),
        pytest.param(ONE_BY_ONE, "killsweep --scene three --every 5", {"violations": 0}, id="mix", marks=needs_strace),
        pytest.param(STEP_BY_STEP, "killsweep --scene upgrade", {"violations": 0}, id="half", marks=needs_strace),
        pytest.param(NO_READING_BACK, "archive --objects 20", {"unverified_deletes": 0}, id="archive"),
        pytest.param(NO_COMPARING, "scrub --small", {"flips": 40}, id="scrub"),
    ],
)
def test_a_careless_lake_is_noticed(patch: str, command: str, goal: dict[str, int]) -> None:
    said = figure(*command.split(), patch=patch)
    assert not said["ok"]
    assert {name: said[name] for name in goal} != goal
