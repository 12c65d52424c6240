"""What the KPIs say a setting should rather be. Proposals only: a person writes one into the configuration, or not.

Every proposal stays within declared bounds, moves at most a declared step at once, and needs a least number of samples
whose sign no single trade turns. What is not proposed is listed too, with the reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import polars as pl
from pydantic import Field, model_validator

from tickline.kpi.identification import IdentificationTarget, Verdict, wilson
from tickline.kpi.lanes import Run
from tickline.kpi.robustness import sign_stable
from tickline.reference.models import Declared, FiniteFloat, Share


class Bounds(Declared):
    """Between what a setting may be proposed, and how far it may move at once."""

    low: FiniteFloat
    high: FiniteFloat
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _ordered(self) -> "Bounds":
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self

    def within(self, now: float, wanted: float) -> float:
        """What is wanted, at most a step from now and never outside."""
        return min(max(wanted, now - self.step, self.low), now + self.step, self.high)


class Retuning(Declared):
    """What may be proposed, and on how much.

    `least` is how many positions or adjudications a proposal needs, `filled` the share of decided units that should be
    filled.
    """

    least: Annotated[int, Field(ge=2, le=1_000_000)] = 30
    filled: Share = 0.9
    edge: Bounds = Bounds(low=0.002, high=0.05, step=0.005)
    participation: Bounds = Bounds(low=0.05, high=0.8, step=0.1)
    confidence: Bounds = Bounds(low=0.8, high=0.99, step=0.05)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force: `gates.edge`, `stake.participation` and `gates.confidence` of a set of lanes."""

    edge: float
    participation: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a setting should rather be; as it is where nothing is proposed. `n` is how many samples say so."""

    parameter: str
    now: float
    proposed: float
    low: float
    high: float
    n: int
    reason: str

    @property
    def is_change(self) -> bool:
        """Whether anything is proposed."""
        return self.proposed != self.now


def proposals(
    run: Run, sample: pl.DataFrame, now: Settings, *, bounds: Retuning, target: IdentificationTarget
) -> list[Proposal]:
    """What a run, and the adjudicated sample of it (IDENTIFICATION), say of the settings in force."""
    return [
        _edge(run, now.edge, bounds),
        _participation(run, now.participation, bounds),
        _confidence(run, sample, now.confidence, bounds, target),
    ]


def _edge(run: Run, now: float, bounds: Retuning) -> Proposal:
    """The edge asked for, moved by what a unit came short of what was expected: sum(expected - realised) / units."""
    closed = run.closed.filter(pl.col("filled") > 0)
    short, units = closed["expected"] - closed["realised"], float(closed["filled"].sum())
    stays = _stays("gates.edge", now, bounds.edge, closed.height)
    if closed.height < bounds.least:
        return stays(f"{closed.height} of at least {bounds.least} closed positions")
    if not sign_stable(short.alias("realised")):
        return stays("one trade decides whether results fall short of what was expected")
    gap = float(short.sum()) / units
    proposed = round(bounds.edge.within(now, now + gap), 6)
    return _proposal("gates.edge", now, proposed, bounds.edge, closed.height, f"a unit came short by {gap:.4f}")


def _participation(run: Run, now: float, bounds: Retuning) -> Proposal:
    """The share of the depth taken, cut by as much as fills stay below what they should be; never raised."""
    opened = run.opened
    stays = _stays("stake.participation", now, bounds.participation, opened.height)
    if opened.height < bounds.least:
        return stays(f"{opened.height} of at least {bounds.least} opened positions")
    ratio = float(opened["filled"].sum()) / float(opened["size"].sum())
    if ratio >= bounds.filled:
        return stays(f"{ratio:.3f} of the units were filled, as wanted")
    proposed = round(bounds.participation.within(now, now * ratio / bounds.filled), 6)
    reason = f"{ratio:.3f} of the units were filled, {bounds.filled} are wanted"
    return _proposal("stake.participation", now, proposed, bounds.participation, opened.height, reason)


def _confidence(run: Run, sample: pl.DataFrame, now: float, bounds: Retuning, target: IdentificationTarget) -> Proposal:
    """The least confidence from which on the adjudicated ones are precise enough, by Wilson's lower end."""
    known = run.opportunities.select("opportunity_id", "confidence").unique("opportunity_id")
    judged = sample.drop_nulls("verdict").join(known, on="opportunity_id").drop_nulls("confidence")
    stays = _stays("gates.confidence", now, bounds.confidence, judged.height)
    if judged.height < bounds.least:
        return stays(f"{judged.height} of at least {bounds.least} adjudicated opportunities")
    for wanted in sorted({bounds.confidence.low, now, *judged["confidence"].unique()}):
        above = judged.filter(pl.col("confidence") >= wanted)
        real = above.filter(verdict=Verdict.REAL.value).height
        if above.height >= bounds.least and wilson(real, above.height, target.confidence)[0] >= target.precision:
            proposed = round(bounds.confidence.within(now, wanted), 6)
            reason = f"from {wanted:.4f} on, {real} of {above.height} were real"
            return _proposal("gates.confidence", now, proposed, bounds.confidence, above.height, reason)
    return stays("at no confidence are enough of the adjudicated ones real")


def _stays(parameter: str, now: float, bounds: Bounds, n: int) -> Callable[[str], Proposal]:
    return lambda reason: Proposal(parameter, now, now, bounds.low, bounds.high, n, reason)


def _proposal(parameter: str, now: float, proposed: float, bounds: Bounds, n: int, reason: str) -> Proposal:
    return Proposal(parameter, now, proposed, bounds.low, bounds.high, n, reason)
