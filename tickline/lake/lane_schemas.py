"""The columns of what the lanes find, decide and, on paper, trade in prediction markets.

Per-contract prices, fees and edges are what one unit of a basket (one contract of each leg) costs and pays. What an
opportunity is detected at is Float64, as market data is; what is decided, filled and paid is exact.
"""

import polars as pl

from tickline.lake.schema import MONEY, NS, Schema

_INPUT = {  # the row of the partition that a price is from
    "input": pl.String(),
    "input_venue": pl.String(),
    "input_period": pl.String(),
    "input_row": pl.UInt32(),
}
_WHOSE = {"opportunity_id": pl.String(), "lane": pl.String(), "kind": pl.String(), "family": pl.String()}

BASKETS = Schema(
    {
        "basket_id": pl.String(),
        "lane": pl.String(),  # intra, cross, parity, bucket or event_tree
        "kind": pl.String(),
        "family": pl.String(),  # aliases of one bet share it, over lanes
        "event": pl.String(),  # the event its markets are of, one name for all venues; concentration is counted by it
        "label": pl.String(),  # exhaustive, non_exhaustive or unknown; null where the kind needs none
        "source": pl.String(),  # who says so: metadata, heuristic, strict_id, scored, fallback or human
        "pair_id": pl.String(),  # the mapping it stands on
        "confidence": pl.Float64(),
        "legs": pl.Int32(),
        "floor": pl.Float64(),  # what one unit pays at least, whatever happens
        "is_tradable": pl.Boolean(),  # false where a person has to say so first
        "ts_settle": NS,  # when its last leg pays
    },
    ("basket_id",),
)
BASKET_LEGS = Schema(
    {
        "basket_id": pl.String(),
        "leg": pl.Int32(),
        "venue": pl.String(),
        "market_id": pl.String(),
        "side": pl.String(),  # yes or no; a leg buys it
    },
    ("basket_id", "leg"),
)
LANE_DIAGNOSTICS = Schema(
    {
        "lane": pl.String(),
        "subject": pl.String(),  # the pair, group, event or market that gave nothing
        "stage": pl.String(),  # rule, quote or gating
        "reason": pl.String(),
        "count": pl.Int64(),
    },
    ("lane", "subject", "stage", "reason"),
)
OPPORTUNITIES = Schema(
    _WHOSE
    | {
        "basket_id": pl.String(),
        "style": pl.String(),  # taker or maker
        "ts": NS,  # detected
        "bucket": NS,  # start of the time bucket that its id is of
        "event": pl.String(),
        "label": pl.String(),
        "source": pl.String(),
        "pair_id": pl.String(),
        "confidence": pl.Float64(),
        "legs": pl.Int32(),
        "floor": pl.Float64(),
        "cost": pl.Float64(),  # asks of one unit
        "fees": pl.Float64(),  # of one unit, rounded up
        "edge": pl.Float64(),  # floor - cost - fees
        "depth": pl.Float64(),  # units the books hold at these prices
        "is_micro": pl.Boolean(),  # a leg is priced so low, or so thin, that nothing should follow from it alone
        "ts_settle": NS,
    },
    ("ts", "opportunity_id"),
)
OPPORTUNITY_LEGS = Schema(
    {
        "opportunity_id": pl.String(),
        "leg": pl.Int32(),
        "venue": pl.String(),
        "market_id": pl.String(),
        "instrument": pl.String(),
        "side": pl.String(),
        "price": pl.Float64(),
        "fee": pl.Float64(),
        "depth": pl.Float64(),
        "ts_quote": NS,
    }
    | _INPUT,
    ("opportunity_id", "leg"),
)
DECISIONS = Schema(
    _WHOSE
    | {
        "ts": NS,
        "is_taken": pl.Boolean(),
        "reason": pl.String(),  # the first gate that refused it; null where it was taken
        "gates": pl.List(pl.Struct({"gate": pl.String(), "passed": pl.Boolean(), "detail": pl.String()})),
        "size": MONEY,  # units
        "stake": MONEY,  # what they cost, fees included
        "worst_loss": MONEY,  # of stake, should the mapping or label be wrong
        "expected": MONEY,  # pnl net of fees, slippage and lock-up
        "kelly": pl.Float64(),
        "multiplier": pl.Float64(),  # what the drawdown and the lane's bankroll leave of it
    },
    ("ts", "opportunity_id"),
)
LANE_FILLS = Schema(
    _WHOSE
    | {
        "fill": pl.Int32(),  # counts those of its opportunity
        "leg": pl.Int32(),
        "action": pl.String(),  # enter, hedge, unwind, exit or settle
        "ts": NS,
        "venue": pl.String(),
        "market_id": pl.String(),
        "side": pl.String(),  # yes or no
        "direction": pl.String(),  # buy or sell
        "expected_price": MONEY,
        "price": MONEY,
        "size": MONEY,
        "fee": MONEY,
        "is_maker": pl.Boolean(),
    }
    | _INPUT,
    ("opportunity_id", "fill"),
)
LANE_POSITIONS = Schema(
    _WHOSE
    | {
        "event": pl.String(),
        "ts_open": NS,
        "ts_close": NS,
        "status": pl.String(),  # open, settled, time_stop, ev_stop, hedged, abandoned or unfilled
        "is_micro": pl.Boolean(),
        "size": MONEY,  # units decided
        "filled": MONEY,  # units of which every leg was filled
        "stake": MONEY,  # paid for legs, fees included
        "detected": MONEY,  # edge x units at detection
        "expected": MONEY,
        "realised": MONEY,  # on paper: cash out minus cash in
        "fees": MONEY,
        "slippage": MONEY,  # paid beyond the prices it was detected at
    },
    ("ts_open", "opportunity_id"),
)
LANE_STATE = Schema(
    {
        "kind": pl.String(),  # desk: cooldowns, exposure, bankrolls; position: one that is open
        "id": pl.String(),
        "state": pl.String(),  # JSON
    },
    ("kind", "id"),
)

IDENTIFICATION = Schema(
    {
        "lane": pl.String(),
        "session": pl.Date(),  # the UTC day it was found on
        "place": pl.Int32(),  # in the draw of its lane and day, from 1
        "found": pl.Int64(),  # bets the draw is of
        "opportunity_id": pl.String(),
        "kind": pl.String(),
        "family": pl.String(),
        "ts": NS,
        "verdict": pl.String(),  # real, not_real or unsure; null where nobody said yet
        "by": pl.String(),
        "reason": pl.String(),
        "at": NS,
    },
    ("lane", "session", "place"),
)

LANES = {
    "baskets": BASKETS,
    "basket_legs": BASKET_LEGS,
    "lane_diagnostics": LANE_DIAGNOSTICS,
    "opportunities": OPPORTUNITIES,
    "opportunity_legs": OPPORTUNITY_LEGS,
    "decisions": DECISIONS,
    "lane_fills": LANE_FILLS,
    "lane_positions": LANE_POSITIONS,
    "lane_state": LANE_STATE,
}
"""What a set of lanes leaves of a day."""
