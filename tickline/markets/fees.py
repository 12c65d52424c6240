"""What trading prediction-market contracts costs: fees as venues charge them, fill by fill, exactly.

A fill's trade fee is `rate * size * (price * (1 - price)) ** exponent` (curve), `rate * size * price` (bps) or
nothing, rounded as the venue rounds. Where cash is kept to fewer places than that gives, a rounding fee brings each
fill to the next of them, and the order gets whole units of what it paid so back. Sources: docs.kalshi.com (fee
rounding), docs.polymarket.com (fees).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import Any

import polars as pl

from tickline.errors import MarketError

_EXACT = Context(prec=60)


class FeeKind(StrEnum):
    """What a fee is a share of."""

    NONE = "none"
    BPS = "bps"  # of the notional
    CURVE = "curve"  # of (price * (1 - price)) ** exponent


class Rounding(StrEnum):
    """Which way a fill's fee is rounded."""

    UP = "up"
    DOWN = "down"
    HALF_UP = "half_up"


_MODES = {Rounding.UP: ROUND_CEILING, Rounding.DOWN: ROUND_FLOOR, Rounding.HALF_UP: ROUND_HALF_UP}


@dataclass(frozen=True, slots=True)
class Fees:
    """A market's fee schedule: rates as shares, and how the fee of a fill is rounded to `places` decimal places.

    `balance_places` are those to which cash is floored after each fill; None where it is not.
    """

    kind: FeeKind = FeeKind.NONE
    taker: Decimal = Decimal(0)
    maker: Decimal = Decimal(0)
    exponent: Decimal = Decimal(1)
    rounding: Rounding = Rounding.UP
    places: int = 4
    balance_places: int | None = None


@dataclass(frozen=True, slots=True)
class OrderFees:
    """The fees of one order so far: what its fills paid for rounding and did not get back yet.

    The rounding is counted over all of an order's fills, as taker and as maker.
    """

    fees: Fees
    owed: Decimal = Decimal(0)

    def after(self, price: Decimal, size: Decimal, *, is_buy: bool, is_maker: bool) -> tuple["OrderFees", Decimal]:
        """The order after another fill, and what that fill was charged in all; never below zero.

        Raises MarketError where the price is not within 0..1 or the size is not positive.
        """
        fee = trade_fee(self.fees, price, size, is_maker=is_maker)
        if self.fees.balance_places is None:
            return self, fee
        unit = Decimal(1).scaleb(-self.fees.balance_places)
        change = (-price * size if is_buy else price * size) - fee
        rounding = change - _rounded(change, self.fees.balance_places, Rounding.DOWN)
        owed = self.owed + rounding
        back = unit if owed > unit else Decimal(0)
        return replace(self, owed=owed - back), fee + rounding - back


def trade_fee(fees: Fees, price: Decimal, size: Decimal, *, is_maker: bool) -> Decimal:
    """The trade fee of one fill of `size` contracts at `price`, rounded as the schedule says.

    Raises MarketError where the price is not within 0..1 or the size is not positive.
    """
    return _rounded(_unrounded(fees, price, size, is_maker=is_maker), fees.places, fees.rounding)


def most_fee(fees: Fees, price: Decimal, size: Decimal, *, is_maker: bool, fills: int) -> Decimal:
    """The most an order of `size` contracts at `price` can be charged in all, however it is split into up to `fills`.

    Each fill's fee is rounded by at most a unit, and rounding of cash that is not given back is at most a unit of it.
    Raises MarketError as `trade_fee` does, and where `fills` is below one.
    """
    if fills < 1:
        raise MarketError(f"an order is filled at least once, not {fills} times: say how often at most")
    whole = _unrounded(fees, price, size, is_maker=is_maker)
    if whole == 0 and fees.balance_places is None:
        return whole
    unit = Decimal(1).scaleb(-fees.places)
    each = {Rounding.UP: unit, Rounding.DOWN: Decimal(0), Rounding.HALF_UP: unit / 2}[fees.rounding]
    most = _rounded(whole + each * (fills - 1), fees.places, Rounding.UP)
    return most if fees.balance_places is None else most + Decimal(1).scaleb(-fees.balance_places)


def fee_of_one(price: str, *, rate: str = "fee_taker") -> pl.Expr:
    """A Float64 upper bound on the trade fee of one contract at the column `price`, of frames with the fee columns of
    `CLEAN_MARKETS`; zero where a market has no fee."""
    cost = pl.col(price)
    curve = pl.col(rate) * (cost * (1 - cost)).pow(pl.col("fee_exponent"))
    whole = (
        pl.when(pl.col("fee_kind") == FeeKind.CURVE)
        .then(curve)
        .when(pl.col("fee_kind") == FeeKind.BPS)
        .then(pl.col(rate) * cost)
        .otherwise(0.0)
    )
    units = pl.lit(10.0).pow(pl.col("fee_places"))
    return (
        pl.when((pl.col("fee_rounding") == Rounding.DOWN) | (whole == 0))
        .then(whole)
        .otherwise((whole * units).ceil() / units)
    )


def fees_of(market: Mapping[str, Any]) -> Fees:
    """The schedule in a row of `CLEAN_MARKETS`."""
    return Fees(
        kind=FeeKind(market["fee_kind"]),
        taker=_decimal(market["fee_taker"], Decimal(0)),
        maker=_decimal(market["fee_maker"], Decimal(0)),
        exponent=_decimal(market["fee_exponent"], Decimal(1)),
        rounding=Rounding(market["fee_rounding"] or Rounding.UP),
        places=4 if market["fee_places"] is None else market["fee_places"],
        balance_places=market["balance_places"],
    )


def _unrounded(fees: Fees, price: Decimal, size: Decimal, *, is_maker: bool) -> Decimal:
    if not 0 <= price <= 1 or size <= 0:
        raise MarketError(f"{size} contracts at {price} cost no fee anybody knows: prices are 0..1, sizes above 0")
    rate = fees.maker if is_maker else fees.taker
    if fees.kind is FeeKind.NONE or rate == 0:
        return Decimal(0)
    notional = _EXACT.multiply(rate, size)
    if fees.kind is FeeKind.BPS:
        return _EXACT.multiply(notional, price)
    return _EXACT.multiply(notional, _EXACT.power(_EXACT.multiply(price, 1 - price), fees.exponent))


def _rounded(amount: Decimal, places: int, rounding: Rounding) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-places), _MODES[rounding], _EXACT)


def _decimal(value: float | None, default: Decimal) -> Decimal:
    return default if value is None else Decimal(repr(value))
