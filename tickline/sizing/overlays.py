"""How much of a position is taken: overlays that scale exposure by what was known the session before."""

import polars as pl

from tickline.errors import ConfigError


def volatility_target(
    returns: pl.Expr, *, target: float, window: int, sessions_per_year: float, max_leverage: float
) -> pl.Expr:
    """The exposure of each session (Float64, 0 to max_leverage) at which volatility should be on target.

    `returns` are those of an exposure of 1, a row for each session in order; `target` is the volatility of a year, 0.1
    for 10 %. A session is taken to be as volatile as the `window` sessions before it (Moreira and Muir 2017,
    Volatility-managed portfolios). Where one of those is missing or they did not move, exposure is 0: nothing is known.
    Raises ConfigError where a number makes no sense.
    """
    if not (0 < target < 10 and window >= 2 and 0 < sessions_per_year <= 366 and 0 < max_leverage <= 100):
        raise ConfigError(
            f"no target of {target} over {window} sessions, {sessions_per_year} a year, at up to {max_leverage} times: "
            "target is 0 to 10, window 2 or more, sessions_per_year up to 366, max_leverage up to 100"
        )
    known = returns.rolling_std(window).shift(1) * sessions_per_year**0.5
    return pl.when(known > 0, known.is_finite()).then((target / known).clip(upper_bound=max_leverage)).otherwise(0.0)


def drawdown_cut(equity: pl.Expr, *, begin: float, end: float) -> pl.Expr:
    """The exposure of each session (Float64, 0 to 1): 1 up to a drawdown of `begin`, linearly down to 0 at `end`.

    `equity` is that of an exposure of 1 at each session's close, in order, so that exposure comes back as it recovers;
    the drawdown is the one at the close before, a share of the highest equity until then. After Grossman and Zhou 1993,
    Optimal investment strategies for controlling drawdowns: exposure in proportion to what is left above the floor.
    Where equity is missing, exposure is 0. Raises ConfigError where the levels are not 0 <= begin < end <= 1.
    """
    if not 0 <= begin < end <= 1:
        raise ConfigError(f"exposure is cut from a drawdown of {begin} to {end}: give 0 to 1, the lower first")
    known = (1 - equity / equity.cum_max()).shift(1, fill_value=0.0)
    return pl.when(known.is_finite()).then(((end - known) / (end - begin)).clip(0.0, 1.0)).otherwise(0.0)
