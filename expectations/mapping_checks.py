"""Judge what a mapping's days are: pairs that are tradable only where a person said so, and every refusal explained."""

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path

import polars as pl

from expectations.declared_checks import hash_by, judge
from expectations.evaluate import Outcome
from expectations.suites import Suite, of_partition
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.market_schemas import CANDIDATES, MAPPING_DRIFT
from tickline.lake.records import Publication
from tickline.markets.model import Relation, Severity
from tickline.markets.review import Ruling, RulingVerdict, in_force, load
from tickline.markets.spec import MappingSpec

_SCHEMA = of_partition("schema_differences", "Columns and types are exactly the declared ones")
_UNKNOWN = of_partition("unknown_words", "Relations, sides, kinds and severities are among the known ones")
_STRANGERS = of_partition("strangers", "Every market is of one of the mapping's two venues, and none is its own pair")
_REPEATED = of_partition("repeated", "No row stands twice")

SUITES = {
    "candidates": Suite(
        "candidates",
        (
            _SCHEMA,
            _UNKNOWN,
            _STRANGERS,
            _REPEATED,
            of_partition("outside_unit", "Every signal and score lies between 0 and 1"),
        ),
    ),
    "mapping": Suite(
        "mapping",
        (
            _SCHEMA,
            _UNKNOWN,
            _STRANGERS,
            _REPEATED,
            of_partition("outside_unit", "Every confidence lies between 0 and 1"),
            of_partition("unapproved", "What is tradable was approved by a person, as this relation, for these terms"),
            of_partition("not_one_to_one", "No market is in two tradable pairs that make one question of it"),
            of_partition("unexplained", "What is not tradable says why"),
            of_partition("drifted", "What has a blocking flag or finding is not tradable"),
        ),
    ),
    "mapping_drift": Suite("mapping_drift", (_SCHEMA, _UNKNOWN, _REPEATED)),
}
"""What a mapping's partitions are judged by, by dataset."""

_SIGNALS = tuple(name for name, dtype in CANDIDATES.columns.items() if dtype == pl.Float64())
_RELATIONS, _SEVERITIES = ([word.value for word in words] for words in (Relation, Severity))
_KINDS = ("terms", "stale", "divergence", "cardinality", "closed", "gone")
_ONE_QUESTION = (Relation.EQUIVALENT.value, Relation.COMPLEMENT.value)


def mapped_by(mappings: Iterable[MappingSpec]) -> dict[tuple[str, str], str]:
    """By mapping and dataset, the hash of what a partition is judged by now: the suite, and what is declared."""
    by = sys.modules[__name__]
    return {
        (spec.name, dataset): hash_by(suite, by, [spec.left, spec.right])
        for spec in mappings
        for dataset, suite in SUITES.items()
    }


def judge_mapping(
    lake: Lake, spec: MappingSpec, decisions: Path, published: Iterable[Publication]
) -> dict[PartitionKey, Outcome]:
    """Judge a mapping's partitions against the decision file itself, and record the verdicts.

    Raises MarketError where the file is damaged.
    """
    decided = load(decisions)

    def measure(of: Publication, rows: pl.DataFrame) -> Mapping[str, float | None]:
        if of.key.dataset == "candidates":
            return measures_of_candidates(spec, rows)
        if of.key.dataset == "mapping_drift":
            return measures_of_drift(rows)
        rulings = in_force(decided.until(date.fromisoformat(of.key.period)).rulings)
        return measures_of_mapping(spec, rows, _drift_beside(lake, of), rulings)

    return judge(lake, published, SUITES, mapped_by([spec]), measure)


def measures_of_candidates(spec: MappingSpec, candidates: pl.DataFrame) -> dict[str, float]:
    """What the suite bounds, of the candidates of one day."""
    outside = pl.any_horizontal(~pl.col(name).is_between(0, 1) for name in _SIGNALS)
    return {
        "unknown_words": _count(candidates, ~pl.col("relation").is_in(_RELATIONS)),
        "strangers": _count(candidates, _is_strange(spec)),
        "repeated": _repeated(candidates, "pair_id"),
        "outside_unit": _count(candidates, outside.fill_null(False)),
    }


