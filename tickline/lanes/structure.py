"""Baskets compiled into arrays: once for as long as markets and mapping stay the same, to be priced cycle by cycle."""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.errors import LaneError
from tickline.lanes.baskets import LEAVES_OUT
from tickline.lanes.model import Basket, Kind, Lane, Leg
from tickline.markets.fees import Fees, Rounding, fees_of
from tickline.markets.model import Basis, Label, MarketKey, Side

Indices: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

KEY = ("venue", "market_id")
YES, NO = 0, 1
"""Columns of a book's arrays."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What trading a market takes beside its prices. `fees_up` are its fees with each rounded up, as every venue
    rounds that of one contract."""

    key: MarketKey
    instruments: tuple[str | None, str | None]  # YES and NO
    fees: Fees
    fees_up: Fees
    ts_close_ns: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Baskets over markets, as arrays.

    `markets` is CLEAN_MARKETS with `venue`, one row a market, in the order the book's arrays are in; `baskets` is
    BASKETS. Legs `starts[i]` up to `starts[i + 1]` are basket i's: `market` is a row of `markets`, `side` YES or NO,
    `basket` is i, and `is_optional` says whether the basket holds without it. `floor`, `lane` (row of `Lane`) and
    `pair` (the same number for the same pair) are of each basket. `subject` numbers what refusals are told of, whose
    lane and text `subjects` has.
    """

    markets: pl.DataFrame
    baskets: pl.DataFrame
    starts: Indices  # one more than there are baskets
    market: Indices
    side: Indices
    basket: Indices
    is_optional: npt.NDArray[np.bool_]
    floor: Floats
    lane: Indices
    pair: Indices
    subject: Indices
    subjects: pl.DataFrame
    _listed: pl.DataFrame  # of markets and baskets what is asked for one by one: a row of few columns is read faster
    _named: pl.DataFrame
    _baskets: dict[int, Basket] = field(default_factory=dict)  # made when they are first asked for
    _listings: dict[int, Listing] = field(default_factory=dict)
    _rows: dict[MarketKey, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many baskets there are."""
        return self.baskets.height

    def basket_at(self, row: int) -> Basket:
        """The basket at a row."""
        if row not in self._baskets:
            self._baskets[row] = self._basket(row)
        return self._baskets[row]

    def listing_at(self, market: int) -> Listing:
        """The market at a row."""
        if market not in self._listings:
            self._listings[market] = _listing(*self._listed.row(market))
        return self._listings[market]

    def row_of(self, key: MarketKey) -> int:
        """The row of a market. Raises LaneError where there is none."""
        if not self._rows:
            keys = self.markets.select(*KEY).iter_rows()
            self._rows.update({MarketKey(*key): row for row, key in enumerate(keys)})
        if key not in self._rows:
            raise LaneError(f"market {key} is not in the structure: compile it with the markets that are asked for")
        return self._rows[key]

    def _basket(self, row: int) -> Basket:
        values = dict(zip(_NAMED, self._named.row(row), strict=True))
        legs = slice(self.starts[row], self.starts[row + 1])
        sided = zip(self.market[legs].tolist(), self.side[legs].tolist(), strict=True)
        return Basket(
            basket_id=values["basket_id"],
            lane=Lane(values["lane"]),
            kind=Kind(values["kind"]),
            legs=tuple(Leg(self.listing_at(market).key, Side.NO if side == NO else Side.YES) for market, side in sided),
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


def compiled(baskets: pl.DataFrame, legs: pl.DataFrame, markets: pl.DataFrame) -> Structure:
    """Baskets (BASKETS) and their legs (BASKET_LEGS) over markets (CLEAN_MARKETS with `venue`, one row a market).

    Raises LaneError where a market or basket is there twice, a leg is of a market or basket that is not there, or a
    basket has not the legs it says.
    """
    markets = markets.sort(KEY).with_columns(_in_ns("ts_close"))
    baskets = baskets.sort("basket_id").with_columns(_in_ns("ts_settle"))
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
    side, basket = _indices((numbered["side"] == Side.NO).cast(pl.Int64)), _indices(numbered["basket"])
    lanes = {lane.value: row for row, lane in enumerate(Lane)}
    return Structure(
        markets=markets,
        baskets=baskets,
        starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        market=_indices(numbered["market"]),
        side=side,
        basket=basket,
        is_optional=baskets["kind"].is_in(LEAVES_OUT).fill_null(value=False).to_numpy()[basket] & (side == NO),
        floor=baskets["floor"].to_numpy(),
        lane=baskets["lane"].replace_strict(lanes, return_dtype=pl.Int64).to_numpy(),
        pair=_indices(baskets["pair_id"].fill_null("").rank("dense")),
        subject=_indices(subject),
        subjects=subjects,
        _listed=markets.select(*KEY, "yes_instrument", "no_instrument", "ts_close_ns", *_FEES),
        _named=baskets.select(_NAMED),
    )


_FEES = ("fee_kind", "fee_taker", "fee_maker", "fee_exponent", "fee_rounding", "fee_places", "balance_places")
_NAMED = (
    "basket_id",
    "lane",
    "kind",
    "floor",
    "family",
    "event",
    "source",
    "label",
    "pair_id",
    "confidence",
    "is_tradable",
    "ts_settle_ns",
)


def _listing(
    venue: str, market_id: str, yes: str | None, no: str | None, ts_close_ns: int | None, *schedule: Any
) -> Listing:
    fees, fees_up = _fees(*schedule)
    return Listing(MarketKey(venue, market_id), (yes, no), fees, fees_up, ts_close_ns)


@lru_cache(maxsize=4_096)
def _fees(*schedule: Any) -> tuple[Fees, Fees]:
    """A schedule, which many markets share, as it is and with fees rounded up."""
    fees = fees_of(dict(zip(_FEES, schedule, strict=True)))
    return fees, replace(fees, rounding=Rounding.UP)


def _in_ns(name: str) -> pl.Expr:
    return pl.col(name).dt.epoch("ns").alias(f"{name}_ns")


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
