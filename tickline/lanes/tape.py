"""What happens between two looks, told to the open paper positions: quotes, closings and results of their markets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from tickline.lanes.book import NEVER
from tickline.lanes.idling import Seen, is_idle, may_leave
from tickline.lanes.model import LaneFill, Origin
from tickline.lanes.paper import Position, seeing, step
from tickline.lanes.paper_events import Closed, Event, Ladder, Level, Passed, Quote, Resolved
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.positions import Cash, Holding, Market, Phase
from tickline.lanes.pricing import exact
from tickline.lanes.recorded import ORIGIN
from tickline.lanes.structure import KEY, Floats, Indices
from tickline.markets.model import MarketKey, Side, Status

MarketEnd = Closed | Resolved

_PAUSED = Ladder()
_NO_ROWS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Told:
    """Open positions after some time, those that ended in it, and what was traded."""

    open: tuple[Position, ...]
    ended: tuple[Position, ...]
    fills: tuple[LaneFill, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Coming:
    """The events of a position's markets, as rows and times of the day's, and at which of them it may act. That is
    known for as long as its holdings and cash stay and its markets are as open as they were."""

    rows: Indices
    ts: Indices
    acts: Indices  # places in `rows`
    holdings: tuple[Holding, ...]
    cash: Cash
    is_open: tuple[bool, ...]


class Tape:
    """The events of a day, told to the open positions once and in the order of their times."""

    def __init__(self, events: pl.DataFrame, ends: Iterable[MarketEnd], settings: PaperSettings) -> None:
        """`events` is EVENTS; `ends` are closings and results as `ends_of` gives them."""
        self._settings = settings
        self._events = events.drop_nulls("ts").sort("ts", maintain_order=True).with_columns(_ns("ts"))
        self._ts = self._events["ts"].to_numpy()
        self._marks, self._asks = _marks_and_asks(self._events)
        rows = self._events.select(*KEY).with_row_index("row").group_by(KEY).agg("row")
        self._rows = {MarketKey(*key): np.array(at, dtype=np.int64) for *key, at in rows.iter_rows()}
        self._ends: dict[MarketKey, list[MarketEnd]] = {}
        for end in ends:
            self._ends.setdefault(end.market, []).append(end)
        self._coming: dict[str, _Coming] = {}
        self._told_ns = NEVER

    def advanced(self, positions: Iterable[Position], now_ns: int) -> Told:
        """The positions after what happened since this was asked last, until `now_ns`."""
        moved = [self._moved(position, now_ns) for position in positions]
        self._told_ns = now_ns
        return _told(moved)

    def _moved(self, position: Position, now_ns: int) -> tuple[Position, list[LaneFill]]:
        own = (end for market in position.markets for end in self._ends.get(market.key, ()))
        ends = sorted((end for end in own if self._told_ns < end.ts_ns <= now_ns), key=lambda one: one.ts_ns)
        fills: list[LaneFill] = []
        since_ns = self._told_ns
        for end in (*ends, Passed(now_ns)):
            position, quoted = self._quoted(position, since_ns, end.ts_ns)
            position, ended = step(position, end, self._settings)
            fills += quoted + ended
            since_ns = end.ts_ns
        return position, fills

    def _quoted(self, position: Position, since_ns: int, until_ns: int) -> tuple[Position, list[LaneFill]]:
        """The position after the quotes of its markets in this time, those at `since_ns` left out."""
        fills: list[LaneFill] = []
        coming = self._coming_to(position)
        at, end = np.searchsorted(coming.ts, (since_ns, until_ns), side="right").tolist()
        while at < end and position.phase is not Phase.CLOSED:
            acts = min(self._acts(position, at), end)
            if acts > at:
                position, at = self._passed_by(position, coming.rows[at:acts]), acts
            else:
                position, more = step(position, self._quote(int(coming.rows[at])), self._settings)
                fills, at = fills + more, at + 1
        return position, fills

    def _acts(self, position: Position, at: int) -> int:
        """The place of the first event from `at` on at which the position may do something."""
        if not is_idle(position):
            return at
        coming, is_open = self._coming_to(position), _is_open(position)
        if coming.holdings is not position.holdings or coming.cash is not position.cash or coming.is_open != is_open:
            seen = [self._seen(position, leg, coming.rows[at:]) for leg in range(len(position.holdings))]
            acts = np.flatnonzero(may_leave(position, seen, coming.ts[at:], self._settings)) + at
            coming = _Coming(coming.rows, coming.ts, acts, position.holdings, position.cash, is_open)
            self._coming[position.terms.opportunity_id] = coming
        nth = int(np.searchsorted(coming.acts, at))
        acts_at = int(coming.acts[nth]) if nth < coming.acts.size else coming.rows.size
        wakes_ns = position.wakes_ns
        return acts_at if wakes_ns is None else min(acts_at, max(at, int(np.searchsorted(coming.ts, wakes_ns))))

    def _coming_to(self, position: Position) -> _Coming:
        known = self._coming.get(position.terms.opportunity_id)
        if known is None:
            of_markets = [self._rows.get(market.key, _NO_ROWS) for market in position.markets]
            rows = np.sort(np.concatenate(of_markets))
            known = _Coming(rows, self._ts[rows], _NO_ROWS, (), Cash(), ())
            self._coming[position.terms.opportunity_id] = known
        return known

    def _seen(self, position: Position, leg: int, rows: Indices) -> Seen:
        """What is seen of a leg at each of these rows, which are all that come of the position's markets."""
        market, is_no = position.market_of(leg), int(position.terms.legs[leg].leg.side is Side.NO)
        own = self._rows.get(market.key, _NO_ROWS)
        nth = np.searchsorted(own, rows, side="right") - 1
        last = own.take(nth, mode="clip") if own.size else np.zeros(rows.size, dtype=np.int64)
        is_before = (nth < 0) | (last < rows[:1])  # then it is the one the position has
        before = _before(market.quote, position.terms.legs[leg].leg.side)
        return Seen(
            np.where(is_before, before.ts, self._ts.take(last)),
            np.where(is_before, before.mark, self._marks[:, is_no].take(last)),
            np.where(is_before, before.other_ask, self._asks[:, 1 - is_no].take(last)),
        )

    def _passed_by(self, position: Position, rows: Indices) -> Position:
        """An idle position after the quotes at these rows, at none of which it does anything."""
        markets = tuple(self._last_seen(market, int(rows[0]), int(rows[-1]) + 1) for market in position.markets)
        return replace(position, markets=markets, now_ns=int(self._ts[rows[-1]]))

    def _last_seen(self, market: Market, first: int, end: int) -> Market:
        """A market after its quotes from one row up to another; what was taken of it wears off quote by quote."""
        own = self._rows.get(market.key, _NO_ROWS)
        at, end = np.searchsorted(own, (first, end)).tolist()
        while at < end:
            at = at if market.taken else end - 1
            market, at = seeing(market, self._quote(int(own[at]))), at + 1
        return market

    def _quote(self, row: int) -> Quote:
        return _quote(self._events.row(row, named=True))


