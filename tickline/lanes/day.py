"""A recorded day of lanes: what is found, decided and traded on paper, look by look, out of what was known by then.

Between two looks the open positions see every event of their markets. At a look every basket is priced against the
quotes as of that moment; what is found for the first time in its time bucket is decided, and opened where no gate
refuses. What a day leaves open it hands to the next as LANE_STATE.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl

from tickline.kpi.promotion import FAILED
from tickline.lake.lane_schemas import LANE_DIAGNOSTICS, LANE_STATE
from tickline.lanes.book import Book
from tickline.lanes.decisions import decide
from tickline.lanes.decisions import frames as decision_frame
from tickline.lanes.desk import Closing, DeskState, close, from_json, opened_desk, reopened, to_json
from tickline.lanes.diagnostics import find, merged
from tickline.lanes.model import Decision, LaneFill, Leg, Opportunity
from tickline.lanes.opportunities import frames as opportunity_frames
from tickline.lanes.paper import Position, open_position
from tickline.lanes.paper import frames as paper_frames
from tickline.lanes.paper_events import Withdrawn
from tickline.lanes.pricing import Priced, price, refusals_of
from tickline.lanes.quoting import empty_book, quoting, read, updated
from tickline.lanes.recorded import ORIGIN
from tickline.lanes.seen import Seen, World
from tickline.lanes.spec import LaneSpec
from tickline.lanes.structure import KEY, Indices, Structure, compiled
from tickline.lanes.tape import Tape, Told, ends_of, told
from tickline.markets.model import MarketKey, Status

NS_A_SECOND = 1_000_000_000
NS_A_DAY = 86_400 * NS_A_SECOND
DESK, POSITION = "desk", "position"


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a day is replayed from.

    `markets` is CLEAN_MARKETS with `venue`, every version; `events` is EVENTS; `mapping` is MAPPING as the day began,
    with the name of its `mapping`, and `mapping_after` as it ended; `state` is the LANE_STATE of the last day before.
    `world` says what else the gates ask about.
    """

    day: date
    markets: pl.DataFrame
    events: pl.DataFrame
    mapping: pl.DataFrame
    mapping_after: pl.DataFrame
    state: pl.DataFrame
    world: World


@dataclass(slots=True, eq=False)
class _Replay:
    """A day under way."""

    spec: LaneSpec
    desk: DeskState
    open: tuple[Position, ...]
    seen: Seen
    tape: Tape
    known: set[str] = field(default_factory=set)
    taken: dict[tuple[Leg, int], Decimal] = field(default_factory=dict)
    found: list[Opportunity] = field(default_factory=list)
    decided: list[Decision] = field(default_factory=list)
    ended: list[Position] = field(default_factory=list)
    fills: list[LaneFill] = field(default_factory=list)
    baskets: list[pl.DataFrame] = field(default_factory=list)
    legs: list[pl.DataFrame] = field(default_factory=list)
    refusals: list[pl.DataFrame] = field(default_factory=list)
    refused: tuple[Structure, Indices] | None = None

    def advance(self, now_ns: int) -> None:
        """Let the open positions see what happened until now, and free what those had at risk that ended."""
        self._take(self.tape.advanced(self.open, now_ns))

    def withdraw(self, revoked: set[frozenset[MarketKey]], now_ns: int) -> None:
        """Give up the positions that stand on pairs which are no more what they were; they are left on the next day."""
        for position in self.open:
            markets = [market.key for market in position.markets]
            if frozenset(markets) in revoked:
                withdrawn = Withdrawn(now_ns, markets[0], "its mapping was revoked")
                self._take(told(self.open, withdrawn, self.spec.paper))

    def find(self, markets: pl.DataFrame, mapping: pl.DataFrame) -> Structure:
        """Find and compile the baskets of markets as they are shown from now on."""
        self.tell_refused()
        found = find(markets, mapping, self.spec.lanes)
        self.baskets, self.legs = [*self.baskets, found.baskets], [*self.legs, found.legs]
        self.refusals.append(found.refusals)
        return compiled(found.baskets, found.legs, markets)

    def look(self, structure: Structure, book: Book) -> None:
        """Price every basket, and decide what was not found in this time bucket before."""
        priced = price(structure, book, self.spec.pricing)
        before = None if self.refused is None else self.refused[1]
        self.refused = structure, priced.refused if before is None else before + priced.refused
        for opportunity in priced.opportunities:
            if opportunity.opportunity_id not in self.known:
                self.known.add(opportunity.opportunity_id)
                self.found.append(opportunity)
                self._decide(opportunity, structure)

    def tell_refused(self) -> None:
        """Write down what was refused while the structure was the same."""
        if self.refused is not None:
            self.refusals.append(refusals_of(*self.refused))
        self.refused = None

    def _take(self, told: Told) -> None:
        self.open, self.fills = told.open, [*self.fills, *told.fills]
        for position in sorted(told.ended, key=lambda one: (one.ts_close_ns or 0, one.terms.opportunity_id)):
            self.desk = close(self.desk, _closing(position), self.spec.stake)
            self.ended.append(position)

    def _decide(self, opportunity: Opportunity, structure: Structure) -> None:
        left = self._left_of(opportunity)
        self.desk, decision = decide(self.desk, left, self.seen.context(left, structure))
        self.decided.append(decision)
        if not decision.is_taken:
            return
        for one in left.legs:
            quote = one.leg, one.ts_quote_ns
            self.taken[quote] = self.taken.get(quote, Decimal(0)) + decision.size
        fees = self.seen.fees(left, structure)
        position = open_position(decision, fees, now_ns=decision.ts_ns, settings=self.spec.paper)
        self.open = (*self.open, position)

    def _left_of(self, opportunity: Opportunity) -> Opportunity:
        """The opportunity with what is left of the quotes it was detected in: others may have taken of the same."""
        legs = tuple(
            replace(one, depth=max(one.depth - self.taken.get((one.leg, one.ts_quote_ns), Decimal(0)), Decimal(0)))
            for one in opportunity.legs
        )
        return replace(opportunity, legs=legs, depth=min(one.depth for one in legs))


