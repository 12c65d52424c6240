"""What can go wrong between a venue and its client, and seeded plans of it.

A plan is an iterator that says for each call what happens to it: a fault, or None. Calls after its end are served.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

import orjson

from runners.sandbox_exchange.wire import Reply

NS_PER_S = 1_000_000_000


class Fault(StrEnum):
    """One way to spoil one call."""

    TIMEOUT = "timeout"  # the answer comes after the client gave up
    CUT = "cut"  # the connection closes in the middle of the answer
    ERROR_500 = "error_500"
    ERROR_503 = "error_503"
    HTML = "html"  # 200, and a page for people
    EMPTY = "empty"  # 200, and nothing
    NULL = "null"
    LIST = "list"  # 200, and an empty list
    TRUNCATED = "truncated"  # 200, and half of the JSON
    PAUSE_SECONDS = "pause_seconds"  # 429 with Retry-After in seconds
    PAUSE_DATE = "pause_date"  # 429 with Retry-After as an HTTP date
    BAN = "ban"  # 418
    DUPLICATED = "duplicated"  # the page holds its first rows twice
    OVERLAP = "overlap"  # the page starts before the row asked for
    STALE = "stale"  # what the same request was answered before
    POISON = "poison"  # one more row, malformed


LOST = (Fault.TIMEOUT, Fault.CUT, Fault.ERROR_500, Fault.ERROR_503)
GARBAGE = (Fault.HTML, Fault.EMPTY, Fault.NULL, Fault.LIST, Fault.TRUNCATED)
PAUSES = (Fault.PAUSE_SECONDS, Fault.PAUSE_DATE)
REPEATED = (Fault.DUPLICATED, Fault.OVERLAP, Fault.STALE)

_UNAVAILABLE = {"code": -1001, "msg": "Internal error; unable to process your request."}
_TOO_MANY = {"code": -1003, "msg": "Too many requests."}
_INSTEAD = {
    Fault.ERROR_500: Reply(500, _UNAVAILABLE),
    Fault.ERROR_503: Reply(503, _UNAVAILABLE),
    Fault.HTML: Reply(200, None, "<html><body>Service unavailable</body></html>"),
    Fault.EMPTY: Reply(200, None, ""),
    Fault.NULL: Reply(200, None, "null"),
    Fault.LIST: Reply(200, None, "[]"),
    Fault.BAN: Reply(418, _TOO_MANY, headers={"Retry-After": "120"}),
}
_IDS = frozenset({"a", "id", "trade_id"})


def at_random(seed: int, rate: float, faults: Sequence[Fault]) -> Iterator[Fault | None]:
    """An endless plan: each call is spoiled with this probability, by one of these faults."""
    rng = random.Random(seed)  # noqa: S311 - a plan to repeat, not a secret
    while True:
        yield rng.choice(faults) if rng.random() < rate else None


def spoiled(reply: Reply, fault: Fault, *, now_ns: int, pause_s: int, number: int) -> Reply:
    """The reply as a fault leaves it, where the fault is one of content.

    `number`, the call's, picks the place and kind of a poison row.
    """
    if fault in _INSTEAD:
        return _INSTEAD[fault]
    if fault in PAUSES:
        ends = datetime.fromtimestamp(-(-now_ns // NS_PER_S) + pause_s, UTC)
        after = str(pause_s) if fault is Fault.PAUSE_SECONDS else format_datetime(ends, usegmt=True)
        return Reply(429, _TOO_MANY, headers={"Retry-After": after})
    if fault is Fault.TRUNCATED:
        text = orjson.dumps(reply.content).decode()
        return Reply(200, None, text[: len(text) // 2])
    rows = rows_of(reply.content)
    if fault is Fault.DUPLICATED:
        rows[:0] = rows[:3]
    elif fault is Fault.POISON:
        rows.insert(number % (len(rows) + 1), _poison(rows, number))
    return reply


def rows_of(content: Any) -> list[Any]:
    """The rows inside an answer, its longest list; a list of its own where there is none."""
    if isinstance(content, dict):
        return max((value for value in content.values() if isinstance(value, list)), key=len, default=[])
    return content if isinstance(content, list) else []


def _poison(rows: Sequence[Any], number: int) -> Any:
    first = rows[0] if rows and isinstance(rows[0], dict) else {}
    not_numbers = {key: "NaN" if isinstance(value, str) else value for key, value in first.items() if key not in _IDS}
    return [None, "junk", {}, 7, [], not_numbers][number % 6]