def told(positions: Iterable[Position], event: Event, settings: PaperSettings) -> Told:
    """The positions after one event more, and nothing else."""
    return _told([step(position, event, settings) for position in positions])


def ends_of(markets: pl.DataFrame) -> list[MarketEnd]:
    """When markets (CLEAN_MARKETS with `venue`, every version) stop trading, and what they resolve to.

    A result is known from the look that last showed it on; what was voided resolves so, whether or not its venue names
    a result. Where the frame has the columns of ORIGIN it is from there.
    """
    found: list[MarketEnd] = []
    last = markets.sort("version").unique(KEY, keep="last", maintain_order=True)
    origin = [name for name in ORIGIN if name in markets.columns]
    voided = pl.when(pl.col("status") == Status.VOIDED).then(pl.lit("void")).alias("result")
    result = pl.coalesce("result", voided)
    told = last.select(*KEY, result, *origin, *(_ns(name) for name in ("ts_close", "ts_settle", "ts_last")))
    for row in told.sort(KEY).iter_rows(named=True):
        key = MarketKey(row["venue"], row["market_id"])
        if row["ts_close"] is not None:
            found.append(Closed(row["ts_close"], key))
        if row["result"] is not None:
            whence = Origin(*(row[name] for name in ORIGIN)) if origin else None
            found.append(Resolved(row["ts_last"], key, row["result"], row["ts_settle"], origin=whence))
    return sorted(found, key=lambda one: one.ts_ns)


