"""Recorded pairs of prediction markets as clean_markets frames, and what their labels say of each pair."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tickline.lake.market_schemas import CLEAN_MARKETS
from tickline.markets.matching import candidates
from tickline.markets.spec import Scoring

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Truth:
    """What somebody said of pairs (left id, right id)."""

    same: set[Pair] = field(default_factory=set)  # both resolve alike
    opposite: set[Pair] = field(default_factory=set)  # exactly one resolves to yes
    different: set[Pair] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Questions:
    """All left markets, all right markets, and the labels."""

    left: pl.DataFrame
    right: pl.DataFrame
    labelled: Truth  # pairs of markets labelled by people
    anchored: Truth  # pairs proven by an id that both venues share


def load(folder: Path) -> Questions:
    """Everything in a folder of labelled pairs, event pairs proven equal and event pairs without a label."""
    people = list(_lines(folder / "labelled" / "kalshi_polymarket.jsonl.gz"))
    proven = list(_lines(folder / "equivalence_positive.jsonl.gz"))
    others = list(_lines(folder / "equivalence_unlabelled.jsonl.gz"))
    left = [_of_person(row, "kalshi") for row in people] + _of_events([*proven, *others], "side_a")
    right = [_of_person(row, "polymarket") for row in people] + _of_events([*proven, *others], "side_b")
    frames = [_frame(side) for side in (left, right)]
    known = [set(frame["market_id"]) for frame in frames]
    return Questions(*frames, labelled=_labelled(people), anchored=_anchored(proven, *known))


def matched(questions: Questions, spec: Scoring) -> pl.DataFrame:
    """Every venue's left markets against every venue's right markets: CANDIDATES of all."""
    venue = pl.col("market_id").str.split(":").list.first()
    sides = [
        {str(key[0]): frame for key, frame in side.group_by(venue, maintain_order=True)}
        for side in (questions.left, questions.right)
    ]
    return pl.concat(
        candidates(left, right, spec, left_venue=one, right_venue=other, prices=None)
        for one, left in sides[0].items()
        for other, right in sides[1].items()
    )


def frame_of(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows of some of clean_markets' columns, with null in the others."""
    return pl.DataFrame(
        [{name: row.get(name) for name in CLEAN_MARKETS.columns} for row in rows], schema=CLEAN_MARKETS.columns
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as lines:
        yield from (json.loads(line) for line in lines)


def _labelled(people: list[dict[str, Any]]) -> Truth:
    truth = Truth()
    for row in people:
        pair = (f"kalshi:{row['kalshi_id']}", f"polymarket:{row['polymarket_id']}")
        if row["label"] == "true_match":
            (truth.opposite if row["polarity"] == "inverted" else truth.same).add(pair)
        elif row["label"] == "false_match":
            truth.different.add(pair)
    return truth


def _anchored(proven: list[dict[str, Any]], left: set[str], right: set[str]) -> Truth:
    """Only pairs both of whose markets the file lists with a title: it cuts long events short."""
    truth = Truth()
    for row in proven:
        venues = [row[side]["platform"] for side in ("side_a", "side_b")]
        for anchor in row["context"]["anchor_market_pairs"]:
            pair = (f"{venues[0]}:{anchor['a_platform_id']}", f"{venues[1]}:{anchor['b_platform_id']}")
            if pair[0] in left and pair[1] in right:
                truth.same.add(pair)
    return truth


def _of_person(row: dict[str, Any], venue: str) -> dict[str, Any]:
    return {
        "market_id": f"{venue}:{row[f'{venue}_id']}",
        "event_id": row.get(f"{venue}_event_ticker") or row[f"{venue}_id"],
        "title": row[f"{venue}_title"],
        "rules": row[f"{venue}_rules"],
        "yes_label": "Yes",
        "ts_close": _time(row[f"{venue}_close_time"]),
    }


def _of_events(rows: list[dict[str, Any]], side: str) -> list[dict[str, Any]]:
    return [
        {
            "market_id": f"{event['platform']}:{market['platform_id']}",
            "event_id": event["platform_event_id"],
            "event_title": event["title"],
            "title": market["title"],
            "yes_label": "Yes",
            "category": event["league"] or event["sport"],
            "ts_expiry": _time(event["condition_date"]),
            "ts_close": _time(event["deadline"]),
        }
        for event in (row[side] for row in rows)
        for market in event["child_markets"]
    ]


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return frame_of(rows).unique("market_id", keep="first", maintain_order=True).with_columns(version=1)


def _time(told: str | None) -> datetime | None:
    if not told:
        return None
    read = datetime.fromisoformat(told)
    return read if read.tzinfo else read.replace(tzinfo=UTC)
