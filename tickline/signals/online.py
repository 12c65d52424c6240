"""Indicators one event at a time: compiled updates in constant (amortised) time over a slice of a float64 vector.

For an indicator `ema` there are `ema_size(n)`, how many floats its state takes, and `ema(state, x, n)`, which takes one
event in, changes `state` in place and returns the value, NaN until warm. A fresh state is all zeros. Parameters are
whole numbers but may be floats, as strategies hold them. An event with a missing (NaN) input gives NaN and leaves the
state as it was, so windows go on over missing rows. The values are those of `tickline.signals.indicators`, where
formulas and sources are given.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from tickline.compiled import twin

State: TypeAlias = npt.NDArray[np.float64]

_RING = np.uint32(4)
"""Where the ring of `sma` begins."""


@register_jitable
def sma_size(n: float) -> int:
    """How many floats `sma` keeps."""
    return 4 + int(n)


@twin
def sma(state: State, x: float, n: float) -> float:
    """Mean of the last n values.

    Beside the running sum stands the sum since the ring last began; it takes over when the ring is round, so that
    rounding never adds up over more than one round.
    """
    if np.isnan(x):
        return np.nan
    at = state[0]
    slot = _RING + np.uint32(at)  # what has no sign is not looked at for being counted from the end
    total = state[2] + (x - state[slot])
    lap = state[3] + x
    state[slot] = x
    at += 1.0
    if at == n:
        at, total, lap = 0.0, lap, 0.0
        state[1] = 1.0
    state[0], state[2], state[3] = at, total, lap
    return total / n if state[1] else np.nan


@register_jitable
def ema_size(n: float) -> int:
    """How many floats `ema` keeps."""
    return 2


@twin
def ema(state: State, x: float, n: float) -> float:
    """Exponential mean with alpha = 2 / (n + 1), begun with the mean of the first n values."""
    return _exponential(state, x, n, 2.0 / (n + 1.0))


@register_jitable
def wilder_size(n: float) -> int:
    """How many floats `wilder` keeps."""
    return 2


@twin
def wilder(state: State, x: float, n: float) -> float:
    """Wilder's smoothing: exponential mean with alpha = 1 / n, begun with the mean of the first n values."""
    return _exponential(state, x, n, 1.0 / n)


@register_jitable
def wma_size(n: float) -> int:
    """How many floats `wma` keeps."""
    return 6 + int(n)


@twin
def wma(state: State, x: float, n: float) -> float:
    """Mean of the last n values weighted 1 (oldest) to n (newest)."""
    if np.isnan(x):
        return np.nan
    at, is_full, total, lap, weighted, weighted_lap = state[0], state[1], state[2], state[3], state[4], state[5]
    slot = 6 + int(at)
    at += 1.0
    weighted += n * x - total
    weighted_lap += at * x
    total += x - state[slot]
    lap += x
    state[slot] = x
    if at == n:  # as in `sma`: the sums of this round alone take over
        at, is_full, total, lap, weighted, weighted_lap = 0.0, 1.0, lap, 0.0, weighted_lap, 0.0
    state[0], state[1], state[2], state[3], state[4], state[5] = at, is_full, total, lap, weighted, weighted_lap
    return weighted / (0.5 * n * (n + 1.0)) if is_full else np.nan


@register_jitable
def rsi_size(n: float) -> int:
    """How many floats `rsi` keeps."""
    return 6


@twin
def rsi(state: State, x: float, n: float) -> float:
    """Wilder's relative strength index, 0 to 100; NaN where no value has moved yet."""
    if np.isnan(x):
        return np.nan
    change, is_first = x - state[1], state[0] == 0.0
    state[0], state[1] = 1.0, x
    if is_first:
        return np.nan
    gain = wilder(state[2:4], max(change, 0.0), n)
    loss = wilder(state[4:6], max(-change, 0.0), n)
    return 100.0 * gain / (gain + loss)


@register_jitable
def true_range_size() -> int:
    """How many floats `true_range` keeps."""
    return 2


@twin
def true_range(state: State, high: float, low: float, close: float) -> float:
    """The bar's range with the way from the close before it; NaN for the first bar."""
    if np.isnan(high + low + close):
        return np.nan
    previous, is_first = state[1], state[0] == 0.0
    state[0], state[1] = 1.0, close
    return np.nan if is_first else max(high, previous) - min(low, previous)


@register_jitable
def atr_size(n: float) -> int:
    """How many floats `atr` keeps."""
    return 4


