"""Mutated and hostile configuration: whatever a file says, it loads or is refused with a ConfigError."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from qa import _hostile
from qa._attempts import Attempts
from qa._bad_rows import DAY, VENUE, good_rows, reference_sessions, to_raw
from tickline.backtest.spec import load_strategies
from tickline.errors import ConfigError, FirewallError
from tickline.lake.retention import RetentionPolicy
from tickline.lake.schemas import Feed
from tickline.reference.calendars import ExchangeCalendar, SessionCalendar, load_calendars
from tickline.reference.documents import parse
from tickline.reference.loading import load_layout, load_venues, load_yaml
from tickline.reference.models import Venue
from tickline.reference.sessions import sessions
from tickline.signals.spec import load_signals
from tickline.sizing.portfolio import load_portfolios
from tickline.sources.opening import open_markets, open_source
from tickline.ticks.conditions import Conditions, load_conditions
from tickline.ticks.firewall import judge
from tickline.ticks.rules import RuleSet, load_rules

CONFIG = Path(__file__).parent.parent / "config"
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 14)
ROWS = {feed: to_raw(feed, good_rows(feed, 40, np.random.default_rng(1))) for feed in Feed}


class Plain(str):
    """Text put into a document as it is, without quotes."""


WORDS = tuple(
    map(
        Plain,
        (
            *(".nan", ".inf", "-.inf", "1e999", "-1e999", "1e-400", "9" * 40, "9" * 4400, "-0", "0x1F", "0o7", "1_000"),
            *("~", "null", "NO", "on", "17:00", "24:00", "25:61", "-01:00", "2026-02-30", "2026-03-06", "9999-12-31"),
            *("0001-01-01", "2026-03-06T00:00:00Z", "2026-03-06 00:00:00 +99:00", "1969-12-31", "2200-12-31"),
            *("!!python/object/apply:os.system [id]", "!!binary aGk=", "!!float x", "!x y", "*nope", "&a [*a]", "&a b"),
            *("<<: {a: b}", "? a", "[", "{", "]", "}", "'", '"', "|", ">", "%YAML 1.1", "---", "...", "@x", "`x", "#"),
            *("${TICKLINE_HOME}", "${PATH}", "${", "{date", "{date:%Q}", "{x}", "**", "../../etc", "/dev/zero", "\t"),
            *('"\\0"', '"\\ud800"', '"\\xff"', '"\\u202e"', "[" * 100, "{a: " * 100, "UTC", "Mars/Base", "XLON", "X"),
        ),
    )
)
VALUES = (*_hostile.VALUES, *WORDS)


Use = Callable[[Any, _hostile.Rng], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of configuration file: where it lies, how it is loaded and what is done with it then."""

    file: str
    document: Callable[[_hostile.Rng], dict[str, Any]]
    load: Callable[[Path], Any]
    use: Use
    weight: int


def fuzz(rng: _hostile.Rng, count: int, folder: Path) -> Attempts:
    """Load `count` configurations, and put to use those that are accepted."""
    attempts = Attempts()
    targets = _targets()
    for target in targets:
        (folder / target.file).parent.mkdir(exist_ok=True)
    for target in rng.choices(targets, [target.weight for target in targets], k=count):
        path = folder / target.file
        data = _text(target, rng)
        path.write_bytes(data)
        loaded = attempts.make(target.file, data, partial(target.load, path), errors=(ConfigError,))
        path.unlink()  # a new file is fast, one written over is flushed first
        if loaded is not None:
            use = partial(target.use, loaded, rng)
            attempts.make(f"{target.file}, put to use", data, use, errors=(ConfigError, FirewallError), inputs=0)
    return attempts


def _targets() -> list[Target]:
    calendars = load_calendars(CONFIG / "calendars.yaml") | load_calendars(CONFIG / "real" / "calendars.yaml")
    rules = load_rules(CONFIG / "rules.yaml")
    # The first look at an exchange takes a second, and so may the first use of a source or of the rules.
    declared = {each.exchange for each in calendars.values() if isinstance(each, ExchangeCalendar)}
    for exchange in sorted(declared | {"XLON"}):
        sessions(exchange, ExchangeCalendar(kind="exchange", exchange=exchange), FIRST, LAST)
    venues = {**load_venues(CONFIG / "venues", calendars), **load_venues(CONFIG / "real" / "venues", calendars)}
    for shipped in venues.values():
        _open(shipped, calendars)
    load_strategies(CONFIG / "strategies", venues)
    for feed in ROWS:
        _judge_feed(rules, VENUE, feed)
    documents = {path.name: _document(path) for path in CONFIG.glob("*.yaml")}

    def venue(path: Path) -> Target:
        small = _small(_document(path))
        return Target(
            file=f"{path.stem}/{path.name}",
            document=lambda _rng: small,
            load=lambda path: load_venues(path.parent, calendars)[path.stem],
            use=partial(_use_venue, rules, calendars),
            weight=5,
        )

    def upon(kind: str, load: Callable[[Path, Mapping[str, Venue]], Any]) -> list[Target]:
        """What is declared upon the venues, a file each."""
        return [
            Target(
                file=f"{kind}-{path.stem}/{path.name}",
                document=lambda _rng, path=path: _document(path),
                load=lambda path: load(path.parent, venues),
                use=_use_nothing,
                weight=8,
            )
            for path in sorted((CONFIG / kind).glob("*.yaml"))
        ]

    def shared(file: str, load: Callable[[Path], Any], use: Use, *, weight: int) -> Target:
        return Target(file, lambda rng: _part_of(documents[file], rng), load, use, weight)

    return [
        *map(venue, sorted([*CONFIG.glob("venues/*.yaml"), *CONFIG.glob("real/venues/*.yaml")])),
        *upon("signals", load_signals),
        *upon("strategies", load_strategies),
        *upon("portfolios", load_portfolios),
        shared("calendars.yaml", load_calendars, _use_calendars, weight=20),
        shared("rules.yaml", load_rules, _use_rules, weight=20),
        shared("conditions.yaml", load_conditions, _use_conditions, weight=10),
        shared("retention.yaml", lambda path: load_yaml(path, RetentionPolicy), _use_nothing, weight=5),
        shared("tickline.yaml", lambda path: load_layout(path.parent), _use_nothing, weight=5),
    ]


