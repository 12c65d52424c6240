"""How much to hold of a bet whose odds are known: the Kelly criterion, for contracts and for any win and loss."""

import math


def kelly_fraction(chance: float, cost: float) -> float:
    """The share of capital to spend on contracts that pay 1 with probability `chance` and cost `cost`, fees included.

    max(0, (p - c) / (1 - c)): Kelly 1956, A New Interpretation of Information Rate. 0 where a contract costs 1 or more.
    """
    return kelly_units(chance, win=1 - cost, loss=cost) * cost if 0 < cost < 1 else 0.0


def kelly_units(chance: float, *, win: float, loss: float) -> float:
    """Units to hold for each 1 of capital, where one unit gains `win` with probability `chance` and else loses `loss`.

    max(0, p / loss - (1 - p) / win), which maximises p log(1 + x win) + (1 - p) log(1 - x loss). 0 where there is
    nothing to win, infinite where there is nothing to lose.
    """
    if not (win > 0 and chance > 0):
        return 0.0
    if loss <= 0:
        return math.inf
    return max(0.0, chance / loss - (1 - chance) / win)


def break_even(*, win: float, loss: float) -> float:
    """The probability of winning at which nothing is expected; 1 where there is nothing to win."""
    return loss / (win + loss) if win > 0 and loss > 0 else float(win <= 0)
