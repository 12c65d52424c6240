"""Which markets are one question: recorded pairs, all left sides against all right sides, and 1,000 near-twins.

Recorded are pairs that people labelled, pairs that an id of both venues proves equal, and pairs that nobody labelled.
A market that is predicted to be another's equivalent counts as wrong unless a label, an id or an adjudication says that
it is right. `adjudicated_mappings.json` beside this file lists labels that the markets' own texts contradict, and
predicted pairs without a label whose texts were read one by one, each with the reason for its verdict. The figures with
all labels as they are stand beside; pairs without a label need the adjudications in either case.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from qa._questions import Pair, Questions, Truth, frame_of, load, matched
from qa._twins import Pair as Twin
from qa._twins import controls, twins
from tickline.errors import ConfigError
from tickline.markets.matching import candidates
from tickline.markets.spec import Scoring

PRECISION, RECALL, CANDIDATES, CONTROLS = 0.99, 0.90, 0.99, 0.95
TWINS, SMALL_TWINS, REWORDED = 1_000, 200, 300
SEED = 20260516
ADJUDICATED = Path(__file__).with_name("adjudicated_mappings.json")


def run(
    data: Annotated[Path, typer.Option(help="The folder of recorded pairs.")] = Path("../shared/data/prediction"),
    seed: Annotated[int, typer.Option(help="Of the near-twins.")] = SEED,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 200 twins.")] = False,
) -> dict[str, Any]:
    """Example: qa mapping --data ../shared/data/prediction"""
    if not (data / "labelled").is_dir():
        raise ConfigError(
            f"{data} holds no recorded pairs (labelled/, equivalence_*.jsonl.gz): name their folder with --data"
        )
    questions = load(data)
    found = {
        (row["left_market"], row["right_market"]): row for row in matched(questions, Scoring()).iter_rows(named=True)
    }
    verdicts = _adjudicated()
    as_labelled = _judge(found, _truth(questions, {}), verdicts)
    judged = _judge(found, _truth(questions, verdicts), verdicts)
    halves = [_judge(found, _truth(questions, verdicts), verdicts, half=half) for half in (0, 1)]
    titles = [*questions.left["title"], *questions.right["title"]]
    called, made = _twins(titles, seed, SMALL_TWINS if small else TWINS)
    missed, reworded = _controls(seed, REWORDED)
    _tell(questions, found, judged)
    goal = judged["precision"] >= PRECISION and judged["recall"] >= RECALL and judged["candidate_recall"] >= CANDIDATES
    return {
        "ok": goal and called == 0 and 1 - missed / reworded >= CONTROLS,
        "goal_judges": "labels and ids, corrected by adjudications; a predicted pair that none of them backs is wrong",
        **_figures(judged),
        "as_labelled": _figures(as_labelled),
        "halves": [_figures(half) for half in halves],
        "adjudicated": len(verdicts),
        "markets": [questions.left.height, questions.right.height],
        "candidates": len(found),
        "twins": made,
        "twins_called_equivalent": called,
        "controls": reworded,
        "controls_missed": missed,
    }


def _adjudicated() -> dict[Pair, str]:
    """What reading both texts came to, for pairs that labels get wrong or leave out: same, opposite or different."""
    return {(row["left"], row["right"]): row["verdict"] for row in json.loads(ADJUDICATED.read_bytes())}


def _truth(questions: Questions, verdicts: dict[Pair, str]) -> Truth:
    """What is to be found: labels and ids, with verdicts in their place where there are any."""
    truth = Truth()
    for labels in (questions.labelled, questions.anchored):
        for kind in ("same", "opposite", "different"):
            for pair in getattr(labels, kind):
                getattr(truth, verdicts.get(pair, kind)).add(pair)
    return truth


def _judge(
    found: dict[Pair, dict[str, Any]], truth: Truth, verdicts: dict[Pair, str], half: int | None = None
) -> dict[str, Any]:
    """Counts and shares of all pairs, or of those that fall into one half by a hash of their left market."""

    def within(pairs: Iterable[Pair]) -> set[Pair]:
        return {pair for pair in pairs if half is None or _half(pair) == half}

    called = within(pair for pair, row in found.items() if row["relation"] == "equivalent")
    turned = {pair for pair, row in found.items() if row["relation"] == "complement"}
    same, opposite = within(truth.same), within(truth.opposite)
    backed = (
        {pair for pair in called if verdicts.get(pair) == "same" or pair[0] == pair[1]}
        - truth.different
        - truth.opposite
    )
    wrong = called - same - backed
    got = (called & same) | (turned & opposite)
    wanted = same | opposite
    labelled = called & (same | truth.different | truth.opposite)
    return {
        "precision": 1 - len(wrong) / max(len(called), 1),
        "precision_of_labelled": len(labelled & same) / max(len(labelled), 1),
        "recall": len(got) / max(len(wanted), 1),
        "candidate_recall": len(wanted & found.keys()) / max(len(wanted), 1),
        "called": called,
        "wrong": wrong,
        "missed": wanted - got,
        "unlabelled": called - labelled,
        "wanted": wanted,
    }


def _figures(judged: dict[str, Any]) -> dict[str, Any]:
    shares = {
        name: round(judged[name], 4) for name in ("precision", "precision_of_labelled", "recall", "candidate_recall")
    }
    return shares | {name: len(judged[name]) for name in ("wanted", "called", "unlabelled", "wrong", "missed")}


def _half(pair: Pair) -> int:
    return hashlib.sha256(pair[0].encode()).digest()[0] % 2


def _twins(titles: list[str], seed: int, total: int) -> tuple[int, int]:
    """How many near-twins are called equivalent, and of how many."""
    pairs = twins(seed, titles, total=total)
    relations = _relations(pairs)
    wrong = [pair for pair, relation in zip(pairs, relations, strict=True) if relation == "equivalent"]
    for pair in wrong:
        print(f"  twin called equivalent, {pair.field} edited: {pair.left} | {pair.right}")
    told = Counter((pair.field, relation) for pair, relation in zip(pairs, relations, strict=True))
    for (field, relation), count in sorted(told.items()):
        print(f"  {count:5} twins with another {field:<9} {relation}")
    return len(wrong), len(pairs)


def _controls(seed: int, total: int) -> tuple[int, int]:
    """How many pairs that only use other words are not called equivalent, and of how many."""
    pairs = controls(seed, total=total)
    missed = [pair for pair, relation in zip(pairs, _relations(pairs), strict=True) if relation != "equivalent"]
    for pair in missed:
        print(f"  reworded, not called equivalent: {pair.left} | {pair.right}")
    return len(missed), len(pairs)


def _relations(pairs: list[Twin]) -> list[str]:
    """What the two titles of each pair are called; "none" where they are no candidates."""
    sides = [
        frame_of(
            {"market_id": f"{number:06d}", "title": title, "yes_label": "Yes", "version": 1}
            for number, title in enumerate(titles)
        )
        for titles in ([pair.left for pair in pairs], [pair.right for pair in pairs])
    ]
    found = candidates(*sides, Scoring(), left_venue="one", right_venue="other", prices=None)
    own = found.filter(pl.col("left_market") == pl.col("right_market"))
    relations = dict(own.select("left_market", "relation").iter_rows())
    return [relations.get(f"{number:06d}", "none") for number in range(len(pairs))]


def _tell(questions: Questions, found: dict[Pair, dict[str, Any]], judged: dict[str, Any]) -> None:
    left, right = (
        dict(zip(side["market_id"], side["title"], strict=True)) for side in (questions.left, questions.right)
    )
    for name in ("wrong", "missed"):
        for pair in sorted(judged[name]):
            row = found.get(pair)
            why = (
                f"{row['relation']}, score {row['score']:.2f}, {', '.join(row['conflicts'])}" if row else "no candidate"
            )
            print(f"  {name}: {left[pair[0]]} | {right[pair[1]]} ({why})  {pair[0]} {pair[1]}")