@twin
def atr(state: State, high: float, low: float, close: float, n: float) -> float:
    """Wilder's average true range."""
    return wilder(state[2:4], true_range(state[:2], high, low, close), n)


@register_jitable
def highest_size(n: float) -> int:
    """How many floats `highest` keeps."""
    return 3 + 2 * int(n)


@twin
def highest(state: State, x: float, n: float) -> float:
    """Largest of the last n values: the head of a queue of falling values, each with its place in the stream."""
    if np.isnan(x):
        return np.nan
    room, seen, head, length = int(n), state[0], int(state[1]), int(state[2])
    values, places = state[3 : 3 + room], state[3 + room : 3 + 2 * room]
    if length and places[head] <= seen - room:
        head, length = _wrapped(head + 1, room), length - 1
    while length and values[_wrapped(head + length - 1, room)] <= x:
        length -= 1
    tail = _wrapped(head + length, room)
    values[tail], places[tail] = x, seen
    state[0], state[1], state[2] = seen + 1.0, head, length + 1
    return values[head] if seen + 1.0 >= room else np.nan


@register_jitable
def lowest_size(n: float) -> int:
    """How many floats `lowest` keeps."""
    return highest_size(n)


@twin
def lowest(state: State, x: float, n: float) -> float:
    """Smallest of the last n values."""
    return -highest(state, -x, n)


@register_jitable
def donchian_size(n: float) -> int:
    """How many floats `donchian` keeps."""
    return 2 * highest_size(n)


@twin
def donchian(state: State, high: float, low: float, n: float) -> tuple[float, float, float]:
    """(upper, middle, lower) of the last n bars, this one with them: highest high, half way, lowest low."""
    if np.isnan(high + low):
        return np.nan, np.nan, np.nan
    half = highest_size(n)
    upper, lower = highest(state[:half], high, n), lowest(state[half:], low, n)
    return upper, 0.5 * (upper + lower), lower


@register_jitable
def moments_size(n: float) -> int:
    """How many floats `moments` keeps."""
    return 8 + int(n)


@twin
def moments(state: State, x: float, n: float) -> tuple[float, float]:
    """(mean, population variance) of the last n values; the variance of equal values is 0 exactly.

    The sums of values and squares are kept in two floats each, so that their difference is as good after a jump of
    many standard deviations as before it.
    """
    if np.isnan(x):
        return np.nan, np.nan
    at, is_full, equal = state[0], state[1], state[2]
    equal = equal + 1.0 if x == state[3] else 1.0
    slot = 8 + int(at)
    change, change_low = two_sum(x, -state[slot])
    total, total_low = two_sum(x, state[slot])
    of_squares, of_squares_low = two_product(change, total)
    of_squares_low += change * total_low + change_low * total
    sums, sums_low = gather(state[4], state[5], change, change_low)
    squares, squares_low = gather(state[6], state[7], of_squares, of_squares_low)
    state[slot] = x
    at += 1.0
    if at == n:
        at, is_full = 0.0, 1.0
    state[0], state[1], state[2], state[3] = at, is_full, equal, x
    state[4], state[5], state[6], state[7] = sums, sums_low, squares, squares_low
    if is_full == 0.0:
        return np.nan, np.nan
    if equal >= n:
        return x, 0.0
    return (sums + sums_low) / n, max(spread(sums, sums_low, squares, squares_low, n), 0.0) / (n * n)


@register_jitable
def bollinger_size(n: float) -> int:
    """How many floats `bollinger` keeps."""
    return moments_size(n)


@twin
def bollinger(state: State, x: float, n: float, width: float) -> tuple[float, float, float]:
    """(upper, middle, lower): the mean of the last n values and `width` population standard deviations around it."""
    mean, variance = moments(state, x, n)
    reach = width * math.sqrt(variance)
    return mean + reach, mean, mean - reach


@register_jitable
def stdev_size(n: float) -> int:
    """How many floats `stdev` keeps."""
    return moments_size(n)


@twin
def stdev(state: State, x: float, n: float) -> float:
    """Population standard deviation of the last n values."""
    return math.sqrt(moments(state, x, n)[1])


@register_jitable
def zscore_size(n: float) -> int:
    """How many floats `zscore` keeps."""
    return moments_size(n)


@twin
def zscore(state: State, x: float, n: float) -> float:
    """Population standard deviations between the mean of the last n values and the newest; NaN where all are equal."""
    mean, variance = moments(state, x, n)
    return (x - mean) / math.sqrt(variance) if variance > 0.0 else np.nan


