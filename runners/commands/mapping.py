"""`tickline mapping`: which markets may be one question, what waits for a person, and what people decided."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table
from rich.text import Text

from runners.commands.answer import AsJson, as_json, finish, people, plain, table
from runners.commands.asked import Day
from tickline.errors import ConfigError, MarketError
from tickline.lake.keys import PartitionKey
from tickline.lake.market_schemas import CANDIDATES, CLEAN_MARKETS
from tickline.markets.model import MarketKey, Relation, Severity
from tickline.markets.review import Ruling, RulingVerdict, append, in_force, load
from tickline.markets.spec import MappingSpec
from tickline.workspace import Workspace, workspace

app = typer.Typer(no_args_is_help=True, help="Which markets of two venues are one question, and who said so.")

Which = Annotated[str | None, typer.Option("--mapping", help="The mapping, where there are several.")]
Limit = Annotated[int, typer.Option(min=1, help="How many to show.")]
Pair = Annotated[str, typer.Argument(help="The pair's id, or as much of its beginning as names no other.")]
By = Annotated[str, typer.Option(help="Who answers for it.")]
Why = Annotated[str, typer.Option(help="On what grounds.")]

_SHOWN = (
    "title",
    "event_title",
    "yes_label",
    "rules",
    "resolution_source",
    "strike",
    "ts_close",
    "ts_expiry",
    "status",
)
_SIGNALS = tuple(name for name, dtype in CANDIDATES.columns.items() if dtype == pl.Float64())
_SEVERITIES = [severity.value for severity in Severity]
_WHO = ("pair_id", "left_venue", "left_market", "right_venue", "right_market")


@dataclass(frozen=True, slots=True)
class Made:
    """What the lake holds of a mapping on a day: its pairs, candidates and drift, and the terms of both markets."""

    spec: MappingSpec
    day: str
    decisions: Path
    mapping: pl.DataFrame
    candidates: pl.DataFrame
    drift: pl.DataFrame
    markets: dict[MarketKey, dict[str, Any]]


@app.command("candidates")
def candidates(
    relation: Annotated[Relation | None, typer.Option(help="Only pairs of this relation.")] = None,
    limit: Limit = 20,
    day: Day = None,
    mapping: Which = None,
    json: AsJson = False,
) -> None:
    """The pairs that may be one question, the highest scores first.

    Example: tickline mapping candidates --relation equivalent --limit 10
    """
    made = _made(workspace(), mapping, day)
    found = made.candidates.filter(pl.col("relation") == relation.value) if relation else made.candidates
    shown = found.sort("score", "pair_id", descending=[True, False]).head(limit)
    if json:
        as_json({"mapping": made.spec.name, "day": made.day, "pairs": found.height, "candidates": shown.to_dicts()})
        return
    rows = [
        (
            row["pair_id"][:12],
            row["relation"],
            _number(row["score"]),
            row["left_market"],
            row["right_market"],
            ", ".join(row["conflicts"]),
        )
        for row in shown.to_dicts()
    ]
    title = f"{made.spec.name}, {made.day}: {shown.height} of {found.height}"
    table(title, ("pair", "relation", "score", made.spec.left, made.spec.right, "conflicts"), rows)


@app.command("review")
def review(
    limit: Limit = 10,
    severity: Annotated[Severity, typer.Option(help="Only pairs at least this suspicious.")] = Severity.NONE,
    day: Day = None,
    mapping: Which = None,
    json: AsJson = False,
) -> None:
    """What waits for a person: undecided pairs, and approved ones with a warning or a block, the worst first.

    Both texts stand side by side, with what only one of them says in bold. Ends with 1 while something waits.

    Example: tickline mapping review --severity warn
    """
    made = _made(workspace(), mapping, day)
    waiting = [row for row in _waiting(made) if _SEVERITIES.index(row["severity"]) >= _SEVERITIES.index(severity)]
    if json:
        as_json({"mapping": made.spec.name, "day": made.day, "waiting": len(waiting), "pairs": waiting[:limit]})
        finish(ok=not waiting)
    for row in waiting[:limit]:
        _side_by_side(made, row)
    people.print(f"{len(waiting)} pairs of {made.spec.name} wait on {made.day}", markup=False)
    finish(ok=not waiting)


@app.command("approve")
def approve(
    pair: Pair,
    by: By,
    why: Why,
    relation: Annotated[Relation | None, typer.Option(help="What follows, if not what is proposed.")] = None,
    implies: Annotated[
        str | None, typer.Option(help="Of a subset, the side that implies the other: left, right.")
    ] = None,
    mapping: Which = None,
    json: AsJson = False,
) -> None:
    """Approve a pair for exactly the terms both markets have now; it may be traded from then on.

    Example: tickline mapping approve 3f2a90 --by ada --why "same source, same day" --relation equivalent
    """
    made = _made(workspace(), mapping, None)
    row = _pair(made, pair)
    of = relation or Relation(row["relation"])
    side = (implies or row.get("subset_side")) if of is Relation.SUBSET else implies
    _decide(made, row, _ruling(made, row, RulingVerdict.APPROVED, of, side, by, why), json=json)


@app.command("reject")
def reject(pair: Pair, by: By, why: Why, mapping: Which = None, json: AsJson = False) -> None:
    """Reject a pair; it is not traded, whatever its terms become, until somebody approves it.

    Example: tickline mapping reject 3f2a90 --by ada --why "ties resolve differently"
    """
    made = _made(workspace(), mapping, None)
    row = _pair(made, pair)
    of = Relation(row["relation"])
    # A rejection says nothing of sides.
    of = Relation.RELATED if of is Relation.SUBSET and row.get("subset_side") is None else of
    side = row.get("subset_side") if of is Relation.SUBSET else None
    _decide(made, row, _ruling(made, row, RulingVerdict.REJECTED, of, side, by, why), json=json)


@app.command("drift")
def drift(
    day: Day = None,
    severity: Annotated[Severity, typer.Option(help="Only findings at least this bad.")] = Severity.NOTE,
    limit: Limit = 50,
    mapping: Which = None,
    json: AsJson = False,
) -> None:
    """What changed, went stale or came apart on a day, the worst first.

    Ends with 1 where something blocks a pair that goes on: markets that just ended are no alarm.

    Example: tickline mapping drift --day 2026-03-08 --severity warn
    """
    made = _made(workspace(), mapping, day)
    bad_enough = _SEVERITIES[_SEVERITIES.index(severity) :]
    found = made.drift.filter(pl.col("severity").is_in(bad_enough)).sort(
        _rank(), "venue", "market_id", "ts", descending=[True, False, False, False]
    )
    blocks = found.filter(pl.col("kind") != "closed", severity=Severity.BLOCK.value).height
    if json:
        told = {"mapping": made.spec.name, "day": made.day, "findings": found.height, "blocking": blocks}
        as_json(told | {"drift": found.head(limit).to_dicts()})
        finish(ok=not blocks)
    columns = ("severity", "kind", "venue", "market_id", "field", "before", "after", "pair_id")
    rows = [[_cut(value) for value in row] for row in found.head(limit).select(columns).iter_rows()]
    table(f"{made.spec.name}, {made.day}: {found.height} findings", columns, rows)
    finish(ok=not blocks)


def _made(here: Workspace, name: str | None, day: str | None) -> Made:
    """A mapping on a day, the newest there is where none is named. Raises ConfigError where there is none."""
    mappings = here.universe.mappings
    if name is None and len(mappings) != 1:
        raise ConfigError(f"name a --mapping; there are {', '.join(mappings) or 'none; add one as mappings/NAME.yaml'}")
    chosen = name or next(iter(mappings))
    if chosen not in mappings:
        raise ConfigError(f"no mapping {chosen!r}; there are {', '.join(mappings) or 'none'}")
    spec = mappings[chosen]
    periods = {key.period for key in here.lake.catalog.everything(dataset="mapping", venue=chosen)}
    period = day or max(periods, default=None)
    if period not in periods:
        raise ConfigError(f"mapping/{chosen}/{period or '...'} is not in the lake; `tickline backfill` makes it")

    def read(dataset: str) -> pl.DataFrame:
        return here.lake.read(PartitionKey(dataset, chosen, period)).collect()

    return Made(
        spec=spec,
        day=period,
        decisions=here.universe.decisions[chosen],
        mapping=read("mapping"),
        candidates=read("candidates"),
        drift=read("mapping_drift"),
        markets=dict(_markets(here, spec, period)),
    )


def _markets(here: Workspace, spec: MappingSpec, day: str) -> Iterator[tuple[MarketKey, dict[str, Any]]]:
    """Each market of both venues as it was described last on a day."""
    for venue in (spec.left, spec.right):
        listed = here.lake.dataset("clean_markets", venue=venue, first=day, last=day).collect()
        for row in listed.sort(CLEAN_MARKETS.sort).to_dicts():
            strike = (row["strike_op"], row["strike_low"], row["strike_high"])
            shown = " ".join(str(part) for part in strike if part is not None)
            yield MarketKey(venue, row["market_id"]), row | {"strike": shown or None}


def _waiting(made: Made) -> list[dict[str, Any]]:
    """Pairs that nobody decided on for their terms, and approved ones that look suspicious, with their signals."""
    rulings = in_force(load(made.decisions).rulings)
    signals = made.candidates.select("pair_id", "conflicts", *_SIGNALS)
    found = made.mapping.join(signals, on="pair_id", how="left").sort(
        _rank(), "confidence", "pair_id", descending=[True, True, False]
    )
    return [row for row in found.to_dicts() if _waits(row, rulings.get(row["pair_id"]), made.day)]


def _waits(row: dict[str, Any], ruling: Ruling | None, day: str) -> bool:
    if ruling is None:
        return True
    if ruling.verdict is RulingVerdict.REJECTED or {"closed", "gone"} & set(row["flags"]):
        return False
    if (ruling.left_terms, ruling.right_terms) != (row["left_terms"], row["right_terms"]):
        return True
    # What was flagged on a day before the decision was there to be seen.
    return row["severity"] in (Severity.WARN, Severity.BLOCK) and ruling.at.date().isoformat() <= day


def _pair(made: Made, beginning: str) -> dict[str, Any]:
    """The pair or candidate of a unique beginning. Raises MarketError where there is none, or several."""
    known = {row["pair_id"]: row for frame in (made.candidates, made.mapping) for row in frame.to_dicts()}
    found = sorted(pair_id for pair_id in known if pair_id.startswith(beginning))
    if len(found) != 1 or not beginning:
        among = f"; {', '.join(found[:5])} begin so" if found and beginning else ""
        raise MarketError(
            f"{len(found)} pairs of {made.spec.name} on {made.day} begin with {beginning!r}{among}; "
            f"`tickline mapping review` and `candidates` list them"
        )
    return known[found[0]]


def _ruling(
    made: Made,
    row: dict[str, Any],
    verdict: RulingVerdict,
    relation: Relation,
    side: str | None,
    by: str,
    why: str,
) -> Ruling:
    left, right = (MarketKey(row[f"{side}_venue"], row[f"{side}_market"]) for side in ("left", "right"))
    for key in (left, right):
        if key not in made.markets and verdict is RulingVerdict.APPROVED:
            raise MarketError(f"{key} is not listed on {made.day}; there are no terms to approve")
    terms = [str(made.markets.get(key, {}).get("terms_sha256", "")) for key in (left, right)]
    return Ruling(
        pair_id=row["pair_id"],
        left=left,
        right=right,
        verdict=verdict,
        relation=relation,
        subset_side=side,
        by=by,
        reason=why,
        at=datetime.now(UTC),
        left_terms=terms[0],
        right_terms=terms[1],
    )


def _decide(made: Made, row: dict[str, Any], ruling: Ruling, *, json: bool) -> None:
    """Show what is decided, record it, and say where."""
    if not json:
        _side_by_side(made, row)
    sha256 = append(made.decisions, ruling)
    implies = f", the {ruling.subset_side} implies the other" if ruling.subset_side else ""
    if json:
        told: dict[str, Any] = {"pair_id": ruling.pair_id, "verdict": ruling.verdict, "relation": ruling.relation}
        told |= {"subset_side": ruling.subset_side, "by": ruling.by, "at": ruling.at.isoformat()}
        told |= {"left_terms": ruling.left_terms, "right_terms": ruling.right_terms}
        as_json(told | {"decisions": str(made.decisions), "sha256": sha256})
    else:
        people.print(
            f"{ruling.pair_id} is {ruling.verdict} as {ruling.relation}{implies}, says {plain(ruling.by)}, for the "
            f"terms {ruling.left_terms[:16]} and {ruling.right_terms[:16]}; {made.decisions}",
            markup=False,
            soft_wrap=True,
        )
    finish(ok=True)


def _side_by_side(made: Made, row: dict[str, Any]) -> None:
    sides = [made.markets.get(MarketKey(row[f"{side}_venue"], row[f"{side}_market"]), {}) for side in ("left", "right")]
    shown = Table(title=Text(_heading(row)), title_justify="left", header_style="bold", show_lines=True)
    shown.add_column("")
    for side in ("left", "right"):
        shown.add_column(Text(f"{row[f'{side}_venue']}:{plain(row[f'{side}_market'])}"), ratio=1)
    for name in _SHOWN:
        told = [plain(side[name]) if side.get(name) is not None else "" for side in sides]
        if any(told):
            shown.add_row(name, _marked(told[0], told[1]), _marked(told[1], told[0]))
    people.print(shown)
    signals = [f"{name} {_number(row[name])}" for name in _SIGNALS if row.get(name) is not None]
    told = [" ".join(signals)] if signals else []
    told += [f"conflicts: {', '.join(row['conflicts'])}"] if row.get("conflicts") else []
    for line in told:
        people.print(line, markup=False, highlight=False)


def _heading(row: dict[str, Any]) -> str:
    parts = [row["pair_id"], row["relation"], *([f"{row['subset_side']} implies"] if row.get("subset_side") else [])]
    if row.get("basis"):
        parts += [f"by {row['basis']}", f"confidence {_number(row['confidence'])}", f"severity {row['severity']}"]
        parts += [", ".join(row["flags"])] if row["flags"] else []
    return " · ".join(parts)


def _marked(text: str, other: str) -> Text:
    """The text with the words that the other does not say in bold; it is never markup."""
    there = {word.lower().strip(".,;:?!()\"'") for word in other.split()}
    marked = Text()
    for word in text.split():
        is_own = bool(there) and word.lower().strip(".,;:?!()\"'") not in there
        marked.append(word, style="bold yellow" if is_own else "").append(" ")
    return marked


def _rank() -> pl.Expr:
    return pl.col("severity").replace_strict({name: nth for nth, name in enumerate(_SEVERITIES)})


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _cut(value: object, longest: int = 60) -> str:
    text = "" if value is None else plain(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