def measures_of_mapping(
    spec: MappingSpec, mapping: pl.DataFrame, drift: pl.DataFrame, rulings: Mapping[str, Ruling]
) -> dict[str, float]:
    """What the suite bounds, of the pairs of one day, by its drift and the rulings in force at its end."""
    tradable = mapping.filter(pl.col("is_tradable").fill_null(True))
    blocked = drift.filter(severity=Severity.BLOCK.value)["pair_id"].drop_nulls().unique()
    silent = (pl.col("flags").list.len().fill_null(0) == 0) | (pl.col("severity") == Severity.NONE.value)
    approved = _approves(rulings)
    return {
        "unknown_words": _count(mapping, ~(_is_word("relation", _RELATIONS) & _is_word("severity", _SEVERITIES))),
        "strangers": _count(mapping, _is_strange(spec)),
        "repeated": _repeated(mapping, "pair_id"),
        "outside_unit": _count(mapping, ~pl.col("confidence").is_between(0, 1)),
        "unapproved": float(sum(not approved(row) for row in tradable.to_dicts())),
        "not_one_to_one": sum(_twice(tradable, *sides) for sides in (("left", "right"), ("right", "left"))),
        "unexplained": _count(mapping, ~pl.col("is_tradable") & silent),
        "drifted": _count(
            tradable, (pl.col("severity") == Severity.BLOCK.value) | pl.col("pair_id").is_in(blocked.implode())
        ),
    }


def measures_of_drift(drift: pl.DataFrame) -> dict[str, float]:
    """What the suite bounds, of the findings of one day."""
    return {
        "unknown_words": _count(drift, ~(_is_word("kind", _KINDS) & _is_word("severity", _SEVERITIES))),
        "repeated": _repeated(drift, *MAPPING_DRIFT.sort),
    }


def _approves(rulings: Mapping[str, Ruling]) -> Callable[[Mapping[str, object]], bool]:
    def approved(row: Mapping[str, object]) -> bool:
        ruling = rulings.get(str(row["pair_id"]))
        return ruling is not None and (
            ruling.verdict,
            ruling.left.venue,
            ruling.left.market_id,
            ruling.right.venue,
            ruling.right.market_id,
            ruling.relation,
            ruling.subset_side,
            ruling.left_terms,
            ruling.right_terms,
        ) == (
            RulingVerdict.APPROVED,
            row["left_venue"],
            row["left_market"],
            row["right_venue"],
            row["right_market"],
            row["relation"],
            row["subset_side"],
            row["left_terms"],
            row["right_terms"],
        )

    return approved


def _drift_beside(lake: Lake, of: Publication) -> pl.DataFrame:
    beside = lake.catalog.current(PartitionKey("mapping_drift", of.key.venue, of.key.period))
    return lake.scan([beside]).collect() if beside else MAPPING_DRIFT.empty()


def _is_word(name: str, words: Iterable[str]) -> pl.Expr:
    return pl.col(name).is_in(list(words)).fill_null(False)


def _is_strange(spec: MappingSpec) -> pl.Expr:
    venues = [_is_word(f"{side}_venue", (spec.left, spec.right)) for side in ("left", "right")]
    with_itself = (pl.col("left_venue") == pl.col("right_venue")) & (pl.col("left_market") == pl.col("right_market"))
    return ~pl.all_horizontal(venues) | with_itself


def _twice(tradable: pl.DataFrame, side: str, other: str) -> float:
    """How many markets of one side are one question with several of the other venue."""
    across = tradable.filter(pl.col("relation").is_in(_ONE_QUESTION), pl.col("left_venue") != pl.col("right_venue"))
    counts = across.group_by(f"{side}_venue", f"{side}_market", f"{other}_venue").len()
    return float(counts.filter(pl.col("len") > 1).height)


def _repeated(rows: pl.DataFrame, *key: str) -> float:
    return float(rows.height - rows.select(key).n_unique()) if rows.height else 0.0


def _count(rows: pl.DataFrame, wrong: pl.Expr) -> float:
    return float(rows.select(wrong.fill_null(True).sum()).item() or 0)
