"""What the UI shows of a backtest."""

import polars as pl

from assets.preview import _summary
from tickline.lake.schemas import BACKTEST_SUMMARY


def test_a_summary_shows_each_window_and_the_whole() -> None:
    rows = [{"scope": scope, "trades": 3, "total_return": -0.01} for scope in ("2026-03-08", "all")]
    shown = _summary(pl.DataFrame(rows, schema=BACKTEST_SUMMARY.columns)).splitlines()
    assert shown[0].startswith("| tested | sessions | trades | total_return |")
    assert [line.split(" | ")[0] for line in shown[2:]] == ["| 2026-03-08", "| all"]
    assert "-0.01" in shown[2]
