"""The clean stages: each raw day through the firewall, into clean rows, quarantine, gaps and what the day leaves.

A day goes on from what the day before left (its `closing`), where the lake has that.
"""

from datetime import date

from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import Feed
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue
from tickline.ticks.firewall import judge
from tickline.universe import Universe


def clean_stages(universe: Universe, venue: Venue, days: tuple[date, ...]) -> list[Stage]:
    """One stage for each feed of a venue."""
    return [_clean_stage(universe, venue, feed, days) for feed in sorted(venue.feeds)]


def _clean_stage(universe: Universe, venue: Venue, feed: Feed, days: tuple[date, ...]) -> Stage:
    conditions = universe.conditions[venue.conditions] if venue.conditions else None
    periods = tuple(day.isoformat() for day in days)
    before = dict(zip(periods[1:], periods, strict=False))

    def needs(period: str) -> list[Need]:
        needed = [
            Need(PartitionKey(f"raw_{feed}", venue.name, period)),
            Need(PartitionKey("sessions", venue.name, period[:4])),
        ]
        if period in before:
            needed.append(Need(PartitionKey(f"closing_{feed}", venue.name, before[period]), required=False))
        return needed

    def build(inputs: Inputs, period: str) -> Built:
        (raw,) = inputs.of(f"raw_{feed}")
        judged = judge(
            inputs.scan(f"raw_{feed}").collect(),
            feed,
            venue,
            day=date.fromisoformat(period),
            sessions=inputs.scan("sessions").collect(),
            rules=universe.rules,
            conditions=conditions,
            opening=inputs.scan(f"closing_{feed}").collect(),
        )
        return Built(
            {
                f"clean_{feed}": judged.clean,
                f"quarantine_{feed}": judged.quarantine,
                f"gaps_{feed}": judged.gaps,
                f"closing_{feed}": judged.closing,
            },
            {f"clean_{feed}": {"watermark": raw.facts["watermark"], "raw": raw.rows, "counts": dict(judged.counts)}},
        )

    return Stage(
        name=f"clean_{feed}",
        venue=venue.name,
        datasets=(f"clean_{feed}", f"quarantine_{feed}", f"gaps_{feed}", f"closing_{feed}"),
        cadence=Cadence.DAY,
        periods=periods,
        needs=needs,
        build=build,
        config={
            "venue": venue.model_dump(
                mode="json", include={"name", "kind", "calendar", "instruments", "parameters", "conditions"}
            ),
            "rules": universe.rules.model_dump(mode="json"),
            "conditions": conditions.model_dump(mode="json") if conditions else None,
            "calendars": venue.calendars,
        },
        code=code_version("tickline.ticks", "tickline.lake.schemas"),
    )
