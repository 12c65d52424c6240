"""What each case of the parity check wants to hold after each bar, worked out from its formula with NumPy alone.

1, 0 or -1; NaN where a bar tells nothing yet. Bars are rows of open, high, low, close.
"""

import numpy as np

OPEN, HIGH, LOW, CLOSE = range(4)


def wanted(case: dict, bars: np.ndarray) -> np.ndarray:
    """What a case wants, bar by bar."""
    return {"cross": _cross, "breakout": _breakout, "reversion": _reversion}[case["kind"]](case["rule"], bars)


def turns(case: dict, bars: np.ndarray) -> np.ndarray:
    """What a case wants where that is new, NaN elsewhere; before all it holds nothing."""
    values = wanted(case, bars)
    known = ~np.isnan(values)
    before = np.append(0.0, values[known][:-1])
    new = np.full(values.size, np.nan)
    new[known] = np.where(values[known] != before, values[known], np.nan)
    return new


def protection(case: dict, side: float, close: float) -> tuple[float | None, float | None]:
    """The prices of a stop and a take-profit for an entry wanted at a close, on the grid; None where there is none."""
    far = (case["stop"] and 1.0 - side * case["stop"], case["target"] and 1.0 + side * case["target"])
    stop, target = (np.rint(close * one / case["tick"]) * case["tick"] if one else None for one in far)
    return stop, target


def _cross(rule: dict, bars: np.ndarray) -> np.ndarray:
    mean = _exponential if rule["exponential"] else _mean
    fast, slow = mean(bars[:, CLOSE], rule["fast"]), mean(bars[:, CLOSE], rule["slow"])
    held = np.where(fast > slow, 1.0, -1.0 if rule["short"] else 0.0)
    return np.where(np.isnan(fast) | np.isnan(slow), np.nan, held)


def _breakout(rule: dict, bars: np.ndarray) -> np.ndarray:
    """In where the close leaves the channel of the bars before, out where it leaves the shorter one the other way."""
    (top, bottom), (shorts_end, longs_end) = (_channel(bars, rule[name]) for name in ("enter", "leave"))
    held, values = 0.0, np.full(len(bars), np.nan)
    for row in range(rule["enter"], len(bars)):
        close = bars[row, CLOSE]
        if (held > 0 and close < longs_end[row]) or (held < 0 and close > shorts_end[row]):
            held = 0.0
        if close > top[row]:
            held = 1.0
        elif close < bottom[row]:
            held = -1.0 if rule["short"] else 0.0
        values[row] = held
    return values


def _reversion(rule: dict, bars: np.ndarray) -> np.ndarray:
    """Against a close beyond a Bollinger band with an extreme RSI, until the close is back at the mean."""
    close = bars[:, CLOSE]
    windows = np.lib.stride_tricks.sliding_window_view(close, rule["window"])
    lead = np.full(rule["window"] - 1, np.nan)
    mean, spread = (np.append(lead, values) for values in (windows.mean(axis=1), windows.std(axis=1)))
    upper, lower, strength = mean + rule["width"] * spread, mean - rule["width"] * spread, _strength(close, rule["rsi"])
    held, values = 0.0, np.full(close.size, np.nan)
    for row in np.flatnonzero(~np.isnan(upper) & ~np.isnan(strength)):
        if (held > 0 and close[row] >= mean[row]) or (held < 0 and close[row] <= mean[row]):
            held = 0.0
        if held == 0 and close[row] < lower[row] and strength[row] <= rule["extreme"]:
            held = 1.0
        elif held == 0 and close[row] > upper[row] and strength[row] >= 100 - rule["extreme"] and rule["short"]:
            held = -1.0
        values[row] = held
    return values


def _mean(values: np.ndarray, n: int) -> np.ndarray:
    sums = np.cumsum(values)
    sums[n:] -= sums[:-n].copy()
    return np.where(np.arange(values.size) < n - 1, np.nan, sums / n)


def _exponential(values: np.ndarray, n: int) -> np.ndarray:
    """Alpha 2 / (n + 1), begun with the mean of the first n values."""
    return _smoothed(values, n, 2 / (n + 1))


def _smoothed(values: np.ndarray, n: int, alpha: float) -> np.ndarray:
    means = np.full(values.size, np.nan)
    means[n - 1] = values[:n].mean()
    for row in range(n, values.size):
        means[row] = alpha * values[row] + (1 - alpha) * means[row - 1]
    return means


def _strength(close: np.ndarray, n: int) -> np.ndarray:
    """Wilder's relative strength index."""
    change = np.diff(close)
    gain, loss = _smoothed(np.maximum(change, 0), n, 1 / n), _smoothed(np.maximum(-change, 0), n, 1 / n)
    with np.errstate(invalid="ignore"):
        return np.append(np.nan, 100 * gain / (gain + loss))


def _channel(bars: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Highest high and lowest low of the n bars before each."""
    lead = np.full(n, np.nan)
    highs, lows = (np.lib.stride_tricks.sliding_window_view(bars[:-1, column], n) for column in (HIGH, LOW))
    return np.append(lead, highs.max(axis=1)), np.append(lead, lows.min(axis=1))
