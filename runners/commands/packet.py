"""`tickline packet`: the document an account owner signs before a set of lanes may trade with money."""

import hashlib
from pathlib import Path
from typing import Annotated

import orjson
import typer

from expectations.universe_checks import suites_of
from runners.commands.answer import AsJson, as_json, finish, people
from runners.commands.asked import First, Last
from runners.commands.backtest import write_page
from runners.commands.kpi import Statement, reconciled, sample_of
from runners.commands.lanes import spec_of
from runners.packet_page import page
from tickline.kpi.lanes import read_run
from tickline.kpi.packet import Evidence, as_data, packet
from tickline.kpi.promotion import Checks
from tickline.lake.keys import PartitionKey
from tickline.lake.lane_schemas import LANES
from tickline.lake.records import Publication
from tickline.lanes.spec import LaneSpec
from tickline.workspace import Workspace, workspace

_MADE = (*LANES, "identification")


def write_packet(
    lanes: Annotated[str | None, typer.Argument(help="Which set of lanes; needed where there are several.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The HTML file to write; JSON goes beside it.")
    ] = None,
    first: First = "",
    last: Last = "",
    statement: Statement = None,
    json: AsJson = False,
) -> None:
    """Write the go/no-go packet of a set of lanes: one page to sign, and the same as JSON. Exit code 1 for no go.

    Example: tickline packet --out packet.html
    """
    here = workspace()
    spec = spec_of(here, lanes)
    run = read_run(here.lake, spec.name, first=first, last=last)
    published = _published(here, spec, first, last or "9")
    evidence = Evidence(
        run=run,
        sample=sample_of(here, spec, run),
        checks=_checks(here, published),
        statements=reconciled(run, statement or [])[0],
        hashes=_hashes(here, spec, published, statement or []),
    )
    made = packet(spec.name, evidence, spec.kpi, spec.capital)
    path = out or Path(f"{spec.name}-packet.html")
    data = as_data(made)
    write_page(path, page(made))
    path.with_suffix(".json").write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))
    if json:
        as_json({"written": [str(path), str(path.with_suffix(".json"))], **data})
    else:
        people.print("go" if made.is_go else "no go", markup=False)
        people.print(str(path), markup=False, soft_wrap=True)
    finish(ok=made.is_go)


def _published(here: Workspace, spec: LaneSpec, first: str, last: str) -> list[Publication]:
    """What the set of lanes left of the days, and what that stands on."""
    catalog = here.lake.catalog
    made = [
        publication
        for dataset in _MADE
        for key, publication in catalog.everything(dataset=dataset, venue=spec.name).items()
        if not key.is_daily or first <= key.period <= last
    ]
    inputs = (one for ones in catalog.inputs_of_all(made).values() for one in ones if one.kind == "object")
    stood_on = {PartitionKey.parse(one.name) for one in inputs} - {one.key for one in made}
    return [*made, *catalog.currents(sorted(stood_on)).values()]


def _checks(here: Workspace, published: list[Publication]) -> Checks:
    """How the checks stand of these very contents; what has a suite and was not judged by it is not green."""
    suites = suites_of(here.universe)
    verdicts = here.lake.catalog.verdicts_on(published)
    current = {one.key: one for one in verdicts if one.suite_hash == suites.get((one.key.venue, one.key.dataset))}
    bad = []
    for key in (one.key for one in published if (one.key.venue, one.key.dataset) in suites):
        if key not in current:
            bad.append(f"{key} was not judged")
        elif not current[key].passed:
            bad.append(f"{key}: {current[key].severity}")
    return Checks(sum(one.passed for one in current.values()), tuple(bad))


def _hashes(here: Workspace, spec: LaneSpec, published: list[Publication], statements: list[Path]) -> dict[str, str]:
    declared = orjson.dumps(spec.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    files = [here.universe.adjudications[spec.name], *statements]
    return {
        f"configuration of {spec.name}": hashlib.sha256(declared).hexdigest(),
        **{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.exists()},
        **{str(one.key): one.sha256 for one in published},
    }
