"""The rules that looks at markets must pass: a look that breaks one is never priced.

A rule that says a look's terms are not to be trusted keeps those out, too; of others only the prices are refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from tickline.markets.model import Status
from tickline.markets.terms import terms_sha256
from tickline.reference.models import MarketRules

TRADING = (Status.OPEN, Status.UPCOMING, Status.PAUSED)
"""Standings in which a market's prices mean something; only an open one trades."""

_SIDES = ("yes_bid", "yes_ask", "no_bid", "no_ask")
_PRICES = pl.col(*_SIDES)
_EXACT = 1e-6
"""Prices are decimals with few places: what is nearer than this is equal."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A finding about looks: `reason` is a text where the rule is broken and null where it is kept."""

    name: str
    reason: Callable[[MarketRules], pl.Expr]
    keeps_terms: bool


def screened(looks: pl.DataFrame, rules: MarketRules) -> pl.DataFrame:
    """Looks with `rule` and `reason`, the first they break, null where none; and `has_terms`, whether their terms
    count."""
    judged = looks.with_columns(
        terms_sha256(looks).alias("terms"),
        pl.when(pl.col("tick_size").is_between(0, 1, closed="none")).then("tick_size").alias("grid"),
    ).with_columns(rule.reason(rules).alias(rule.name) for rule in RULES)
    names = [pl.when(pl.col(rule.name).is_not_null()).then(pl.lit(rule.name)) for rule in RULES]
    untrusted = [pl.col(rule.name).is_not_null() for rule in RULES if not rule.keeps_terms]
    return judged.with_columns(
        pl.coalesce(names).alias("rule"),
        pl.coalesce(rule.name for rule in RULES).alias("reason"),
        (~pl.any_horizontal(untrusted)).alias("has_terms"),
    ).select(*looks.columns, "terms", "rule", "reason", "has_terms")


def _told(broken: pl.Expr, text: str, *about: str) -> pl.Expr:
    shown = [pl.col(name).cast(pl.String).fill_null("none") for name in about]
    return pl.when(broken.fill_null(value=False)).then(pl.format(text, *shown) if shown else pl.lit(text))


def _unreadable(_rules: MarketRules) -> pl.Expr:
    return _told(~pl.col("is_readable"), "the venue's record is no JSON object")


def _missing_id(_rules: MarketRules) -> pl.Expr:
    return _told(_blank("market_id"), "no id")


def _missing_title(_rules: MarketRules) -> pl.Expr:
    return _told(_blank("title"), "no question")


def _unknown_status(_rules: MarketRules) -> pl.Expr:
    return _told(pl.col("status").is_null(), "a status nobody knows")


def _not_binary(_rules: MarketRules) -> pl.Expr:
    one_sided = pl.col("yes_instrument").is_null() & pl.col("no_instrument").is_null()
    return _told(~pl.col("outcomes").is_between(1, 2) | one_sided, "{} outcomes instead of yes and no", "outcomes")


def _times_out_of_order(_rules: MarketRules) -> pl.Expr:
    return _told(pl.col("ts_open") >= pl.col("ts_close"), "opens {} and closes {}", "ts_open", "ts_close")


def _strike_impossible(_rules: MarketRules) -> pl.Expr:
    op, low, high = pl.col("strike_op"), pl.col("strike_low"), pl.col("strike_high")
    needs_low, needs_high = op.is_in(["gt", "ge", "eq", "between"]), op.is_in(["lt", "le", "between"])
    broken = (needs_low & ~low.is_finite().fill_null(value=False)) | (
        needs_high & ~high.is_finite().fill_null(value=False)
    )
    return _told(broken | (low > high), "{} of {} to {}", "strike_op", "strike_low", "strike_high")


def _conflicting(_rules: MarketRules) -> pl.Expr:
    of_delivery = pl.col("terms").n_unique().over("market_id", "ts_recv")
    return _told(of_delivery > 1, "{} has more than one set of terms in one delivery", "market_id")


def _shared_instrument(_rules: MarketRules) -> pl.Expr:
    shared = [
        (pl.col("market_id").n_unique().over(side, "ts_recv") > 1) & pl.col(side).is_not_null()
        for side in ("yes_instrument", "no_instrument")
    ]
    return _told(shared[0] | shared[1], "{} is an outcome of more than one market", "yes_instrument")


def _repeated(_rules: MarketRules) -> pl.Expr:
    return _told(pl.col("copy") > 0, "the delivery listed it before")


def _not_trading(_rules: MarketRules) -> pl.Expr:
    return _told(~pl.col("status").is_in(TRADING), "it is {}", "status")


