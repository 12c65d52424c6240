"""What one market asks, read from its texts: words, numbers, dates, marks such as a district or a map, and polarity."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from tickline.markets import dates, numbers
from tickline.markets.dates import Span
from tickline.markets.lexicon import CATCH_ALL, STATES
from tickline.markets.numbers import Interval
from tickline.markets.text import Word, fold, words


@dataclass(frozen=True, slots=True)
class Question:
    """One market's question, canonical."""

    metric: str  # winner, spread, total, draw, exact_score, both_score, direction, range or other
    words: tuple[Word, ...]
    by_stem: Mapping[str, Word]  # the first of the words with each stem
    marks: tuple[str, ...]  # typed identifiers in order: district:wa-5, game:2, group:e, rank:1
    intervals: tuple[Interval, ...]
    spans: tuple[Span, ...]
    sign: int  # -1 where the question is asked the other way round
    subject: frozenset[str]  # stems of who it is about, where the text says so
    teams: tuple[frozenset[str], ...]  # both sides of a match in their order, else empty
    context: frozenset[str]  # stems of the event's title
    context_marks: tuple[str, ...]
    near: int  # day (ordinal) it is decided by the venue's account, 0 where unknown
    is_whole_day: bool  # whether `near` came as a bare date
    is_catch_all: bool  # it asks of what the venue does not list, or of a placeholder
    text: str  # folded and lower-cased title

    @property
    def timing(self) -> "Timing":
        """When it is decided."""
        return Timing(self.spans, self.near, self.is_whole_day, bool(self.teams))


@dataclass(frozen=True, slots=True)
class Listing:
    """The texts and dates a venue gives of one market."""

    title: str
    event_title: str
    yes_label: str
    strike: Interval | None
    decided: date | None  # when the venue says it is decided
    is_whole_day: bool
    closes: date | None


@dataclass(frozen=True, slots=True)
class Timing:
    """What a question and its venue say of when it is decided."""

    spans: tuple[Span, ...]
    near: int
    is_whole_day: bool
    is_match: bool


