"""Polymarket's market records, as its Gamma API gives them, as looks.

https://docs.polymarket.com/api-reference/markets, /advanced/neg-risk, /concepts/resolution, /trading/fees. A record may
carry its event's under `event` or in `events`. The best bid and ask are the first outcome's; the book of the other one
mirrors it.
"""

import polars as pl

from tickline.markets.fees import FeeKind
from tickline.markets.model import Status
from tickline.markets.payloads import is_true, moment, number, told

CHALLENGE_S = 7200
"""How long a proposed resolution can be disputed where the market names no time of its own."""

_PLAIN = (
    *("conditionId", "question", "description", "resolutionSource", "category", "groupItemTitle"),
    *("active", "closed", "archived", "acceptingOrders", "umaResolutionStatus", "startDate", "endDate", "umaEndDate"),
    *("customLiveness", "bestBid", "bestAsk", "orderPriceMinTickSize", "volumeNum", "volume"),
    *("negRisk", "negRiskMarketID", "feesEnabled"),
)
_LISTS = {"outcome": "outcomes", "token": "clobTokenIds", "settles": "outcomePrices"}
_PATHS = (
    {name: name for name in _PLAIN}
    | {f"{short}_{at}": f"{name}.{at}" for short, name in _LISTS.items() for at in range(3)}
    | {
        "fee_rate": "feeSchedule.rate",
        "fee_power": "feeSchedule.exponent",
        "taker_only": "feeSchedule.takerOnly",
    }
    | {
        f"{name}_{nth}": f"{event}.{name}"
        for nth, event in enumerate(("event", "events.0"))
        for name in ("id", "title", "category", "negRisk", "negRiskAugmented", "negRiskMarketID", "seriesSlug")
    }
    | {"series_0": "event.series.0.slug", "series_1": "events.0.series.0.slug"}
)


def is_own(payload: pl.Expr) -> pl.Expr:
    """Whether a record is Polymarket's."""
    return (
        payload.str.contains('"conditionId"', literal=True) & payload.str.contains('"outcomes"', literal=True)
    ).fill_null(value=False)


def looks(rows: pl.DataFrame) -> pl.DataFrame:
    """Looks of Polymarket's markets; see `tickline.markets.looks` for what comes in and goes out."""
    said = told(rows["payload"], _PATHS)
    kept = rows.select(
        *("market_id", "ts_recv", "copy", "raw_row", "event_id", "event_title"),
        row_title="title",
        row_category="category",
        row_tick="tick_size",
    )
    frame = pl.concat([kept, said], how="horizontal")
    group = pl.coalesce("negRiskMarketID", "negRiskMarketID_0", "negRiskMarketID_1")
    is_group = is_true("negRisk") & group.is_not_null()
    is_augmented = pl.coalesce(is_true("negRiskAugmented_0"), is_true("negRiskAugmented_1"))
    expiry = moment("umaEndDate", "endDate")
    liveness = number("customLiveness")
    liveness = pl.when(liveness > 0).then(liveness).otherwise(CHALLENGE_S).cast(pl.Int64)
    bid, ask = _present("bestBid", 0.0), _present("bestAsk", 1.0)
    return frame.select(
        *("market_id", "ts_recv", "copy", "raw_row", "is_readable"),
        pl.coalesce("event_id", "id_0", "id_1").alias("event_id"),
        pl.coalesce("event_title", "title_0", "title_1").alias("event_title"),
        pl.coalesce("series_0", "series_1", "seriesSlug_0", "seriesSlug_1").alias("series"),
        pl.coalesce("question", "row_title").alias("title"),
        _label(),
        pl.col("outcome_1").alias("no_label"),
        pl.col("description").alias("rules"),
        pl.coalesce("category", "category_0", "category_1", "row_category").alias("category"),
        pl.col("resolutionSource").alias("resolution_source"),
        pl.col("conditionId").alias("strict_id"),
        pl.col("token_0").alias("yes_instrument"),
        pl.col("token_1").alias("no_instrument"),
        *_standing(),
        moment("startDate").alias("ts_open"),
        moment("endDate").alias("ts_close"),
        expiry.alias("ts_expiry"),
        (expiry + pl.duration(seconds=liveness)).alias("ts_settle"),
        pl.coalesce(number("orderPriceMinTickSize"), "row_tick").alias("tick_size"),
        bid.alias("yes_bid"),
        ask.alias("yes_ask"),
        (1 - ask).round(9).alias("no_bid"),
        (1 - bid).round(9).alias("no_ask"),
        number("volumeNum", "volume").alias("volume"),
        sum(pl.col(f"outcome_{at}").is_not_null().cast(pl.Int64) for at in range(3)).alias("outcomes"),  # type: ignore[union-attr]
        pl.lit(True).alias("is_mirrored"),
        is_true("negRisk").alias("is_exclusive"),
        pl.when(is_group).then(group).alias("exclusive_id"),
        # An augmented group gets further outcomes later on: those listed do not exhaust it.
        pl.when(is_augmented).then(pl.lit(False)).alias("exhausts"),
        *_fees(),
    )


def _label() -> pl.Expr:
    named = pl.col("outcome_0").str.to_lowercase() != "yes"
    return pl.when(named).then("outcome_0").otherwise(pl.coalesce("groupItemTitle", "outcome_0")).alias("yes_label")


def _standing() -> list[pl.Expr]:
    """Status and result. Prices of outcomes are what they settle at once the market is closed."""
    first, second = number("settles_0"), number("settles_1")
    is_closed = is_true("closed") | is_true("archived").fill_null(value=False)
    is_resolved = is_closed & (pl.col("umaResolutionStatus") == "resolved").fill_null(value=False)
    is_decided = is_closed & (first.is_in([0.0, 1.0]) & (first + second == 1)).fill_null(value=False)
    is_void = is_resolved & (first == second)
    can_trade = is_true("acceptingOrders").fill_null(is_true("active"))
    status = (
        pl.when(is_void)
        .then(pl.lit(Status.VOIDED))
        .when(is_resolved | is_decided)
        .then(pl.lit(Status.SETTLED))
        .when(is_closed)
        .then(pl.lit(Status.CLOSED))
        .when(is_true("active") & can_trade)
        .then(pl.lit(Status.OPEN))
        .when(is_true("active").is_not_null())
        .then(pl.lit(Status.PAUSED))
    )
    result = (
        pl.when(is_void)
        .then(pl.lit("void"))
        .when(is_decided)
        .then(pl.when(first == 1).then(pl.lit("yes")).otherwise(pl.lit("no")))
    )
    return [status.alias("status"), result.alias("result")]


def _fees() -> list[pl.Expr]:
    """The market's own schedule; nothing where it names none, which is for the venue's configuration to say."""
    rate, is_free = number("fee_rate"), ~is_true("feesEnabled")
    kind = pl.when(rate.is_not_null()).then(pl.lit(FeeKind.CURVE)).when(is_free).then(pl.lit(FeeKind.NONE))
    maker = pl.when(is_true("taker_only")).then(0.0).otherwise(rate)
    return [
        kind.alias("fee_kind"),
        rate.alias("fee_taker"),
        maker.alias("fee_maker"),
        number("fee_power").alias("fee_exponent"),
    ]


def _present(name: str, absent: float) -> pl.Expr:
    price = number(name)
    return pl.when(price != absent).then(price)
