"""What must hold of every order stream: checks of whole batches at once, and a second ledger in Decimal.

Neither asks the engine anything: they read the bars, the terms of the orders and the fills.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal, localcontext
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from qa._streams import Outcome
from tickline.execution.orders import Status
from tickline.signals.desk import Flag, Grouping, Kind, Records

Wrong = Mapping[str, npt.NDArray[np.int64]]
"""For each check the streams in which it found something wrong, once for each thing."""

Flags = npt.NDArray[np.bool_]

BILLION = Decimal(1_000_000_000)
HALF = Decimal("0.5")


def wrong_in(outcome: Outcome) -> Wrong:
    """What is wrong in a batch, by the name of the check."""
    traded = Traded(outcome)
    found = {
        **of_accounts(outcome),
        **of_orders(outcome),
        **traded.wrong(),
        "decimal_ledger": np.array([nth for nth in range(outcome.desks.size) if not _agrees(outcome, nth)], np.int64),
    }
    return {name: streams for name, streams in found.items() if streams.size}


def of_accounts(outcome: Outcome) -> Wrong:
    """What is wrong with cash and positions."""
    desks, fills = outcome.desks, outcome.fills
    held, worth = desks["positions"], desks["instruments"]["tick_value"]
    shape = held["lots"].shape
    lots, fees, paid = (np.zeros(shape, np.int64) for _ in range(3))
    where = (outcome.fills_of, fills["instrument"])
    np.add.at(lots, where, fills["lots"])
    np.add.at(fees, where, fills["fee"])
    np.add.at(paid, where, fills["lots"] * fills["price"] * worth[where])
    value = (held["lots"] * held["mark"] * worth).sum(axis=1)
    books = held["cost"].sum(axis=1) + held["fees"].sum(axis=1) + desks["charges"]
    return {
        "conservation": _at(desks["capital"] + held["realised"].sum(axis=1) != desks["cash"] + books),
        "position_is_sum_of_fills": _at((held["lots"] != lots).any(axis=1)),
        "fees_are_sum_of_fills": _at((held["fees"] != fees).any(axis=1)),
        "cash": _at(desks["cash"] != desks["capital"] - paid.sum(axis=1) - fees.sum(axis=1) - desks["charges"]),
        "equity": _at(desks["equity"] != desks["cash"] + value),
        "track": _at((outcome.tracks != np.stack([desks["equity"], desks["cash"]], axis=1)).any(axis=1)),
    }


def of_orders(outcome: Outcome) -> Wrong:
    """What is wrong with what was filled of which order."""
    orders, of = outcome.orders, outcome.orders_of
    is_real = orders["id"] > 0
    filled, lots, status = orders["filled"], orders["lots"], orders["status"]
    traded = np.zeros(orders.size, np.int64)
    at, known = places(outcome)
    np.add.at(traded, at[known], outcome.fills["lots"][known])
    whole = status == Status.FILLED
    partly = (status == Status.PARTLY_FILLED) & ((filled == 0) | (filled == lots))
    ids = np.sort(of[is_real] * (int(orders["id"].max(initial=0)) + 1) + orders["id"][is_real])
    numbered = np.bincount(of[is_real], minlength=outcome.desks.size)
    last = np.zeros(outcome.desks.size, np.int64)
    np.maximum.at(last, of[is_real], orders["id"][is_real])
    return {
        "filled_is_sum_of_fills": of[traded != filled],
        "overfilled_or_negative": of[(filled * np.sign(lots) < 0) | (np.abs(filled) > np.abs(lots))],
        "status_against_filled": of[(whole != ((filled == lots) & (lots != 0))) | partly],
        "refused_but_traded": of[((status == Status.REJECTED) | ~is_real) & (filled != 0)],
        "refused_without_reason": of[(status == Status.REJECTED) & (orders["reason"] == 0)],
        "reason_without_refusal": of[(orders["reason"] != 0) & ~np.isin(status, (Status.REJECTED, Status.CANCELLED))],
        "fill_of_no_order": outcome.fills_of[~known],
        "order_twice_or_lost": _at((numbered != outcome.desks["ordered"]) | (last != outcome.desks["ordered"]))
        if np.all(np.diff(ids) > 0)
        else of[is_real][:1],
    }


def places(outcome: Outcome) -> tuple[npt.NDArray[np.int64], Flags]:
    """(place of the order of each fill among the orders, whether there is one)."""
    if outcome.fills.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    scale = int(max(outcome.orders["id"].max(initial=0), outcome.fills["order"].max())) + 1
    keys = outcome.orders_of * scale + outcome.orders["id"]
    order = np.argsort(keys, kind="stable")
    wanted = outcome.fills_of * scale + outcome.fills["order"]
    at = order[np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)]
    return at, keys[at] == wanted


class Traded:
    """The fills of a batch beside their orders, their bars and what their instruments cost."""

    def __init__(self, outcome: Outcome) -> None:
        at, known = places(outcome)
        self.outcome = outcome
        self.fills, self.of = outcome.fills[known], outcome.fills_of[known]
        self.orders = outcome.orders[at[known]]
        firsts = np.cumsum([0] + [bars.bars.size for bars in outcome.streams.bars])[self.of]
        self.bars = np.concatenate([bars.bars for bars in outcome.streams.bars])[firsts + self.fills["row"]]
        self.events = np.concatenate([bars.events for bars in outcome.streams.bars])[firsts + self.fills["row"]]
        self.venues = outcome.streams.venues[self.of]
        self.costs = self.venues["costs"][np.arange(self.of.size), self.fills["instrument"]]
        self.lot_size = outcome.streams.grids["lot_size"][self.of, self.fills["instrument"]]
        self.buys = self.fills["lots"] > 0
        for name in ("open", "high", "low", "close"):
            setattr(self, name, np.where(self.buys, self.bars["ask"][name], self.bars["bid"][name]))

    @cached_property
    def at_open(self) -> Flags:
        """Whether a fill was at the open of its bar."""
        return self.fills["ts"] == self.bars["ts_open"]

    @cached_property
    def at_close(self) -> Flags:
        """Whether a fill was at the close of its bar, as convention or because equity did not cover the margin."""
        market, sent = self.orders["kind"] == Kind.MARKET, self.orders["ts_sent"]
        return market & (self.fills["ts"] == self.bars["ts_close"]) & (sent == self.bars["ts_close"])

    @cached_property
    def is_call(self) -> Flags:
        """Whether a fill may be a closing for want of margin."""
        orders = self.orders
        bare = (orders["tag"] == 0) & (orders["group"] == 0) & (orders["ts_sent"] == self.bars["ts_close"])
        only = orders["flags"] & Flag.REDUCE_ONLY > 0
        return self.at_close & bare & only & (self.costs["maintenance"] > 0)

    def wrong(self) -> Wrong:
        """The streams of fills that should not be."""
        of, fills, orders, bars = self.of, self.fills, self.orders, self.bars
        is_limit = (orders["kind"] == Kind.LIMIT) | (orders["kind"] == Kind.STOP_LIMIT)
        post_only = orders["flags"] & Flag.POST_ONLY > 0
        terms = (fills["instrument"] == orders["instrument"]) & (self.buys == (orders["lots"] > 0))
        return {
            "fill_in_another_instruments_bar": of[bars["instrument"] != fills["instrument"]],
            "fill_on_a_longer_timeframe": of[self.events["stream"] != 0],
            "fill_against_its_order": of[~terms | (fills["tag"] != orders["tag"])],
            "fill_before_the_bar_it_was_sent_in": of[~self.at_close & (orders["ts_sent"] > bars["ts_open"])],
            "fill_before_it_arrived": of[~self.at_close & (orders["ts_effective"] > bars["ts_open"])],
            "fill_at_no_time": of[~self.at_open & (fills["ts"] != bars["ts_close"])],
            "close_without_convention": of[self.at_close & ~self.is_call & (self.venues["at_close"] == 0)],
            "maker": of[(fills["maker"] > 0) & ~is_limit | (post_only & (fills["maker"] == 0) & ~self.is_call)],
            "limit_price": of[is_limit & ~self._limit_is_offered()],
            "taker_price": of[~is_limit & ~self._taking_is_offered()],
            "trigger_not_reached": of[~self._is_triggered()],
            "fee": of[fills["fee"] != self._fee()],
            "more_than_its_share_of_the_volume": self._crowded(),
            "reduce_only_that_grew_or_turned": self._grown(),
            "short_where_not_allowed": self._short(),
            "two_of_one_oco": self._both(),
        }

    def _limit_is_offered(self) -> Flags:
        """At the open where that is as good, else at its own price within the bar, beyond it where it has to be."""
        price, own, buys = self.fills["price"], self.orders["price"], self.buys
        as_good = np.where(buys, price <= own, price >= own)
        beyond = np.where(buys, self.low < own, self.high > own)
        inside = (self.low <= price) & (price <= self.high)
        through = (self.venues["through"] > 0) & (self.fills["maker"] > 0)
        at_open = (price == self.open) & (~through | (price != own))
        asked_then = self.orders["ts_sent"] >= self.bars["ts_open"]
        within = ((price == own) | (asked_then & (price == self.open))) & inside & (~through | beyond)
        return as_good & np.where(self.at_open, at_open, within)

    def _taking_is_offered(self) -> Flags:
        """At the open, at its trigger within the bar, or at the close by convention, each worse by what is assumed."""
        price, trigger = self.fills["price"], self.orders["trigger"]
        inside = (self.low <= trigger) & (trigger <= self.high)
        asked_then = self.orders["ts_sent"] >= self.bars["ts_open"]
        within = (inside & (price == self._worse(trigger))) | (asked_then & (price == self._worse(self.open)))
        at_close = price == self._worse(self.close)
        elsewhere = np.where(self.orders["kind"] == Kind.MARKET, at_close, within)
        return np.where(self.at_open, price == self._worse(self.open), elsewhere)

    def _worse(self, price: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        costs, volume = self.costs, self.bars["volume"]
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(np.abs(self.fills["lots"]) * self.lot_size / volume)
        share = costs["slippage"] / 1e9 + costs["impact"] / 1e9 * np.where(volume > 0, root, 0.0)
        known = np.minimum(price, 2**40)
        off = costs["slippage_ticks"] + np.ceil(known * share - 1e-9).astype(np.int64)
        return np.where(self.buys, known + off, np.maximum(known - off, 1))

    def _is_triggered(self) -> Flags:
        """Whether what waited for a price saw it, in the bar it was triggered in."""
        orders, at = self.orders, self.orders["triggered"]
        waits = orders["kind"] >= Kind.STOP
        rises = self.buys == (orders["kind"] != Kind.TAKE_PROFIT)
        at_open = np.where(rises, self.open >= orders["trigger"], self.open <= orders["trigger"])
        within = np.where(rises, self.high >= orders["trigger"], self.low <= orders["trigger"])
        now = np.where(at == self.bars["ts_open"], at_open, np.where(at == self.bars["ts_close"], within, True))
        # Of bars one after the other the close of one is the open of the next: triggered at either.
        before = (at == self.bars["ts_open"]) & (orders["ts_effective"] < self.bars["ts_open"])
        return ~waits | ((at > 0) & (at <= self.fills["ts"]) & (now | before))

    def _fee(self) -> npt.NDArray[np.int64]:
        rate = np.where(self.fills["maker"] > 0, self.costs["maker"], self.costs["taker"])
        worth = self.outcome.streams.grids["tick_value"][self.of, self.fills["instrument"]]
        notional = np.abs(self.fills["lots"]) * self.fills["price"] * worth
        # Parts per billion of what may be beyond 2^53: whole billions and the rest apart.
        whole, rest = np.divmod(notional, 10**9)
        return whole * rate + (2 * rest * rate + 10**9) // (2 * 10**9)

    def _crowded(self) -> npt.NDArray[np.int64]:
        share = self.venues["participation"]
        limited = np.isfinite(share)
        room = np.floor(self.bars["volume"] / self.lot_size * np.where(limited, share, 0.0) + 1e-9)
        lots = np.where(self.is_call, 0, np.abs(self.fills["lots"]))
        rows = self.of * (int(self.fills["row"].max(initial=0)) + 1) + self.fills["row"]
        used = np.zeros(int(rows.max(initial=0)) + 1, np.int64)
        np.add.at(used, rows, lots)
        return self.of[limited & (used[rows] > room)]

    @cached_property
    def _walk(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(fills by stream and instrument as they came, position before each, position after each)."""
        order = np.lexsort((np.arange(self.of.size), self.fills["instrument"], self.of))
        lots, keys = self.fills["lots"][order], self.of[order] * 16 + self.fills["instrument"][order]
        total = np.cumsum(lots)
        first = np.append(True, np.diff(keys) != 0) if keys.size else np.zeros(0, np.bool_)
        base = np.where(first, total - lots, 0)
        start = np.maximum.accumulate(np.where(first, np.arange(keys.size), 0)) if keys.size else base
        after = total - base[start]
        return order, after - lots, after

    def _grown(self) -> npt.NDArray[np.int64]:
        order, before, after = self._walk
        only = self.orders["flags"][order] & Flag.REDUCE_ONLY > 0
        return self.of[order][only & ((np.abs(after) >= np.abs(before)) | (after * before < 0))]

    def _short(self) -> npt.NDArray[np.int64]:
        order, _, after = self._walk
        return self.of[order][(self.costs["can_short"][order] == 0) & (after < 0)]

    def _both(self) -> npt.NDArray[np.int64]:
        is_oco = self.orders["grouping"] == Grouping.OCO
        of, fills, orders = self.of[is_oco], self.fills[is_oco], self.orders[is_oco]
        order = np.lexsort((np.arange(of.size), fills["group"], of))
        of, fills, orders = of[order], fills[order], orders[order]
        same = (of[1:] == of[:-1]) & (fills["group"][1:] == fills["group"][:-1])
        another = fills["order"][1:] != fills["order"][:-1]
        return of[1:][same & another & (orders["ts_sent"][1:] < fills["ts"][:-1])]


