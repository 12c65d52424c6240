"""What ccxt made of a trade, candle, book level or market, as the columns of a capture segment.

Numbers become text, times UTC ns; what is missing or out of range becomes None, and `defect` says so.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

from tickline.sources.ccxt_recording import Parsed

NS_PER_MS = 1_000_000
LAST_MS = 2**63 // NS_PER_MS - 1
"""The last millisecond that can be told in ns."""


def trade_fields(parsed: Parsed, number: int) -> tuple[Any, ...]:
    """A trade; `number` is its place on the page, its seq where the venue's id is no number."""
    trade = parsed.value or {}
    price, size, trade_id = trade.get("price"), trade.get("amount"), _text(trade.get("id"))
    defect = parsed.defect or _missing(price=price, size=size)
    seq = numeric_id(trade_id)
    return (
        event_ns(trade.get("timestamp")),
        _number(price),
        _number(size),
        _text(trade.get("side")),
        trade_id,
        number if seq is None else seq,
        defect,
    )


def candle_fields(parsed: Parsed) -> tuple[Any, ...]:
    """A candle, named by the start of its window."""
    candle = parsed.value or [None] * 6
    prices = dict(zip(("open", "high", "low", "close", "volume"), candle[1:6], strict=True))
    return (event_ns(candle[0]), *map(_number, prices.values()), parsed.defect or _missing(**prices))


def level_fields(side: str, level: Sequence[Any]) -> tuple[Any, ...]:
    """A level of a book."""
    price, size = level[:2]
    return (side, _number(price), _number(size), _missing(price=price, size=size))


def outcome_fields(event: dict[str, Any], market: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The outcomes of a prediction market; anything else is a market of one.

    What the venue's record says of the event goes into the market's own, as `event`: which markets exclude each other
    is said there alone.
    """
    info = market["info"]
    of_event = {name: value for name, value in (event.get("info") or {}).items() if name != "markets"}
    status = info.get("status") or ("active" if market.get("active") else "inactive")
    outcomes = market.get("outcomes") or [{"outcomeId": market.get("symbol")}]
    tick_size = _number((market.get("precision") or {}).get("price"))
    return [
        (
            _text(outcome["outcomeId"]),
            _text(event.get("id") or info.get("event_ticker")),
            _text(event.get("title")),
            _text(market["id"]),
            _text(outcome.get("label")),
            position,
            _text(event.get("category")),
            _text(status),
            tick_size,
            json.dumps(info | {"event": of_event} if of_event else info),
        )
        for position, outcome in enumerate(outcomes)
    ]


def event_ns(milliseconds: Any) -> int | None:
    """A time of ccxt's in ns, or None where it cannot be one."""
    known = isinstance(milliseconds, int | float) and math.isfinite(milliseconds) and abs(milliseconds) <= LAST_MS
    return int(milliseconds) * NS_PER_MS if known else None


def numeric_id(trade_id: str | None) -> int | None:
    """A trade id as a number, where it is one that fits 64 bits."""
    if trade_id is None or not (trade_id.isascii() and trade_id.isdigit() and len(trade_id) < 20):
        return None
    return int64(int(trade_id))


def int64(value: Any) -> int | None:
    """An integer that fits 64 bits, or None."""
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def _missing(**numbers: float | None) -> str | None:
    absent = [name for name, number in numbers.items() if number is None]
    return f"no {' and no '.join(absent)}" if absent else None


def _number(value: float | None) -> str | None:
    return None if value is None else repr(float(value))


def _text(value: Any) -> str | None:
    # A lone surrogate is legal in JSON but in no UTF-8 file.
    return None if value is None else str(value).encode("utf-8", "replace").decode()