def _price_not_finite(_rules: MarketRules) -> pl.Expr:
    return _told(pl.any_horizontal((~_PRICES.is_finite()).fill_null(value=False)), "a price is no number")


def _units_disagree(_rules: MarketRules) -> pl.Expr:
    return pl.col("units")


def _price_in_cents(_rules: MarketRules) -> pl.Expr:
    most = pl.max_horizontal(_SIDES)
    return _told(
        (most > 1) & (most <= 100), "{} looks like cents: bids {} and {}, asks {} and {}", "market_id", *_ORDER
    )


def _price_outside(_rules: MarketRules) -> pl.Expr:
    # What costs nothing, or all it can pay, is no offer.
    outside = (pl.min_horizontal(_SIDES) <= 0) | (pl.max_horizontal(_SIDES) >= 1)
    return _told(outside, "a price outside 0..1: bids {} and {}, asks {} and {}", *_ORDER)


def _no_price(_rules: MarketRules) -> pl.Expr:
    return _told(pl.all_horizontal(_PRICES.is_null()), "neither bid nor ask")


def _crossed(_rules: MarketRules) -> pl.Expr:
    yes, no = (pl.col(f"{side}_bid") > pl.col(f"{side}_ask") + _EXACT for side in ("yes", "no"))
    return _told(yes.fill_null(value=False) | no.fill_null(value=False), "bids {} and {} above asks {} and {}", *_ORDER)


def _mirror_broken(_rules: MarketRules) -> pl.Expr:
    apart = [
        ((pl.col(bid) + pl.col(ask) - 1).abs() > _EXACT).fill_null(value=False)
        for bid, ask in (("yes_bid", "no_ask"), ("no_bid", "yes_ask"))
    ]
    broken = pl.col("is_mirrored") & (apart[0] | apart[1])
    return _told(broken, "one book, but bids {} and {} do not mirror asks {} and {}", *_ORDER)


def _wrong_sum(rules: MarketRules) -> pl.Expr:
    bids, asks = pl.col("yes_bid") + pl.col("no_bid"), pl.col("yes_ask") + pl.col("no_ask")
    # With one book for both, bids above one are a book in pieces; two books can stand apart a little.
    gap = pl.when("is_mirrored").then(_EXACT).otherwise(rules.widest_gap)
    broken = (bids > 1 + gap).fill_null(value=False) | (asks < 1 - gap).fill_null(value=False)
    return _told(broken, "bids {} and {}, asks {} and {} do not sum to what one of two pays", *_ORDER)


def _off_grid(_rules: MarketRules) -> pl.Expr:
    steps = _PRICES / pl.col("grid")
    broken = pl.any_horizontal(((steps - steps.round()).abs() > 1e-4).fill_null(value=False))
    return _told(broken, "bids {} and {}, asks {} and {} are not all multiples of {}", *_ORDER, "tick_size")


def _blank(name: str) -> pl.Expr:
    return (pl.col(name).str.strip_chars() == "").fill_null(value=True)


_ORDER = ("yes_bid", "no_bid", "yes_ask", "no_ask")

RULES = (
    Rule("unreadable", _unreadable, keeps_terms=False),
    Rule("missing_id", _missing_id, keeps_terms=False),
    Rule("missing_title", _missing_title, keeps_terms=False),
    Rule("unknown_status", _unknown_status, keeps_terms=False),
    Rule("not_binary", _not_binary, keeps_terms=False),
    Rule("times_out_of_order", _times_out_of_order, keeps_terms=False),
    Rule("strike_impossible", _strike_impossible, keeps_terms=False),
    Rule("conflicting_id", _conflicting, keeps_terms=False),
    Rule("shared_instrument", _shared_instrument, keeps_terms=False),
    Rule("repeated", _repeated, keeps_terms=True),
    Rule("not_trading", _not_trading, keeps_terms=True),
    Rule("price_not_finite", _price_not_finite, keeps_terms=True),
    Rule("units_disagree", _units_disagree, keeps_terms=True),
    Rule("price_in_cents", _price_in_cents, keeps_terms=True),
    Rule("price_outside", _price_outside, keeps_terms=True),
    Rule("no_price", _no_price, keeps_terms=True),
    Rule("crossed", _crossed, keeps_terms=True),
    Rule("mirror_broken", _mirror_broken, keeps_terms=True),
    Rule("wrong_sum", _wrong_sum, keeps_terms=True),
    Rule("off_grid", _off_grid, keeps_terms=True),
)
"""Every rule, in the order in which a look is refused by the first it breaks."""
