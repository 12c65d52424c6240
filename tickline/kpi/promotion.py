"""Whether a set of lanes may trade with money, and with how much: criteria, failure budget, canary and rollback."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Annotated

import polars as pl
from pydantic import Field

from tickline.kpi.identification import Shown
from tickline.kpi.lanes import Run, concentration, double_counted
from tickline.kpi.robustness import Variant
from tickline.reference.models import Declared, Money, Share

FAILED = ("abandoned", "unfilled")
"""How a position ends that was not filled as it was meant."""


class Promotion(Declared):
    """What paper trading must show before money follows it, with how much of it, and what takes it back.

    `kept` is the least share of the expected result, without the largest trades, that was realised. `failures` is the
    share of closed positions that may not be filled as meant: the failure budget. `family` and `event` are the largest
    shares of stake that may rest on one of them. `canary` and `loss` are shares of capital: the most put at stake, and
    the most a loss as bad as the worst on paper may cost; `worst_loss` is the least that one is taken to be, as a
    share of stake. Rolled back is after losing `give_back` of the canary, after `in_a_row` failures running, or
    where over `window` closed positions less than `kept` was realised.
    """

    days: Annotated[int, Field(ge=1, le=10_000)] = 14
    positions: Annotated[int, Field(ge=2, le=1_000_000)] = 100
    kept: Share = 0.5
    failures: Annotated[float, Field(gt=0, le=1)] = 0.1
    family: Share = 0.25
    event: Share = 0.35
    canary: Share = 0.02
    canary_most: Money = Decimal(500)
    loss: Share = 0.005
    worst_loss: Annotated[float, Field(gt=0, le=1)] = 0.1
    give_back: Share = 0.25
    in_a_row: Annotated[int, Field(ge=1, le=1_000)] = 3
    window: Annotated[int, Field(ge=2, le=100_000)] = 30


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that must hold, what is wanted and what was found."""

    name: str
    wanted: str
    found: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Checks:
    """What the checks said of everything a run stands on: how many are green, and which are not."""

    green: int
    not_green: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Canary:
    """What may be put at stake first, and what it follows from; nothing where a criterion is not met."""

    notional: Decimal
    trust: float
    worst_loss: float
    formula: str


def criteria(
    run: Run, edge: pl.DataFrame, precision: pl.DataFrame, checks: Checks, wanted: Promotion
) -> list[Criterion]:
    """Each criterion. `edge` are the lanes' `edges` of the run, `precision` their `precisions`."""
    closed, budget = run.closed.height, failure_budget(run, wanted)
    twice = double_counted(run).height
    shaky = edge.filter(~pl.col("is_conclusive"))["lane"].unique().sort().to_list()
    shown = dict(precision.select("lane", "shown").iter_rows())
    lanes = edge["lane"].unique().sort().to_list()
    unshown = [lane for lane in lanes if shown.get(lane, Shown.TOO_FEW.value) != Shown.PRECISE.value]
    kept = kept_share(edge)
    largest = {scope: _largest(run, scope) for scope in ("family", "event")}
    return [
        Criterion("days looked at", f"at least {wanted.days}", str(len(run.days)), len(run.days) >= wanted.days),
        Criterion("positions closed", f"at least {wanted.positions}", str(closed), closed >= wanted.positions),
        Criterion("counted once", "every position", f"{twice} counted twice", twice == 0),
        Criterion("no sign turns by one trade", "every lane", _but(shaky), bool(lanes) and not shaky),
        Criterion(
            "kept of what was expected",
            f"at least {wanted.kept:.0%} without the largest trades",
            "nothing was expected" if kept is None else f"{kept:.0%}",
            kept is not None and kept >= wanted.kept,
        ),
        Criterion("identification", "every lane precise", _but(unshown), bool(lanes) and not unshown),
        Criterion("failure budget", "at most 100 % used", f"{budget:.0%}", closed > 0 and budget <= 1),
        *(
            Criterion(
                f"largest {scope}", f"at most {most:.0%} of stake", f"{largest[scope]:.0%}", largest[scope] <= most
            )
            for scope, most in (("family", wanted.family), ("event", wanted.event))
        ),
        Criterion(
            "checks",
            "all green",
            f"{checks.green} green, {len(checks.not_green)} not",
            checks.green > 0 and not checks.not_green,
        ),
    ]


