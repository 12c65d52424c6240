"""How much of a basket the books hold: levels walked leg by leg, or the best quotes; and what recent looks showed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.lanes.model import Leg, Opportunity, Style
from tickline.markets.model import MarketKey, Side
from tickline.sizing.robust import Looks

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Level:
    """So many contracts at one price, and the fee of one of them."""

    price: Decimal
    size: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Reach:
    """Units of a basket worth buying, contracts of each leg down to the last price that is, and of each at its best."""

    units: Decimal
    depths: tuple[Decimal, ...]
    tops: tuple[Decimal, ...]


def reach(opportunity: Opportunity, levels: Mapping[Leg, Sequence[Level]], *, least_edge: Decimal) -> Reach:
    """How many units can be bought while the next one still leaves `least_edge`, fees included.

    `levels` are best first. A leg without any has what was detected of it, at that price. All legs are walked together:
    the unit that crosses into a worse level of one leg pays that level's price.
    """
    if not levels:
        tops = tuple(one.depth for one in opportunity.legs)
        return Reach(min(opportunity.depth, *tops), tops, tops)
    ladders = [levels.get(one.leg) or (Level(one.price, one.depth, one.fee),) for one in opportunity.legs]
    tops = tuple(ladder[0].size for ladder in ladders)
    floor, at = Decimal(opportunity.basket.floor), [0] * len(ladders)
    left, units = list(tops), NOTHING
    while True:
        cost = sum((ladder[nth].price + ladder[nth].fee for ladder, nth in zip(ladders, at, strict=True)), NOTHING)
        if floor - cost < least_edge:
            break
        step = min(left)
        units += step
        left = [one - step for one in left]
        for nth, ladder in enumerate(ladders):
            while not left[nth] and at[nth] + 1 < len(ladder):
                at[nth] += 1
                left[nth] = ladder[at[nth]].size
        if not all(left):
            break
    depths = tuple(
        sum((one.size for one in ladder[: nth + 1]), NOTHING) for ladder, nth in zip(ladders, at, strict=True)
    )
    return Reach(units, depths, tops)


def average(levels: Sequence[Level], size: Decimal) -> tuple[Decimal, Decimal]:
    """The price and the fee of a contract, on average, of the first `size` of what the levels hold.

    What they do not hold is reckoned at the last of them. Rounded up to 1e-6, so that a size times this is never less
    than what it costs.
    """
    left, paid, fees = size, NOTHING, NOTHING
    for nth, level in enumerate(levels):
        taken = left if nth == len(levels) - 1 else min(left, level.size)
        paid, fees, left = paid + taken * level.price, fees + taken * level.fee, left - taken
    return _up(paid / size), _up(fees / size)


class QuoteHistory:
    """Looks at the quotes of some venues, to ask what a leg's last ones were at any moment without searching twice.

    Made of `market_quotes` by venue, in any order of rows.
    """

    def __init__(self, quotes: Mapping[str, pl.DataFrame]) -> None:
        self._slices: dict[MarketKey, tuple[str, int, int]] = {}
        self._columns: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
        self._times: dict[str, npt.NDArray[np.int64]] = {}
        for venue, frame in quotes.items():
            ordered = frame.sort("market_id", "ts_recv", "raw_row")
            self._times[venue] = ordered["ts_recv"].to_physical().to_numpy()
            self._columns[venue] = {name: ordered[name].to_numpy() for name in _COLUMNS}
            lengths = ordered.group_by("market_id", maintain_order=True).len()
            stops = lengths["len"].cum_sum().to_list()
            for market, length, stop in zip(lengths["market_id"], lengths["len"], stops, strict=True):
                self._slices[MarketKey(venue, market)] = (venue, stop - length, stop)

    def looks(self, leg: Leg, style: Style, *, now_ns: int, within_s: int, most: int) -> Looks:
        """The last looks at a leg up to a moment: asks where it would be taken, bids where it would be rested at.

        Looks without a price are left out, and sizes a venue does not say.
        """
        venue, start, stop = self._slices.get(leg.market, (leg.market.venue, 0, 0))
        if start == stop:
            return Looks()
        times = self._times[venue][start:stop]
        end = start + int(np.searchsorted(times, now_ns, side="right"))
        begin = start + int(np.searchsorted(times, now_ns - within_s * 1_000_000_000, side="left"))
        name = f"{leg.side}_{'ask' if style is Style.TAKER else 'bid'}"
        window = slice(max(begin, end - most), end)
        prices = self._columns[venue][name][window]
        depths = self._columns[venue][f"{name}_size"][window]
        priced = np.isfinite(prices)
        said = depths[priced & np.isfinite(depths)]
        return Looks(tuple(prices[priced].tolist()), tuple(said.tolist()))


_COLUMNS = [f"{side}_{end}{of}" for side in Side for end in ("bid", "ask") for of in ("", "_size")]


def _up(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-6"), "ROUND_CEILING")