def _at(is_wrong: Flags) -> npt.NDArray[np.int64]:
    return np.flatnonzero(is_wrong).astype(np.int64)


def _agrees(outcome: Outcome, nth: int) -> bool:
    with localcontext(prec=80):
        account = Account(outcome, nth)
        for kind, one in _happened(outcome, nth):
            account.take(kind, one)
        return agrees(account, outcome.desks[nth])


def agrees(account: "Account", desk: Records) -> bool:
    """Whether an account of its own, in Decimal, comes to the same as a desk."""
    held = desk["positions"]
    same = all(
        account.positions[name][at] == int(held[name][at])
        for name in ("lots", "cost", "realised", "fees", "mark")
        for at in range(int(desk["listed"]))
    )
    return same and account.money == [int(desk[name]) for name in ("cash", "charges", "equity")]


class Account:
    """Cash and positions in Decimal units, one rule a line."""

    def __init__(self, outcome: Outcome, nth: int) -> None:
        grid, self.costs = outcome.streams.grids[nth], outcome.streams.venues[nth]["costs"]
        self.tick_values = [Decimal(int(value)) for value in grid["tick_value"]]
        self.cash, self.charges = Decimal(int(outcome.streams.capital[nth])), Decimal(0)
        names = ("lots", "cost", "realised", "fees", "mark")
        self.positions = {name: [Decimal(0)] * len(grid) for name in names}

    @property
    def money(self) -> list[Decimal]:
        """Cash, charges and equity."""
        held = zip(self.positions["lots"], self.positions["mark"], self.tick_values, strict=True)
        return [self.cash, self.charges, self.cash + sum(lots * mark * value for lots, mark, value in held)]

    def take(self, kind: str, one: Any) -> None:
        """Account for a fill, a mark or a charge."""
        at = int(one["instrument"] if kind != "charge" else one[1])
        if kind == "fill":
            self._fill(at, Decimal(int(one["lots"])), Decimal(int(one["price"])), int(one["maker"]))
        elif kind == "mark":
            self.positions["mark"][at] = Decimal(int(one["mark"]))
        else:
            self._charge(at, Decimal(int(one[2])), bool(one[3]))

    def _fill(self, at: int, lots: Decimal, price: Decimal, maker: int) -> None:
        paid = lots * price * self.tick_values[at]
        rate = Decimal(int(self.costs["maker" if maker else "taker"][at]))
        fee = _half_up(abs(paid) * rate / BILLION)
        held, cost = self.positions["lots"][at], self.positions["cost"][at]
        closed = Decimal(0) if held * lots >= 0 else max(-abs(held), -abs(lots)).copy_sign(held)
        if closed:
            part = (cost * closed) // held  # toward zero
            self.positions["realised"][at] += closed * price * self.tick_values[at] - part
            cost -= part
        self.positions["cost"][at] = cost + (lots + closed) * price * self.tick_values[at]
        self.positions["lots"][at] = held + lots
        self.positions["fees"][at] += fee
        self.positions["mark"][at] = price
        self.cash -= paid + fee

    def _charge(self, at: int, rate: Decimal, shorts_alone: bool) -> None:
        lots = self.positions["lots"][at]
        if shorts_alone:
            lots, rate = min(lots, Decimal(0)), -rate
        paid = _half_up(abs(lots) * self.positions["mark"][at] * self.tick_values[at] * rate / BILLION)
        paid = paid if lots > 0 else -paid
        self.cash -= paid
        self.charges += paid