def failure_budget(run: Run, wanted: Promotion) -> float:
    """How much of the failure budget is used: failed positions over those that may fail; 0 where none closed."""
    closed = run.closed
    failed = closed.filter(pl.col("status").is_in(FAILED)).height
    return failed / (wanted.failures * closed.height) if closed.height else 0.0


def kept_share(edge: pl.DataFrame) -> float | None:
    """Realised over expected without the largest trades, over all lanes; None where nothing was expected."""
    rest = edge.filter(variant=Variant.WITHOUT_TOP.value)
    expected = float(rest["expected"].sum())
    return float(rest["realised"].sum()) / expected if expected > 0 else None


def canary(
    run: Run, edge: pl.DataFrame, precision: pl.DataFrame, found: list[Criterion], wanted: Promotion, capital: Decimal
) -> Canary:
    """What may be put at stake first.

    The least of `canary_most`, canary x capital x trust, and loss x capital / worst loss; rounded down to a whole unit,
    and 0 where any criterion is not met. Trust is the share kept of what was expected, at most 1, times the lowest
    lower end of a lane's precision. The worst loss is the largest share of its stake that a position lost.
    """
    kept, precise = kept_share(edge) or 0.0, precision["least"].min()
    trust = min(max(kept, 0.0), 1.0) * (precise if isinstance(precise, float) else 0.0)
    worst = max(_worst_loss(run.closed), wanted.worst_loss)
    by_trust = Decimal(wanted.canary) * capital * Decimal(trust)
    by_loss = Decimal(wanted.loss) * capital / Decimal(worst)
    notional = min(wanted.canary_most, by_trust, by_loss).quantize(Decimal(1), ROUND_DOWN)
    formula = (
        f"min({wanted.canary_most:f}, {wanted.canary} x {capital:f} x trust {trust:.4f}, "
        f"{wanted.loss} x {capital:f} / worst loss {worst:.4f}), rounded down"
    )
    unmet = [one.name for one in found if not one.is_met]
    if unmet:
        return Canary(Decimal(0), trust, worst, f"0, because not met: {', '.join(unmet)}. Else {formula}")
    return Canary(notional, trust, worst, formula)


def rollback_triggers(wanted: Promotion, notional: Decimal) -> list[str]:
    """What takes the money back, at once and without asking."""
    lost = (Decimal(wanted.give_back) * notional).quantize(Decimal("0.01"), ROUND_DOWN)
    loss = f"Realised loss of {lost:f}, {wanted.give_back:.0%} of the canary," if notional else "Any realised loss"
    return [
        f"{loss} since it was started",
        f"{wanted.in_a_row} positions in a row that end {', '.join(FAILED)}",
        f"Less than {wanted.kept:.0%} of the expected result realised over the last {wanted.window} closed positions",
        "Any position counted twice, or family totals that are not those of the positions",
        "A venue's statement that does not agree with our fills",
        "An adjudication `not_real` of an opportunity that was traded",
        "Any blocking check that is not green, or a kill switch that cannot be read",
    ]


def _worst_loss(closed: pl.DataFrame) -> float:
    shares = closed.filter(pl.col("stake") > 0).select(
        share=-pl.col("realised").cast(pl.Float64) / pl.col("stake").cast(pl.Float64)
    )
    worst = shares["share"].max()
    return min(worst, 1.0) if isinstance(worst, float) else 0.0


def _largest(run: Run, scope: str) -> float:
    share = concentration(run).filter(scope=scope)["stake_share"].max()
    return share if isinstance(share, float) else 0.0


def _but(lanes: list[str]) -> str:
    return f"not {', '.join(lanes)}" if lanes else "all"
