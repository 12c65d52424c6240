"""The columns of every dataset in the lake, their dtypes, order and sort key.

Times are UTC in nanoseconds. Prices and sizes are Float64 and lie on the instrument's tick and lot grid once
clean. A dataset's version is bumped whenever its columns change meaning; readers refuse a newer one.
"""

from enum import StrEnum

import polars as pl

from tickline.lake.lane_schemas import IDENTIFICATION, LANES
from tickline.lake.market_schemas import MAPPINGS, MARKET_STAGE
from tickline.lake.schema import MONEY, NS, Schema


class Feed(StrEnum):
    """A kind of tick a venue publishes."""

    TRADES = "trades"
    QUOTES = "quotes"
    BOOK = "book"


# `seq` is the source's own order: the venue's sequence or numeric trade id where it has one, else the row's
# number within its delivery. `delivery` numbers the file, page or connection that brought the row, in source
# order. `defect` says why a field of the row could not be parsed; the row is kept so that it can be counted.
_DELIVERED = {"seq": pl.Int64(), "delivery": pl.Int32(), "defect": pl.String()}
_TIMES = {"instrument": pl.String(), "ts_event": NS, "ts_recv": NS}
_TRADE = {
    "price": pl.Float64(),
    "size": pl.Float64(),
    "side": pl.String(),  # aggressor: buy, sell, or null where the venue does not say
    "trade_id": pl.String(),
    "conditions": pl.String(),  # sale conditions as delivered
    "exchange": pl.String(),  # reporting exchange of a consolidated tape
}
_QUOTE = {
    "bid": pl.Float64(),
    "bid_size": pl.Float64(),
    "ask": pl.Float64(),
    "ask_size": pl.Float64(),
}
_LEVEL = {
    "kind": pl.String(),  # snapshot or delta
    "side": pl.String(),  # bid or ask
    "price": pl.Float64(),
    "size": pl.Float64(),  # the level's new total; zero removes it
    "first_seq": pl.Int64(),  # the venue's update ids the message covers
    "last_seq": pl.Int64(),
    "prev_seq": pl.Int64(),  # last_seq of the message before, where the venue says so
}
_TICK_SORT = ("instrument", "ts_event", "seq")

RAW = {
    Feed.TRADES: Schema(_TIMES | _TRADE | _DELIVERED, (*_TICK_SORT, "delivery", "trade_id", "price", "size")),
    Feed.QUOTES: Schema(_TIMES | _QUOTE | _DELIVERED, (*_TICK_SORT, "delivery", "bid", "ask")),
    Feed.BOOK: Schema(_TIMES | _LEVEL | _DELIVERED, (*_TICK_SORT, "delivery", "side", "price", "size")),
}

# `raw_row` is the row's number in the raw object the clean one was made from. `sets` is what a print may set
# under its venue's sale-condition rules: 1 open, 2 high and low, 4 last, 8 volume.
CLEAN = {
    Feed.TRADES: Schema(
        _TIMES | _TRADE | {"seq": pl.Int64(), "sets": pl.UInt8(), "raw_row": pl.UInt32()},
        (*_TICK_SORT, "raw_row"),
    ),
    Feed.QUOTES: Schema(
        _TIMES | _QUOTE | {"seq": pl.Int64(), "raw_row": pl.UInt32()},
        (*_TICK_SORT, "raw_row"),
    ),
    Feed.BOOK: Schema(
        # `epoch` counts the day's snapshots so far: deltas of one epoch form one unbroken book, those of epoch 0
        # continue the closing book of the day before.
        _TIMES | _LEVEL | {"seq": pl.Int64(), "epoch": pl.Int32(), "raw_row": pl.UInt32()},
        (*_TICK_SORT, "raw_row"),
    ),
}

_REFUSED = {"rule": pl.String(), "reason": pl.String(), "raw_row": pl.UInt32()}
QUARANTINE = {feed: Schema(RAW[feed].columns | _REFUSED, (*_TICK_SORT, "raw_row")) for feed in Feed}