def read(listing: Listing) -> Question:
    """What a market asks."""
    title = _titled(listing)
    own, event = _part(title), _part(fold(listing.event_title))
    near = listing.decided or listing.closes
    intervals = own.intervals
    if listing.strike is not None and all(one.is_point for one in intervals):
        intervals = (listing.strike,)
    spans = own.spans or event.spans
    if own.spans and event.spans:
        spans = dates.resolved(own.spans, _year_of(event.spans) or near)
    metric = _metric(title, own)
    sign = own.sign * (-1 if _is_other_way(listing.yes_label, metric) else 1)
    return Question(
        metric=metric,
        words=own.words,
        by_stem={word.stem: word for word in reversed(own.words)},
        marks=own.marks,
        intervals=intervals,
        spans=dates.resolved(spans, near),
        sign=sign,
        subject=_subject(title, own, metric, listing),
        teams=own.teams or event.teams,
        context=frozenset(word.stem for word in event.words),
        context_marks=event.marks,
        near=near.toordinal() if near else 0,
        is_whole_day=listing.is_whole_day,
        is_catch_all=any(word.stem in CATCH_ALL for word in own.words) or _PLACEHOLDER.search(title) is not None,
        text=title.lower(),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    words: tuple[Word, ...]
    marks: tuple[str, ...]
    intervals: tuple[Interval, ...]
    spans: tuple[Span, ...]
    sign: int
    teams: tuple[frozenset[str], ...]


def _titled(listing: Listing) -> str:
    title, label = fold(listing.title), fold(listing.yes_label)
    if label and label.lower() not in _PLAIN_LABELS and label.lower() not in title.lower():
        return f"{title}: {label}"
    return title


@lru_cache(maxsize=8192)
def _part(text: str) -> _Part:
    lower = text.lower()
    marks, lower = _marked(lower)
    spans, lower = dates.find(lower)
    intervals, lower = numbers.find(lower)
    left = text
    if lower != text.lower():
        # Blanking kept every letter in its place, so that capitals can be looked up in the text itself.
        left = "".join(kept if small != " " else " " for kept, small in zip(text, lower, strict=True))
    left = _NOISE.sub(" ", left)
    found, sign = words(left)
    return _Part(found, marks, intervals, spans, sign, _teams(left))


def _marked(lower: str) -> tuple[tuple[str, ...], str]:
    found: list[str] = []
    if not _MARK_HINT.search(lower):
        return (), lower
    for kind, pattern in _MARKS:
        for match in list(pattern.finditer(lower)):
            found.append(f"{kind or match['kind']}:{_mark_value(kind, match)}")
            lower = lower[: match.start()] + " " * (match.end() - match.start()) + lower[match.end() :]
    return tuple(sorted(found)), lower


def _mark_value(kind: str, match: re.Match[str]) -> str:
    if kind == "district":
        state, seat = match["state"], match["seat"]
        return f"{state}-{'al' if seat in ('al', 'at-large') else int(seat)}"
    value = match["value"]
    return _ORDINALS.get(value, value.lstrip("0") or "0")


def _teams(text: str) -> tuple[frozenset[str], ...]:
    match = _VERSUS.search(text) or _AWAY_AT.search(text)
    if match is None:
        return ()
    home, away = _BEFORE_TEAM.split(text[: match.start()])[-1], _AFTER_TEAM.split(text[match.end() :])[0]
    sides = tuple(_content(side) for side in (home, away))
    return sides if all(sides) else ()


def _metric(title: str, own: _Part) -> str:
    lower = title.lower()
    if _METRIC_HINT.search(lower):
        for metric, pattern in _METRICS:
            if pattern.search(lower):
                return metric
    if any(word.stem == "win" for word in own.words):
        return "winner"
    if any(not one.is_point for one in own.intervals):
        return "range"
    return "winner" if own.teams and _BARE_MATCHUP.search(lower) else "other"


def _is_other_way(label: str, metric: str) -> bool:
    return (
        (metric in ("total", "range") and label.lower().startswith("under"))
        or (metric == "direction" and label.lower() == "down")
        or label.lower() == "no"
    )


def _subject(title: str, own: _Part, metric: str, listing: Listing) -> frozenset[str]:
    label = fold(listing.yes_label)
    if label and label.lower() not in _PLAIN_LABELS and metric in ("winner", "spread"):
        return _content(label)
    match = _ASKED_OF.search(title)
    if match is not None:
        return _content(match["who"])
    if metric == "winner" and own.teams and _BARE_MATCHUP.search(title.lower()):
        return frozenset({"(first)"})
    return frozenset()


def _content(text: str) -> frozenset[str]:
    found = words(text)[0]
    return frozenset(word.stem for word in found if word.weight == 1) or frozenset(word.stem for word in found)


def _year_of(spans: tuple[Span, ...]) -> date | None:
    days = [day for span in spans if span.has_year for day in (span.start, span.end - 1) if 366 * 3 < day < 366 * 3000]
    return date.fromordinal(days[0]) if days else None


_PLAIN_LABELS = frozenset({"", "yes", "no", "over", "under", "up", "down", "true", "false", "odd", "even"})
_ORDINALS = {
    word: str(number)
    for number, names in enumerate(
        ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th", "seventh 7th", "eighth 8th",
         "ninth 9th", "tenth 10th"), start=1,
    )
    for word in names.split()
}  # fmt: skip
_KINDS = (
    "game|map|set|stage|round|week|match ?day|inning|quarter|period|episode|season|chapter|phase|heat|act|top|day|"
    "practice|leg|split|group|pool|division|class|gw|type|level|part|volume|vol|proposition|prop|amendment|article|"
    "section|sb|hb|flight"
)
_LETTERED = "group|pool|division|class|type|section|proposition|prop|amendment"
_MARKS = (
    ("district", re.compile(
        r"\b(?P<state>" + "|".join(sorted(set(STATES.values()))) + r")-?(?P<seat>\d{1,2}|al\b|at-large)(?![\w.])"
    )),
    ("bill", re.compile(r"\b(?:h\.? ?r\.?|s\.|h\.? ?res\.?|s\.? ?res\.?) ?(?P<value>\d{1,5})\b")),
    ("bo", re.compile(r"\(?\bbo(?P<value>\d)\b\)?")),
    ("rank", re.compile(r"#(?P<value>\d+)\b")),
    ("", re.compile(rf"\b(?P<kind>{_KINDS})s? (?P<value>\d{{1,3}})(?![.,]?\d|[\w%'])")),
    ("", re.compile(rf"\b(?P<kind>{_LETTERED}) (?P<value>[a-z])(?![\w'.])")),
    ("", re.compile(
        r"\b(?P<value>" + "|".join(_ORDINALS) + r") "
        r"(?P<kind>round|half|quarter|set|inning|period|stage|leg|place|game|map)\b"
    )),
    ("nth", re.compile(r"\b(?P<value>\d{1,3}(?:st|nd|rd|th)|third|fourth|fifth|sixth)\b")),
)  # fmt: skip
_MARK_HINT = re.compile(rf"\d|first|second|third|fourth|fifth|sixth|\b(?:{_LETTERED}) [a-z]\b|at-large|-al\b")
_METRIC_HINT = re.compile(r"score|draw|tie\b|btts|up or down|spread|handicap|win|o/u|over|total|[\d.]\+")
_METRICS = (
    ("exact_score", re.compile(r"exact score|correct score")),
    ("both_score", re.compile(r"both teams to score|btts|\bboth .+ score\b")),
    ("draw", re.compile(r"\bdraw\b|\btie\b")),
    ("direction", re.compile(r"up or down")),
    ("spread", re.compile(r"\bspread\b|\bhandicap\b|wins? by (?:over|more than|at least)")),
    ("total", re.compile(
        r"\bo/u\b|over/under|\btotals?(?=$|:)|: totals?\b|over [\d.]+ (?:goals|runs|points)|[\d.]+\+ (?:goals|points)|"
        r"\btotal (?:goals|runs|points|games|maps|kills|corners|cards)\b"
    )),
)  # fmt: skip
_VERSUS = re.compile(r"\b(?:vs?\.?|versus)(?= )", re.IGNORECASE)
_AWAY_AT = re.compile(r"(?<=^[A-Z][a-z]{2})at(?= [A-Z])|(?<=[a-zA-Z] )at(?= [A-Z][\w .]+(?::|$))")
_BEFORE_TEAM = re.compile(r": |, | - | the (?=\w)|\bWill (?:the )?|\bof |\bduring |\b[Bb]oth ")
_AFTER_TEAM = re.compile(
    r": | - |, |\(|\?| end\b| on\b| CS2\b| League\b| UFC\b| match\b| fight\b| game\b| series\b| draw\b| \d"
)
_BARE_MATCHUP = re.compile(r" (?:vs?\.?|@) ")
_ASKED_OF = re.compile(
    r"(?:^|: )(?:Will |Does |Can |Is )(?:the )?(?P<who>[^?:]+?) (?:not |never )?(?:win|lose|beat|defeat|reach|qualify|"
    r"advance|be|finish|lead|leave|resign|win|have|hit|sign|announce|launch|release|acquire|buy|invade|attack|strike)\b"
)
_PLACEHOLDER = re.compile(
    r"\b(?:[Pp]layer|[Cc]ompany|[Pp]erson|[Cc]andidate|[Tt]eam|[Aa]rtist|[Oo]ption|[Ii]ndividual|[Cc]ountry|[Pp]arty) "
    r"(?:[A-Z]{1,2}|\d{1,2})\b(?! [A-Z])|^Will [A-Z] "
)
_NOISE = re.compile(r"\bBO\d\b|_{2,}|\bMore Markets\b|\bPlayer Props\b", re.IGNORECASE)
