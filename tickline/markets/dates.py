"""When a question is decided: the dates in its words, read as spans of days or minutes, and how two readings compare.

A span runs from its start up to but without its end. "Before July", "by June 30" and "through June 30" are the same
span; "by July" is not, since nobody knows whether July counts. Times of day are kept in UTC where a zone is named.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

NO_YEAR = 4  # a leap year long ago stands for "the year is not said"
_EVER = date(1, 1, 1).toordinal()
_NEVER = date(9999, 1, 1).toordinal()
_DAY_MINUTES = 1440
_A_MONTH = 28
_ZONES = {
    **dict.fromkeys(("et", "est", "edt"), "America/New_York"),
    **dict.fromkeys(("ct", "cst", "cdt"), "America/Chicago"),
    **dict.fromkeys(("pt", "pst", "pdt"), "America/Los_Angeles"),
    **dict.fromkeys(("utc", "gmt", "z"), "UTC"),
    **dict.fromkeys(("cet", "cest"), "Europe/Berlin"),
    **dict.fromkeys(("bst",), "Europe/London"),
    **dict.fromkeys(("jst",), "Asia/Tokyo"),
    **dict.fromkeys(("ist",), "Asia/Kolkata"),
}
_MONTHS = {
    name: number
    for number in range(1, 13)
    for name in (calendar.month_name[number].lower(), calendar.month_abbr[number].lower(), "sept" * (number == 9))
    if name
}


class Extent(StrEnum):
    """How two statements compare."""

    SAME = "same"
    LEFT_INSIDE = "left_inside"  # the left implies the right
    RIGHT_INSIDE = "right_inside"
    OPPOSITE = "opposite"  # exactly one of both holds
    APART = "apart"
    UNKNOWN = "unknown"  # at least one side says nothing


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Days as proleptic ordinals (`date.toordinal`), the end not included; minutes of the day where a time is said."""

    start: int
    end: int
    minute: int = -1  # of the day of `start`, in the named zone's UTC; -1 where no time is said
    minute_end: int = -1
    zone: str = ""  # "" where none is said, else "utc": `minute` then counts from the start of the UTC day
    vague: str = ""  # the word that makes the end unsure, such as "by" before a bare month or year

    @property
    def has_year(self) -> bool:
        """Whether the year is said or could be found out."""
        return not any(day not in (_EVER, _NEVER) and date.fromordinal(day).year <= NO_YEAR + 1 for day in self._days())

    @property
    def is_open(self) -> bool:
        """Whether it only says until when, or only since when."""
        return self.start == _EVER or self.end == _NEVER

    def _days(self) -> tuple[int, int]:
        return self.start, self.end


def find(text: str) -> tuple[tuple[Span, ...], str]:
    """The spans that folded lower-case text names, in order, and the text with them blanked out (same length)."""
    spans: list[Span] = []
    if not _HINT.search(text):
        return (), text
    for pattern, read in _READERS:
        for match in list(pattern.finditer(text)):
            span = read(match)
            if span is not None:
                spans.append(span)
                text = text[: match.start()] + " " * (match.end() - match.start()) + text[match.end() :]
    return _without_repeats(_with_shared_year(spans)), text


def resolved(spans: tuple[Span, ...], near: date | None) -> tuple[Span, ...]:
    """The spans with years filled in where none is said: the one that brings it nearest to a date."""
    if near is None or all(span.has_year for span in spans):
        return spans
    return _without_repeats([span if span.has_year else _nearest(span, near) for span in spans])


def relate(left: tuple[Span, ...], right: tuple[Span, ...]) -> Extent:
    """How what one side says of when compares with what the other says; UNKNOWN where one says nothing."""
    if not left or not right:
        return Extent.UNKNOWN
    rest_left = [one for one in left if not any(_same(one, other) for other in right)]
    rest_right = [one for one in right if not any(_same(one, other) for other in left)]
    if not rest_left and not rest_right:
        return Extent.SAME
    if len(rest_left) == len(rest_right) == 1:
        return _within(rest_left[0], rest_right[0])
    return Extent.APART


