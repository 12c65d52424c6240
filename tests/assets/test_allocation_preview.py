"""What the UI shows of a portfolio's weights."""

import polars as pl

from assets.preview import _weights
from tickline.lake.schemas import ALLOCATIONS


def shown(weights: list[float]) -> list[str]:
    rows = [
        {"instrument": name, "weight": weight, "risk_share": 0.5, "volatility": 0.2}
        for name, weight in zip("ABC", weights, strict=True)
    ]
    return _weights(pl.DataFrame(rows, schema=ALLOCATIONS.columns)).splitlines()[2:]


def test_weights_show_as_bars_the_heaviest_first() -> None:
    lines = shown([0.1, -0.4, 0.2])
    assert [line.split(" | ")[0] for line in lines] == ["| B", "| C", "| A"]
    assert [line.count("█") for line in lines] == [32, 16, 8]
    assert "-40.00%" in lines[0]


def test_nothing_held_shows_as_no_bars() -> None:
    assert not any("█" in line for line in shown([0.0, 0.0, 0.0]))
