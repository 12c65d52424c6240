"""How often what the lanes find is really there: a sample that people adjudicate, and the precision it shows.

An opportunity is real where its markets resolve as its rule says and its quotes could have been had. What somebody was
unsure of counts as not real.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from math import sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from tickline.errors import LaneError
from tickline.lake.chained import append_line, load_lines
from tickline.lake.lane_schemas import IDENTIFICATION
from tickline.reference.models import Declared, Share

_MOST_TEXT = 2_000
_RESAMPLED = 2_000


class IdentificationTarget(Declared):
    """How a sample is drawn, and the precision a lane must show.

    Of each lane and day the `per_session` first bets by a hash with `seed` are drawn. Fewer than `least` adjudicated
    ones, or from fewer than `least_sessions` days, show nothing. The lower end of the interval must reach `precision`.
    """

    per_session: Annotated[int, Field(ge=1, le=1_000)] = 5
    seed: int = 1
    least: Annotated[int, Field(ge=1, le=100_000)] = 50
    least_sessions: Annotated[int, Field(ge=2, le=10_000)] = 5
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    precision: Share = 0.95


class Verdict(StrEnum):
    """What a person said of an opportunity."""

    REAL = "real"
    NOT_REAL = "not_real"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Adjudication:
    """What a person said of an opportunity, why, and when in UTC. Raises LaneError where it does not say so."""

    opportunity_id: str
    verdict: Verdict
    by: str
    reason: str
    at: datetime

    def __post_init__(self) -> None:
        for name, said in (("by", self.by), ("reason", self.reason)):
            if not said.strip() or len(said) > _MOST_TEXT:
                raise LaneError(f"{self.opportunity_id}: {name} says nothing, or more than {_MOST_TEXT} characters")
        if self.at.utcoffset() != UTC.utcoffset(None):
            raise LaneError(f"{self.opportunity_id}: adjudicated at {self.at}; give a time in UTC")


class Shown(StrEnum):
    """What a lane's sample shows."""

    PRECISE = "precise"
    IMPRECISE = "imprecise"
    TOO_FEW = "too_few"


def adjudicate(path: Path, said: Adjudication) -> str:
    """Add an adjudication to an append-only file, durable when this returns its sha256. Raises LakeError."""
    return append_line(path, asdict(said) | {"at": said.at.isoformat(), "verdict": said.verdict.value})


def adjudications(path: Path) -> list[Adjudication]:
    """What was said so far, in order; of one opportunity the last word counts.

    Raises LakeError where a line was changed, and LaneError where one is no adjudication.
    """
    found = []
    for number, line in enumerate(load_lines(path), start=1):
        try:
            told = line.said | {"at": datetime.fromisoformat(line.said["at"]), "verdict": Verdict(line.said["verdict"])}
            found.append(Adjudication(**told))
        except (KeyError, ValueError, TypeError) as error:
            raise LaneError(f"{path}:{number}: no adjudication: {error}; see `tickline kpi --help`") from error
    return found


def identified(opportunities: pl.DataFrame, said: Iterable[Adjudication], target: IdentificationTarget) -> pl.DataFrame:
    """The sample of each lane and day, with what was said of each, in the IDENTIFICATION schema.

    `opportunities` has opportunity_id, lane, kind, family, ts and `day`. Of a family seen several times
    in a day one is in the sample. Opportunities found later enter by their own hash: they never reshuffle the rest.
    """
    draw = pl.Series(
        "draw",
        [sha256(f"{target.seed} {one}".encode()).hexdigest() for one in opportunities["opportunity_id"]],
        dtype=pl.String,
    )
    last = {one.opportunity_id: one for one in said}
    words = [(one.opportunity_id, one.verdict.value, one.by, one.reason, one.at) for one in last.values()]
    spoken = pl.DataFrame(
        words,
        {name: IDENTIFICATION.columns[name] for name in ("opportunity_id", "verdict", "by", "reason", "at")},
        orient="row",
    )
    return (
        opportunities.with_columns(draw)
        .sort("draw")
        .unique(["lane", "day", "family"], keep="first", maintain_order=True)
        .with_columns(
            place=pl.int_range(pl.len()).over("lane", "day") + 1, found=pl.len().over("lane", "day").cast(pl.Int64)
        )
        .filter(pl.col("place") <= target.per_session)
        .join(spoken, on="opportunity_id", how="left")
        .rename({"day": "session"})
        .select(pl.col(name).cast(dtype) for name, dtype in IDENTIFICATION.columns.items())
        .sort(IDENTIFICATION.sort)
    )


def precisions(sample: pl.DataFrame, target: IdentificationTarget) -> pl.DataFrame:
    """The precision of each lane's adjudicated sample, with two intervals and what is shown.

    `low` and `high` are Wilson's score interval (1927), which takes adjudications as independent; `session_low` and
    `session_high` resample whole sessions, whose opportunities may be right or wrong together. `least` is the lower of
    the two lower ends, and what a lane is held to.
    """
    rows = [_precision(str(lane), of_lane, target) for (lane,), of_lane in sorted(_by_lane(sample))]
    columns = dict.fromkeys(("sampled", "judged", "real", "unsure", "sessions"), pl.Int64())
    ends = dict.fromkeys(("precision", "low", "high", "session_low", "session_high", "least"), pl.Float64())
    return pl.DataFrame(rows, {"lane": pl.String(), **columns, **ends, "shown": pl.String()}, orient="row")


def wilson(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share (J. American Statistical Association 22, 1927); 0 to 1 where n is 0."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _by_lane(sample: pl.DataFrame) -> list[tuple[tuple[object, ...], pl.DataFrame]]:
    return list(sample.partition_by("lane", as_dict=True).items())


def _precision(lane: str, sample: pl.DataFrame, target: IdentificationTarget) -> dict[str, object]:
    judged = sample.drop_nulls("verdict")
    real, n = judged.filter(verdict=Verdict.REAL.value).height, judged.height
    low, high = wilson(real, n, target.confidence)
    session_low, session_high = _by_session(judged, target)
    sessions = judged["session"].n_unique()
    least = min(low, session_low)
    shown = Shown.PRECISE if least >= target.precision else Shown.IMPRECISE
    if n < target.least or sessions < target.least_sessions:
        shown = Shown.TOO_FEW
    return {
        "lane": lane,
        "sampled": sample.height,
        "judged": n,
        "real": real,
        "unsure": judged.filter(verdict=Verdict.UNSURE.value).height,
        "sessions": sessions,
        "precision": real / n if n else None,
        "low": low,
        "high": high,
        "session_low": session_low,
        "session_high": session_high,
        "least": least,
        "shown": shown.value,
    }


def _by_session(judged: pl.DataFrame, target: IdentificationTarget) -> tuple[float, float]:
    """The interval of the precision over resampled sessions (cluster bootstrap, percentile); 0 to 1 of one session."""
    sessions = (
        judged.group_by("session").agg(n=pl.len(), real=(pl.col("verdict") == Verdict.REAL.value).sum()).sort("session")
    )
    if sessions.height < 2:
        return 0.0, 1.0
    drawn = np.random.default_rng(target.seed).integers(0, sessions.height, (_RESAMPLED, sessions.height))
    shares = sessions["real"].to_numpy()[drawn].sum(axis=1) / sessions["n"].to_numpy()[drawn].sum(axis=1)
    tail = (1 - target.confidence) / 2
    low, high = np.quantile(shares, [tail, 1 - tail])
    return float(low), float(high)