def _same(one: Span, other: Span) -> bool:
    if (one.minute, one.minute_end, one.zone, one.vague) != (other.minute, other.minute_end, other.zone, other.vague):
        return False
    if (one.start, one.end) == (other.start, other.end):
        return True
    if one.has_year != other.has_year:
        return (_month_day(one.start), _month_day(one.end)) == (_month_day(other.start), _month_day(other.end))
    # What is asked of the future: in 2026 and before 2027 are one deadline, in May and by May 31 too.
    stretches = [span.end - span.start for span in (one, other) if span.start != _EVER]
    return len(stretches) == 1 and stretches[0] >= _A_MONTH and one.end == other.end


def _month_day(day: int) -> tuple[int, int]:
    if day in (_EVER, _NEVER):
        return day, 0
    told = date.fromordinal(day)
    return told.month, told.day


def _within(one: Span, other: Span) -> Extent:
    """Of two deadlines the earlier one implies the later; anything else is told apart."""
    alike = one.has_year == other.has_year and not (one.vague or other.vague)
    deadlines = one.start == other.start == _EVER and one.end != other.end
    if not alike or not deadlines:
        return Extent.APART
    return Extent.LEFT_INSIDE if one.end < other.end else Extent.RIGHT_INSIDE


def _with_shared_year(spans: list[Span]) -> list[Span]:
    years = {date.fromordinal(day).year for span in spans for day in (span.start,) if span.has_year and day != _EVER}
    years |= {date.fromordinal(span.end - 1).year for span in spans if span.has_year and span.end != _NEVER}
    if len(years) != 1 or all(span.has_year for span in spans):
        return spans
    return [span if span.has_year else _in_year(span, next(iter(years))) for span in spans]


def _without_repeats(spans: list[Span]) -> tuple[Span, ...]:
    """Without what another span says more exactly: "on June 2" beside "in 2026"."""
    kept = dict.fromkeys(spans)
    return tuple(one for one in kept if not any(other != one and _says_more(other, one) for other in kept))


def _says_more(exact: Span, loose: Span) -> bool:
    if loose.is_open or loose.minute >= 0 or loose.vague:
        return False
    last = exact.end if exact.is_open and exact.start == _EVER else exact.start
    return loose.start <= last <= loose.end and (exact.is_open or exact.end - exact.start < loose.end - loose.start)


def _nearest(span: Span, near: date) -> Span:
    last = date.fromordinal(span.end if span.end != _NEVER else span.start)

    def distance(year: int) -> int:
        return abs(_ordinal(year + last.year - NO_YEAR, last.month, last.day) - near.toordinal())

    return _in_year(span, min((near.year - 1, near.year, near.year + 1), key=distance))


def _in_year(span: Span, year: int) -> Span:
    def moved(day: int) -> int:
        if day in (_EVER, _NEVER):
            return day
        old = date.fromordinal(day)
        return _ordinal(year + old.year - NO_YEAR, old.month, old.day)

    made = replace(span, start=moved(span.start), end=moved(span.end))
    return _in_utc(made) if made.zone and made.zone != "utc" else made


def _ordinal(year: int, month: int, day: int) -> int:
    return date(year, month, min(day, calendar.monthrange(year, month)[1])).toordinal()


def _in_utc(span: Span) -> Span:
    """A span with a time of day in a named zone, told in UTC. Needs a year, for the zone's summer time."""
    if span.minute < 0 or not span.has_year or span.start == _EVER:
        return span

    def told(minute: int) -> tuple[int, int]:
        local = datetime.combine(date.fromordinal(span.start), datetime.min.time(), ZoneInfo(span.zone))
        moment = (local + timedelta(minutes=minute)).replace(tzinfo=ZoneInfo(span.zone)).astimezone(UTC)
        return moment.date().toordinal(), moment.hour * 60 + moment.minute

    day, minute = told(span.minute)
    last = told(span.minute_end)[1] if span.minute_end >= 0 else -1
    return replace(span, start=day, end=day + span.end - span.start, minute=minute, minute_end=last, zone="utc")


