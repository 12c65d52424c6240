"""The numbers of a question as intervals: "at least 3%", "3% or higher", "O/U 8.5", "-1.5", "between 100 and 105m".

Mathematically equal forms are equal intervals. What is counted in whole units is held as whole numbers, so that
"over 2.5 goals", "3+ goals" and "at least 3 goals" are one; "more than 10,000 cases" begins at 10,001.
"""

import math
import re
from dataclasses import dataclass, field, replace

from tickline.markets.dates import Extent
from tickline.markets.model import StrikeOp

_NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NAMED = {name: number for number, name in enumerate(_NAMES, start=1)}
_SCALES = {
    **dict.fromkeys(("k", "thousand"), 1e3),
    **dict.fromkeys(("m", "mm", "mn", "million", "millions"), 1e6),
    **dict.fromkeys(("b", "bn", "billion", "billions"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion"), 1e12),
}
_UNITS = {
    **dict.fromkeys(("%", "percent", "pct", "percentage points", "percentage point"), "%"),
    **dict.fromkeys(("bps", "bp", "basis points", "basis point"), "bps"),
    **dict.fromkeys(("°", "degrees"), "°"),
    **{"°f": "°f", "°c": "°c"},
    **dict.fromkeys(("min", "mins", "minutes", "minute"), "min"),
    **dict.fromkeys(("hours", "hour", "hrs"), "h"),
    **dict.fromkeys(("days", "day"), "d"),
}
_COUNTED = """
    goals goal runs run seats seat cases case launches launch votes cards card corners corner kills kill points point
    games game maps map sets set rounds round times time cuts cut hikes hike people tweets tweet posts post streams
    wins win losses assists assist rebounds rebound touchdowns strikeouts hits homers shots saves deaths medals bills
    laws judges members delegates states countries teams players matches innings steals threes interceptions sacks
    aces strikes yards viewers subscribers followers employees jobs
"""
COUNTED = frozenset(_COUNTED.split())
"""What comes in whole units."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Where the observed number must lie: infinite ends are open."""

    low: float
    high: float
    low_in: bool
    high_in: bool
    unit: str = ""
    # by: a change or margin; touch: reached at any time; score0, score1: of a score; alias: the same told otherwise
    kind: str = ""
    said: tuple[float, ...] = field(default=(), compare=False)  # the numbers as they were written

    @property
    def is_point(self) -> bool:
        """Whether it names one number without comparing."""
        return self.low == self.high


_NUMBER = (
    r"(?P<cur{0}>[$€£])?(?P<v{0}>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+|"
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)"
    r"\s?(?P<scale{0}>thousand|millions?|mm|mn|billions?|bn|trillion|tn|k|m|b|t)?(?![a-z\d])"
    r"\s?(?P<unit{0}>%|percentage points?|percent\b|pct\b|bps?\b|basis points?\b|°[fc]?|degrees\b|min(?:ute)?s?\b|"
    r"hours?\b|hrs\b|days?\b)?"
)
_GE = (
    r"at least|at or above|at or over|no less than|not less than|no fewer than|not fewer than|greater than or equal to|"
    r"more than or equal to|equal to or (?:greater|more|higher) than|a minimum of|minimum of|not below|not under|>=|≥"
)
_LE = (
    r"at most|at or below|at or under|no more than|not more than|no greater than|less than or equal to|"
    r"fewer than or equal to|equal to or (?:less|fewer|lower) than|a maximum of|maximum of|not above|not over|"
    r"not exceed(?:ing)?|up to|<=|≤"
)
_GT = (
    r"strictly above|more than|greater than|higher than|larger than|in excess of|over/under|o/u|over|above|"
    r"exceed(?:s|ing)?|surpass(?:es)?|north of|>"
)
_LT = r"strictly below|less than|fewer than|lower than|smaller than|under|below|south of|<"
_TOUCH = r"hit\s*\(?(?:high|low)?\)?|[↑↓]|\(high\)|\(low\)"
_BEFORE = (
    rf"(?P<ge>{_GE})|(?P<le>{_LE})|(?P<gt>{_GT})|(?P<lt>{_LT})|(?P<eq>exactly|precisely|equal to)|"
    rf"(?P<between>between|from)|(?P<touch>{_TOUCH})"
)
_AFTER = (
    r"(?P<up>\+|(?:or|and) (?:more|higher|above|greater|over|up|better)\b)|"
    r"(?P<down>(?:or|and) (?:less|fewer|lower|below|under)\b)"
)
_QUANTITY = re.compile(
    rf"(?<![\w.,#])(?:(?P<by>by|to)\s+)?(?:(?:{_BEFORE})\s*)?(?P<sign>(?<![\d\w])[-+](?=[\d.$]))?"
    + _NUMBER.format("")
    + r"(?:\s*(?P<dash>-|to|and)\s*"
    + _NUMBER.format("2")
    + r")?"
    + rf"(?:\s*(?:{_AFTER}))?"
    + r"(?P<alias>\s*\(\s*[\d.,$%]+\s*(?:bps|%|percent)?\s*\))?"
)
_NEXT_WORDS = re.compile(r"\s*\)?\s*([a-z-]+)?\s*([a-z-]+)?\s*([a-z-]+)?")
_IS_SCORE = re.compile(r"exact score|correct score|final score|win \d|series score")
_DIGIT = re.compile(r"\d|\b(?:" + "|".join(_NAMED) + r")\b")
_OLD_NAME = re.compile(
    r"(?<=[a-z] )(?<!than )(?<!above )(?<!over )(?<!under )(?<!below )(?<!least )(?<!most )(?<!exactly )(?<!between )"
    r"(?<!hit )(?<!by )(?<!to )(?<!and )(?<!or )(?:1[89]\d\d|0\d)(?![\d.,%])|\b1\.(?= ?f[ck]\b| ?[a-z])"
)


def find(text: str) -> tuple[tuple[Interval, ...], str]:
    """The intervals that folded lower-case text without dates names, sorted, and the text with them blanked out."""
    if not _DIGIT.search(text):
        return (), text
    text = _OLD_NAME.sub(lambda match: " " * len(match[0]), text)  # a club's founding year, or the 1. of its name
    found: list[Interval] = []
    for match in list(_QUANTITY.finditer(text)):
        found.extend(_intervals(match, text))
        text = text[: match.start()] + " " * (match.end() - match.start()) + text[match.end() :]
    return tuple(sorted(found)), text


def of_strike(op: str | None, low: float | None, high: float | None) -> Interval | None:
    """The interval of a venue's own strike, None where it has none."""
    below, above = -math.inf if low is None else low, math.inf if high is None else high
    first = low if low is not None else high
    match op:
        case None:
            return None
        case StrikeOp.BETWEEN:
            return Interval(below, above, low_in=low is not None, high_in=high is not None)
        case _ if first is None:
            return None
        case StrikeOp.GT | StrikeOp.GE:
            return Interval(first, math.inf, low_in=op == StrikeOp.GE, high_in=False)
        case StrikeOp.LT | StrikeOp.LE:
            return Interval(-math.inf, first, low_in=False, high_in=op == StrikeOp.LE)
        case _:
            return Interval(first, first, low_in=True, high_in=True)


def relate(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> Extent:
    """How what one side says of numbers compares with what the other says; UNKNOWN where only one says anything."""
    if not left and not right:
        return Extent.SAME
    left, right = _without_aliases(left, right), _without_aliases(right, left)
    rest_left, rest_right = list(left), []
    for other in right:
        twin = next((one for one in rest_left if _compare(one, other) is Extent.SAME), None)
        if twin is None:
            rest_right.append(other)
        else:
            rest_left.remove(twin)
    if not rest_left and not rest_right:
        return Extent.SAME
    if len(rest_left) == len(rest_right) == 1:
        return _compare(rest_left[0], rest_right[0])
    return Extent.APART if left and right else Extent.UNKNOWN


def _without_aliases(one: tuple[Interval, ...], other: tuple[Interval, ...]) -> tuple[Interval, ...]:
    if any(interval.kind == "alias" for interval in other):
        return one
    return tuple(interval for interval in one if interval.kind != "alias")


def same_bounds(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> bool:
    """Whether the same numbers are named, however they are compared with: then only the operators differ."""
    return sorted(number for one in left for number in one.said) == sorted(
        number for one in right for number in one.said
    )


def _compare(one: Interval, other: Interval) -> Extent:
    if (one.kind != other.kind and {one.kind, other.kind} != {"", "touch"}) or not _same_unit(one.unit, other.unit):
        return Extent.APART
    if {one.unit, other.unit} == {"", "#"}:
        one, other = _whole(one), _whole(other)
    if _ends(one) == _ends(other):
        return Extent.SAME
    return Extent.OPPOSITE if _are_opposite(one, other) or _are_opposite(other, one) else _inside(one, other)


def _inside(one: Interval, other: Interval) -> Extent:
    if one.is_point == other.is_point and _contains(other, one):
        return Extent.LEFT_INSIDE
    if one.is_point == other.is_point and _contains(one, other):
        return Extent.RIGHT_INSIDE
    return Extent.APART


def _ends(one: Interval) -> tuple[float, float, bool, bool]:
    return round(one.low, 9), round(one.high, 9), one.low_in, one.high_in


def _same_unit(one: str, other: str) -> bool:
    return one == other or not one or not other or ({one, other} in ({"°", "°f"}, {"°", "°c"}))


def _are_opposite(upper: Interval, lower: Interval) -> bool:
    if upper.high != math.inf or lower.low != -math.inf or upper.kind == "touch" or lower.kind == "touch":
        return False
    meet = upper.low == lower.high and upper.low_in != lower.high_in
    whole = upper.low_in and lower.high_in and upper.unit == lower.unit == "#" and upper.low == lower.high + 1
    return meet or whole


def _contains(outer: Interval, inner: Interval) -> bool:
    below = outer.low < inner.low or (outer.low == inner.low and (outer.low_in or not inner.low_in))
    above = outer.high > inner.high or (outer.high == inner.high and (outer.high_in or not inner.high_in))
    return below and above


def _intervals(match: re.Match[str], text: str) -> list[Interval]:
    value = _value(match, "", match["scale"] or match["scale2"], match["unit"] or match["unit2"])
    second = None
    if match["v2"]:
        second = _value(match, "2", match["scale2"], match["unit2"] or match["unit"])
    unit = _unit_of(match)
    if match["sign"] == "-":
        value = -value
    if second is not None and match["dash"] == "-" and (_IS_SCORE.search(text) or second < value):
        return [
            Interval(one, one, low_in=True, high_in=True, unit="", kind=f"score{place}")
            for place, one in enumerate((value, second))
        ]
    if second is not None and not _is_range(match, value, second):
        return [Interval(one, one, low_in=True, high_in=True, unit=unit) for one in (value, second)]
    counted = _is_counted(match, text)
    kind = "by" if match["by"] == "by" else ""
    if match["touch"]:
        kind = "touch"
    handicap = match["sign"] is not None and text[match.start("sign") - 1 : match.start("sign")] == "("
    if handicap:
        made = Interval(-value, math.inf, low_in=False, high_in=False, unit=unit, kind="by")
    else:
        made = _interval(match, value, second)
        made = replace(made, unit=unit, kind=kind)
    made = replace(made, said=(value,) if second is None else (value, second))
    return [_whole(made) if counted or handicap else made, *_aliases(match["alias"])]


def _aliases(told: str | None) -> list[Interval]:
    """What stands in brackets after a number, such as "1 (25 bps)"."""
    return [replace(one, kind="alias") for one in find(told.strip(" ()"))[0]] if told else []


def _is_range(match: re.Match[str], low: float, high: float) -> bool:
    return low < high and (match["dash"] != "and" or match["between"] is not None)


def _interval(match: re.Match[str], low: float, high: float | None) -> Interval:
    if high is not None:
        return Interval(low, high, low_in=True, high_in=True)
    touch = match["touch"] or ""
    if match["ge"] or match["up"] or (touch and "low" not in touch and "↓" not in touch):
        return Interval(low, math.inf, low_in=True, high_in=False)
    if match["le"] or match["down"] or touch:
        return Interval(-math.inf, low, low_in=False, high_in=True)
    if match["gt"]:
        return Interval(low, math.inf, low_in=False, high_in=False)
    if match["lt"]:
        return Interval(-math.inf, low, low_in=False, high_in=False)
    return Interval(low, low, low_in=True, high_in=True)


def _whole(one: Interval) -> Interval:
    """The same set of whole numbers with both finite ends included."""
    low, high = one.low, one.high
    if math.isfinite(low):
        low = math.ceil(low) if one.low_in else math.floor(low) + 1
    if math.isfinite(high):
        high = math.floor(high) if one.high_in else math.ceil(high) - 1
    return replace(
        one, low=float(low), high=float(high), low_in=math.isfinite(low), high_in=math.isfinite(high), unit="#"
    )


def _is_counted(match: re.Match[str], text: str) -> bool:
    if match["cur"] or match["unit"]:
        return False
    if match["gt"] in ("o/u", "over/under"):
        return True
    following = _NEXT_WORDS.match(text, match.end())
    return following is not None and any(word in COUNTED for word in following.groups() if word)


def _unit_of(match: re.Match[str]) -> str:
    unit = _UNITS.get(match["unit"] or match["unit2"] or "", "")
    return "$" if match["cur"] else ("%" if unit == "bps" else unit)


def _value(match: re.Match[str], which: str, scale: str | None, unit: str | None) -> float:
    told = match[f"v{which}"].replace(",", "")
    number = float(_NAMED.get(told, told))
    number *= _SCALES.get(scale or "", 1.0)
    return round(number / 100, 12) if _UNITS.get(unit or "") == "bps" else number