def _half_up(exact: Decimal) -> Decimal:
    return (exact + HALF).to_integral_value(ROUND_FLOOR)


def _happened(outcome: Outcome, nth: int) -> Iterator[tuple[str, Any]]:
    """What moves money and marks in a stream, in the order of the conventions: at each close first what traded in its
    bars, then what was due before it, then the marks, then what trades at closes, which are marked again."""
    market, due = outcome.streams.bars[nth], outcome.streams.charges[nth]
    low, high = np.searchsorted(outcome.fills_of, [nth, nth + 1])
    orders_of = slice(*np.searchsorted(outcome.orders_of, [nth, nth + 1]))
    kinds = dict(zip(outcome.orders["id"][orders_of].tolist(), outcome.orders["kind"][orders_of].tolist(), strict=True))
    fills, charges, paid = outcome.fills[low:high], list(zip(*(part.tolist() for part in due), strict=True)), 0
    closes = market.bars["ts_close"]
    of_fill = closes[fills["row"]]
    late = (fills["ts"] == of_fill) & np.array(
        [kinds.get(order) == Kind.MARKET for order in fills["order"].tolist()], bool
    )
    for ts in np.unique(closes).tolist():
        own = list(market.bars[(closes == ts) & (market.events["stream"] == 0)])
        yield from (("fill", fill) for fill in fills[(of_fill == ts) & ~late])
        while paid < len(charges) and charges[paid][0] < ts:
            yield "charge", charges[paid]
            paid += 1
        yield from (("mark", bar) for bar in own)
        last = fills[(of_fill == ts) & late]
        yield from (("fill", fill) for fill in last)
        yield from (("mark", bar) for bar in own)