def replay(material: Material, spec: LaneSpec) -> dict[str, pl.DataFrame]:
    """The datasets LANES of a day. Raises LaneError where the material contradicts itself."""
    begin = int(datetime(material.day.year, material.day.month, material.day.day, tzinfo=UTC).timestamp()) * NS_A_SECOND
    desk, positions = _restored(material.state, spec)
    events, mapping = material.events.drop_nulls("ts").sort("ts", maintain_order=True), material.mapping.drop("mapping")
    ends = [end for end in ends_of(material.markets) if end.ts_ns > begin]
    seen = Seen(material.world, material.mapping, events, spec)
    run = _Replay(spec, desk, positions, seen, Tape(events, ends, spec.paper))
    markets = _tradable_on(material.markets, events)
    structure: Structure | None = None
    changes = markets.filter(pl.col("version") > 1)["ts_first"].dt.epoch("ns").unique().sort().to_list()
    for since, now_ns, is_look in _moments(begin, spec.every_s):
        run.advance(now_ns)
        if not is_look:
            run.withdraw(_revoked(material.mapping_after), now_ns)
            break
        if structure is None or any(since < change <= now_ns for change in changes):
            structure = run.find(_as_of(markets, now_ns), mapping)
            by = quoting(structure.markets)
            quotes, book, told_of = read(events, by), empty_book(by, now_ns), 0
        until = int(np.searchsorted(quotes.ts, now_ns, side="right"))
        book, told_of = updated(book, quotes, now_ns, rows=slice(told_of, until)), until
        run.seen.see(structure, book)
        run.look(structure, book)
    run.tell_refused()
    return _frames(run)


def look_at(material: Material, spec: LaneSpec, now_ns: int) -> tuple[Priced, pl.DataFrame]:
    """What the lanes find at one moment of a day (UTC ns), and LANE_DIAGNOSTICS of why they find no more."""
    current = _as_of(_tradable_on(material.markets, material.events), now_ns)
    found = find(current, material.mapping.drop("mapping"), spec.lanes)
    structure = compiled(found.baskets, found.legs, current)
    last = material.events.filter(_ns("ts") <= now_ns).unique(KEY, keep="last", maintain_order=True)
    priced = price(structure, Book.from_frames(structure.markets, last, now_ns), spec.pricing)
    return priced, merged([found.refusals, priced.refusals])


