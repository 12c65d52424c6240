"""Baskets compiled into arrays: once for as long as markets and mapping stay the same, to be priced cycle by cycle."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.errors import LaneError
from tickline.lanes.model import Basket, Kind, Lane, Leg
from tickline.markets.model import Basis, Label, MarketKey, Side

Indices: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

KEY = ("venue", "market_id")
YES, NO = 0, 1
"""Columns of a book's arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Baskets over markets, as arrays.

    `markets` is CLEAN_MARKETS with `venue`, one row a market, in the order the book's arrays are in; `baskets` is
    BASKETS. Legs `starts[i]` up to `starts[i + 1]` are basket i's: `market` is a row of `markets`, `side` YES or NO.
    `floor` is of each basket. `subject` numbers what refusals are told of, whose lane and text `subjects` has.
    """

    markets: pl.DataFrame
    baskets: pl.DataFrame
    starts: Indices  # one more than there are baskets
    market: Indices
    side: Indices
    floor: Floats
    subject: Indices
    subjects: pl.DataFrame

    @property
    def size(self) -> int:
        """How many baskets there are."""
        return self.baskets.height

    def legs_at(self, rows: Indices) -> list[Indices]:
        """The legs of the baskets at these rows."""
        return [np.arange(self.starts[row], self.starts[row + 1]) for row in rows.tolist()]

    def baskets_at(self, rows: Indices) -> Iterator[Basket]:
        """The baskets at these rows, in their order."""
        legs = self._legs(rows)
        for row, values in zip(rows.tolist(), self.baskets[rows].iter_rows(named=True), strict=True):
            count = int(self.starts[row + 1] - self.starts[row])
            yield Basket(
                basket_id=values["basket_id"],
                lane=Lane(values["lane"]),
                kind=Kind(values["kind"]),
                legs=tuple(itertools.islice(legs, count)),
                floor=int(values["floor"]),
                family=values["family"],
                event=values["event"],
                source=Basis(values["source"]),
                label=None if values["label"] is None else Label(values["label"]),
                pair_id=values["pair_id"],
                confidence=values["confidence"],
                is_tradable=values["is_tradable"],
                ts_settle_ns=values["ts_settle_ns"],
            )

    def _legs(self, rows: Indices) -> Iterator[Leg]:
        legs = np.concatenate([self.market[:0], *self.legs_at(rows)])
        keys = self.markets.select(*KEY)[self.market[legs]]
        for key, side in zip(keys.iter_rows(), self.side[legs].tolist(), strict=True):
            yield Leg(MarketKey(*key), Side.NO if side == NO else Side.YES)


def compiled(baskets: pl.DataFrame, legs: pl.DataFrame, markets: pl.DataFrame) -> Structure:
    """Baskets (BASKETS) and their legs (BASKET_LEGS) over markets (CLEAN_MARKETS with `venue`, one row a market).

    Raises LaneError where a market or basket is there twice, a leg is of a market or basket that is not there, or a
    basket has not the legs it says.
    """
    markets, baskets = markets.sort(KEY), baskets.sort("basket_id").with_columns(_settling())
    _refuse_twice(markets, KEY)
    _refuse_twice(baskets, ("basket_id",))
    numbered = legs.join(_numbered(baskets, ["basket_id"], "basket"), on="basket_id", how="left").join(
        _numbered(markets, list(KEY), "market"), on=KEY, how="left"
    )
    _refuse_unknown(numbered)
    numbered = numbered.sort("basket", "leg")
    counts = np.bincount(numbered["basket"].to_numpy(), minlength=baskets.height)
    _refuse_other_legs(baskets, counts)
    told = baskets.select("lane", pl.coalesce("pair_id", "event").alias("subject"))
    subjects = told.unique().sort("lane", "subject")
    subject = told.join(subjects.with_row_index("number"), on=["lane", "subject"], how="left", maintain_order="left")[
        "number"
    ]
    return Structure(
        markets=markets,
        baskets=baskets,
        starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        market=_indices(numbered["market"]),
        side=_indices((numbered["side"] == Side.NO).cast(pl.Int64)),
        floor=baskets["floor"].to_numpy(),
        subject=_indices(subject),
        subjects=subjects,
    )


def _settling() -> pl.Expr:
    return pl.col("ts_settle").dt.epoch("ns").alias("ts_settle_ns")


def _numbered(frame: pl.DataFrame, keys: list[str], name: str) -> pl.DataFrame:
    return frame.select(keys).with_row_index(name)


def _indices(column: pl.Series) -> Indices:
    return column.cast(pl.Int64).to_numpy()


def _refuse_twice(frame: pl.DataFrame, keys: tuple[str, ...]) -> None:
    twice = frame.filter(pl.struct(keys).is_duplicated())
    if not twice.is_empty():
        raise LaneError(f"{':'.join(twice.select(keys).row(0))} is there twice: pass one row of each")


def _refuse_unknown(legs: pl.DataFrame) -> None:
    lost = legs.filter(pl.any_horizontal(pl.col("basket", "market").is_null()))
    if not lost.is_empty():
        leg = lost.row(0, named=True)
        raise LaneError(
            f"a leg of basket {leg['basket_id']} on {leg['venue']}:{leg['market_id']} is of no basket or market that "
            "is there: compile baskets with the markets they were found in"
        )


def _refuse_other_legs(baskets: pl.DataFrame, counts: Indices) -> None:
    other = baskets.filter((pl.Series(counts) != baskets["legs"]) | (baskets["legs"] < 1))
    if not other.is_empty():
        raise LaneError(f"basket {other['basket_id'][0]} has not the {other['legs'][0]} legs it says: pass all of them")
