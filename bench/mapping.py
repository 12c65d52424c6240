"""The markets of two venues compared, side by side with rapidfuzz over all pairs: 20,000 markets on each side.

Both venues list the same made-up questions, each in its own words, and each lists some that the other does not: the
same match on another day, the same threshold one step further, a district of another party. rapidfuzz's cdist is timed
on some of the left titles, with both cores, and scaled linearly to all of them. Its scorer is WRatio, the default of
rapidfuzz's own search for the best match and the one that bears other words, another order and parts; what its cheaper
scorers take, which see letters or whole words only, is told beside. Ours runs in a process of its own, so that its peak
of memory is its own.
"""

import multiprocessing
import random
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from rapidfuzz import fuzz, process

from tickline.lake.market_schemas import CLEAN_MARKETS
from tickline.markets.matching import candidates
from tickline.markets.spec import Scoring

MARKETS, SMALL_MARKETS = 20_000, 2_000
SHARED = 0.8  # of the markets of each venue
SAMPLE = 50  # left titles that cdist is timed on
SCORER, CHEAPER = "WRatio", ("token_set_ratio", "token_sort_ratio", "ratio")
MOST_S, AT_LEAST_TIMES, MOST_LOST, MOST_BYTES = 60.0, 20.0, 0.005, 2 * 1024**3
SEED = 20260516
START = datetime(2026, 5, 1, tzinfo=UTC)

Row = dict[str, Any]


def run(*, small: bool = False, rounds: int = 3) -> dict[str, Any]:
    """Time both sides. `rounds` is how often each is timed."""
    total = SMALL_MARKETS if small else MARKETS
    left, right, shared = markets(total, SEED)
    spent, theirs, peaks = [], [], []
    found: dict[str, Any] = {}
    for _ in range(rounds):
        theirs.append(_with_cdist(left, right, SCORER))
        found = _alone(left, right, shared)
        spent.append(found["seconds"])
        peaks.append(found["peak_bytes"])
        print(f"  ours {spent[-1]:.1f} s, cdist over all pairs {theirs[-1]:.0f} s (scaled from {SAMPLE} rows)")
    at_least = AT_LEAST_TIMES * total / MARKETS  # all pairs grow with the square of the markets, candidates do not
    ratio = statistics.median(one / mine for one, mine in zip(theirs, spent, strict=True))
    seconds, lost = statistics.median(spent), 1 - found["kept"] / shared
    return {
        "ok": seconds <= MOST_S and ratio >= at_least and lost <= MOST_LOST and max(peaks) < MOST_BYTES,
        "markets": [left.height, right.height],
        "seconds": round(seconds, 2),
        "candidates": found["candidates"],
        "true_pairs": shared,
        "recall_lost": round(lost, 5),
        "called_equivalent": found["equivalent"],
        "rightly": found["right"],
        "times_faster_than_cdist": round(ratio, 1),
        "at_least": round(at_least, 1),
        "cdist": f"{SCORER}, workers=2, {SAMPLE} of {left.height} rows timed and scaled linearly",
        "cdist_s": round(statistics.median(theirs), 1),
        "cheaper_scorers_s": {name: round(_with_cdist(left, right, name), 1) for name in CHEAPER},
        "peak_mb": round(max(peaks) / 1e6),
    }


