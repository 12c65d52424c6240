"""Near-twins: a question and the same question with one number, date, operator or polarity edited, on record what.

Beside them controls: a question and the same question in other words. Both are rendered from one structure, so that
what they say is known without reading them; further twins are edits of recorded titles.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

FIRST = ("Ada", "Boris", "Chidi", "Dalia", "Emeka", "Freya", "Goran", "Hanna", "Ivo", "Jonas", "Kira", "Luca", "Mirela")
LAST = ("Abara", "Brandt", "Castell", "Dorsey", "Eklund", "Farkas", "Grigoryan", "Holt", "Ibarra", "Jansky", "Kovac")
THINGS = ("CPI inflation", "the unemployment rate", "GDP growth", "Bitcoin", "Tesla stock", "the 10-year yield")
COUNTS = ("measles cases", "SpaceX launches", "named storms", "Senate seats", "box office records", "rate cuts")
TEAMS = (
    "Harbor",
    "Ridgeline",
    "Calder",
    "Monvale",
    "Estrela",
    "Torrington",
    "Vasco",
    "Nordlund",
    "Pinehurst",
    "Quarry",
)
ACTS = ("resign", "be arrested", "announce a run", "leave office", "sign the treaty", "visit Geneva")
STATES = ("TX", "PA", "WA", "OR", "SC", "TN", "WI", "OH", "GA", "NC")
OPERATORS = {
    "gt": ("above {}", "more than {}", "over {}", "greater than {}"),
    "ge": ("at least {}", "{} or more", "at or above {}", "no less than {}"),
    "lt": ("below {}", "less than {}", "under {}"),
    "le": ("at most {}", "{} or less", "at or below {}", "no more than {}"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's structure. What a kind of question does not have stays at its default."""

    kind: str
    who: str
    other: str = ""
    act: str = ""
    operator: str = "gt"
    value: float = 0.0
    unit: str = ""
    number: int = 1  # of a map or a district
    day: date = date(2026, 6, 30)
    hour: int = 9
    when: str = "by"  # by, on, month or year
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Two titles, and what was edited in the second: nothing, in a control."""

    left: str
    right: str
    field: str
    before: str
    after: str


def twins(seed: int, titles: Sequence[str], *, total: int) -> list[Pair]:
    """Pairs that differ in one thing: half rendered from structures, half edits of `titles`."""
    random_ = random.Random(seed)  # noqa: S311 (a generator of tests)
    recorded = list(_edits_of(random_.sample(sorted(set(titles)), len(set(titles))), random_))[: total // 2]
    made = (_twin(asked, random_) for asked in _structures(random_))
    return recorded + [pair for pair, _ in zip(made, range(total - len(recorded)), strict=False)]


def controls(seed: int, *, total: int) -> list[Pair]:
    """Pairs that say the same in other words."""
    random_ = random.Random(seed)  # noqa: S311
    made: list[Pair] = []
    for asked in _structures(random_):
        left, right = _render(asked, random_), _render(asked, random_)
        if left != right:
            made.append(Pair(left, right, "", "", ""))
        if len(made) == total:
            break
    return made


def _structures(random_: random.Random) -> Iterator[Asked]:
    """Structures without end, no two about the same subject."""
    seen: set[tuple[object, ...]] = set()
    while True:
        asked = _MADE[random_.randrange(len(_MADE))](random_)
        subject = (asked.kind, asked.who, asked.other, asked.act, asked.unit)
        if subject in seen and asked.kind not in ("candle", "amount", "count"):
            asked = replace(asked, who=f"{asked.who} {_syllables(random_)}")
        elif subject in seen:
            asked = replace(asked, act=_syllables(random_))
        seen.add((asked.kind, asked.who, asked.other, asked.act, asked.unit))
        yield asked


def _syllables(random_: random.Random) -> str:
    return "".join(random_.choice("bdfgklmnprstvz") + random_.choice("aeiou") for _ in range(4)).title()


def _person(random_: random.Random) -> str:
    return f"{random_.choice(FIRST)} {random_.choice(LAST)}"


def _day(random_: random.Random) -> date:
    return date(2026, 1, 1) + timedelta(days=random_.randrange(720))


def _amount(random_: random.Random) -> Asked:
    unit = random_.choice(("%", "$", ""))
    value = random_.choice((2.5, 3.0, 4.25, 5.0)) if unit == "%" else random_.choice((1500.0, 40000.0, 2_500_000.0))
    when = random_.choice(("on", "month", "year"))
    who = f"{random_.choice(THINGS)} of {_syllables(random_)}"
    return Asked(
        "amount", who, operator=random_.choice(list(OPERATORS)), value=value, unit=unit, day=_day(random_), when=when
    )


def _count(random_: random.Random) -> Asked:
    what = f"{random_.choice(COUNTS)} in {_syllables(random_)}"
    operator = random_.choice(list(OPERATORS))
    return Asked(
        "count", what, operator=operator, value=float(random_.randrange(3, 4000)), day=_day(random_), when="year"
    )


def _event(random_: random.Random) -> Asked:
    when = random_.choice(("by", "by", "year"))
    return Asked("event", _person(random_), act=random_.choice(ACTS), day=_day(random_), when=when)


def _district(random_: random.Random) -> Asked:
    party = random_.choice(("Democratic", "Republican"))
    return Asked("district", random_.choice(STATES), other=party, number=random_.randrange(1, 38))


def _match(random_: random.Random) -> Asked:
    home, away = random_.sample(TEAMS, 2)
    kind = random_.choice(("total", "map", "on_day"))
    value = random_.randrange(1, 9) + 0.5
    names = f"{home} {_syllables(random_)}", f"{away} {_syllables(random_)}"
    return Asked(
        kind, names[0], other=names[1], value=value, number=random_.randrange(1, 4), day=_day(random_), when="on"
    )


def _candle(random_: random.Random) -> Asked:
    coin = f"{_syllables(random_)}coin"
    return Asked("candle", coin, day=_day(random_), hour=random_.randrange(1, 12), when="on")


_MADE: tuple[Callable[[random.Random], Asked], ...] = (_amount, _count, _event, _district, _match, _candle)


def _render(asked: Asked, random_: random.Random) -> str:
    """One of the ways to ask it."""
    return " ".join(random_.choice(_FORMS[asked.kind]).format(**_parts(asked, random_)).split())


def _parts(asked: Asked, random_: random.Random) -> dict[str, object]:
    return {
        "who": asked.who,
        "other": asked.other,
        "act": asked.act,
        "no": "not" if asked.is_negated else "",
        "said": _compared(asked, random_),
        "when": _when(asked, random_),
        "day": _named(asked.day, random_),
        "hour": asked.hour,
        "number": asked.number,
        "value": asked.value,
    }


def _compared(asked: Asked, random_: random.Random) -> str:
    value = asked.value
    if asked.unit == "%":
        number = random_.choice((f"{value:g}%", f"{value:g} percent", f"{value:.2f}%"))
    elif value >= 1_000_000:
        number = asked.unit + random_.choice((f"{value:,.0f}", f"{value / 1e6:g}M", f"{value / 1e6:g} million"))
    else:
        number = asked.unit + random_.choice((f"{value:,.0f}", f"{value:.0f}"))
    return random_.choice(OPERATORS[asked.operator]).format(number)


def _when(asked: Asked, random_: random.Random) -> str:
    day = asked.day
    if asked.when == "on":
        return f"on {_named(day, random_)}"
    if asked.when == "month":
        return random_.choice((f"in {day:%B} {day.year}", f"in {day:%b} {day.year}"))
    if asked.when == "year":
        return f"in {day.year}"
    return random_.choice((f"by {_named(day, random_)}", f"before {_named(day + timedelta(days=1), random_)}"))


def _named(day: date, random_: random.Random) -> str:
    forms = (
        f"{day:%B} {day.day}, {day.year}",
        f"{day:%b} {day.day}, {day.year}",
        f"{day:%Y-%m-%d}",
        f"{day.day} {day:%B} {day.year}",
    )
    return random_.choice(forms)


def _twin(asked: Asked, random_: random.Random) -> Pair:
    field, edited = random_.choice(list(_edits(asked, random_)))
    left, right = _render(asked, random_), _render(edited, random_)
    return Pair(left, right, field, str(asked), str(edited))


def _edits(asked: Asked, random_: random.Random) -> Iterator[tuple[str, Asked]]:
    if asked.kind in ("amount", "count", "total"):
        step = (
            0.25 if asked.unit == "%" else asked.value * 0.1 if asked.kind == "amount" else random_.choice((1, 2, 10))
        )
        yield "number", replace(asked, value=asked.value + step)
    if asked.kind in ("amount", "count"):
        others = [operator for operator in OPERATORS if operator != asked.operator]
        yield "operator", replace(asked, operator=random_.choice(others))
    if asked.kind in ("map", "district"):
        yield "number", replace(asked, number=asked.number + random_.choice((1, 2)))
    if asked.kind in ("amount", "event", "on_day", "candle") and asked.when in ("by", "on"):
        yield "date", replace(asked, day=asked.day + timedelta(days=random_.choice((1, 7, 30, 365))))
    if asked.kind == "candle":
        yield "date", replace(asked, hour=asked.hour % 11 + 1)
    if asked.when in ("year", "month") and asked.kind in ("amount", "count", "event"):
        yield "date", replace(asked, day=asked.day.replace(year=asked.day.year + 1, day=1))
    if asked.kind in ("amount", "count", "event", "district", "on_day"):
        yield "polarity", replace(asked, is_negated=True)


def _edits_of(titles: Sequence[str], random_: random.Random) -> Iterator[Pair]:
    """One edit of each recorded title that has something to edit."""
    for title in titles:
        made = [
            pair
            for edit in (_other_number, _other_date, _other_operator, _other_polarity)
            if (pair := edit(title, random_))
        ]
        if made:
            yield random_.choice(made)


def _other_number(title: str, random_: random.Random) -> Pair | None:
    # Neither a year or a day, nor a digit of a name, nor one of a score, a time or a range with an order of its own.
    found = [
        match
        for match in re.finditer(r"(?<![\w.,:#/-])\$?(\d+(?:\.\d+)?)(?![\w:/.,-]|\s*(?:AM|PM|[ap]m))", title)
        if not re.search(rf"(?:{_MONTH})\.? $", title[: match.start()])
        and not re.fullmatch(r"1[89]\d\d|20\d\d|0\d|1", match[1])
    ]
    if not found:
        return None
    match = random_.choice(found)
    after = f"{float(match[1]) + random_.choice((1, 2, 5)):g}"
    return Pair(title, title[: match.start(1)] + after + title[match.end(1) :], "number", match[1], after)


def _other_date(title: str, random_: random.Random) -> Pair | None:
    year = re.search(r"\b20[23]\d\b(?!-\d\d-)", title)
    day = re.search(rf"\b({_MONTH}) (\d\d?)\b", title)
    iso = re.search(r"\b20\d\d-\d\d-\d\d\b", title)
    if iso:
        after = (datetime.fromisoformat(iso[0]) + timedelta(days=random_.choice((1, 3, 14)))).date().isoformat()
        return Pair(title, title.replace(iso[0], after), "date", iso[0], after)
    if day and random_.random() < 0.7:
        after = f"{day[1]} {int(day[2]) % 28 + 1}"
        return Pair(title, title[: day.start()] + after + title[day.end() :], "date", day[0], after)
    if year:
        after = str(int(year[0]) + 1)
        return Pair(title, title.replace(year[0], after), "date", year[0], after)
    return None


def _other_operator(title: str, random_: random.Random) -> Pair | None:
    for before, after in _OPERATOR_EDITS:
        match = re.search(rf"\b{before}\b(?= \$?\d)", title, re.IGNORECASE)
        if match:
            return Pair(title, title[: match.start()] + after + title[match.end() :], "operator", before, after)
    return None


def _other_polarity(title: str, random_: random.Random) -> Pair | None:
    match = re.match(r"Will (.+?) (win|be|reach|qualify|lead|have|launch|leave|enter|IPO)\b", title)
    if match is None:
        return None
    if match[2] == "win" and random_.random() < 0.5:
        return Pair(title, title[: match.start(2)] + "lose" + title[match.end(2) :], "polarity", "win", "lose")
    return Pair(
        title, title[: match.start(2)] + "not " + title[match.start(2) :], "polarity", match[2], f"not {match[2]}"
    )


_MONTH = (
    "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|"
    "Nov(?:ember)?|Dec(?:ember)?"
)
_OPERATOR_EDITS = (
    ("at least", "more than"), ("more than", "at least"), ("above", "below"), ("over", "under"), ("O/U", "under"),
    ("below", "at or below"), ("before", "after"), ("by over", "by under"),
)  # fmt: skip
_FORMS = {
    "amount": ("Will {who} {act} {no} be {said} {when}?", "Will {who} {act} {no} be {said}, {when}?"),
    "count": ("Will there {no} be {said} {who} {act} {when}?",),
    "event": ("Will {who} {no} {act} {when}?",),
    "district": (
        "Will the {other} Party {no} win the {who}-{number:02d} House seat?",
        "Will {other} {no} win the House race for {who}-{number}?",
    ),
    "total": ("{who} vs. {other}: O/U {value:g}", "{who} vs. {other}: Over/Under {value:g}"),
    "map": ("{who} vs {other} - Map {number} Winner", "{who} vs. {other} - Map {number} Winner"),
    "on_day": ("Will {who} {no} win {when}?",),
    "candle": tuple(f"{{who}} Up or Down - {{day}}, {{hour}}{half} ET" for half in ("AM", ":00AM", " AM")),
}
