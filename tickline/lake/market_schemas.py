"""The columns of what is known of prediction markets: their terms, looks at their prices, and mappings between venues.

Prices are 0..1, what one contract pays if it wins is 1. Times are UTC in nanoseconds.
"""

import polars as pl

from tickline.lake.schema import NS, Schema

CLEAN_MARKETS = Schema(
    {
        "market_id": pl.String(),
        "event_id": pl.String(),
        "event_title": pl.String(),
        "series": pl.String(),  # what repeats with other dates or strikes; null where the venue does not say
        "title": pl.String(),
        "yes_label": pl.String(),
        "no_label": pl.String(),
        "rules": pl.String(),
        "category": pl.String(),
        "resolution_source": pl.String(),
        "strict_id": pl.String(),  # an id that venues share, such as an on-chain condition
        "yes_instrument": pl.String(),
        "no_instrument": pl.String(),
        "strike_op": pl.String(),  # gt, ge, lt, le, eq, between; null where there is no strike
        "strike_low": pl.Float64(),
        "strike_high": pl.Float64(),
        "status": pl.String(),  # upcoming, open, paused, closed, settled or voided
        "result": pl.String(),  # yes, no or void once it is known
        "ts_open": NS,
        "ts_close": NS,  # trading ends
        "ts_expiry": NS,  # the outcome is known at the latest
        "ts_settle": NS,  # the payout is expected
        "tick_size": pl.Float64(),
        "group_id": pl.String(),  # markets of which at most one resolves to yes, or the rungs of one ladder
        "group_kind": pl.String(),  # exclusive or ladder
        "label": pl.String(),  # of an exclusive group: exhaustive, non_exhaustive or unknown
        "label_source": pl.String(),  # metadata or heuristic: who says so
        "parent_id": pl.String(),  # the market of this venue that this one resolving to yes implies
        "parent_source": pl.String(),  # metadata or heuristic
        "fee_kind": pl.String(),  # none, bps or curve; see tickline.markets.fees
        "fee_taker": pl.Float64(),
        "fee_maker": pl.Float64(),
        "fee_exponent": pl.Float64(),
        "fee_rounding": pl.String(),  # up, down or half_up
        "fee_places": pl.Int32(),  # decimal places a fee is rounded to
        "balance_places": pl.Int32(),  # decimal places cash is floored to after each fill; null where it is not
        "terms_sha256": pl.String(),  # of everything that decides what it pays and costs
        "version": pl.Int32(),  # counts the terms it showed on this day, from 1
        "ts_first": NS,  # first and last look that showed these terms
        "ts_last": NS,
        "raw_row": pl.UInt32(),  # of the first of those looks in raw_markets
    },
    ("market_id", "version"),
)

MARKET_QUOTES = Schema(
    {
        "market_id": pl.String(),
        "ts_recv": NS,
        "status": pl.String(),
        "yes_bid": pl.Float64(),
        "yes_ask": pl.Float64(),
        "no_bid": pl.Float64(),
        "no_ask": pl.Float64(),
        "yes_bid_size": pl.Float64(),  # contracts; null where the venue does not say
        "yes_ask_size": pl.Float64(),
        "no_bid_size": pl.Float64(),
        "no_ask_size": pl.Float64(),
        "volume": pl.Float64(),
        "raw_row": pl.UInt32(),
    },
    ("market_id", "ts_recv", "raw_row"),
)

QUARANTINE_MARKETS = Schema(
    {
        "instrument": pl.String(),
        "market_id": pl.String(),
        "event_id": pl.String(),
        "title": pl.String(),
        "outcome": pl.String(),
        "status": pl.String(),
        "bid": pl.Float64(),
        "ask": pl.Float64(),
        "ts_recv": NS,
        "rule": pl.String(),
        "reason": pl.String(),
        "raw_row": pl.UInt32(),
    },
    ("raw_row",),
)

MARKET_STAGE = {
    "clean_markets": CLEAN_MARKETS,
    "market_quotes": MARKET_QUOTES,
    "quarantine_markets": QUARANTINE_MARKETS,
}
"""What a prediction venue's listings of a day come to."""

_PAIR = {
    "pair_id": pl.String(),  # of both markets, whichever is named first
    "left_venue": pl.String(),
    "left_market": pl.String(),
    "right_venue": pl.String(),
    "right_market": pl.String(),
}

# A signal is 0 (they differ) to 1 (they agree), null where one side says nothing.
CANDIDATES = Schema(
    _PAIR
    | {
        "blocks": pl.List(pl.String()),  # what brought the two together
        "text": pl.Float64(),
        "terms": pl.Float64(),  # TF-IDF
        "entities": pl.Float64(),
        "numbers": pl.Float64(),
        "operators": pl.Float64(),
        "dates": pl.Float64(),
        "source": pl.Float64(),
        "polarity": pl.Float64(),  # 1 aligned, 0 inverted
        "price": pl.Float64(),
        "score": pl.Float64(),
        "relation": pl.String(),  # equivalent, complement, subset, related or different
        "conflicts": pl.List(pl.String()),  # what rules equivalence out
    },
    ("left_venue", "left_market", "right_venue", "right_market"),
)

MAPPING = Schema(
    _PAIR
    | {
        "relation": pl.String(),
        "subset_side": pl.String(),  # of a subset: left or right, the one that implies the other
        "basis": pl.String(),  # strict_id, scored, fallback, heuristic or human
        "confidence": pl.Float64(),
        "flags": pl.List(pl.String()),  # what a person should look at: cardinality, stale, drift, divergence, ...
        "severity": pl.String(),  # the worst of them: none, note, warn or block
        "decision": pl.String(),  # approved or rejected; null where nobody decided yet
        "decided_by": pl.String(),
        "decided_at": NS,
        "is_tradable": pl.Boolean(),  # approved for the terms of today, and nothing blocks it
        "left_terms": pl.String(),
        "right_terms": pl.String(),
    },
    ("left_venue", "left_market", "right_venue", "right_market"),
)

MAPPING_DRIFT = Schema(
    {
        "pair_id": pl.String(),  # null where the market is in no pair
        "venue": pl.String(),
        "market_id": pl.String(),
        "ts": NS,
        "kind": pl.String(),  # terms, stale, divergence, cardinality, closed, gone
        "field": pl.String(),  # which of the terms
        "before": pl.String(),
        "after": pl.String(),
        "severity": pl.String(),
    },
    ("venue", "market_id", "ts", "kind", "field", "pair_id"),
)

MAPPINGS = {"candidates": CANDIDATES, "mapping": MAPPING, "mapping_drift": MAPPING_DRIFT}
"""What is said of which markets are one question."""