@register_jitable
def macd_size(fast: float, slow: float, signal: float) -> int:
    """How many floats `macd` keeps."""
    return 7


@twin
def macd(state: State, x: float, fast: float, slow: float, signal: float) -> tuple[float, float, float]:
    """(line, signal, histogram): fast less slow exponential mean, its own exponential mean, and what lies between.

    The fast mean begins late enough to be warm with the slow one; all three values begin with the signal.
    """
    if np.isnan(x):
        return np.nan, np.nan, np.nan
    seen = state[0]
    state[0] = seen + 1.0
    slow_mean = ema(state[3:5], x, slow)
    fast_mean = ema(state[1:3], x, fast) if seen >= slow - fast else np.nan
    line = fast_mean - slow_mean
    smoothed = ema(state[5:7], line, signal)
    return (line, smoothed, line - smoothed) if seen >= slow + signal - 2.0 else (np.nan, np.nan, np.nan)


@register_jitable
def session_vwap_size() -> int:
    """How many floats `session_vwap` keeps."""
    return 3


@twin
def session_vwap(state: State, turnover: float, volume: float, session: float) -> float:
    """Turnover by volume since the session began; `session` is any number that changes with it. NaN before a trade."""
    if np.isnan(turnover + volume + session):
        return np.nan
    if session != state[0]:
        state[0], state[1], state[2] = session, 0.0, 0.0
    state[1] += turnover
    state[2] += volume
    return state[1] / state[2] if state[2] > 0.0 else np.nan


@register_jitable
def window_sum_size(n: float) -> int:
    """How many floats `window_sum` keeps."""
    return 4 + int(n)


@twin
def window_sum(state: State, x: float, n: float) -> float:
    """Sum of the last n values, kept in two floats: what left the window leaves nothing behind."""
    if np.isnan(x):
        return np.nan
    at, is_full = state[0], state[1]
    slot = 4 + int(at)
    change, change_low = two_sum(x, -state[slot])
    state[2], state[3] = gather(state[2], state[3], change, change_low)
    state[slot] = x
    at += 1.0
    if at == n:
        at, is_full = 0.0, 1.0
    state[0], state[1] = at, is_full
    return state[2] + state[3] if is_full else np.nan


# Numbers of two floats, high and low, whose sum counts: about 32 digits (Dekker 1971, Knuth TAOCP 2, 4.2.2).


@twin
def two_sum(a: float, b: float) -> tuple[float, float]:
    """a + b exactly, as two floats."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


@twin
def two_product(a: float, b: float) -> tuple[float, float]:
    """a x b exactly, as two floats."""
    product = a * b
    a_high, b_high = _upper_half(a), _upper_half(b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@twin
def gather(high: float, low: float, other_high: float, other_low: float) -> tuple[float, float]:
    """The sum of two numbers of two floats; `low` gathers what `high` cannot hold."""
    total, rest = two_sum(high, other_high)
    return total, low + (rest + other_low)


@twin
def spread(sum_high: float, sum_low: float, squares_high: float, squares_low: float, n: float) -> float:
    """n x (sum of squares) - (sum) x (sum), the variance times n x n."""
    return cross_spread(sum_high, sum_low, sum_high, sum_low, squares_high, squares_low, n)


@twin
def cross_spread(  # noqa: PLR0913, PLR0917 - three numbers of two floats, and their count
    x_high: float, x_low: float, y_high: float, y_low: float, xy_high: float, xy_low: float, n: float
) -> float:
    """n x (sum of x y) - (sum of x) x (sum of y), the covariance times n x n."""
    of_products, of_products_low = two_product(n, xy_high)
    of_sums, of_sums_low = two_product(x_high, y_high)
    of_sums_low += x_high * y_low + x_low * y_high
    high, low = gather(of_products, of_products_low + n * xy_low, -of_sums, -of_sums_low)
    return high + low


@twin
def _upper_half(a: float) -> float:
    shifted = 134217729.0 * a  # 2^27 + 1
    return shifted - (shifted - a)


@twin
def _wrapped(at: int, room: int) -> int:
    return at - room if at >= room else at


@twin
def _exponential(state: State, x: float, n: float, alpha: float) -> float:
    if np.isnan(x):
        return np.nan
    if state[0] >= n:
        value = alpha * x + (1.0 - alpha) * float(state[1])
        state[1] = value
        return value
    state[0] += 1.0
    state[1] += x
    if state[0] < n:
        return np.nan
    state[1] /= n
    return float(state[1])