def markets(total: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Two venues' clean_markets, and how many questions both list; those have ids that end alike."""
    random_ = random.Random(seed)  # noqa: S311 (made-up markets)
    shared = int(total * SHARED)
    asked = list(_questions(random_, 2 * total - shared))
    sides: tuple[list[Row], list[Row]] = ([], [])
    for number, versions in enumerate(asked):
        for side in (0, 1):
            if number < shared or (number - shared) % 2 == side:
                sides[side].append(versions[side] | {"market_id": f"{'LR'[side]}{number:06d}"})
    frames = []
    for rows in sides:
        random_.shuffle(rows)
        frames.append(pl.DataFrame([{name: row.get(name) for name in CLEAN_MARKETS.columns} for row in rows],
                                   schema=CLEAN_MARKETS.columns).with_columns(version=1))  # fmt: skip
    return frames[0], frames[1], shared


def _with_cdist(left: pl.DataFrame, right: pl.DataFrame, scorer: str) -> float:
    """Seconds that all pairs of titles take, scaled from the first of the left titles."""
    some = left["title"].head(SAMPLE).to_list()
    started = time.perf_counter()
    process.cdist(some, right["title"].to_list(), scorer=getattr(fuzz, scorer), workers=2)
    return (time.perf_counter() - started) * left.height / len(some)


def _alone(left: pl.DataFrame, right: pl.DataFrame, shared: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measured, (left, right, shared))


def _measured(left: pl.DataFrame, right: pl.DataFrame, shared: int) -> dict[str, Any]:
    started = time.perf_counter()
    found = candidates(left, right, Scoring(), left_venue="left", right_venue="right", prices=None)
    seconds = time.perf_counter() - started
    is_true = pl.col("left_market").str.slice(1) == pl.col("right_market").str.slice(1)
    is_equivalent = pl.col("relation") == "equivalent"
    return {
        "seconds": seconds,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "candidates": found.height,
        "kept": found.filter(is_true).height,
        "equivalent": found.filter(is_equivalent).height,
        "right": found.filter(is_equivalent & is_true).height,
    }


def _questions(random_: random.Random, total: int) -> Iterator[tuple[Row, Row]]:
    """Questions in the words of both venues, in families of near-twins, shuffled."""
    families = [_matches(random_, total * 4 // 10), _thresholds(random_, total * 2 // 10), _seats(total)]
    rest = total - sum(len(family) for family in families)
    families += [_candles(random_, rest // 2), _deadlines(random_, rest - rest // 2)]
    everything = [pair for family in families for pair in family]
    random_.shuffle(everything)
    yield from everything


def _matches(random_: random.Random, total: int) -> list[tuple[Row, Row]]:
    """Matches of leagues of thirty teams: the same two meet on several days, each with a winner and lines."""
    leagues = [[(_name(random_), _name(random_)) for _ in range(30)] for _ in range(8)]
    made: dict[tuple[object, ...], tuple[Row, Row]] = {}
    while len(made) < total:
        league = random_.randrange(len(leagues))
        home, away = random_.sample(leagues[league], 2)
        day = START + timedelta(days=random_.randrange(60))
        for line in (0, 1, 2, 3):
            made.setdefault((league, *sorted((home, away)), day, line), _match(home, away, day, line))
    return list(made.values())[:total]


def _match(home: tuple[str, str], away: tuple[str, str], day: datetime, line: int) -> tuple[Row, Row]:
    names = [f"{team[0]} {team[1]}" for team in (home, away)]
    event = f"{names[0]} vs. {names[1]}"
    dates = {"ts_expiry": day, "ts_close": day + timedelta(days=3)}, {"ts_expiry": day, "ts_close": day}
    if line == 0:
        titles = event, f"{names[0]} vs {names[1]}"
    elif line == 3:
        titles = f"Spread: {names[0]} (-1.5)", f"Will {names[0]} win by over 1.5 runs?"
    else:
        titles = f"{event}: O/U {6 + line}.5", f"{names[0]} vs {names[1]}: over {6 + line}.5 runs scored?"
    return _row(titles[0], event, dates[0]), _row(titles[1], event, dates[1])


def _thresholds(random_: random.Random, total: int) -> list[tuple[Row, Row]]:
    made = []
    while len(made) < total:
        token = f"{_name(random_)}{_name(random_).lower()}"
        for millions in (50, 100, 200, 300, 500, 800, 1000, 2000):
            value = f"${millions}M" if millions < 1000 else f"${millions // 1000}B"
            event = f"{token} FDV above ___ one day after launch?"
            other = f"Will {token}'s FDV be more than ${millions * 1_000_000:,} one day after launch?"
            made.append((_row(f"{token} FDV above {value} one day after launch?", event, {}), _row(other, "", {})))
    return made[:total]


def _seats(total: int) -> list[tuple[Row, Row]]:
    states = {"TX": 38, "CA": 52, "FL": 28, "NY": 26, "PA": 17, "IL": 17, "OH": 15, "GA": 14, "NC": 14, "MI": 13}
    made = []
    for year in range(2026, 2026 + 2 * (1 + total // 8000), 2):
        for state, seats in states.items():
            for seat in range(1, seats + 1):
                for party in ("Democratic", "Republican"):
                    close = {"ts_close": datetime(year, 11, 3, tzinfo=UTC)}
                    made.append((
                        _row(f"Will {party} win the House race for {state}-{seat:02d} in {year}?", "", close),
                        _row(f"Will the {party} Party win the {state}-{seat} House seat in {year}?", "", close),
                    ))  # fmt: skip
    return made[: total // 10]


def _candles(random_: random.Random, total: int) -> list[tuple[Row, Row]]:
    coins = ("Bitcoin", "Ethereum", "Solana", "BNB", "Dogecoin", "XRP")
    hours = [(coin, day, hour) for coin in coins for day in range(60) for hour in range(1, 12)]
    made = []
    for coin, day, hour in random_.sample(hours, min(total, len(hours))):
        date = START + timedelta(days=day)
        title = f"{coin} Up or Down - {date:%B} {date.day}, {hour}AM ET"
        other = f"{coin} up or down on {date:%b} {date.day}, {hour}:00 AM ET?"
        made.append((_row(title, title, {"ts_expiry": date}), _row(other, "", {"ts_expiry": date})))
    return made


def _deadlines(random_: random.Random, total: int) -> list[tuple[Row, Row]]:
    acts = ("resign", "be arrested", "be indicted", "announce a run", "visit Geneva", "endorse the treaty")
    people = [f"{_name(random_)} {_name(random_)}" for _ in range(max(total // 20, 10))]
    ends = [datetime(year, month, 1, tzinfo=UTC) for year in (2026, 2027) for month in range(1, 13)]
    made: dict[tuple[object, ...], tuple[Row, Row]] = {}
    while len(made) < total:
        who, act, end = random_.choice(people), random_.choice(acts), random_.choice(ends)
        last = end - timedelta(days=1)
        one = _row(f"Will {who} {act} before {end:%B} {end.day}, {end.year}?", "", {"ts_close": end})
        other = _row(f"Will {who} {act} by {last:%b} {last.day}, {last.year}?", "", {"ts_close": last})
        made.setdefault((who, act, end), (one, other))
    return list(made.values())


def _row(title: str, event: str, dates: Row) -> Row:
    return {"title": title, "event_title": event, "yes_label": "Yes"} | dates


def _name(random_: random.Random) -> str:
    syllables: Sequence[str] = [random_.choice("bdfgklmnprstvz") + random_.choice("aeiou") for _ in range(3)]
    return "".join(syllables).title()
