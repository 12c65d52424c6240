"""Hostile text and bytes: what `qa fuzz` feeds to everything that reads names, configuration or recordings."""

import random
from typing import Any

Rng = random.Random

FRAGMENTS = (
    *("../", "..\\", "/", "//", "\\", ".", "..", "...", "~", "~root", "/etc/passwd", "C:\\", "file:///", "\\\\host\\x"),
    *("\0", "\n", "\r\n", "\t", " ", "\x1b[31m", "\x7f", "\x85", "\xa0", "\u2028", "\u200b", "\u202e", "\ufeff"),
    *("%", "%2e%2e%2f", "%00", "%2F", "%zz", "+", "++", "|", ":", "*", "?", "<script>", '"', "'", "`", ";", "&", "#"),
    *("=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "'=1", ",", "\n=1"),
    *("CON", "con", "Nul", "aux.txt", "COM1", "lpt9", "prn", "con.", "nul ", "$HOME", "${PATH}", "$(id)", "{0}"),
    *(
        "é",
        "e\u0301",
        "ß",
        "SS",
        "\u017f",
        "İ",
        "i",
        "\u0131",
        "\u212a",
        "K",
        "Å",
        "\uff21",
        "😀",
        "\ud800",
        "\udfff",
        "א",
        "ق",
    ),
    *("venue=", "date=", "data.parquet", ".staging", "__HIVE_DEFAULT_PARTITION__", "all", "2026-03-06", "[...]"),
    *("BTC", "btc", "BTC/USDT", "BTC-USD", "ETH_USD", "KXSB-26-NE", "NaN", "null", "-0", "1e309", "{}", "a" * 179),
    *("a" * 180, "A" * 60, "x" * 300, "é" * 200, "%" * 90),
)

_TEXTS = (
    *("NaN", "-inf", "Infinity", "1e999", "-1e999", "1e-400", "9" * 19, "9" * 40, "9" * 4400, "-" + "9" * 19),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "2147483648", "4294967296", "0x1F"),
    *("-0.0", "1_000", "1,5", "١٢٣", "\uff11\uff12", "+5", "- 5", " 5 ", "5.", ".5", "5e", "1e5", "00", "-1", "0", ""),
    *("\0", "\r", "\n", "\r\n", "\t", '"', '""', "'", ",", ",,,,,,,,", ";", ":", "\\", "\\u0000", "\\ud800"),
    *("{", "}", "[", "]", "[" * 200, '{"a":' * 200, "null", "true", "false", "[]", "{}", '"x"', "\ufeff", "\ud800"),
    *("2026-02-30T25:61:61Z", "9999-12-31T23:59:59Z", "0000-00-00", "2024-08-08T12:00:00", "-290308-12-21"),
    *("wss://x <-> ", " -> ", "configuration: ", "%s%n", "\u202e", "😀", "x" * 5000),
)
TOKENS = (
    *(text.encode("utf-8", "surrogatepass") for text in _TEXTS),
    *(b"\xff", b"\xfe\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x80"),
)

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 10**18, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 10**40),
    *(float("nan"), float("inf"), float("-inf"), "", "NaN", "inf", "1e999", "-5", "0x10", "1" * 400, "\0", "é", "buy"),
    *(
        [],
        {},
        [[]],
        [None],
        {"": None},
        [1, 2],
        {"a": {"b": []}},
        ["1", "2"],
        [["1", "2", "3"]],
        "2026-03-06T25:00:00Z",
    ),
)


def name(rng: Rng) -> str:
    """A name nobody should be called: fragments strung together, cut, in other case, or plain noise."""
    way = rng.random()
    if way < 0.1:
        return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randint(1, 12)))
    if way < 0.2:
        return "".join(chr(rng.randrange(128)) for _ in range(rng.randint(1, 30)))
    text = "".join(rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 5)))
    if way < 0.4:
        text = rng.choice((str.swapcase, str.upper, str.lower))(text)
    elif way < 0.5:
        text = text[: rng.randint(0, len(text))]
    return text


def mangled(data: bytes, rng: Rng) -> bytes:
    """Bytes with one to four changes: flips, tokens put in, spans cut, doubled or moved, the end cut off."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        at, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        end = min(end, at + rng.choice((1, 2, 8, 64, 1 << 20)))
        match rng.randrange(7):
            case 0 if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
            case 1:
                data = data[:at] + rng.choice(TOKENS) + data[at:]
            case 2:
                data = data[:at] + rng.choice(TOKENS) + data[end:]
            case 3:
                data = data[:at] + data[end:]
            case 4:
                data = data[:end] + data[at:end] + data[end:]
            case 5:
                data = data[:at] + rng.randbytes(end - at if end - at < 64 else 4) + data[end:]
            case 6 if rng.random() < 0.3:
                data = data[:at]
    return data


def changed(value: Any, rng: Rng, values: tuple[Any, ...] = VALUES) -> Any:
    """A copy of a nested value with one part replaced, dropped, added, doubled, wrapped or moved elsewhere."""
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        copy = dict(value) if isinstance(value, dict) else list(value)
        key = rng.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        match rng.randrange(12):
            case 0:
                del copy[key]
            case 1 if isinstance(copy, dict):
                copy[rng.choice((name(rng), "kind", "name", "extra"))] = rng.choice(values)
            case 1 | 2 if isinstance(copy, list):
                copy.insert(key, copy[rng.randrange(len(copy))])
            case 3 if isinstance(copy, dict):
                copy[key] = copy[rng.choice(list(copy))]
            case _:
                copy[key] = changed(copy[key], rng, values)
        return copy
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
        return value * rng.choice((-1, 0, 2, 10, 0.1, 0.5, 1000, 10**12, 1e300))
    if isinstance(value, str) and rng.random() < 0.4:
        return name(rng) if rng.random() < 0.3 else value + rng.choice(FRAGMENTS)
    return rng.choice((*values, [value], {"x": value}))
