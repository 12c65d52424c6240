"""What a person sees of a partition in the UI: its size, hash and quality, and a small table or plot."""

import base64
from collections.abc import Sequence
from typing import TypeAlias

import dagster as dg
import polars as pl
from dagster._core.definitions.metadata import RawMetadataValue

from expectations.evaluate import Outcome
from tickline.backtest.report.preview import picture, preview
from tickline.lake.lake import Lake
from tickline.lake.market_schemas import MARKET_STAGE
from tickline.lake.records import Publication
from tickline.lake.schemas import BARS, DATASETS
from tickline.markets.model import Severity
from tickline.pipeline.evidence import evidence_behind

Metadata: TypeAlias = dict[str, RawMetadataValue]
"""What Dagster shows of something, by name."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_FULL = _BLOCKS[-1]
_WIDTH = 32
_MOST_ROWS = 12


def metadata_of(lake: Lake, publication: Publication, outcome: Outcome | None) -> Metadata:
    """Metadata of one materialised partition."""
    metadata: Metadata = {
        "dagster/row_count": publication.rows,
        "bytes": publication.bytes,
        "size": size(publication.bytes),
        "sha256": publication.sha256,
        "generation": publication.generation,
    }
    if outcome is not None:
        metadata["passed"] = outcome.passed
        metadata |= {name: round(value, 6) for name, value in outcome.metrics.items() if name in _QUALITY}
    table = _table(lake, publication)
    if table:
        metadata["preview"] = dg.MetadataValue.md(table)
    return metadata


_QUALITY = frozenset({"clean_ratio", "coverage"})


def sparkline(values: pl.Series) -> str:
    """A line of block characters for a series, lowest value to highest; empty for no finite value."""
    finite = values.drop_nulls().drop_nans()
    if finite.is_empty():
        return ""
    step = max(1, -(-len(finite) // _WIDTH))
    sampled = finite.gather_every(step)
    low, high = float(sampled.min()), float(sampled.max())  # type: ignore[arg-type]
    span = (high - low) or 1.0
    return "".join(_BLOCKS[min(7, int((value - low) / span * 8))] for value in sampled)


def _table(lake: Lake, publication: Publication) -> str:
    dataset = publication.key.dataset
    if dataset in MARKET_STAGE or dataset.startswith("clean_"):
        return _counts(publication)
    if DATASETS.get(dataset) is BARS and publication.rows:
        return _bars(lake.scan([publication]).select("instrument", "close", "bid_close", "volume").collect())
    if dataset == "backtest_equity":
        equity = lake.scan([publication]).collect()["equity"]
        return markdown(("equity", "first", "last"), [(sparkline(equity), number(equity[0]), number(equity[-1]))])
    if dataset in _OF_ROWS:
        return _OF_ROWS[dataset](lake.scan([publication]).collect())
    if dataset == "backtest_summary":
        return _summary(lake, publication)
    return ""


def _counts(publication: Publication) -> str:
    """What became of the raw rows."""
    facts = publication.facts
    of_ticks = {"raw": facts["raw"], "clean": publication.rows} if "raw" in facts else {}
    counts = {**of_ticks, **facts["counts"]}
    return markdown(("rule", "rows"), [(rule, f"{rows:,}") for rule, rows in counts.items() if rows])


def _summary(lake: Lake, publication: Publication) -> str:
    """The picture of the whole, its measures, and a row for each window."""
    evidence = evidence_behind(lake, publication)
    drawn = base64.b64encode(picture(evidence)).decode()
    shown = ("sessions", "trades", "total_return", "sharpe", "max_drawdown", "win_rate", "trials", "pbo")
    rows = [(row["scope"], *(number(row[name]) for name in shown)) for row in evidence.summary.iter_rows(named=True)]
    parts = [f"![equity](data:image/svg+xml;base64,{drawn})", preview(evidence), markdown(("tested", *shown), rows)]
    return "\n\n".join(parts)


def _weights(weights: pl.DataFrame) -> str:
    """Each weight as a bar, the heaviest first and as wide as there is room."""
    shown = weights.select("instrument", "weight", "risk_share", "volatility").sort(pl.col("weight").abs())
    widest = abs(shown["weight"][-1]) or 1.0
    rows = [
        (name, f"{_FULL * round(abs(weight) / widest * _WIDTH)} {weight:.2%}", f"{share:.2%}", number(volatility))
        for name, weight, share, volatility in shown.reverse().iter_rows()
    ]
    return markdown(("instrument", "weight", "share of risk", "volatility"), rows)


def _pairs(pairs: pl.DataFrame) -> str:
    """The pairs a person should look at, the worst first."""
    shown = pairs.filter(pl.col("severity") != Severity.NONE.value).select(
        "severity", "left_market", "right_market", "relation", "confidence", pl.col("flags").list.join(", ")
    )
    worst = pl.col("severity").replace_strict({one.value: nth for nth, one in enumerate(Severity)})
    rows = [
        (severity, left, right, relation, number(confidence), flags)
        for severity, left, right, relation, confidence, flags in shown.sort(worst, descending=True).iter_rows()
    ]
    return markdown(("severity", "left", "right", "relation", "confidence", "flags"), rows) if rows else ""


def _bars(bars: pl.DataFrame) -> str:
    rows = [
        (str(name), sparkline(group["close"].fill_null(group["bid_close"])), number(float(group["volume"].sum())))
        for (name,), group in bars.group_by("instrument", maintain_order=True)
    ]
    return markdown(("instrument", "close", "volume"), rows)


def number(value: float | None) -> str:
    """A number as people read it; nothing for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def size(count: int) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    power = min(4, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.4g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of the first dozen rows."""
    shown = [header, tuple("---" for _ in header), *(tuple(_escape(cell) for cell in row) for row in rows[:_MOST_ROWS])]
    more = [f"\n{len(rows) - _MOST_ROWS} more"] if len(rows) > _MOST_ROWS else []
    return "\n".join(["| " + " | ".join(row) + " |" for row in shown] + more)


def _escape(text: str) -> str:
    # A symbol is a venue's text: it must not become markup in the UI.
    return "".join(character if character.isalnum() or character in " .,-+:%▁▂▃▄▅▆▇█/_" else " " for character in text)


_OF_ROWS = {"allocations": _weights, "mapping": _pairs}
"""Datasets whose table is made of all their rows."""
