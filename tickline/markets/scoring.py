"""Signals of each candidate pair, the score they come to, what conflicts, and the relation that follows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process
from scipy import sparse

from tickline.markets.dates import Extent
from tickline.markets.model import Relation
from tickline.markets.reading import Question
from tickline.markets.relations import Comparison, compare
from tickline.markets.spec import Scoring

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_AGREEMENT = {
    Extent.SAME: 1.0,
    Extent.LEFT_INSIDE: 0.5,
    Extent.RIGHT_INSIDE: 0.5,
    Extent.OPPOSITE: 0.0,
    Extent.APART: 0.0,
    Extent.UNKNOWN: None,
}
_WHOLE = (Extent.SAME, Extent.OPPOSITE)


def score_pairs(
    left: Sequence[Question], right: Sequence[Question], pairs: pl.DataFrame, spec: Scoring
) -> pl.DataFrame:
    """Pairs with a column for each signal, `score`, `conflicts` and `relation`.

    `pairs` has left_at and right_at (positions in left and right), price, and the sources and categories of both.
    """
    at_left, at_right = pairs["left_at"].to_numpy(), pairs["right_at"].to_numpy()
    compared = [compare(left[one], right[other]) for one, other in zip(at_left, at_right, strict=True)]
    signals = pairs.with_columns(
        pl.Series("text", _texts(left, right, at_left, at_right)),
        pl.Series("terms", _terms(left, right, at_left, at_right)),
        pl.Series("entities", [one.coverage for one in compared], dtype=pl.Float64),
        pl.Series("numbers", [_AGREEMENT[one.numbers] for one in compared], dtype=pl.Float64),
        pl.Series("operators", [float("operator" not in one.conflicts) for one in compared], dtype=pl.Float64),
        pl.Series("dates", [_AGREEMENT[one.dates] for one in compared], dtype=pl.Float64),
        pl.Series("polarity", [float(one.is_aligned) for one in compared], dtype=pl.Float64),
        source=_sources(),
    )
    scored = signals.with_columns(score=_score(spec))
    relations = [_relation(one, score, spec) for one, score in zip(compared, scored["score"].to_list(), strict=True)]
    return _one_to_one(
        scored.with_columns(
            pl.Series("conflicts", [list(one.conflicts) for one in compared], dtype=pl.List(pl.String)),
            pl.Series("relation", relations, dtype=pl.String),
        )
    )


def _one_to_one(scored: pl.DataFrame) -> pl.DataFrame:
    """Of one market's several equivalents the best stays; where the best are tied, none can be told from the others."""
    firm = pl.col("relation").is_in([Relation.EQUIVALENT, Relation.COMPLEMENT])
    strength = pl.when(firm).then(pl.col("score").round(9)).otherwise(-1.0)
    told = scored.with_columns(strength=strength, is_alike=firm)
    for side in ("left_at", "right_at"):
        best = pl.col("strength").max().over(side)
        tied = ((pl.col("strength") == best) & pl.col("is_alike")).sum().over(side) > 1
        told = told.with_columns(((pl.col("strength") < best) | tied).alias(f"is_beaten_{side}"))
    beaten = pl.col("is_alike") & (pl.col("is_beaten_left_at") | pl.col("is_beaten_right_at"))
    return told.with_columns(
        relation=pl.when(beaten).then(pl.lit(str(Relation.RELATED))).otherwise("relation"),
        conflicts=pl.when(beaten).then(pl.concat_list("conflicts", pl.lit("ambiguous"))).otherwise("conflicts"),
    ).drop("strength", "is_alike", "is_beaten_left_at", "is_beaten_right_at")


def _score(spec: Scoring) -> pl.Expr:
    """The weighted mean of the signals that say something."""
    weights = spec.weights.model_dump()
    said = [pl.when(pl.col(name).is_not_null()).then(weight).otherwise(0.0) for name, weight in weights.items()]
    worth = [pl.col(name).fill_null(0.0) * weight for name, weight in weights.items()]
    return pl.sum_horizontal(worth) / pl.sum_horizontal(said)


def _relation(one: Comparison, score: float, spec: Scoring) -> Relation:
    conflicts = set(one.conflicts)
    if not conflicts:
        return Relation.EQUIVALENT if score >= spec.accept else Relation.RELATED
    if not conflicts & {"entity", "metric"} and one.coverage >= spec.related:
        if not one.is_aligned and conflicts <= {"polarity", "number", "operator"} and one.numbers in _WHOLE:
            return Relation.COMPLEMENT
        if one.is_aligned and _implies(one):
            return Relation.SUBSET
    return Relation.RELATED if one.coverage >= spec.related else Relation.DIFFERENT


def _implies(one: Comparison) -> bool:
    extents = {one.numbers, one.dates} - {Extent.SAME, Extent.UNKNOWN}
    return len(extents) == 1 and extents <= {Extent.LEFT_INSIDE, Extent.RIGHT_INSIDE}


def _sources() -> pl.Expr:
    one, other = (
        pl.col(f"{side}_source").str.to_lowercase().str.replace(r"^https?://(www\.)?", "").str.replace(r"/.*$", "")
        for side in ("left", "right")
    )
    return (one == other).cast(pl.Float64)


def _texts(left: Sequence[Question], right: Sequence[Question], at_left: Ints, at_right: Ints) -> Floats:
    """rapidfuzz's ratio of both titles with their words sorted, 0..1."""
    ours, theirs = [left[at].text for at in at_left], [right[at].text for at in at_right]
    return process.cpdist(ours, theirs, scorer=fuzz.token_sort_ratio, workers=-1, dtype=np.float64) / 100


def _terms(left: Sequence[Question], right: Sequence[Question], at_left: Ints, at_right: Ints) -> Floats:
    """Cosine of the TF-IDF rows of both questions' words, 0..1."""
    index: dict[str, int] = {}
    sides = [
        [sorted({index.setdefault(word.stem, len(index)) for word in question.words}) for question in side]
        for side in (left, right)
    ]
    rows = [_rows(side, len(index)) for side in sides]
    seen = sum(np.asarray((side > 0).sum(axis=0)).ravel() for side in rows)
    idf = sparse.diags(np.log((1 + len(left) + len(right)) / (1 + seen)) + 1)
    one, other = (_normed(side @ idf) for side in rows)
    return np.asarray(one[at_left].multiply(other[at_right]).sum(axis=1)).ravel().clip(0, 1)


def _rows(of_each: Sequence[Sequence[int]], width: int) -> sparse.csr_matrix:
    starts = np.concatenate([[0], np.cumsum([len(columns) for columns in of_each])])
    columns = np.array([column for columns in of_each for column in columns], dtype=np.int64)
    return sparse.csr_matrix((np.ones(columns.size), columns, starts), shape=(len(of_each), max(width, 1)))


def _normed(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(length > 0, length, 1)) @ rows
