"""Spoil a clean feed in every way the firewall knows and see that it finds all of it and nothing else.

For each class of bad row, bad rows are put into a clean reference feed: all must be quarantined under the right rule,
no good row may be, and the rows must add up exactly. A true change of regime must pass. Where recorded market data is
at hand, the share of it that is quarantined is reported too.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from qa._bad_rows import CLASSES, DAY, HOUR, SECOND, START, VENUE, Row, good_rows, reference_sessions, spoiled, to_raw
from tickline.errors import SchemaDrift, SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.calendars import load_calendars
from tickline.reference.loading import load_layout, load_venues
from tickline.reference.sessions import venue_sessions
from tickline.sources.opening import open_source
from tickline.sources.source import Source
from tickline.ticks.firewall import Judged, judge
from tickline.ticks.rules import RuleSet, load_rules

CONFIG = Path(__file__).parent.parent / "config"
RECORDED = ("us_equities", "fxcm", "oanda", "binance", "binance_usdm")
"""Venues of config/real whose trades and quotes are clean as far as anybody knows: SPY, EURUSD twice, BTCUSDT twice."""

SEED = 20_260_309
FALSE_RATIO_GOAL = 0.0005


@dataclass(frozen=True, slots=True)
class Trial:
    """One class put to the firewall: its bad rows and how many were named rightly, good rows and how many refused."""

    feed: Feed
    rule: str
    bad: int
    right: int
    good: int
    refused: int
    reconciled: bool


def run(*, small: bool = False, rows: int = 1000) -> dict[str, Any]:
    """Run every class; `rows` bad rows each (`--small`: a tenth)."""
    rows = max(rows // 10, 10) if small else rows
    rules = load_rules(CONFIG / "rules.yaml")
    trials = []
    for trial in _trials(rules, rows):
        trials.append(trial)
        print(
            f"{trial.feed:<7}{trial.rule:<25}{trial.right:>6} of {trial.bad:<6} bad rows named rightly, "
            f"{trial.refused} of {trial.good} good rows refused{'' if trial.reconciled else ', ROWS DO NOT ADD UP'}"
        )
    regime = _regime_change_passes(rules)
    print(f"a true change of regime {'passes' if regime else 'IS REFUSED'}")

    recorded = {f"{venue}_{feed}": ratio for venue, feed, ratio in _recorded(rules, days=1 if small else 7)}

    bad, right = sum(trial.bad for trial in trials), sum(trial.right for trial in trials)
    good, refused = sum(trial.good for trial in trials), sum(trial.refused for trial in trials)
    classes = len({(trial.feed, trial.rule) for trial in trials})
    reconciled = all(trial.reconciled for trial in trials)
    ok = classes >= 30 and right == bad and refused <= FALSE_RATIO_GOAL * good and reconciled and regime
    return {
        "ok": ok,
        "classes": classes,
        "rows": bad,
        "right_reason_ratio": right / bad,
        "false_ratio": refused / good,
        "reconciled": reconciled,
        "regime_change_passes": regime,
        "recorded_refused_ratio": recorded,
    }


def _trials(rules: RuleSet, rows: int) -> Iterator[Trial]:
    good = {feed: good_rows(feed, rows * 60, np.random.default_rng(SEED)) for feed in Feed}
    for place, bad in enumerate(CLASSES):
        rng = np.random.default_rng([SEED, place])
        yield _trial(rules, bad.feed, bad.rule, good[bad.feed], spoiled(bad, good[bad.feed], rows, rng))
    yield _trial(rules, Feed.QUOTES, "frozen", *_freezing(good[Feed.QUOTES], rows))
    yield _trial(rules, Feed.BOOK, "book_gap", *_breaking(good[Feed.BOOK], rows))
    yield from (_drift(rules, feed, good[feed], rows) for feed in Feed)


def _trial(rules: RuleSet, feed: Feed, rule: str, good: list[Row], bad: list[Row]) -> Trial:
    """Judge good and bad rows together; a row is known by its delivery and number."""
    raw = to_raw(feed, good + bad).sample(fraction=1, shuffle=True, seed=SEED)
    judged = _judge(rules, feed, raw)
    spoilt = {(row["delivery"], row["seq"]) for row in bad}
    verdicts = Counter(
        ((delivery, seq) in spoilt, named == rule)
        for delivery, seq, named in judged.quarantine.select("delivery", "seq", "rule").rows()
    )
    return Trial(
        feed=feed,
        rule=rule,
        bad=len(bad),
        right=verdicts[True, True],
        good=len(good),
        refused=verdicts[False, True] + verdicts[False, False],
        reconciled=_adds_up(raw, judged),
    )


def _judge(rules: RuleSet, feed: Feed, raw: pl.DataFrame) -> Judged:
    return judge(raw, feed, VENUE, day=DAY, sessions=reference_sessions(), rules=rules)


def _adds_up(raw: pl.DataFrame, judged: Judged) -> bool:
    """Every raw row is in exactly one frame, and the counts say which."""
    numbers = pl.concat([judged.clean["raw_row"], judged.quarantine["raw_row"]]).sort()
    named = dict(judged.quarantine["rule"].value_counts().rows())
    counted = {rule: count for rule, count in judged.counts.items() if count}
    return numbers.equals(pl.Series("raw_row", range(raw.height), dtype=pl.UInt32)) and named == counted


def _freezing(good: list[Row], count: int) -> tuple[list[Row], list[Row]]:
    """Quotes of one instrument that stop changing at noon: once a second the same, with fresh event times.

    The heartbeats of the first minute are good: nothing proves yet that the feed is frozen.
    """
    before = [row for row in good if row["instrument"] != "BTC" or row["ts_event"] < START + 12 * HOUR]
    last = [row for row in before if row["instrument"] == "BTC"][-1]
    beats = [
        last | {"ts_event": ts, "ts_recv": ts + 1, "seq": good[-1]["seq"] + 1 + beat}
        for beat in range(60 + count)
        for ts in [START + 12 * HOUR + (1 + beat) * SECOND]
    ]
    proven = next(at for at, row in enumerate(beats) if row["ts_recv"] - last["ts_recv"] >= 60 * SECOND)
    return before + beats[:proven], beats[proven : proven + count]


def _breaking(good: list[Row], count: int) -> tuple[list[Row], list[Row]]:
    """A book without one message in the middle of each epoch: what follows it, up to the next snapshot, is bad."""
    kept, lost = [], []
    at, ended = 0, False
    for before, row in pairwise([good[0], *good]):
        if row["instrument"] != "BTC":
            kept.append(row)
            continue
        at += row["seq"] != before["seq"]
        if row["kind"] == "snapshot":
            at, ended = 0, len(lost) >= count
        if ended or at < 10:
            kept.append(row)
        elif at > 10:
            lost.append(row)
    return kept, lost


def _drift(rules: RuleSet, feed: Feed, good: list[Row], count: int) -> Trial:
    """Batches with a column missing, renamed, retyped or added: refused as a whole."""
    raw = to_raw(feed, good[:10])
    names = list(RAW[feed].columns)
    refused = 0
    for number in range(count):
        name = names[number % len(names)]
        drifted = (
            raw.drop(name),
            raw.rename({name: f"{name}_{number}"}),
            raw.with_columns(pl.col(name).is_null()),
            raw.with_columns(pl.col(name).alias(f"{name}_{number}")),
        )[number // len(names) % 4]
        try:
            _judge(rules, feed, drifted)
        except SchemaDrift as drift:
            refused += name in str(drift)
    return Trial(feed, "schema_drift", count, refused, good=0, refused=0, reconciled=True)


def _regime_change_passes(rules: RuleSet) -> bool:
    """Prices that double and stay, or halve and stay, are all clean."""
    for feed, columns in ((Feed.TRADES, ["price"]), (Feed.QUOTES, ["bid", "ask"])):
        afternoon = pl.col("ts_event").to_physical() > START + 14 * HOUR
        raw = to_raw(feed, good_rows(feed, 20_000, np.random.default_rng(SEED)))
        for doubled in (afternoon, ~afternoon):
            moved = raw.with_columns(pl.when(doubled).then(pl.col(columns) * 2).otherwise(pl.col(columns)))
            if not _judge(rules, feed, moved).quarantine.is_empty():
                return False
    return True


def _recorded(rules: RuleSet, *, days: int) -> Iterator[tuple[str, Feed, float]]:
    """The share of recorded trades and quotes that is refused, over the first `days` days of each venue."""
    layout = load_layout(CONFIG / "real")
    calendars = load_calendars(layout.calendars)
    venues = load_venues(layout.venues, calendars)
    for venue in (venues[name] for name in RECORDED):
        for feed in sorted(venue.feeds.keys() - {Feed.BOOK}):
            source = open_source(venue.feeds[feed], venue, feed, calendars=calendars)
            refused, total = 0, 0
            for day in (venue.start + timedelta(days=after) for after in range(days)):
                try:
                    raw = _delivered(source, feed, day)
                except SourceError as error:
                    print(f"recorded data left out: {error}")
                    return
                sessions = venue_sessions(venue, calendars, day - timedelta(days=1), day + timedelta(days=1))
                judged = judge(raw, feed, venue, day=day, sessions=sessions, rules=rules)
                refused, total = refused + judged.quarantine.height, total + raw.height
            print(f"recorded {venue.name} {feed}: {refused} of {total} rows refused")
            yield venue.name, feed, refused / max(total, 1)


def _delivered(source: Source, feed: Feed, day: date) -> pl.DataFrame:
    """A day's rows of a source, its objects numbered as deliveries."""
    frames = [RAW[feed].empty()]
    for number, found in enumerate(source.objects(day)):
        delivery = (pl.col("delivery") + 1000 * number).cast(pl.Int32)
        frames += [batch.frame.with_columns(delivery) for batch in source.batches(found, day)]
    return pl.concat(frames)
