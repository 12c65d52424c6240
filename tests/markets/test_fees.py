from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import MarketError
from tickline.lake.market_schemas import CLEAN_MARKETS
from tickline.markets.fees import FeeKind, Fees, OrderFees, Rounding, fee_of_one, fees_of, most_fee, trade_fee

# docs.kalshi.com, fee rounding; the rate is that of its examples.
KALSHI = Fees(FeeKind.CURVE, taker=Decimal("0.07"), maker=Decimal("0.0175"), places=4, balance_places=2)
POLYMARKET = Fees(FeeKind.CURVE, taker=Decimal("0.05"), rounding=Rounding.DOWN, places=5)
SCHEDULES = [
    KALSHI,
    POLYMARKET,
    Fees(),
    Fees(FeeKind.BPS, taker=Decimal("0.007"), maker=Decimal("-0.001"), places=6),
    Fees(FeeKind.CURVE, taker=Decimal("0.25"), exponent=Decimal(2), rounding=Rounding.HALF_UP, places=5),
    Fees(FeeKind.CURVE, taker=Decimal("0.07"), places=4, balance_places=4),
]

prices = st.integers(1, 9999).map(lambda tick: Decimal(tick) / 10_000)
sizes = st.integers(1, 50_000).map(lambda lots: Decimal(lots) / 100)


def filled(fees: Fees, *fills: tuple[str, str], is_maker: bool = False) -> list[Decimal]:
    order, charged = OrderFees(fees), []
    for price, size in fills:
        order, fee = order.after(Decimal(price), Decimal(size), is_buy=True, is_maker=is_maker)
        charged.append(fee)
    return charged


@pytest.mark.parametrize(
    ("price", "size", "fee"),
    [("0.50", "1", "0.0175"), ("0.50", "100", "1.75"), ("0.05", "100", "0.3325"), ("0.25", "100", "1.3125")],
)
def test_kalshis_trade_fee_is_rounded_up_to_a_hundredth_of_a_cent(price: str, size: str, fee: str) -> None:
    assert trade_fee(KALSHI, Decimal(price), Decimal(size), is_maker=False) == Decimal(fee)


def test_kalshis_own_example_of_three_lots_below_a_cent() -> None:
    # Its table gives the trade fee, not the rate; this rate gives that fee.
    fees = Fees(FeeKind.CURVE, taker=Decimal("0.1635"), places=4, balance_places=2)
    assert trade_fee(fees, Decimal("0.055"), Decimal(1), is_maker=False) == Decimal("0.0085")
    assert filled(fees, *[("0.055", "1")] * 3) == [Decimal("0.0150"), Decimal("0.0050"), Decimal("0.0150")]


def test_kalshis_own_example_of_fractions_of_a_contract() -> None:
    fees = Fees(FeeKind.CURVE, taker=Decimal("0.0546"), places=4, balance_places=2)
    assert trade_fee(fees, Decimal("0.50"), Decimal("0.30"), is_maker=False) == Decimal("0.0041")
    assert filled(fees, *[("0.50", "0.30")] * 3) == [Decimal("0.01"), Decimal(0), Decimal("0.01")]


def test_polymarket_charges_takers_alone_and_floors() -> None:
    assert trade_fee(POLYMARKET, Decimal("0.333"), Decimal("7"), is_maker=False) == Decimal("0.07773")
    assert trade_fee(POLYMARKET, Decimal("0.333"), Decimal("7"), is_maker=True) == 0


@given(st.sampled_from(SCHEDULES), st.lists(sizes, min_size=1, max_size=12), prices, st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_split_of_an_order_costs_more_than_the_most(
    fees: Fees, parts: list[Decimal], price: Decimal, is_buy: bool, is_maker: bool
) -> None:
    order, charged = OrderFees(fees), Decimal(0)
    for size in parts:
        order, fee = order.after(price, size, is_buy=is_buy, is_maker=is_maker)
        charged += fee
    assert charged <= most_fee(fees, price, sum(parts, Decimal(0)), is_maker=is_maker, fills=len(parts))


@given(st.lists(st.tuples(prices, sizes, st.booleans()), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_cash_stays_whole_cents_where_the_venue_keeps_it_so(fills: list[tuple[Decimal, Decimal, bool]]) -> None:
    order, cash = OrderFees(KALSHI), Decimal(0)
    for price, size, is_buy in fills:
        order, fee = order.after(price, size, is_buy=is_buy, is_maker=False)
        cash += (-price if is_buy else price) * size - fee
        assert cash == cash.quantize(Decimal("0.01"))
        assert 0 <= order.owed <= Decimal("0.01")


@given(st.sampled_from(SCHEDULES[:3] + SCHEDULES[4:]), prices)
@settings(max_examples=200, deadline=None)
def test_the_fee_of_one_is_never_below_the_exact_one(fees: Fees, price: Decimal) -> None:
    row = {
        "fee_kind": fees.kind.value,
        "fee_taker": float(fees.taker),
        "fee_maker": float(fees.maker),
        "fee_exponent": float(fees.exponent),
        "fee_rounding": fees.rounding.value,
        "fee_places": fees.places,
        "balance_places": fees.balance_places,
    }
    assert fees_of(row) == fees
    frame = pl.DataFrame([row], schema={name: CLEAN_MARKETS.columns[name] for name in row})
    (bound,) = frame.with_columns(price=pl.lit(float(price))).select(fee_of_one("price")).to_series()
    exact = trade_fee(fees, price, Decimal(1), is_maker=False)
    assert bound >= float(exact) - 1e-15
    assert bound <= float(exact) + 2 * 10.0**-fees.places


@pytest.mark.parametrize(("price", "size"), [("1.01", "1"), ("-0.1", "1"), ("0.5", "0"), ("0.5", "-3")])
def test_a_fill_that_cannot_be_has_no_fee(price: str, size: str) -> None:
    with pytest.raises(MarketError, match="prices are 0"):
        trade_fee(KALSHI, Decimal(price), Decimal(size), is_maker=False)