def _told(moved: Iterable[tuple[Position, list[LaneFill]]]) -> Told:
    pairs = list(moved)
    return Told(
        tuple(one for one, _ in pairs if one.phase is not Phase.CLOSED),
        tuple(one for one, _ in pairs if one.phase is Phase.CLOSED),
        tuple(fill for _, fills in pairs for fill in fills),
    )


def _is_open(position: Position) -> tuple[bool, ...]:
    return tuple(market.is_open for market in position.markets)


def _marks_and_asks(events: pl.DataFrame) -> tuple[Floats, Floats]:
    """The mid price of YES and NO, as `Seen` has it, and their asks: (events, 2) each."""
    prices = {}
    for name in ("yes_bid", "no_bid", "yes_ask", "no_ask"):
        is_one = (pl.col("status") == Status.OPEN) & (pl.col(name) > 0) & (pl.col(name) <= 1)
        prices[name] = pl.when(is_one).then(name)
    told = events.select(**prices)
    marks = told.select(
        (pl.col(f"{side}_bid") + pl.coalesce(f"{side}_ask", f"{side}_bid")).fill_null(0.0) / 2 for side in ("yes", "no")
    )
    asks = told.select(pl.col(f"{side}_ask").fill_null(np.nan) for side in ("yes", "no"))
    return marks.to_numpy(), asks.to_numpy()


def _before(quote: Quote | None, side: Side) -> Seen:
    """What a position last saw of a side of a market."""
    if quote is None:
        return Seen(np.array(NEVER), np.array(0.0), np.array(np.nan))
    own, other = quote.of(side), quote.of(side.other)
    bid = float(own.bids[0][0]) if own.bids else 0.0
    mark = (bid + float(own.asks[0][0])) / 2 if own.bids and own.asks else bid
    return Seen(np.array(quote.ts_ns), np.array(mark), np.array(float(other.asks[0][0]) if other.asks else np.nan))


def _quote(row: Mapping[str, Any]) -> Quote:
    is_open = row["status"] == Status.OPEN
    yes, no = (_ladder(row, side) if is_open else _PAUSED for side in ("yes", "no"))
    return Quote(row["ts"], MarketKey(row["venue"], row["market_id"]), yes, no)


def _ladder(row: Mapping[str, Any], side: str) -> Ladder:
    return Ladder(_level(row, f"{side}_bid"), _level(row, f"{side}_ask"), _origin(row, side))


def _level(row: Mapping[str, Any], name: str) -> tuple[Level, ...]:
    price, size = row[name], row[f"{name}_size"]
    if price is None or not 0 < price <= 1:
        return ()
    return ((exact(price), None if size is None else max(exact(size), Decimal(0))),)


def _origin(row: Mapping[str, Any], side: str) -> Origin | None:
    """The row that a side was quoted in."""
    if row["input"] is None or row[f"{side}_row"] is None:
        return None
    return Origin(row["input"], row["input_venue"], row["input_period"], row[f"{side}_row"])


def _ns(name: str) -> pl.Expr:
    return pl.col(name).dt.epoch("ns")
