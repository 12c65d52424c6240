"""Who may trade: what a version of a strategy must show to be a candidate or approved, and the gate that reads it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tickline.backtest.spec import StrategySpec
from tickline.errors import GateClosed
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.lake.registry import Entry, Rank, Registry
from tickline.pipeline.backtests import SUMMARY
from tickline.pipeline.plan import State, Suites, standings
from tickline.pipeline.stage import Stage


@dataclass(frozen=True, slots=True)
class Candidate:
    """A strategy as it is now: its declaration, its stages, and what judges them."""

    spec: StrategySpec
    stages: Sequence[Stage]
    suites: Suites

    @property
    def version(self) -> str:
        """The sha256 of the code and configuration its backtests are made by."""
        made_by = sorted(f"{stage.code} {stage.config_sha256}" for stage in self.stages)
        return hashlib.sha256("\n".join(made_by).encode()).hexdigest()


def promote(lake: Lake, of: Candidate, rank: Rank, *, said_by: str, why: str, at: datetime) -> Entry:
    """Say that a strategy, as it is now, stands here; retiring needs no grounds.

    Raises GateClosed, with every reason, where what its backtests show does not allow it.
    """
    evidence = _evidence(lake, of)
    if rank in (Rank.CANDIDATE, Rank.APPROVED):
        against = list(objections(lake, of, rank))
        if against:
            raise GateClosed(f"{of.spec.name} cannot be {rank}: {'; '.join(against)}")
    entry = Entry(of.spec.name, of.version, rank, said_by, why, at, {str(one.key): one.sha256 for one in evidence})
    Registry(lake.catalog).add(entry)
    return entry


def require_approved(lake: Lake, of: Candidate) -> Entry:
    """The approval under which a strategy may trade.

    Raises GateClosed where the newest entry does not approve exactly this version, or what justified it is not what the
    lake holds now, or is not green any more.
    """
    said = Registry(lake.catalog).history(of.spec.name)
    newest = said[-1] if said else None
    if newest is None or newest.rank is not Rank.APPROVED:
        stands = newest.rank if newest else Rank.RESEARCH
        raise GateClosed(f"{of.spec.name} is {stands}, not approved; `tickline approve` it once its gates are passed")
    if newest.version != of.version:
        raise GateClosed(f"{of.spec.name} was approved as another version: its code or configuration changed since")
    now = {str(one.key): one.sha256 for one in _evidence(lake, of)}
    if now != dict(newest.evidence):
        raise GateClosed(
            f"the backtests {of.spec.name} was approved on changed since; look at them and approve it again"
        )
    against = list(objections(lake, of, Rank.APPROVED))
    if against:
        raise GateClosed(f"{of.spec.name} was approved, but {'; '.join(against)}")
    return newest


def objections(lake: Lake, of: Candidate, rank: Rank) -> Iterator[str]:
    """Why a strategy may not stand here, by its backtests as they are: missing, stale, unjudged or below its gates."""
    unsettled = [one for one in standings(lake, of.stages, suites=of.suites) if one.state is not State.FRESH]
    if unsettled:
        first = unsettled[0]
        yield f"{len(unsettled)} of its backtests are not fresh ({first.stage}/{first.period} is {first.state.value})"
    summary = lake.catalog.current(PartitionKey(SUMMARY, of.spec.name, WHOLE))
    if summary is None:
        yield "it has no summary"
        return
    verdicts = lake.catalog.verdicts_on(_evidence(lake, of))
    judged = {verdict.key for verdict in verdicts}
    if summary.key not in judged:
        yield "its summary was never judged"
    for verdict in verdicts:
        if not verdict.passed:
            failed = ", ".join(str(result["name"]) for result in verdict.results if not result["success"])
            yield f"{verdict.key} failed {failed}"
    (whole,) = lake.scan([summary]).collect().filter(scope="all").to_dicts()
    if rank is Rank.APPROVED and not (whole["sharpe"] or 0.0) >= of.spec.gates.approval_sharpe:
        yield f"its Sharpe ratio {whole['sharpe']} is below the {of.spec.gates.approval_sharpe} approval takes"


def _evidence(lake: Lake, of: Candidate) -> list[Publication]:
    keys = [key for stage in of.stages for period in stage.periods for key in stage.keys(period)]
    current = lake.catalog.currents(keys)
    return [current[key] for key in sorted(current)]