def _moments(begin: int, every_s: int) -> Iterator[tuple[int, int, bool]]:
    """The looks of a day, each with the moment before it, and the day's end."""
    every, end = every_s * NS_A_SECOND, begin + NS_A_DAY
    since = begin
    for now_ns in range(begin + every, end, every):
        yield since, now_ns, True
        since = now_ns
    yield since, end - 1, False


def _tradable_on(markets: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The markets with the standing they had while the day lasted, how the day left them is not known yet: what was
    open at some time of it is open here, and its events say when; of what was not, only that it is closed. Prices are
    from events, so where terms are from is left out."""
    was_open = events.filter(status=Status.OPEN).select(*KEY, was_open=pl.lit(value=True)).unique()
    told = markets.join(was_open, on=KEY, how="left", maintain_order="left")
    is_over = pl.col("status").is_in([Status.SETTLED.value, Status.VOIDED.value])
    return told.with_columns(
        status=pl.when("was_open")
        .then(pl.lit(Status.OPEN.value))
        .when(is_over)
        .then(pl.lit(Status.CLOSED.value))
        .otherwise("status"),
        result=pl.lit(None, pl.String),
    ).drop("was_open", *ORIGIN, strict=False)


def _as_of(markets: pl.DataFrame, now_ns: int) -> pl.DataFrame:
    """Of each market the terms last shown by then; the first it has, where it was not shown yet."""
    ordered = markets.sort(*KEY, "version")
    shown = ordered.filter((_ns("ts_first") <= now_ns) | (pl.col("version") == pl.col("version").min().over(KEY)))
    return shown.unique(KEY, keep="last", maintain_order=True)


def _revoked(mapping: pl.DataFrame) -> set[frozenset[MarketKey]]:
    """Pairs that the day's end finds rejected, or of other terms than were approved. One that only ended is neither."""
    is_revoked = (pl.col("decision") == "rejected") | (pl.col("flags").list.contains("terms") & ~pl.col("is_tradable"))
    pairs = mapping.filter(is_revoked).select("left_venue", "left_market", "right_venue", "right_market")
    return {frozenset({MarketKey(*pair[:2]), MarketKey(*pair[2:])}) for pair in pairs.iter_rows()}


def _restored(state: pl.DataFrame, spec: LaneSpec) -> tuple[DeskState, tuple[Position, ...]]:
    desk = next(iter(state.filter(kind=DESK)["state"]), None)
    positions = tuple(Position.from_json(text) for text in state.filter(kind=POSITION).sort("id")["state"])
    fresh = opened_desk(spec.capital, [lane.value for lane in spec.lanes], spec.stake)
    return (fresh if desk is None else reopened(from_json(desk), fresh, spec.stake)), positions


def _closing(position: Position) -> Closing:
    ended_ns = position.now_ns if position.ts_close_ns is None else position.ts_close_ns
    return Closing(position.terms.opportunity_id, ended_ns, position.cash.realised, position.status in FAILED)


def _frames(run: _Replay) -> dict[str, pl.DataFrame]:
    found, found_legs = opportunity_frames(run.found)
    fills, positions = paper_frames([*run.open, *run.ended], run.fills)
    rows = [(DESK, DESK, to_json(run.desk))]
    rows += [(POSITION, one.terms.opportunity_id, one.to_json()) for one in run.open]
    return {
        "baskets": pl.concat(run.baskets).unique("basket_id", keep="last").sort("basket_id"),
        "basket_legs": pl.concat(run.legs).unique(["basket_id", "leg"], keep="last").sort("basket_id", "leg"),
        "lane_diagnostics": merged([*run.refusals, _refused(run.decided)]),
        "opportunities": found,
        "opportunity_legs": found_legs,
        "decisions": decision_frame(run.decided),
        "lane_fills": fills,
        "lane_positions": positions,
        "lane_state": pl.DataFrame(rows, schema=LANE_STATE.columns, orient="row").sort(LANE_STATE.sort),
    }


def _refused(decided: Sequence[Decision]) -> pl.DataFrame:
    """What the gates refused, by the first of them."""
    rows = [
        (basket.lane.value, basket.pair_id or basket.event, "gating", one.reason.partition(":")[0], 1)
        for one in decided
        if one.reason is not None
        for basket in (one.opportunity.basket,)
    ]
    return pl.DataFrame(rows, schema=LANE_DIAGNOSTICS.columns, orient="row")


def _ns(name: str) -> pl.Expr:
    return pl.col(name).dt.epoch("ns")
