"""Exact money: what fills, fees and charges do to cash and positions, in whole units and never rounded away.

For every account, at every moment: capital + realised = cash + cost of positions + fees + charges. Cash moves by
whole units; a fee is rounded once, half up, to a unit; part of a position takes its part of the cost rounded toward
zero and leaves the rest. Sums that do not fit 63 bits are refused, not wrapped.
"""

from decimal import Decimal

from tickline.compiled import kernel
from tickline.errors import OrderError
from tickline.signals.desk import Record, Records

BILLION = 1_000_000_000
LARGEST = 2**62
"""No sum of cash may reach this many units."""

LEAST_PLACES, MOST_PLACES = 8, 12
"""Cash has at least this many decimal places, so that a fee's rounding is beneath notice, and at most that many."""


def cash_unit(tick_size: Decimal, lot_size: Decimal) -> Decimal:
    """The unit of cash in which what a lot gains by a tick is a whole number.

    Raises OrderError where that takes more than twelve decimal places.
    """
    exponent = (tick_size * lot_size).normalize().as_tuple().exponent
    places = max(LEAST_PLACES, -int(exponent))
    if places > MOST_PLACES:
        raise OrderError(
            f"tick {tick_size} times lot {lot_size} needs cash to {places} places; {MOST_PLACES} are the most: "
            "give the instrument a coarser grid"
        )
    return Decimal(1).scaleb(-places)


@kernel
def fee_of(notional: int, rate: int) -> int:
    """A rate in parts per billion of a notional in units, half a unit up; a negative rate is a rebate.

    The notional is split at 10^9, so that no product leaves 63 bits for rates up to 100 %.
    """
    whole, rest = notional // BILLION, notional % BILLION
    return whole * rate + (rest * rate + BILLION // 2) // BILLION


@kernel
def fits(lots: int, price: int, tick_value: int) -> bool:
    """Whether a notional stays within what cash can count."""
    return abs(float(lots)) * float(price) * float(tick_value) < float(LARGEST)


@kernel
def settle(desk: Record, instrument: int, lots: int, price: int, fee: int) -> None:
    """Book a fill of signed lots at a price in ticks with a fee in units of cash.

    What closes a position realises its part of the cost; what opens adds to it (average cost, as venues report it).
    """
    position = desk.positions[instrument]
    tick_value = desk.instruments[instrument].tick_value
    assert fits(lots, price, tick_value)
    assert fits(position.lots + lots, price, tick_value)
    held, paid = position.lots, lots * price * tick_value
    if held == 0 or (held > 0) == (lots > 0):
        position.cost += paid
    else:
        closed = -lots if abs(lots) <= abs(held) else held
        cost_of_closed = position.cost if closed == held else _part(position.cost, closed, held)
        received = closed * price * tick_value
        position.realised += received - cost_of_closed
        position.cost += paid + received - cost_of_closed
    position.lots += lots
    position.fees += fee
    position.mark = price
    desk.cash -= paid + fee
    assert abs(desk.cash) < LARGEST


@kernel
def charge(desk: Record, instrument: int, rate: int) -> int:
    """Charge a rate in parts per billion on a position at its mark (funding, borrowing); what was paid, in units.

    A position of the other sign is paid: rates are signed as the payer's, positive where longs pay.
    """
    position = desk.positions[instrument]
    notional = abs(position.lots) * position.mark * desk.instruments[instrument].tick_value
    paid = fee_of(notional, rate)
    paid = paid if position.lots > 0 else -paid if position.lots < 0 else 0
    desk.cash -= paid
    desk.equity -= paid
    desk.charges += paid
    return paid


@kernel
def mark(desk: Record, instrument: int, price: int) -> None:
    """Take a price in ticks as an instrument's last, and bring the account's equity up to it."""
    position = desk.positions[instrument]
    if position.lots != 0:
        change = (price - position.mark) * desk.instruments[instrument].tick_value
        desk.equity += position.lots * change
    position.mark = price


@kernel
def revalue(desk: Record) -> None:
    """Work the account's equity out anew: cash and every position at its last price."""
    value = desk.cash
    for nth in range(desk.listed):
        value += desk.positions[nth].lots * desk.positions[nth].mark * desk.instruments[nth].tick_value
    desk.equity = value


def conserves(desk: Records) -> bool:
    """Whether capital + realised = cash + cost of positions + fees + charges, to the unit; of an array of one DESK."""
    (account,) = desk
    held = account["positions"]
    put_in = int(account["capital"]) + int(held["realised"].sum())
    there = int(account["cash"]) + int(held["cost"].sum()) + int(held["fees"].sum()) + int(account["charges"])
    return put_in == there


@kernel
def _part(cost: int, closed: int, held: int) -> int:
    """closed / held of a cost, toward zero, without leaving 63 bits: both share their sign, and |closed| < |held|."""
    whole, rest = abs(cost) // abs(held), abs(cost) % abs(held)
    share = int(float(rest) * float(abs(closed)) / float(abs(held)))
    # Nearly right: what it leaves is small, and so exact though both products may wrap.
    left = rest * abs(closed) - share * abs(held)
    while left < 0:
        share, left = share - 1, left + abs(held)
    while left >= abs(held):
        share, left = share + 1, left - abs(held)
    part = whole * abs(closed) + share
    return part if cost > 0 else -part
