"""Where prices are at every second of a day, as a pure function of a seed, a name and the date.

A path is a Brownian motion. Its value at each midnight comes from Levy's construction, which reaches any day in
fifteen halvings of the calendar without walking the days before; within the day it is a Brownian bridge between
the two midnights, so days join up. The bridge's variance follows the trading hours and a volatility that clusters.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickline.errors import SourceError
from tickline.reference.hours import Window

Floats = NDArray[np.float64]

DAY_S = 86_400
EPOCH = date(1970, 1, 1)
HORIZON_DAYS = 2**15
"""Paths are defined from 1970 to 2059."""

CLOSED_VARIANCE = 0.05
"""Variance while closed, relative to an average regular second: news does not wait for the open."""

CLUSTERS_S = (14_400, 3_600, 900)
"""Scales of volatility clustering: a product of independent factors, one for each, as in the multifractal model of
Calvet and Fisher (2004), Journal of Financial Econometrics 2(1)."""


def generator(*key: object) -> np.random.Generator:
    """Random numbers that depend on the key's texts alone: not on the process, its hash seed or what ran before."""
    digest = hashlib.sha256(json.dumps([str(part) for part in key]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def brownian(day: date, *key: object) -> float:
    """A standard Brownian motion in days at the start of a day; it is 0 at the epoch.

    Raises SourceError for a day outside the horizon.
    """
    at = (day - EPOCH).days
    if not 0 <= at <= HORIZON_DAYS:
        raise SourceError(f"{day} is not among the {HORIZON_DAYS} days from {EPOCH} on that paths are defined for")
    low, high = 0, HORIZON_DAYS
    value_low, value_high = 0.0, HORIZON_DAYS**0.5 * generator(*key, "level", high).standard_normal()
    while high - low > 1:
        middle = (low + high) // 2
        noise = ((high - low) / 4) ** 0.5 * generator(*key, "level", middle).standard_normal()
        value_middle = (value_low + value_high) / 2 + noise
        if at < middle:
            high, value_high = middle, value_middle
        else:
            low, value_low = middle, value_middle
    return float(value_low if at == low else value_high)


def bridge(variance: Floats, rng: np.random.Generator, *, rise: float) -> Floats:
    """A Brownian path from 0 to `rise` with the given variance in each step; one value more than there are steps."""
    walk = np.concatenate([[0.0], np.cumsum(np.sqrt(variance) * rng.standard_normal(len(variance)))])
    clock = np.concatenate([[0.0], np.cumsum(variance)])
    total = clock[-1]
    return walk if total == 0.0 else walk + (rise - walk[-1]) * (clock / total)


def activity(windows: Iterable[Window], day: date) -> Floats:
    """How busy trading is at each second of a UTC day: 1 is an average regular second, 0 is closed.

    A regular session shorter than 12 hours smiles: busy at both ends. A longer one follows the sun, busiest at 14:00
    UTC. The pre segment swells towards the open and the post segment dies away, both at a tenth of the regular rate.
    """
    busy = np.zeros(DAY_S)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for window in windows:
        opens = (window.open - midnight) // timedelta(seconds=1)
        closes = (window.close - midnight) // timedelta(seconds=1)
        first, last = max(opens, 0), min(closes, DAY_S)
        if first < last:
            second = np.arange(first, last) + 0.5
            busy[first:last] = _shape(window.segment, second, opens=opens, closes=closes)
    return busy


def _shape(segment: str, second: NDArray[Any], *, opens: int, closes: int) -> NDArray[Any]:
    part = (second - opens) / (closes - opens)
    if segment == "pre":
        return 0.02 + 0.16 * part
    if segment == "post":
        return 0.18 - 0.16 * part
    if closes - opens < DAY_S // 2:
        return 0.55 + 1.35 * (2 * part - 1) ** 2
    return 1 + 0.6 * np.cos((second / DAY_S - 14 / 24) * 2 * np.pi)


def clustering(rng: np.random.Generator) -> Floats:
    """A factor for each second of a day by which volatility and activity differ from their usual course; mean 1."""
    logarithm = np.zeros(DAY_S)
    for length in CLUSTERS_S:
        logarithm += np.repeat(0.3 * rng.standard_normal(DAY_S // length), length)
    factor = np.exp(logarithm)
    return np.asarray(factor / factor.mean())


def path(day: date, busy: Floats, *key: object, volatility: float, origin: date) -> Floats:
    """A path's values at the 86,401 whole seconds of a day, both midnights included; it is 0 at the start of `origin`.

    `busy` is the day's activity; `volatility` the standard deviation of a day.
    """
    variance = (busy + CLOSED_VARIANCE) * clustering(generator(*key, "clusters", day)) ** 2
    variance *= volatility**2 / variance.sum()
    zero, low, high = (brownian(on, *key) for on in (origin, day, day + timedelta(days=1)))
    rise = volatility * (high - low)
    return volatility * (low - zero) + bridge(variance, generator(*key, "bridge", day), rise=rise)


def arrivals(busy: Floats, per_hour: float, rng: np.random.Generator) -> Floats:
    """The times, in seconds of the day, of a self-exciting (Hawkes) stream of events, sorted.

    Built as the clusters of Hawkes and Oakes (1974), Journal of Applied Probability 11(3): immigrants arrive at a
    rate that follows `busy`, and each event has a Poisson number of children soon after. None falls where `busy`
    is 0. The mean number is `per_hour` times the day's busy hours.
    """
    rate = np.cumsum(busy) * (per_hour / 3600 * (1 - CHILDREN))
    immigrants = np.sort(rng.random(rng.poisson(rate[-1])) * rate[-1])
    generation = np.searchsorted(rate, immigrants, side="right") + rng.random(len(immigrants))
    events = [generation]
    while len(generation):
        # A Poisson number for each is a Poisson number for all, dealt out at random.
        parents = rng.integers(len(generation), size=rng.poisson(CHILDREN * len(generation)))
        generation = generation[parents] + rng.exponential(CHILD_DELAY_S, len(parents))
        events.append(generation)
    times = np.concatenate(events)
    times = times[times < DAY_S]
    return np.sort(times[busy[times.astype(np.int64)] > 0])


CHILDREN = 0.5
"""The mean number of events each event sets off."""

CHILD_DELAY_S = 1.5
"""How long after it they follow, on average."""
