"""What the gates are told of the world at a look of a recorded day: out of what was seen until then, and no later."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tickline.lanes.book import Book
from tickline.lanes.coverage import coverage, watch, watched
from tickline.lanes.expected import EntryOdds
from tickline.lanes.gates import Checked, Context, Listed, Paired, Readiness
from tickline.lanes.model import Leg, Opportunity
from tickline.lanes.spec import LaneSpec
from tickline.lanes.structure import NO, YES, Structure
from tickline.markets.fees import Fees
from tickline.markets.model import MarketKey, Severity, Side, Status
from tickline.sizing.impact import ImpactCurve
from tickline.sizing.robust import Looks, Robustness


@dataclass(frozen=True, slots=True)
class World:
    """What no quote says: the verdicts on what a decision stands on, by venue and mapping, the kill switches, which
    events move together, and what was learned, by lane, of slippage and of being filled."""

    checks: Mapping[str, Sequence[Checked]]
    kills: Mapping[str, str] | None
    clusters: Mapping[str, str] = field(default_factory=dict)
    impact: Mapping[str, ImpactCurve] = field(default_factory=dict)
    entry: Mapping[str, EntryOdds] = field(default_factory=dict)


class Seen:
    """What was seen of books, clocks and coverage until the last look, and of the mappings."""

    def __init__(self, world: World, mapping: pl.DataFrame, events: pl.DataFrame, spec: LaneSpec) -> None:
        """`events` is EVENTS of the day, in the order of their times; of them only what was before a look is used."""
        self._world = world
        self._spec = spec
        self._watches = watched(spec.lanes)
        self._readiness: Mapping[str, Readiness] = {}
        told = mapping.with_columns(pl.col("decided_at").dt.epoch("ns")).drop("flags")
        self._pairs = {row["pair_id"]: row for row in told.iter_rows(named=True)}
        self._books: list[Book] = []
        dated = events.select("venue", pl.col("ts", "ts_event").dt.epoch("ns")).drop_nulls("ts_event")
        self._dated = {venue: frame for (venue,), frame in dated.partition_by("venue", as_dict=True).items()}

    def see(self, structure: Structure, book: Book) -> None:
        """Take note of a look."""
        self._books = [*self._books[-self._spec.stake.robustness.most :], book]
        measured = coverage(structure, book.ts_quote, book.ts_ns, self._spec.scheduler)
        self._watches, self._readiness = watch(self._watches, measured, failing={}, settings=self._spec.scheduler)

    def context(self, opportunity: Opportunity, structure: Structure) -> Context:
        """What the gates are asked about an opportunity of the last look."""
        legs = [one.leg for one in opportunity.legs]
        return Context(
            now_ns=opportunity.ts_ns,
            gates=self._spec.gates,
            stake=self._spec.stake,
            kills=self._world.kills,
            checks=self._world.checks,
            pairs=self._paired(opportunity, structure),
            markets={leg.market: self._listed(leg.market, structure) for leg in legs},
            readiness=self._readiness,
            skews_ns=self._skews(opportunity.ts_ns),
            clusters=self._world.clusters,
            impact=self._world.impact,
            entry=self._world.entry,
            looks={leg: self._looks(leg, structure, self._spec.stake.robustness) for leg in legs},
            fees=self.fees(opportunity, structure),
        )

    def _skews(self, now_ns: int) -> dict[str, int]:
        """By how much the clock of each venue was ahead at its last event."""
        last = {
            venue: dated.row(before - 1)
            for venue, dated in self._dated.items()
            if (before := dated["ts"].search_sorted(now_ns, side="right")) > 0
        }
        return {venue: ts_event - ts for venue, (_, ts, ts_event) in last.items()}

    def _paired(self, opportunity: Opportunity, structure: Structure) -> dict[str, Paired]:
        """The pair an opportunity stands on. What was decided later is not decided yet, and only for the terms then."""
        row = self._pairs.get(opportunity.basket.pair_id or "")
        if row is None:
            return {}
        holds = row["decided_at"] is not None and row["decided_at"] <= opportunity.ts_ns
        for side in ("left", "right"):
            at = structure.row_of(MarketKey(row[f"{side}_venue"], row[f"{side}_market"]))
            holds = holds and structure.markets["terms_sha256"][at] == row[f"{side}_terms"]
        paired = Paired(row["mapping"], row["is_tradable"] and holds, Severity(row["severity"]))
        return {row["pair_id"]: paired}

    def fees(self, opportunity: Opportunity, structure: Structure) -> dict[MarketKey, Fees]:
        """The fee schedules of an opportunity's markets."""
        markets = {one.leg.market for one in opportunity.legs}
        return {key: structure.listing_at(structure.row_of(key)).fees for key in sorted(markets)}

    def _listed(self, key: MarketKey, structure: Structure) -> Listed:
        row = structure.row_of(key)
        is_open = self._books[-1].is_open[row]
        return Listed(Status.OPEN if is_open else Status.CLOSED, structure.listing_at(row).ts_close_ns)

    def _looks(self, leg: Leg, structure: Structure, settings: Robustness) -> Looks:
        row, side = structure.row_of(leg.market), YES if leg.side is Side.YES else NO
        since = self._books[-1].ts_ns - settings.within_s * 1_000_000_000
        books = [book for book in self._books[-settings.most :] if book.ts_ns >= since and book.is_open[row]]
        quoted = {int(book.ts_quote[row]): book for book in books}  # one quote that stands for long is one look
        offered = [book for book in quoted.values() if not math.isnan(book.ask[row, side])]
        sizes = [float(book.ask_size[row, side]) for book in offered]
        return Looks(
            tuple(float(book.ask[row, side]) for book in offered),
            tuple(size for size in sizes if not math.isnan(size)),
        )
