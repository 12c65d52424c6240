"""Walk one row that names the bar or tick it follows from, such as a fill, back to the raw ticks behind that, through
the very objects it was made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from tickline.errors import LakeError
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.lake.schemas import DATASETS

NAMING = tuple(name for name, schema in DATASETS.items() if "input_row" in schema.columns)
"""The datasets whose rows name the row they follow from."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A row, the one it follows from, and by dataset the clean ticks (or looks at a market) of that row and the raw
    ones they were.

    `sources` names the source objects the raw ticks came in, with their sha256.
    """

    asked: dict[str, Any]
    row: dict[str, Any]
    clean: dict[str, pl.DataFrame]
    raw: dict[str, pl.DataFrame]
    sources: dict[str, str]


def trace(lake: Lake, key: PartitionKey, nth: int) -> Traced:
    """The ticks behind the nth row (from 0) of a partition: those of a fill, or of the price of a weight.

    Raises LakeError where its rows do not name what they follow from, where it has no such row, or where what it was
    made from is gone.
    """
    published = lake.catalog.current(key)
    if key.dataset not in NAMING or published is None:
        raise LakeError(
            f"{key} is no partition in the lake of {' or '.join(NAMING)}, whose rows name what they are from"
        )
    if not 0 <= nth < published.rows:
        raise LakeError(f"{key} has {published.rows} rows, counted from 0; there is no {nth}")
    (asked,) = lake.scan([published]).slice(nth, 1).collect().to_dicts()
    if asked["input"] is None:
        raise LakeError(f"row {nth} of {key} follows from no row: it does not say which")
    venue = asked["input_venue"] if "input_venue" in asked else _venue_of(lake, published, asked)
    wanted = PartitionKey(asked["input"], venue, asked["input_period"])
    of_row = next(above for above in _above(lake, published) if above.key == wanted)
    (row,) = lake.scan([of_row]).slice(asked["input_row"], 1).collect().to_dicts()
    clean: dict[str, pl.DataFrame] = {}
    raw: dict[str, pl.DataFrame] = {}
    sources: dict[str, str] = {}
    for ticks in _cleaned(lake, of_row) if wanted.dataset.startswith("bars_") else [of_row]:
        chosen = _ticks_of(lake, ticks, row).collect()
        if chosen.height == 0:
            continue
        (raws,) = (above for above in _above(lake, ticks) if above.key.dataset.startswith("raw_"))
        numbered = lake.scan([raws]).with_row_index("raw_row")
        clean[str(ticks.key)] = chosen
        raw[str(raws.key)] = numbered.filter(pl.col("raw_row").is_in(chosen["raw_row"].implode())).collect()
        sources |= {one.name: one.sha256 for one in lake.catalog.inputs_of(raws) if one.kind == "source"}
    return Traced(asked, row, clean, raw, sources)


def _venue_of(lake: Lake, published: Publication, asked: dict[str, Any]) -> str:
    return next(above.key.venue for above in _above(lake, published) if above.key.dataset == asked["input"])


def _above(lake: Lake, published: Publication) -> Iterator[Publication]:
    """The publications a publication was made from, as they were then."""
    for made in lake.catalog.inputs_of(published):
        if made.kind == "object":
            history = lake.catalog.history(PartitionKey.parse(made.name))
            yield next(one for one in reversed(history) if one.sha256 == made.sha256)


def _cleaned(lake: Lake, bars: Publication) -> Iterator[Publication]:
    """The clean ticks behind bars, through shorter bars where they were made from those."""
    for above in _above(lake, bars):
        if above.key.dataset.startswith("clean_"):
            yield above
        elif above.key.dataset.startswith("bars_"):
            yield from _cleaned(lake, above)


def _ticks_of(lake: Lake, ticks: Publication, row: dict[str, Any]) -> pl.LazyFrame:
    if "instrument" not in row:  # a market, or a look at one
        return lake.scan([ticks]).filter(raw_row=row["raw_row"])
    of_instrument = lake.scan([ticks]).filter(instrument=row["instrument"])
    if "ts_open" in row:
        return of_instrument.filter(pl.col("ts_event") >= row["ts_open"], pl.col("ts_event") < row["ts_close"])
    return of_instrument.filter(raw_row=row["raw_row"])