GAPS = Schema(
    {
        "instrument": pl.String(),
        "kind": pl.String(),  # sequence (ids missing), book (deltas missing) or silence (no tick in session)
        "ts_from": NS,
        "ts_to": NS,
        "seq_from": pl.Int64(),  # last id seen before the gap and first seen after it
        "seq_to": pl.Int64(),
        "missing": pl.Int64(),
    },
    ("instrument", "ts_from", "seq_from"),
)

# What a day leaves to the next one. `ts_last` and `seq_last` are the last tick's: of trades and quotes for instruments
# whose ids go on over midnight without holes, of a book for each instrument whose book is unbroken at the end of the
# day. A book has a row for each level; one without levels has one row without a side.
_LAST = {"instrument": pl.String(), "ts_last": NS, "seq_last": pl.Int64()}
CLOSING = {
    Feed.TRADES: Schema(_LAST, ("instrument",)),
    Feed.QUOTES: Schema(_LAST, ("instrument",)),
    Feed.BOOK: Schema(
        _LAST | {"side": pl.String(), "price": pl.Float64(), "size": pl.Float64()}, ("instrument", "side", "price")
    ),
}

# A bar covers [ts_open, ts_close). Its prices are null where no print of the window may set one. `volume` and
# `turnover` (sum of price x size) are exact sums on the instrument's grid, so bars add up in any order.
# ts_first/seq_first and ts_last/seq_last name the prints behind open and close.
BARS = Schema(
    {
        "instrument": pl.String(),
        "session_date": pl.Date(),
        "segment": pl.String(),  # pre, regular or post
        "ts_open": NS,
        "ts_close": NS,
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "turnover": pl.Decimal(38, 12),
        "vwap": pl.Float64(),
        "trades": pl.Int64(),
        "ts_first": NS,
        "seq_first": pl.Int64(),
        "ts_last": NS,
        "seq_last": pl.Int64(),
        "bid_open": pl.Float64(),
        "bid_high": pl.Float64(),
        "bid_low": pl.Float64(),
        "bid_close": pl.Float64(),
        "ask_open": pl.Float64(),
        "ask_high": pl.Float64(),
        "ask_low": pl.Float64(),
        "ask_close": pl.Float64(),
        "quotes": pl.Int64(),
        "quote_ts_first": NS,
        "quote_seq_first": pl.Int64(),
        "quote_ts_last": NS,
        "quote_seq_last": pl.Int64(),
        "is_final": pl.Boolean(),
    },
    ("instrument", "ts_open"),
)

SESSIONS = Schema(
    {
        "venue": pl.String(),
        "calendar": pl.String(),
        "session_date": pl.Date(),
        "segment": pl.String(),
        "open": NS,
        "close": NS,
        "is_early_close": pl.Boolean(),
    },
    ("calendar", "open"),
)

INSTRUMENTS = Schema(
    {
        "venue": pl.String(),
        "instrument": pl.String(),
        "kind": pl.String(),
        "base": pl.String(),
        "quote": pl.String(),
        "calendar": pl.String(),
        "tick_size": pl.Float64(),
        "lot_size": pl.Float64(),
    },
    ("instrument",),
)

MARKETS = Schema(
    {
        "instrument": pl.String(),  # one outcome of one market
        "ts_recv": NS,
        "event_id": pl.String(),
        "event_title": pl.String(),
        "market_id": pl.String(),
        "title": pl.String(),
        "outcome": pl.String(),
        "rules": pl.String(),
        "category": pl.String(),
        "status": pl.String(),
        "ts_open": NS,
        "ts_close": NS,
        "tick_size": pl.Float64(),
        "bid": pl.Float64(),
        "ask": pl.Float64(),
        "payload": pl.String(),  # the venue's own record, JSON as delivered
        "delivery": pl.Int32(),
    },
    ("instrument", "ts_recv"),
)

