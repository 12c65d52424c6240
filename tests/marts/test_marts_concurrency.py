"""Readers and builders in different processes over one set of marts."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from runners import sample_lake
from tickline.kpi import marts
from tickline.kpi.freshness import PROJECT
from tickline.lake.keys import PartitionKey

# Says how many minutes are missing each time a line comes in, all within one transaction and one open result.
READER = """
import sys
from pathlib import Path
from tickline.kpi import marts

connection = marts.connect(marts.embedded(Path(sys.argv[1])))
connection.execute("begin")
streaming = connection.cursor()
streaming.execute("use marts")
streaming.execute("select * from kpi_rows_daily")
streaming.fetchone()
for _ in sys.stdin:
    print(connection.execute("select sum(gap_minutes) from kpi_gaps_daily").fetchone()[0], flush=True)
connection.execute("commit")
"""
FIRST = sample_lake.FIRST


def missing_minutes(home: Path) -> float:
    connection = marts.connect(marts.embedded(home))
    (total,) = connection.execute("select sum(gap_minutes) from kpi_gaps_daily").fetchone()
    connection.close()
    return total


def with_longer_gaps(objects, path: Path):
    key = PartitionKey.daily("gaps_quotes", "alpha", FIRST)
    longer = sample_lake.partitions()[key].with_columns(pl.col("ts_to") + pl.duration(minutes=1))
    longer.write_parquet(path)
    return [(found, str(path) if found == key else uri) for found, uri in objects]


def dbt_build(scratch: Path, day: date) -> list[str]:
    """The command line that builds a day, leaving dbt's own files in a scratch folder."""
    folders = ["--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", scratch, "--log-path", scratch]
    window = ["--event-time-start", day, "--event-time-end", day + timedelta(days=1)]
    return [str(Path(sys.executable).parent / "dbt"), "--quiet", "build", *map(str, folders + window)]


@pytest.mark.slow
def test_a_reader_amid_a_query_neither_stops_a_build_nor_sees_half_of_it(build, objects, tmp_path):
    home = tmp_path / "home"
    build(home, objects, FIRST, sample_lake.DAYS[1])
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:

        def asked() -> float:
            reader.stdin.write("?\n")
            reader.stdin.flush()
            return float(reader.stdout.readline())

        before = asked()
        assert before == missing_minutes(home)
        build(home, with_longer_gaps(objects, tmp_path / "longer.parquet"), FIRST, sample_lake.DAYS[1])
        assert asked() == before
        assert missing_minutes(home) == before + 3
        reader.stdin.close()
        assert reader.wait(timeout=30) == 0
    finally:
        reader.kill()
        reader.wait()


@pytest.mark.slow
def test_builders_of_different_processes_take_turns(build, objects, tmp_path):
    """Builds of two days start at once; both succeed and every day is there."""
    home = tmp_path / "home"
    build(home, objects, FIRST, sample_lake.DAYS[1])
    script = (
        "import subprocess, sys; from pathlib import Path; from tickline.kpi import marts\n"
        "with marts.building(marts.embedded(Path(sys.argv[1]))): sys.exit(subprocess.run(sys.argv[2:]).returncode)"
    )
    place = marts.embedded(home)
    processes = []
    for number, day in enumerate(sample_lake.DAYS[1:]):
        database = tmp_path / f"{number}.duckdb"
        marts.expose(place, sample_lake.of_days(objects, day, day), database=database)
        environment = os.environ | marts.profile_env(place, database)
        command = dbt_build(tmp_path / str(number), day)
        processes.append(subprocess.Popen([sys.executable, "-c", script, str(home), *command], env=environment))
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    connection = marts.connect(marts.embedded(home))
    days = connection.execute("select distinct day from kpi_data_quality_daily order by day").fetchall()
    assert days == [(day,) for day in sample_lake.DAYS]
    connection.close()
