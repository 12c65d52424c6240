"""Spoiled rule expressions: each is refused with a FirewallError, or means the same over columns and over rows."""

import math
from functools import partial
from pathlib import Path

import polars as pl

from qa import _hostile
from qa._attempts import Attempts
from qa._bad_rows import START
from qa._subjects import RULES
from tickline.errors import FirewallError
from tickline.lake.schemas import RAW, Feed
from tickline.ticks.language import Expression, Kind, parse

MIDNIGHT = START // 10**9
NUMBERS = (None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.5, 1e-300, 1e300, 0.01, 61_800.5)
TIMES = (None, 0, -1, START, START + 43_200 * 10**9, 2**62, -(2**62))
WHOLE = (None, 0, 1, -1, 2**31 - 1)
TEXTS = (None, "", "buy", "sell", "snapshot", "é\0")

PIECES = (
    *(
        "price",
        "size",
        "ts_event",
        "ts_recv",
        "side",
        "defect",
        "tick_size",
        "known",
        "midnight",
        "nothing",
        "_",
        "True",
    ),
    *("+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", "=", ":=", "and", "or", "not", "in", "is"),
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        ":",
        ";",
        "#",
        "\\",
        "\n",
        "\t",
        "@",
        "~",
        "^",
        "&",
        "|",
        "->",
        "...",
        "'",
    ),
    *("0", "1", "1e308", "1e999", "1_0", "0x1F", "1j", "9" * 400, "9" * 5000, ".5", "5.", "'buy'", '"sell"', "b'x'"),
    *("finite(", "missing(", "off_grid(", "abs(", "('buy', 'sell')", "f'{price}'", "lambda:", "if", "else", "await"),
    *("__import__('os')", "price.__class__", "price[0]", "*price", "\0", "\ud800", "é", "\u202e", "¼", "\x0c"),
)


def fuzz(rng: _hostile.Rng, count: int, _folder: Path) -> Attempts:
    """Parse `count` expressions, and evaluate both ways those that are of the language."""
    written = [(feed, rule.when) for feed in Feed for rule in RULES.of(feed) if rule.when is not None]
    odd = {feed: _odd_rows(feed) for feed in Feed}
    attempts = Attempts()
    for _ in range(count):
        feed, when = rng.choice(written)
        text = _expression(when, rng)
        data = text.encode("utf-8", "surrogatepass")
        check = partial(parse, text, RULES.kinds(feed), place="fuzz")
        expression = attempts.make("expression", data, check, errors=(FirewallError,))
        if expression is not None:
            evaluate = partial(_evaluate, expression, odd[feed])
            attempts.make("expression, evaluated", data, evaluate, errors=(), inputs=0)
    return attempts


def _expression(when: str, rng: _hostile.Rng) -> str:
    match rng.randrange(8):
        case 0:
            return " ".join(rng.choices(PIECES, k=rng.randint(1, 15)))
        case 1:
            return _truth(rng, rng.randint(1, 7))
        case 2:
            depth = rng.choice((5, 50, 500, 5000, 100_000))
            opens, closes = rng.choice(
                (("(", ")"), ("-", ""), ("not ", ""), ("abs(", ")"), ("price + ", ""), ("[", "]"))
            )
            return opens * depth + when + closes * depth
        case 3 | 4 | 5:
            words = when.split(" ")
            words[rng.randrange(len(words))] = rng.choice(PIECES)
            return " ".join(words)
    return _hostile.mangled(when.encode(), rng).decode("utf-8", rng.choice(("replace", "surrogateescape")))


def _truth(rng: _hostile.Rng, depth: int) -> str:
    """A random condition of the language."""
    match rng.randrange(4) if depth else -1:
        case 0:
            return (
                f"{_number(rng, depth - 1)} {rng.choice(('<', '<=', '>', '>=', '==', '!='))} {_number(rng, depth - 1)}"
            )
        case 1:
            return f"({_truth(rng, depth - 1)} {rng.choice(('and', 'or'))} {_truth(rng, depth - 1)})"
        case 2:
            return f"not {_truth(rng, depth - 1)}"
        case 3:
            return f"off_grid({_number(rng, depth - 1)}, {_number(rng, depth - 1)})"
    return rng.choice(("missing(ts_recv)", "finite(midnight)", "tick_size > 0", "instrument in ('buy', 'sell')"))


def _number(rng: _hostile.Rng, depth: int) -> str:
    match rng.randrange(4) if depth else -1:
        case 0:
            return f"({_number(rng, depth - 1)} {rng.choice('+-*/')} {_number(rng, depth - 1)})"
        case 1:
            return f"-{_number(rng, depth - 1)}"
        case 2:
            return f"abs({_number(rng, depth - 1)})"
    return rng.choice(("seq", "delivery", "tick_size", "midnight", "ts_event", "ts_recv", "known", "0", "1e300", "0.1"))


def _odd_rows(feed: Feed) -> pl.DataFrame:
    """Rows of everything a rule on a feed may name, all of it odd; times as integers."""
    rng = _hostile.Rng(0)
    columns = {}
    for name, kind in RULES.kinds(feed).items():
        dtype = RAW[feed].columns.get(name, pl.Float64())
        values, dtype = {
            Kind.TIME: (TIMES, pl.Int64()),
            Kind.TEXT: (TEXTS, pl.String()),
            Kind.NUMBER: (WHOLE if dtype.is_integer() else NUMBERS, dtype),
        }[kind]
        columns[name] = pl.Series(rng.choices(values, k=30), dtype=dtype)
    return pl.DataFrame(columns)


def _evaluate(expression: Expression, rows: pl.DataFrame) -> None:
    """Evaluate a condition over columns and over single rows: both must say the same."""
    columns = expression.expr({name: pl.col(name) for name in rows.columns}, midnight=MIDNIGHT)
    found = rows.with_columns(found=columns)["found"].to_list()
    one = expression.closure(midnight=MIDNIGHT)
    assert found == [one(row) for row in rows.iter_rows(named=True)], "columns and rows disagree"
