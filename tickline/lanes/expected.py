"""How often a lane's legs were filled, and what entering is worth with that, out of its own paper fills.

Whether the other legs follow is counted where the first was filled, never multiplied from each leg's own rate: legs are
filled when the market moves against them, so they fail together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import polars as pl
from pydantic import Field

from tickline.lanes.model import Action, Lane, PositionStatus
from tickline.reference.models import Declared, Share

_BUYS = (Action.ENTER.value, Action.HEDGE.value)


class EntryPrior(Declared):
    """What is believed of a lane before it traded, as if it had been seen in so many positions.

    Of the units decided, `first` is the share of which the first leg is filled, `rest` the share of those of which all
    other legs are; a unit of the first leg that has to be sold again costs `unwind`.
    """

    first: Share = 0.8
    rest: Share = 0.8
    unwind: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.03
    positions: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 20.0


@dataclass(frozen=True, slots=True)
class EntryOdds:
    """How likely the first leg of a lane is filled, the rest after it, and what a unit that is sold again costs."""

    first: float
    rest: float
    unwind: float

    def worth(self, edge: float) -> float:
        """What trying to enter is worth: filled whole it brings `edge`, the first leg alone costs what selling does."""
        return self.first * self.rest * edge - self.first * (1 - self.rest) * self.unwind


CERTAIN = EntryOdds(first=1.0, rest=1.0, unwind=0.0)
"""All legs are filled."""


def entry_odds(positions: pl.DataFrame, fills: pl.DataFrame, prior: EntryPrior) -> pl.DataFrame:
    """Per lane: `first` and `rest` as in EntryPrior, `unwind` the cost of a unit sold again, `positions` they are from.

    `positions` is LANE_POSITIONS (open ones do not count yet), `fills` LANE_FILLS; every number is Float64, drawn
    towards the prior by as many positions as that stands for. A lane without a position that ended is not in it.
    """
    ended = positions.filter(pl.col("status") != PositionStatus.OPEN.value)
    seen = ended.join(_legs(fills), on="opportunity_id", how="left").with_columns(
        pl.col("first_filled", "sold_again", "cost").fill_null(0.0), pl.col("size", "filled").cast(pl.Float64)
    )
    first = pl.col("first_filled") > 0
    return (
        seen.group_by("lane")
        .agg(
            _drawn((pl.col("first_filled") / pl.col("size")).sum(), pl.len(), prior.first, prior).alias("first"),
            _drawn(
                (pl.col("filled") / pl.col("first_filled")).filter(first).sum(), first.sum(), prior.rest, prior
            ).alias("rest"),
            _drawn(
                (pl.col("cost") / pl.col("sold_again")).filter(pl.col("sold_again") > 0).sum(),
                (pl.col("sold_again") > 0).sum(),
                prior.unwind,
                prior,
            ).alias("unwind"),
            pl.len().cast(pl.Float64).alias("positions"),
        )
        .sort("lane")
    )


def odds_by_lane(
    positions: pl.DataFrame, fills: pl.DataFrame, lanes: Iterable[Lane], prior: EntryPrior
) -> dict[str, EntryOdds]:
    """The odds of every lane by its name: those of `entry_odds`, or the prior's where none of its positions ended."""
    found = {row["lane"]: row for row in entry_odds(positions, fills, prior).iter_rows(named=True)}
    believed = prior.model_dump()
    told = {lane.value: found.get(lane.value, believed) for lane in lanes}
    return {lane: EntryOdds(odds["first"], odds["rest"], odds["unwind"]) for lane, odds in told.items()}


def _drawn(total: pl.Expr, count: pl.Expr, believed: float, prior: EntryPrior) -> pl.Expr:
    return (total + believed * prior.positions) / (count + prior.positions)


def _legs(fills: pl.DataFrame) -> pl.DataFrame:
    """Per opportunity: units of the leg that was filled most, which is the first; contracts sold again, and what that
    cost beyond what it brought, fees included."""
    price, size, fee = (pl.col(name).cast(pl.Float64) for name in ("price", "size", "fee"))
    bought, unwound = pl.col("action").is_in(_BUYS), pl.col("action") == Action.UNWIND.value
    paid = ((price * size).filter(bought).sum() + fee.filter(bought).sum()) / size.filter(bought).sum()
    by_leg = fills.group_by("opportunity_id", "leg").agg(
        size.filter(pl.col("action") == Action.ENTER.value).sum().alias("entered"),
        size.filter(unwound).sum().alias("sold_again"),
        (paid * size.filter(unwound).sum() - (price * size - fee).filter(unwound).sum()).alias("cost"),
    )
    return by_leg.group_by("opportunity_id").agg(
        pl.col("entered").max().alias("first_filled"),
        pl.col("sold_again").sum(),
        pl.col("cost").filter(pl.col("sold_again") > 0).sum(),
    )
