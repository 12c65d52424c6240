"""Whether a result rests on too little: a KPI with and without what could mislead, and whether one trade turns it.

Money is Decimal, so leaving a trade out is exact.
"""

from collections.abc import Sequence
from enum import StrEnum

import polars as pl


class Variant(StrEnum):
    """What a KPI is taken over."""

    RAW = "raw"
    FILTERED = "filtered"  # without micro prices
    WITHOUT_LARGEST = "without_largest"  # without the trade whose result weighs most
    WITHOUT_TOP = "without_top"  # without the first few of them


EDGE = ("stake", "detected", "expected", "realised")


def edge_variants(closed: pl.DataFrame, by: Sequence[str], *, top: int) -> pl.DataFrame:
    """The edge of closed positions by some keys, in every variant, sorted by keys and variant.

    `closed` has `opportunity_id`, `is_micro`, the columns of EDGE as Decimal, and the keys. `top` is how many
    WITHOUT_TOP leaves out. A variant of which nothing is left has a row of zeros. What is not known to be no micro
    price is one.
    """
    weight = pl.struct(-pl.col("realised").abs(), "opportunity_id")
    placed = closed.with_columns(
        place=weight.rank("ordinal").over(by), is_micro=pl.col("is_micro").fill_null(value=True)
    )
    kept = {
        Variant.RAW: pl.col("place") > 0,
        Variant.FILTERED: ~pl.col("is_micro"),
        Variant.WITHOUT_LARGEST: pl.col("place") > 1,
        Variant.WITHOUT_TOP: pl.col("place") > top,
    }
    parts = [
        placed.group_by(by).agg(
            variant=pl.lit(variant.value),
            trades=keeps.sum().cast(pl.Int64),
            **{name: pl.col(name).filter(keeps).sum() for name in EDGE},
            sign_stable=_is_stable(pl.col("realised").filter(keeps)),
        )
        for variant, keeps in kept.items()
    ]
    found = pl.concat(parts).sort(*by, "variant")
    return found.with_columns(is_conclusive=_is_conclusive().over(by))


def sign_stable(realised: pl.Series) -> bool:
    """Whether the sum of some results has a sign that leaving out any one of them neither turns nor ends.

    The mean's sign is the sum's. It is enough to leave out the best of a gain or the worst of a loss: nothing else
    takes more away from it.
    """
    return bool(realised.to_frame().select(_is_stable(pl.col(realised.name))).item())


def _is_stable(realised: pl.Expr) -> pl.Expr:
    total = realised.sum()
    return (
        pl.when(total > 0)
        .then(total - realised.max() > 0)
        .when(total < 0)
        .then(total - realised.min() < 0)
        .otherwise(pl.lit(value=False))
        .fill_null(value=False)
    )


def _is_conclusive() -> pl.Expr:
    """That every variant has the sign of the whole, which no single trade turns."""
    agree = (pl.col("realised") > 0).all() | (pl.col("realised") < 0).all()
    return agree & (pl.col("sign_stable") | (pl.col("variant") != Variant.RAW.value)).all()