def _document(path: Path) -> dict[str, Any]:
    document: Any = parse(path.read_text()).value
    return dict(document)


def _small(venue: dict[str, Any]) -> dict[str, Any]:
    """A venue with no more than two of its instruments, and what is said of those."""
    gone = {instrument["name"] for instrument in venue.get("instruments", ())[2:]}

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(part) for key, part in value.items() if key not in gone}
        if isinstance(value, list):
            return [kept(part) for part in value if not (isinstance(part, dict) and part.get("name") in gone)]
        return value

    return dict(kept(venue))


def _part_of(document: dict[str, Any], rng: _hostile.Rng) -> dict[str, Any]:
    """A document with a few entries of its long parts, in order: small is fast."""
    if "rules" in document:
        chosen = sorted(rng.sample(range(len(document["rules"])), rng.randint(1, 5)))
        return document | {"rules": [document["rules"][at] for at in chosen]}
    if len(document) > 1 and all(isinstance(part, dict) for part in document.values()):
        return {name: document[name] for name in rng.sample(sorted(document), rng.randint(1, 2))}
    return document


def _text(target: Target, rng: _hostile.Rng) -> bytes:
    """A changed document: mostly in its structure, sometimes in its bytes, sometimes not a document at all."""
    way = rng.random()
    if way < 0.03:
        return _bomb(rng)
    document: Any = target.document(rng)
    if way < 0.75:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            document = _hostile.changed(document, rng, VALUES)
    lines = (
        [f"{_spelled(key)}: {_spelled(part)}" for key, part in document.items()] if isinstance(document, dict) else []
    )
    data = "\n".join(lines or [_spelled(document)]).encode("utf-8", "surrogatepass")
    return _hostile.mangled(data, rng) if way > 0.7 else data


def _spelled(value: Any) -> str:
    """A value as YAML on one line."""
    match value:
        case Plain():
            return value
        case dict():
            return "{" + ", ".join(f"{_spelled(key)}: {_spelled(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_spelled, value)) + "]"
        case float() if not math.isfinite(value):
            return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(value)]
    return json.dumps(value)


def _bomb(rng: _hostile.Rng) -> bytes:
    """Something small to write and large to read, or of no sense whatever."""
    size = rng.randint(1, 4000)
    lines = "\n".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * rng.randint(2, 12))}]" for n in range(1, rng.randint(3, 40))
    )
    return rng.choice(
        (
            ("a0: &a0 [x]\n" + lines).encode(),
            b"[" * size * 10,
            b"{a: " * size,
            b"- " * size * 10,
            b"? " * size,
            b"a: &a {b: *a}\n" * min(size, 3),
            b"".join(b"k%d: [1, .nan, {}]\n" % n for n in range(size * 2)),
            b"rules: [" + b"{}, " * size * 5 + b"]",
            b"a: " + b"9" * size * 100,
            b'a: "' + b"\\" * size + b'"',
            b"a: |\n" + b"  x\n" * size,
            b"--- a\n" * size,
            b"#" * (rng.choice((1, 5)) * 1024 * 1024),
            b"&a " * size,
            b"!!map " * size,
            rng.randbytes(size),
            b"",
        )
    )


def _use_nothing(_loaded: Any, _rng: _hostile.Rng) -> None:
    """There is nothing to do with it but to have it."""


def _use_venue(rules: RuleSet, calendars: Mapping[str, SessionCalendar], venue: Venue, rng: _hostile.Rng) -> None:
    _open(venue, calendars)
    _judge(rules, venue, rng)


def _open(venue: Venue, calendars: Mapping[str, SessionCalendar]) -> None:
    for feed, spec in venue.feeds.items():
        open_source(spec, venue, feed, calendars=calendars)
    if venue.markets is not None:
        open_markets(venue.markets, venue, calendars=calendars)


def _use_calendars(calendars: Mapping[str, SessionCalendar], _rng: _hostile.Rng) -> None:
    for name, calendar in calendars.items():
        sessions(name, calendar, FIRST, LAST)


def _use_rules(rules: RuleSet, rng: _hostile.Rng) -> None:
    _judge(rules, VENUE, rng)


def _judge(rules: RuleSet, venue: Venue, rng: _hostile.Rng) -> None:
    """One time in three, have the rules judge a few rows of a venue that is always open."""
    if rng.random() <= 1 / 3:
        _judge_feed(rules, venue, rng.choice(list(ROWS)))


def _judge_feed(rules: RuleSet, venue: Venue, feed: Feed) -> None:
    calendar = pl.DataFrame({"calendar": [*{venue.calendar_of(instrument) for instrument in venue.instruments}]})
    hours = reference_sessions().filter(pl.col("calendar") == "always").drop("calendar").join(calendar, how="cross")
    judge(ROWS[feed], feed, venue, day=DAY, sessions=hours, rules=rules)


def _use_conditions(tables: Mapping[str, Conditions], _rng: _hostile.Rng) -> None:
    texts = pl.Series(["", "20", "80000000!", "ZI!", "!", "FFFFFFFFFFFFFFFFF", "\u202e", None, " 4 "])
    for table in tables.values():
        table.sets_column(texts)
