"""Signals of each candidate pair, the score they come to, what conflicts, and the relation that follows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process
from scipy import sparse

from tickline.markets.comparing import EXTENTS, compare_all, side_rows
from tickline.markets.dates import Extent
from tickline.markets.model import Relation
from tickline.markets.reading import Question
from tickline.markets.relations import CONFLICTS
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


def score_pairs(
    left: Sequence[Question], right: Sequence[Question], pairs: pl.DataFrame, spec: Scoring
) -> pl.DataFrame:
    """Pairs with a column for each signal, `score`, `conflicts` and `relation`.

    `pairs` has left_at and right_at (positions in left and right), price, and the sources of both.
    """
    at_left, at_right = pairs["left_at"].to_numpy(), pairs["right_at"].to_numpy()
    compared = compare_all(left, right, at_left, at_right)
    agreement = pl.Series([_AGREEMENT[extent] for extent in EXTENTS], dtype=pl.Float64)
    conflicts = [pl.Series(name, compared.conflicts[:, at]) for at, name in enumerate(CONFLICTS)]
    told = pl.concat_list(pl.when(pl.col(name)).then(pl.lit(name)) for name in CONFLICTS).list.drop_nulls()
    scored = (
        pairs.with_columns(
            pl.Series("text", _texts(left, right, at_left, at_right)),
            pl.Series("terms", _terms(left, right, at_left, at_right)),
            pl.Series("entities", compared.coverage),
            agreement[compared.numbers].alias("numbers"),
            agreement[compared.dates].alias("dates"),
            pl.Series("amount", [str(extent) for extent in EXTENTS])[compared.numbers].alias("amount"),
            pl.Series("when", [str(extent) for extent in EXTENTS])[compared.dates].alias("when"),
            *conflicts,
            source=_sources(),
        )
        .with_columns(
            operators=(~pl.col("operator")).cast(pl.Float64),
            is_aligned=~pl.col("polarity"),
            conflicts=told,
        )
        .with_columns(polarity=pl.col("is_aligned").cast(pl.Float64))
        .with_columns(score=_score(spec))
    )
    return _one_to_one(scored.with_columns(relation=_relation(spec)))


def _score(spec: Scoring) -> pl.Expr:
    """The weighted mean of the signals that say something."""
    weights = spec.weights.model_dump()
    said = [pl.when(pl.col(name).is_not_null()).then(weight).otherwise(0.0) for name, weight in weights.items()]
    worth = [pl.col(name).fill_null(0.0) * weight for name, weight in weights.items()]
    return pl.sum_horizontal(worth) / pl.sum_horizontal(said)


def _relation(spec: Scoring) -> pl.Expr:
    is_free = pl.col("conflicts").list.len() == 0
    is_one_subject = ~pl.any_horizontal("entity", "metric", "ambiguous") & (pl.col("entities") >= spec.related)
    is_turned = ~pl.col("is_aligned") & ~pl.col("date") & pl.col("amount").is_in([Extent.SAME, Extent.OPPOSITE])
    said = [~pl.col(name).is_in([Extent.SAME, Extent.UNKNOWN]) for name in ("amount", "when")]
    inside = [pl.col(name).is_in([Extent.LEFT_INSIDE, Extent.RIGHT_INSIDE]) for name in ("amount", "when")]
    # Where both numbers and dates differ, they must point the same way for one side to imply the other.
    implies = (
        (said[0] | said[1])
        & (~said[0] | inside[0])
        & (~said[1] | inside[1])
        & (~(said[0] & said[1]) | (pl.col("amount") == pl.col("when")))
    )
    return (
        pl.when(is_free & (pl.col("score") >= spec.accept))
        .then(pl.lit(str(Relation.EQUIVALENT)))
        .when(is_free)
        .then(pl.lit(str(Relation.RELATED)))
        .when(is_one_subject & is_turned & (pl.col("score") >= spec.related))
        .then(pl.lit(str(Relation.COMPLEMENT)))
        .when(is_one_subject & pl.col("is_aligned") & implies)
        .then(pl.lit(str(Relation.SUBSET)))
        .when(pl.col("entities") >= spec.related)
        .then(pl.lit(str(Relation.RELATED)))
        .otherwise(pl.lit(str(Relation.DIFFERENT)))
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
        [{index.setdefault(word.stem, len(index)): 1.0 for word in question.words} for question in side]
        for side in (left, right)
    ]
    rows = [side_rows(side, len(index)) for side in sides]
    seen = sum(np.asarray(side.sum(axis=0)).ravel() for side in rows)
    idf = sparse.diags(np.log((1 + len(left) + len(right)) / (1 + seen)) + 1)
    one, other = (_normed(side @ idf) for side in rows)
    return np.asarray(one[at_left].multiply(other[at_right]).sum(axis=1)).ravel().clip(0, 1)


def _normed(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(length > 0, length, 1)) @ rows
