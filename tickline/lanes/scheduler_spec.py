"""The scheduler as configuration declares it: time budgets, restarts, tiers of markets, polls, and coverage."""

from typing import Annotated

from pydantic import Field, model_validator

from tickline.lanes.model import Lane
from tickline.reference.models import Declared, Name, Share

Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]


class LaneTimes(Declared):
    """When a lane runs and for how long: a cycle waits for its answer no longer than `budget_ms`.

    A lane whose answer is later still is left alone for `grace_ms` more; then its worker hangs and is killed.
    """

    every_ms: Milliseconds = 1_000
    budget_ms: Milliseconds = 250
    grace_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 500


class Restarts(Declared):
    """How a lane that fails is held back: `first_ms`, then `factor` times as long each time, up to `most_ms`.

    It takes `recover_after` good answers in a row to be held back one step less, so a lane that fails now and then
    does not come back as fast as it goes. So many late answers in a row as `late_limit` are a failure.
    """

    first_ms: Milliseconds = 1_000
    factor: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 2.0
    most_ms: Milliseconds = 60_000
    recover_after: Count = 10
    late_limit: Count = 3
    start_ms: Milliseconds = 30_000
    """How long a worker may take from its start until it is ready."""

    @model_validator(mode="after")
    def _in_order(self) -> "Restarts":
        if self.most_ms < self.first_ms:
            raise ValueError(f"most_ms is {self.most_ms}, below first_ms, {self.first_ms}")
        return self


class Tiering(Declared):
    """How hot a market is, 0 to 1, and from where on it is hot or warm.

    The heat of a market is the greatest of: 1 with an open position; one half to the power of the time since an edge
    was last seen in it over `edge_half_s`, and of the time to its close over `close_half_s`; and a / (a +
    `activity_half`), a its quote changes an hour. It enters a tier at `*_enter` and leaves it only below `*_leave`.
    """

    edge_half_s: Seconds = 900.0
    close_half_s: Seconds = 3_600.0
    activity_half: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    hot_enter: Share = 0.5
    hot_leave: Share = 0.3
    warm_enter: Share = 0.1
    warm_leave: Share = 0.05

    @model_validator(mode="after")
    def _in_order(self) -> "Tiering":
        if not 0 < self.warm_leave <= self.warm_enter <= self.hot_leave <= self.hot_enter:
            raise ValueError("thresholds must be 0 < warm_leave <= warm_enter <= hot_leave <= hot_enter")
        return self


class Polling(Declared):
    """How many markets may be looked at in a cycle, and how often each should be.

    `polls` over all venues, of one venue as `of_venue` says. A market of a tier is to be looked at once in so many
    cycles; `floor` is the share of a venue's polls that is kept for this before lanes take turns at the rest.
    """

    polls: Count = 500
    of_venue: dict[Name, Count] = Field(default={})
    hot_cycles: Count = 1
    warm_cycles: Count = 5
    cold_cycles: Count = 60
    floor: Share = 0.5

    @model_validator(mode="after")
    def _in_order(self) -> "Polling":
        if not self.hot_cycles <= self.warm_cycles <= self.cold_cycles:
            raise ValueError("cycles must be hot_cycles <= warm_cycles <= cold_cycles")
        return self


class Coverage(Declared):
    """How much of a lane must be quoted for it to be trusted.

    A quote is fresh for `fresh_s`. A lane becomes ready when the share of its rules whose every leg has a fresh quote
    was at least `ready` in `ready_after` looks in a row, and stops being ready at the first look below `lost`. With
    fewer than `least` rules it is never ready. `repairs` markets of a lane at most are asked to be looked at next.
    """

    fresh_s: Seconds = 120.0
    ready: Share = 0.8
    lost: Share = 0.6
    ready_after: Count = 3
    least: Count = 1
    repairs: Count = 100

    @model_validator(mode="after")
    def _in_order(self) -> "Coverage":
        if self.lost > self.ready:
            raise ValueError(f"lost is {self.lost}, above ready, {self.ready}")
        return self


class SchedulerSettings(Declared):
    """How lanes are scheduled; `of_lane` are the times of lanes that differ from `times`."""

    times: LaneTimes = LaneTimes()
    of_lane: dict[Lane, LaneTimes] = Field(default={})
    restarts: Restarts = Restarts()
    tiering: Tiering = Tiering()
    polling: Polling = Polling()
    coverage: Coverage = Coverage()
    coverage_of_lane: dict[Lane, Coverage] = Field(default={})

    def times_of(self, lane: Lane) -> LaneTimes:
        """The times of one lane."""
        return self.of_lane.get(lane, self.times)

    def coverage_of(self, lane: Lane) -> Coverage:
        """What one lane's coverage is held against."""
        return self.coverage_of_lane.get(lane, self.coverage)