_MONTH = "(?P<m>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"
_MONTH2 = _MONTH.replace("?P<m>", "?P<m2>")
_DAY = r"(?P<d>[0-3]?\d)(?:st|nd|rd|th)?"
_DAY2 = r"(?P<d2>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>20\d\d)"
_CLOCK = r"(?P<h{0}>[0-2]?\d)(?::(?P<n{0}>\d\d))?\s*(?P<p{0}>[ap]\.?m\.?)?"
_ZONE = r"(?:\s*\(?(?P<z>" + "|".join(_ZONES) + r")\b\)?)?"
_TIME = (
    r"(?:\s*[,@]?\s*(?:at\s+)?(?=\d{1,2}(?::\d\d|\s*[ap]\.?m|(?::\d\d)?\s*(?:am|pm)?\s*-\s*\d{1,2}(?::\d\d)?\s*[ap]m))"
    + _CLOCK.format("a")
    + r"(?:\s*-\s*"
    + _CLOCK.format("b")
    + ")?"
    + _ZONE
    + ")?"
)
_WHEN = (
    r"(?:(?P<prep>no later than|on or before|by the end of|by end of|before the end of|prior to|by|before|until|till|"
    r"through|thru|after|since|from|at the end of|end of|in|on|during|for|at)\s+(?:the\s+)?)?"
)


def _clock(match: re.Match[str], which: str, *, half: str | None = None) -> int:
    hour = match[f"h{which}"]
    if hour is None:
        return -1
    part = (match[f"p{which}"] or half or "").replace(".", "")
    minutes = int(match[f"n{which}"] or 0)
    return (int(hour) % 12 + 12 * (part == "pm") if part else int(hour)) * 60 + minutes


def _placed(first: date, after: date, prep: str | None, *, exact: bool) -> Span:
    """The span of a preposition before a stretch of days; `exact` where that is one day rather than a month or year."""
    start, end = first.toordinal(), after.toordinal()
    match prep:
        case "by" | "until" | "till" if not exact:
            return Span(_EVER, end, vague="by")
        case _ if prep in _TO_THE_END:
            return Span(_EVER, end)
        case "before" | "prior to":
            return Span(_EVER, start)
        case "after" | "since" | "from":
            return Span(end if prep == "after" else start, _NEVER)
        case "end of" | "at the end of":
            return Span(end - 1, end)
        case _:
            return Span(start, end)


def _day_named(match: re.Match[str]) -> Span | None:
    got = match.groupdict()
    year = int(got["y"]) if got.get("y") else NO_YEAR
    first = _date(year, got["m"], got["d"])
    if first is None:
        return None
    placed = _placed(first, first + timedelta(days=1), got.get("prep"), exact=True)
    half = (match["pb"] or None) if got.get("hb") else None
    minute = _clock(match, "a", half=half)
    if minute < 0 or (placed.is_open and minute >= _DAY_MINUTES - 1):
        return placed
    zone = _ZONES.get(match["z"] or "", "")
    timed = replace(placed, minute=minute, minute_end=_clock(match, "b"), zone=zone)
    return _in_utc(timed) if zone else timed


def _range(match: re.Match[str]) -> Span | None:
    got = match.groupdict()
    year = int(got["y"]) if got.get("y") else NO_YEAR
    first, last = _date(year, got["m"], got["d"]), _date(year, got.get("m2") or got["m"], got["d2"])
    if first is None or last is None or last < first:
        return None
    return Span(first.toordinal(), last.toordinal() + 1)