# `input`, `input_period` and `input_row` name the row of the partition that a fill follows from: a bar, or a tick whose
# clean row names its raw one.
BACKTEST_RUN = Schema(
    {
        "strategy": pl.String(),
        "mode": pl.String(),  # bar or tick
        "parameters": pl.String(),  # JSON, of the run itself: chosen on the training sessions where there are any; {}
        # where those let nothing be chosen, and it stayed out
        "strategy_code": pl.String(),  # sha256 of its source and of what it stands on
        "ts_from": NS,
        "ts_to": NS,
        "rows": pl.Int64(),  # bars or ticks it was shown
        "orders": pl.Int64(),
        "refused": pl.Int64(),
        "fills": pl.Int64(),
        "capital": MONEY,
        "cash": MONEY,
        "fees": MONEY,
        "charges": MONEY,  # funding and borrowing
        "equity": MONEY,
        "conserved": pl.Boolean(),  # capital + realised = cash + cost of positions + fees + charges, to the unit
    },
    ("strategy",),
)
BACKTEST_ORDERS = Schema(
    {
        "order": pl.Int64(),  # 0 for what never became one
        "instrument": pl.String(),
        "ts_sent": NS,
        "side": pl.String(),
        "kind": pl.String(),
        "tif": pl.String(),
        "size": MONEY,
        "filled": MONEY,
        "price": MONEY,
        "trigger": MONEY,
        "post_only": pl.Boolean(),
        "reduce_only": pl.Boolean(),
        "group": pl.Int64(),
        "tag": pl.Int64(),
        "status": pl.String(),
        "reason": pl.String(),  # of a refusal
    },
    ("ts_sent", "order", "tag"),
)
BACKTEST_FILLS = Schema(
    {
        "ts": NS,
        "order": pl.Int64(),
        "instrument": pl.String(),
        "session_date": pl.Date(),
        "side": pl.String(),  # buy or sell
        "price": MONEY,
        "size": MONEY,
        "fee": MONEY,
        "is_maker": pl.Boolean(),
        "tag": pl.Int64(),
        "input": pl.String(),
        "input_period": pl.String(),
        "input_row": pl.UInt32(),
    },
    ("ts", "order"),
)
BACKTEST_TRADES = Schema(
    {
        "instrument": pl.String(),
        "side": pl.String(),  # long or short
        "ts_entry": NS,
        "ts_exit": NS,
        "size": pl.Float64(),
        "entry_price": pl.Float64(),
        "exit_price": pl.Float64(),
        "gross": pl.Float64(),
        "fees": pl.Float64(),
        "net": pl.Float64(),
        "is_open": pl.Boolean(),  # still held at the end: its exit is the last price
    },
    ("ts_entry", "instrument", "ts_exit"),
)
BACKTEST_EQUITY = Schema(
    {
        "ts": NS,
        "session_date": pl.Date(),
        "equity": pl.Float64(),
        "drawdown": pl.Float64(),  # share below the highest equity so far
        "exposure": pl.Float64(),  # value of positions over equity, signed
    },
    ("ts",),
)
BACKTEST_FOLDS = Schema(
    {
        "fold": pl.Int64(),  # which search of the window: in tick mode the piece that was tested after it
        "trial": pl.Int64(),
        "trial_id": pl.String(),  # sha256 of the parameters
        "parameters": pl.String(),
        "objective": pl.Float64(),
        "sharpe": pl.Float64(),
        "total_return": pl.Float64(),
        "max_drawdown": pl.Float64(),
        "trades": pl.Int64(),
        "chosen": pl.Boolean(),
        "failure": pl.String(),
        "returns": pl.List(pl.Float64()),  # over equal pieces of what it trained on
    },
    ("fold", "trial"),
)
BACKTEST_SUMMARY = Schema(
    {
        "strategy": pl.String(),
        "scope": pl.String(),  # the window's first test session, or `all`: every window one after the other
        "sessions": pl.Int64(),
        "trades": pl.Int64(),
        "total_return": pl.Float64(),
        "cagr": pl.Float64(),
        "volatility": pl.Float64(),
        "sharpe": pl.Float64(),
        "sortino": pl.Float64(),
        "calmar": pl.Float64(),
        "max_drawdown": pl.Float64(),
        "win_rate": pl.Float64(),
        "profit_factor": pl.Float64(),
        "expectancy": pl.Float64(),
        "cost_share": pl.Float64(),  # fees over gross profit
        "turnover": pl.Float64(),
        "exposure": pl.Float64(),
        "trials": pl.Int64(),
        "deflated_sharpe": pl.Float64(),
        "pbo": pl.Float64(),
    },
    ("strategy", "scope"),
)

