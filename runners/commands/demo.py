"""`tickline demo`: the whole pipeline on the synthetic universe, and what came of it against the ground truth."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from rich.panel import Panel

from runners.commands.answer import AsJson, as_json, finish, people, progress_to, table
from runners.commands.backfill import Choice, Filled, fill, holes_in
from tickline.kpi.freshness import built_keys
from tickline.kpi.lanes import conversion, edges, read_run
from tickline.kpi.marts import connect
from tickline.kpi.robustness import Variant
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import Feed
from tickline.pipeline.plan import State, standings
from tickline.sources.opening import open_source
from tickline.sources.synthetic import Synthetic
from tickline.workspace import Workspace, workspace


def demo(json: AsJson = False) -> None:
    """Make everything the configuration names, then show what happened. Offline; a second run finds nothing to do.

    Example: tickline demo
    """
    started = time.monotonic()
    here = workspace()
    holes = holes_in(here, Choice())
    if not json:
        progress_to.print(f"{len(here.universe.venues)} venues, {len(holes)} periods to make", highlight=False)
    filled = fill(here, holes, quiet=json) if len(holes) else Filled(set(), [])
    left = holes_in(here, Choice())
    truths = [truth for venue in here.universe.venues for truth in _against_truth(here, venue)]
    red = _red(here)
    answer = {
        "ok": not filled.failed and not left and not red and all(truth.exact for truth in truths),
        "made": len(filled.made),
        "failed": filled.failed,
        "left": len(left),
        "red": red,
        "injected": sum(truth.injected for truth in truths),
        "caught": sum(truth.caught for truth in truths),
        "refused_otherwise": sum(truth.refused - truth.caught for truth in truths),
        "seconds": round(time.monotonic() - started, 1),
    }
    if json:
        as_json(answer)
    else:
        _show(here, truths, answer)
    finish(ok=bool(answer["ok"]))


@dataclass(frozen=True, slots=True)
class Truth:
    """One feed of one venue: rows made bad on purpose, those refused by the very rule, and all that was refused."""

    venue: str
    feed: Feed
    raw: int
    injected: int
    caught: int
    refused: int

    @property
    def exact(self) -> bool:
        """Whether what was refused is what was made bad, each by its own rule."""
        return self.injected == self.caught == self.refused


def _against_truth(here: Workspace, name: str) -> list[Truth]:
    venue = here.universe.venues[name]
    found = []
    for feed, spec in sorted(venue.feeds.items()):
        source = open_source(spec, venue, feed, calendars=here.universe.calendars)
        if not isinstance(source, Synthetic):
            continue
        days = [
            date.fromisoformat(period)
            for stage in here.graph
            if (stage.venue, stage.name) == (name, f"clean_{feed}")
            for period in stage.periods
        ]
        found.append(_compared(here, source, name, feed, days))
    return found


def _compared(here: Workspace, source: Synthetic, venue: str, feed: Feed, days: list[date]) -> Truth:
    raw = injected = caught = refused = 0
    for day in days:
        published = here.lake.catalog.current(PartitionKey.daily(f"quarantine_{feed}", venue, day))
        whole = here.lake.catalog.current(PartitionKey.daily(f"raw_{feed}", venue, day))
        if published is None or whole is None:
            continue
        by_rule = ["instrument", "seq", "rule"]
        truth = source.ground_truth(day).group_by(by_rule).len("injected")
        seen = here.lake.scan([published]).group_by(by_rule).len("refused").collect()
        both = truth.join(seen, on=by_rule, how="inner", nulls_equal=True)
        raw += whole.rows
        injected += int(truth["injected"].sum())
        caught += int(both.select(pl.min_horizontal("injected", "refused").sum()).item())
        refused += published.rows
    return Truth(venue, feed, raw, injected, caught, refused)


def _red(here: Workspace) -> list[str]:
    catalog = here.lake.catalog
    published = {key: publication.sha256 for key, publication in catalog.everything().items()}
    verdicts = catalog.verdicts_of(published | built_keys(here.marts))
    return [str(verdict.key) for verdict in verdicts if verdict.is_red]


def _show(here: Workspace, truths: list[Truth], answer: dict[str, Any]) -> None:
    found = standings(here.lake, here.graph)
    venues = list(here.universe.venues)
    of_venues = [standing for standing in found if standing.stage.venue in venues]
    stages = list(dict.fromkeys(standing.stage.name for standing in of_venues))
    table(
        "Partitions there, of those there should be",
        ("stage", *venues),
        ((stage, *(_share(found, stage, venue) for venue in venues)) for stage in stages),
    )
    others = list(dict.fromkeys(one.stage.venue for one in found if one.stage.venue not in venues))
    table(
        "And of what is made between and of venues",
        ("declared", "stages"),
        (
            (name, ", ".join(f"{stage} {_share(found, stage, name)}" for stage in _stages(found, name)))
            for name in others
        ),
    )
    table(
        "Rows made bad on purpose, and what the firewall refused",
        ("venue", "feed", "raw rows", "made bad", "refused by the right rule", "refused in all"),
        ((t.venue, t.feed, f"{t.raw:,}", f"{t.injected:,}", f"{t.caught:,}", f"{t.refused:,}") for t in truths),
    )
    with connect(here.marts) as warehouse:
        rows = warehouse.execute(
            "select venue, sum(raw_rows), sum(clean_rows) / sum(raw_rows), sum(bar_minutes) / sum(session_minutes), "
            "median(worst_p95_ms), median(median_spread_bps) from kpi_data_quality_daily group by venue order by venue"
        ).fetchall()
    table(
        "Daily KPIs over all days (DuckLake mart kpi_data_quality_daily)",
        ("venue", "raw rows", "clean", "session minutes with a bar", "p95 latency ms", "median spread bps"),
        ((v, f"{n:,}", f"{c:.2%}", f"{b:.1%}", _number(p), _number(s)) for v, n, c, b, p, s in rows),
    )
    table(
        "Structural opportunities in prediction markets, on paper",
        ("lanes", "lane", "found", "opened", "closed", "held", "stake of closed", "expected", "simulated"),
        _lanes(here),
    )
    said = "all green" if answer["ok"] else "NOT all as it should be"
    people.print(
        Panel(
            f"[bold]{said}[/] in {answer['seconds']} s\n\n"
            "make dev                                        the graph, checks and partitions in the Dagster UI\n"
            "tickline status                                 what is there, stale or red\n"
            "tickline explain bars_1d/nysim/2026-03-06       a bar, walked back to its raw ticks\n"
            "tickline quarantine show coinsim trades         what was refused, and why\n"
            "tickline mapping review                         markets of two venues that may be one question\n"
            "tickline lanes why                              why the lanes found or took no more\n"
            "tickline verify --rebuild bars_1m/fxsim/2026-03-09\n"
            f"lake {here.home / 'lake'}   marts {here.home / 'marts'}",
            title="What next",
            title_align="left",
        )
    )


def _stages(found: list[Any], name: str) -> list[str]:
    return list(dict.fromkeys(standing.stage.name for standing in found if standing.stage.venue == name))


def _lanes(here: Workspace) -> Iterator[tuple[str, ...]]:
    """What each lane of each set of lanes came to: found, taken, and simulated over all days."""
    for name in here.universe.lanes:
        run = read_run(here.lake, name)
        edge = {row["lane"]: row for row in edges(run, top=1).filter(variant=Variant.RAW.value).iter_rows(named=True)}
        for row in conversion(run).filter(variant=Variant.RAW.value).iter_rows(named=True):
            made = edge.get(row["lane"], {})
            counts = (f"{row[stage]:,}" for stage in ("detected", "opened", "closed", "held"))
            yield (
                name,
                row["lane"],
                *counts,
                *(f"{made.get(sum_, 0):,.2f}" for sum_ in ("stake", "expected", "realised")),
            )


def _share(found: list[Any], stage: str, venue: str) -> str:
    of = [standing for standing in found if standing.stage.name == stage and standing.stage.venue == venue]
    there = sum(standing.state is State.FRESH for standing in of)
    return f"{there}/{len(of)}" if of else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