def _month_named(match: re.Match[str]) -> Span | None:
    got = match.groupdict()
    if got.get("y") is None and (got.get("prep") in (None, "at", "for") or got["m"] in ("mar", "sun")):
        return None  # "may" and "march" are words too
    year, month = int(got["y"]) if got.get("y") else NO_YEAR, _MONTHS[got["m"]]
    after = date(year + month // 12, month % 12 + 1, 1)
    return _placed(date(year, month, 1), after, got.get("prep"), exact=False)


def _quarter(match: re.Match[str]) -> Span | None:
    number = int(match["q"])
    year = int(match["y"]) if match["y"] else NO_YEAR
    after = date(year + (number == 4), number * 3 % 12 + 1, 1)
    return _placed(date(year, number * 3 - 2, 1), after, match["prep"], exact=False)


def _season(match: re.Match[str]) -> Span | None:
    first, last = int(match["y"]), int(match["y"][:2] + match["y2"][-2:])
    if last != first + 1:
        return None
    return Span(date(first, 7, 1).toordinal(), date(last, 7, 1).toordinal(), vague="season")


def _year(match: re.Match[str]) -> Span | None:
    if match["prep"] is None and (
        _AMOUNT.search(match.string, 0, match.start()) or _MORE.match(match.string, match.end())
    ):
        return None  # "more than 2067 cases" is no year
    year = int(match["y"])
    return _placed(date(year, 1, 1), date(year + 1, 1, 1), match["prep"], exact=False)


def _date(year: int, month: str, day: str) -> date | None:
    try:
        return date(year, _MONTHS[month] if month in _MONTHS else int(month), int(day))
    except ValueError:
        return None


def _patterns() -> Iterator[tuple[re.Pattern[str], Callable[[re.Match[str]], Span | None]]]:
    end = r"(?![\w%])"
    yield re.compile(rf"\b{_WHEN}{_YEAR}-(?P<m>\d\d)-(?P<d>\d\d){_TIME}{end}"), _day_named
    yield re.compile(rf"\b{_WHEN}(?P<m>\d\d?)/(?P<d>\d\d?)/{_YEAR}{_TIME}{end}"), _day_named
    between = r"\s*(?:-|to|and|through)\s*"
    yield re.compile(rf"\b{_WHEN}{_MONTH}\s+{_DAY}{between}{_MONTH2}\s+{_DAY2}(?:,?\s+{_YEAR})?{end}"), _range
    yield re.compile(rf"\b{_WHEN}{_MONTH}\s+{_DAY}{between}{_DAY2}(?:,?\s+{_YEAR})?{end}(?!\s*:)"), _range
    yield re.compile(rf"\b{_WHEN}{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?{_TIME}{end}"), _day_named
    yield re.compile(rf"\b{_WHEN}{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?{_TIME}{end}"), _day_named
    yield re.compile(rf"\b{_WHEN}{_MONTH}(?:,?\s+{_YEAR})?{end}"), _month_named
    yield re.compile(rf"\b{_WHEN}q(?P<q>[1-4])(?:,?\s+{_YEAR})?{end}"), _quarter
    yield re.compile(rf"\b{_YEAR}\s*[-/]\s*(?P<y2>(?:20)?\d\d){end}"), _season
    yield re.compile(rf"(?<![$€£\d.,])\b{_WHEN}{_YEAR}{end}(?![.,]\d)"), _year


_AMOUNT = re.compile(r"\b(?:than|above|over|under|below|least|most|exactly|between|hit|exceed|surpass|or equal to)\s+$")
_MORE = re.compile(r"\+|\s*(?:or|and) (?:more|less|fewer|higher|lower|above|below|over|under)\b")
_TO_THE_END = (
    *("by", "until", "till", "through", "thru", "no later than", "on or before"),
    *("by the end of", "by end of", "before the end of"),
)
_HINT = re.compile(rf"20\d\d|\b(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b|\bq[1-4]\b|\d/\d")
_READERS = tuple(_patterns())
