"""How predictable a series is: permutation entropy, and the Hurst exponent by two methods.

Expressions for whole columns and, named `..._online`, their twins event by event; `hurst_dfa` and `hurst_rs` take an
array. Missing rows, warm-up and state are as in `tickline.signals.indicators` and `.online`.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from numba.extending import register_jitable

from tickline.compiled import kernel
from tickline.signals.indicators import on_present
from tickline.signals.online import State

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

SHORTEST = 16
"""The shortest stretch a Hurst exponent is read from; over shorter ones the line is not straight."""


def permutation_entropy(x: pl.Expr, n: int, order: int) -> pl.Expr:
    """Entropy of the order patterns of `order` neighbours among the last n values: 0 (one pattern) to 1 (all as often).

    In units of log(order!), which fewer than order! patterns cannot reach. Equal values rank in order of time. Source:
    C. Bandt and B. Pompe, Permutation Entropy, Physical Review Letters 88, 174102 (2002).
    """
    return on_present(lambda x: pl.Series(_entropies(x.to_numpy(writable=True), n, order)), x)


def hurst(x: pl.Expr, n: int, every: int) -> pl.Expr:
    """Hurst exponent (`hurst_dfa`) of the last n log returns of positive values, read anew every `every` rows.

    From the (n + 1)-th value on; between two readings the older one stands.
    """

    def read(x: pl.Series) -> pl.Series:
        steps = (x / x.shift(1)).log()
        return pl.Series(_hursts(steps.to_numpy(writable=True), n, every))

    return on_present(read, x)


@kernel
def hurst_dfa(steps: Floats) -> float:
    """Hurst exponent of a stationary series by detrended fluctuation analysis; 0.5 where steps are independent.

    The slope of log fluctuation over log length, for lengths from 16 to a quarter of the series, each sqrt(2) times the
    one before; fluctuation is the root mean square distance of the summed steps from a straight line in each stretch.
    NaN for fewer than 128 steps or ones that hardly move. Source: C.-K. Peng et al., Mosaic Organization of DNA
    Nucleotides, Physical Review E 49 (1994).
    """
    profile = np.cumsum(steps - np.mean(steps))
    lengths = _lengths(steps.size)
    fluctuations = np.zeros(lengths.size)
    for at, length in enumerate(lengths):
        stretches = steps.size // length
        for start in range(0, stretches * length, length):
            fluctuations[at] += _off_line(profile[start : start + length])
        fluctuations[at] = math.sqrt(fluctuations[at] / (stretches * length))
    return float(_log_slope(lengths, fluctuations))


@kernel
def hurst_rs(steps: Floats) -> float:
    """Hurst exponent of a stationary series by rescaled range; 0.5 where steps are independent.

    0.5 and the slope over log length of log(R/S) less that of independent steps, for lengths as in `hurst_dfa`; NaN as
    there. It leans towards 0.5: of 16,384 steps it reads 0.25 for 0.2, 0.67 for 0.7 and 0.82 for 0.9. Sources: A. Anis
    and E. Lloyd, The Expected Value of the Adjusted Rescaled Hurst Range, Biometrika 63 (1976); R. Weron, Estimating
    Long-Range Dependence, Physica A 312 (2002), equation 5.
    """
    lengths = _lengths(steps.size)
    ratios = np.zeros(lengths.size)
    for at, length in enumerate(lengths):
        stretches = steps.size // length
        for start in range(0, stretches * length, length):
            ratios[at] += _rescaled_range(steps[start : start + length])
        ratios[at] /= stretches * _expected_rescaled_range(length)
    return 0.5 + float(_log_slope(lengths, ratios))


@register_jitable
def permutation_entropy_size(n: float, order: float) -> int:
    """How many floats `permutation_entropy_online` keeps."""
    return 3 + int(order) + _patterns(n, order) + _factorial(order)


@kernel
def permutation_entropy_online(state: State, x: float, n: float, order: float) -> float:
    """Permutation entropy of the last n values. Costs the square of the order, once a round of the window order!.

    State: values seen, place in the ring of patterns, sum of c log c over their counts c; the last `order` values; the
    ring; the counts.
    """
    if np.isnan(x):
        return np.nan
    size, patterns = int(order), _patterns(n, order)
    recent = state[3 : 3 + size]
    ring, counts = state[3 + size : 3 + size + patterns], state[3 + size + patterns :]
    for place in range(size - 1):
        recent[place] = recent[place + 1]
    recent[size - 1] = x
    state[0] += 1.0
    if state[0] < order:
        return np.nan
    at = int(state[1])
    if state[0] > n:
        gone = int(ring[at])
        state[2] += _surprise(counts[gone] - 1.0) - _surprise(counts[gone])
        counts[gone] -= 1.0
    pattern = _pattern(recent)
    state[2] += _surprise(counts[pattern] + 1.0) - _surprise(counts[pattern])
    counts[pattern] += 1.0
    ring[at] = pattern
    state[1] = at + 1.0
    if at + 1 == patterns:
        state[1], state[2] = 0.0, 0.0
        for count in counts:  # anew, so that rounding never adds up over more than one round
            state[2] += _surprise(count)
    return _entropy(state[2], patterns, order) if state[0] >= n else np.nan


@register_jitable
def hurst_size(n: float, every: float) -> int:
    """How many floats `hurst_online` keeps."""
    return 4 + int(n)


@kernel
def hurst_online(state: State, x: float, n: float, every: float) -> float:
    """Hurst exponent of the last n log returns, read anew every `every` values; a reading costs about 20 ns a return.

    State: values seen, the last one, place in the ring, the last reading; the ring of log returns.
    """
    if np.isnan(x):
        return np.nan
    seen, previous, at = state[0], state[1], int(state[2])
    state[0], state[1] = seen + 1.0, x
    if seen == 0.0:
        return np.nan
    ring = state[4:]
    ring[at] = math.log(x / previous)
    at = at + 1 if at + 1 < ring.size else 0
    state[2] = at
    if seen < n:
        return np.nan
    if (seen - n) % every == 0.0:
        state[3] = hurst_dfa(np.concatenate((ring[at:], ring[:at])))
    return float(state[3])


@kernel
def _entropies(values: Floats, n: int, order: int) -> Floats:
    """Permutation entropy of each window of n values, counted from scratch."""
    found = np.full(values.size, np.nan)
    seen = np.empty(values.size, np.int64)
    for at in range(values.size - order + 1):
        seen[at] = _pattern(values[at : at + order])
    patterns = n - order + 1
    for stop in range(n, values.size + 1):
        counts = np.zeros(_factorial(order))
        for pattern in seen[stop - n : stop - n + patterns]:
            counts[pattern] += 1.0
        total = 0.0
        for count in counts:
            total += _surprise(count)
        found[stop - 1] = _entropy(total, patterns, order)
    return found


@kernel
def _hursts(steps: Floats, n: int, every: int) -> Floats:
    found = np.full(steps.size, np.nan)  # steps[0] is missing
    for at in range(n, steps.size):
        is_due = (at - n) % every == 0
        found[at] = hurst_dfa(steps[at - n + 1 : at + 1]) if is_due else found[at - 1]
    return found


@kernel
def _lengths(steps: int) -> Ints:
    last = math.log2(max(steps // 4, 1) / SHORTEST)
    return np.array([int(SHORTEST * 2.0 ** (half / 2.0)) for half in range(int(2.0 * last) + 1)], dtype=np.int64)


@kernel
def _off_line(stretch: Floats) -> float:
    """Sum of squared distances from the least-squares line."""
    size = stretch.size
    middle, mean = 0.5 * (size - 1), np.mean(stretch)
    squares = along = 0.0
    for at in range(size):
        off = stretch[at] - mean
        squares += off * off
        along += (at - middle) * off
    return max(squares - along * along / (size * (size * size - 1.0) / 12.0), 0.0)


@kernel
def _rescaled_range(stretch: Floats) -> float:
    mean, deviation = np.mean(stretch), np.std(stretch)
    if deviation == 0.0:
        return 0.0
    total = lowest = highest = 0.0
    for step in stretch:
        total += step - mean
        lowest, highest = min(lowest, total), max(highest, total)
    return float((highest - lowest) / deviation)


@kernel
def _expected_rescaled_range(length: int) -> float:
    """R/S of independent normal steps: Anis and Lloyd's, with Peters' factor as in Weron."""
    total = 0.0
    for at in range(1, length):
        total += math.sqrt((length - at) / at)
    ratio = math.exp(math.lgamma(0.5 * (length - 1)) - math.lgamma(0.5 * length))
    return (length - 0.5) / length * ratio / math.sqrt(math.pi) * total


@kernel
def _log_slope(lengths: Ints, values: Floats) -> float:
    if lengths.size < 3 or values.min() <= 0.0:
        return np.nan
    x, y = np.log(lengths), np.log(values)
    x -= np.mean(x)
    return float(np.sum(x * y) / np.sum(x * x))


@kernel
def _pattern(values: Floats) -> int:
    """The number of an order pattern in the factorial system: for each value, how many later ones are smaller."""
    number = 0
    for at in range(values.size):
        smaller = 0
        for later in range(at + 1, values.size):
            if values[later] < values[at]:
                smaller += 1
        number = number * (values.size - at) + smaller
    return number


@register_jitable
def _patterns(n: float, order: float) -> int:
    return int(n) - int(order) + 1


@register_jitable
def _factorial(order: float) -> int:
    product = 1
    for factor in range(2, int(order) + 1):
        product *= factor
    return product


@kernel
def _surprise(count: float) -> float:
    return count * math.log(count) if count > 0.0 else 0.0


@kernel
def _entropy(total: float, patterns: int, order: float) -> float:
    entropy = math.log(patterns) - total / patterns
    return max(entropy, 0.0) / math.log(_factorial(order))
