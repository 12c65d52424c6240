"""Which fee schedule a market has: what its own record says first, then what its venue's configuration says."""

from datetime import date

import polars as pl

from tickline.markets.fees import FeeKind, Rounding
from tickline.reference.models import MarketFee, Venue

_BPS = 10_000


def charged(looks: pl.DataFrame, venue: Venue, day: date) -> pl.DataFrame:
    """Looks with every fee column of CLEAN_MARKETS.

    The first of the venue's market fees in force on the day that is for the look's series and category applies; a rate
    and exponent of the market's own replace its. Without one the venue's basis points do.
    """
    declared = [fee for fee in venue.market_fees if fee.since is None or fee.since <= day]
    applies = [_is_for(fee).fill_null(value=False) for fee in declared]
    others = _of_venue(venue)

    def pick(name: str) -> pl.Expr:
        picked = pl.lit(_value(others, name))
        for fee, when in reversed(list(zip(declared, applies, strict=True))):
            picked = pl.when(when).then(pl.lit(_value(fee, name))).otherwise(picked)
        return picked

    own = ("kind", "taker", "maker", "exponent")
    is_own = pl.col("fee_kind").is_not_null()
    free = pl.col("fee_kind") == FeeKind.NONE
    return looks.with_columns(
        *(
            pl.when(is_own).then(pl.coalesce(f"fee_{name}", pick(name))).otherwise(pick(name)).alias(f"fee_{name}")
            for name in own
        ),
        pick("rounding").alias("fee_rounding"),
        pick("places").cast(pl.Int32).alias("fee_places"),
        pick("balance_places").cast(pl.Int32).alias("balance_places"),
    ).with_columns(pl.when(free).then(0.0).otherwise(f"fee_{name}").alias(f"fee_{name}") for name in ("taker", "maker"))


def _is_for(fee: MarketFee) -> pl.Expr:
    wanted = pl.lit(True)
    if fee.series:
        wanted &= pl.col("series").is_in(fee.series)
    if fee.categories:
        wanted &= pl.col("category").str.to_lowercase().is_in([name.lower() for name in fee.categories])
    return wanted


def _of_venue(venue: Venue) -> MarketFee:
    taker, maker = venue.fees.taker_bps, venue.fees.maker_bps
    if not taker and not maker:
        return MarketFee(kind=FeeKind.NONE.value)
    return MarketFee(kind=FeeKind.BPS.value, taker=taker / _BPS, maker=maker / _BPS)


def _value(fee: MarketFee, name: str) -> str | float | int | None:
    value = getattr(fee, name)
    if name in ("kind", "rounding"):
        return FeeKind(value).value if name == "kind" else Rounding(value).value
    if name in ("places", "balance_places"):
        return None if value is None else int(value)
    return float(value)