BACKTESTS = {
    "backtest_run": BACKTEST_RUN,
    "backtest_orders": BACKTEST_ORDERS,
    "backtest_fills": BACKTEST_FILLS,
    "backtest_trades": BACKTEST_TRADES,
    "backtest_equity": BACKTEST_EQUITY,
    "backtest_folds": BACKTEST_FOLDS,
    "backtest_summary": BACKTEST_SUMMARY,
}
"""What a backtest of one strategy over one window leaves."""

ALLOCATIONS = Schema(
    {
        "portfolio": pl.String(),
        "instrument": pl.String(),
        "session_date": pl.Date(),
        "ts": NS,  # when it was decided: the session's regular close
        "method": pl.String(),
        "base_weight": pl.Float64(),  # the method's; they add up to 1
        "exposure": pl.Float64(),  # how much of those the overlays take
        "weight": pl.Float64(),  # base_weight x exposure within the caps, a share of capital; the rest is cash
        "volatility": pl.Float64(),  # of the instrument, a year
        "risk_share": pl.Float64(),  # of the variance of the method's weights; they add up to 1
        "price": pl.Float64(),  # its last close
        "notional": MONEY,  # weight x capital
        "size": MONEY,  # whole lots that buys at `price`
        "closes": pl.Int64(),  # of its own over the lookback
        "returns": pl.Int64(),  # it was weighed by
        "input": pl.String(),  # the bar of `price`
        "input_period": pl.String(),
        "input_row": pl.UInt32(),
    },
    ("instrument",),
)

# Which columns a signal set has is its configuration's to say, so each value has a row that names its column.
SIGNALS = Schema(
    {
        "instrument": pl.String(),
        "ts_close": NS,  # when it was known: the close of its bar
        "session_date": pl.Date(),
        "segment": pl.String(),
        "name": pl.String(),
        "value": pl.Float64(),  # null where it is not known yet
    },
    ("instrument", "ts_close", "name"),
)

CARRIED = frozenset(f"closing_{feed}" for feed in Feed)
"""The datasets a day hands on to the next."""

TIMEFRAMES = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "1h": 3600,
    "4h": 14400,
    "1d": None,
    "1w": None,
}
"""Bar length in seconds; None where a bar is a whole session or a whole week of sessions."""

DATASETS: dict[str, Schema] = (
    {f"raw_{feed}": RAW[feed] for feed in Feed}
    | {f"clean_{feed}": CLEAN[feed] for feed in Feed}
    | {f"quarantine_{feed}": QUARANTINE[feed] for feed in Feed}
    | {f"gaps_{feed}": GAPS for feed in Feed}
    | {f"closing_{feed}": CLOSING[feed] for feed in Feed}
    | {f"bars_{timeframe}": BARS for timeframe in TIMEFRAMES}
    | {"sessions": SESSIONS, "instruments": INSTRUMENTS, "raw_markets": MARKETS, "signals": SIGNALS}
    | BACKTESTS
    | {"allocations": ALLOCATIONS, "identification": IDENTIFICATION}
    | MARKET_STAGE
    | MAPPINGS
    | LANES
)
"""Every dataset of the lake by name."""
