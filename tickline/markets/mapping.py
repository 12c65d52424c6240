"""Which markets of two venues are one question, or follow from each other, and which of those pairs may be traded.

Whatever is proposed, by shared ids, scores or prices, waits for a person: a pair is tradable only where a ruling in
force approves it for exactly the terms both markets have, and nothing blocks it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from tickline.errors import MarketError
from tickline.lake.market_schemas import MAPPING, MAPPING_DRIFT
from tickline.lake.schema import NS
from tickline.markets.cardinality import not_one_to_one
from tickline.markets.drift import ENDED, closed, diverged, gone, newest, of_pairs, stale, terms_changed
from tickline.markets.matching import pair_id
from tickline.markets.model import Basis, MarketKey, Relation, Severity
from tickline.markets.review import Ruling, RulingVerdict
from tickline.markets.spec import Fallback, MappingSpec

SEVERITIES = tuple(severity.value for severity in Severity)
"""Mildest first."""

_WHO = ["pair_id", "left_venue", "left_market", "right_venue", "right_market"]
_WHO_OF = {side: [f"{side}_venue", f"{side}_market"] for side in ("left", "right")}
_FOUND = [*_WHO, "relation", "subset_side", "basis", "confidence"]
_ONE_QUESTION = [Relation.EQUIVALENT.value, Relation.COMPLEMENT.value]
_RULED = {name: pl.String() for name in (*_WHO, "relation", "subset_side", "decision", "decided_by")} | {
    "decided_at": NS,
    "ruled_left_terms": pl.String(),
    "ruled_right_terms": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the venues of a mapping at a moment.

    `today` and `before` are clean_markets of this day and the one before (no rows where there are none) with a leading
    `venue`; `prices` have venue, market_id, ts and mid, the middle of the YES quote.
    """

    today: pl.DataFrame
    before: pl.DataFrame
    prices: pl.DataFrame
    at: datetime


@dataclass(frozen=True, slots=True)
class Mapped:
    """A day's MAPPING rows, and the MAPPING_DRIFT rows that led to their flags."""

    mapping: pl.DataFrame
    drift: pl.DataFrame


def mapping_of(
    candidates: pl.DataFrame,
    proposals: pl.DataFrame,
    known: Known,
    rulings: Mapping[str, Ruling],
    spec: MappingSpec,
) -> Mapped:
    """The pairs of a mapping, and what became of them.

    `candidates` are CANDIDATES rows between the two venues, `proposals` what `dependencies.proposals` returns, and
    `rulings` the newest of each pair. Raises MarketError where a ruling is of other venues than the mapping's.
    """
    found = _found(candidates, proposals, known, spec)
    pairs = _ruled(found, _frame_of(rulings, spec), candidates, known, spec)
    drift = _settled(_drift_of(pairs, known, spec), pairs)
    flags = pl.concat([drift.select("pair_id", flag="kind", severity="severity"), _own_flags(pairs)])
    return Mapped(_rows(pairs, flags), drift)


def facts_of(mapping: pl.DataFrame) -> dict[str, Any]:
    """What MAPPING rows come to: how many there are, by basis and severity, undecided, fallback and tradable."""
    by_basis, by_severity = (
        dict(mapping.group_by(name).len().sort(name).iter_rows()) for name in ("basis", "severity")
    )
    return {
        "pairs": mapping.height,
        "by_basis": by_basis,
        "by_severity": by_severity,
        "fallback": by_basis.get(Basis.FALLBACK.value, 0),
        "undecided": mapping["decision"].null_count(),
        "tradable": int(mapping["is_tradable"].sum()),
    }


def _found(candidates: pl.DataFrame, proposals: pl.DataFrame, known: Known, spec: MappingSpec) -> pl.DataFrame:
    """The pairs worth a person's look, each once on its firmest basis; _FOUND columns, without markets that ended."""
    live = newest(known.today).filter(
        ~pl.col("status").is_in([one.value for one in ENDED]),
        pl.col("ts_close").is_null() | (pl.col("ts_close") > _time(known.at)),
    )
    strict = _by_strict_id(candidates, live, spec)
    scored = candidates.filter(
        pl.col("relation").is_in(_ONE_QUESTION), pl.col("score") >= spec.scoring.accept
    ).with_columns(confidence=pl.col("score"))
    fallback = _agreeing(candidates, spec.fallback)
    for side in ("left", "right"):
        fallback = fallback.join(strict, on=_WHO_OF[side], how="anti")
    found = [strict, _on(Basis.SCORED, scored), _on(Basis.FALLBACK, fallback), proposals.select(_FOUND)]
    pairs = pl.concat(found).unique("pair_id", keep="first", maintain_order=True)
    for side in ("left", "right"):
        of_side = live.select(pl.col("venue").alias(f"{side}_venue"), pl.col("market_id").alias(f"{side}_market"))
        pairs = pairs.join(of_side, on=_WHO_OF[side], how="semi")
    return pairs


def _agreeing(candidates: pl.DataFrame, least: Fallback) -> pl.DataFrame:
    """Candidates that nothing contradicts, whatever they score, whose text, dates and price agree each by itself."""
    unopposed = (pl.col("relation") == Relation.RELATED.value) & (pl.col("conflicts").list.len() == 0)
    agreed = candidates.filter(
        pl.col("relation").is_in(_ONE_QUESTION) | unopposed,
        pl.col("text") >= least.text,
        pl.col("dates") >= least.dates,
        pl.col("price") >= least.price,
    )
    return agreed.with_columns(
        relation=pl.when(unopposed).then(pl.lit(Relation.EQUIVALENT.value)).otherwise("relation"),
        confidence=pl.min_horizontal("text", "dates", "price"),
    )


def _by_strict_id(candidates: pl.DataFrame, live: pl.DataFrame, spec: MappingSpec) -> pl.DataFrame:
    """Pairs whose markets share an id; the candidates say whether one of them is asked the other way round."""
    sides = [
        live.filter(pl.col("venue") == venue, pl.col("strict_id").is_not_null()).select(
            "strict_id", pl.col("venue").alias(f"{side}_venue"), pl.col("market_id").alias(f"{side}_market")
        )
        for side, venue in (("left", spec.left), ("right", spec.right))
    ]
    shared = (
        sides[0].join(sides[1], on="strict_id").join(candidates.select(*_WHO[1:], "relation"), on=_WHO[1:], how="left")
    )
    complement = pl.col("relation").eq_missing(pl.lit(Relation.COMPLEMENT.value))
    return (
        shared.with_columns(
            pl.Series("pair_id", [_pair_id(*row) for row in shared.select(_WHO[1:]).iter_rows()], pl.String),
            relation=pl.when(complement).then(pl.col("relation")).otherwise(pl.lit(Relation.EQUIVALENT.value)),
            subset_side=pl.lit(None, pl.String),
            basis=pl.lit(Basis.STRICT_ID.value),
            confidence=pl.lit(1.0),
        )
        .select(_FOUND)
        .sort("pair_id")
    )


def _pair_id(left_venue: str, left_market: str, right_venue: str, right_market: str) -> str:
    return pair_id(MarketKey(left_venue, left_market), MarketKey(right_venue, right_market))


def _on(basis: Basis, pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.with_columns(subset_side=pl.lit(None, pl.String), basis=pl.lit(basis.value)).select(_FOUND)


def _frame_of(rulings: Mapping[str, Ruling], spec: MappingSpec) -> pl.DataFrame:
    venues = {spec.left, spec.right}
    for ruling in rulings.values():
        if not {ruling.left.venue, ruling.right.venue} <= venues:
            raise MarketError(
                f"mapping {spec.name}: pair {ruling.pair_id} is of {ruling.left} and {ruling.right}, not of "
                f"{spec.left} and {spec.right}; keep each mapping's decisions in its own file"
            )
    rows = [
        (
            ruling.pair_id,
            ruling.left.venue,
            ruling.left.market_id,
            ruling.right.venue,
            ruling.right.market_id,
            ruling.relation.value,
            ruling.subset_side,
            ruling.verdict.value,
            ruling.by,
            ruling.at,
            ruling.left_terms,
            ruling.right_terms,
        )
        for ruling in rulings.values()
    ]
    return pl.DataFrame(rows, schema=_RULED, orient="row")


def _ruled(
    found: pl.DataFrame, ruled: pl.DataFrame, candidates: pl.DataFrame, known: Known, spec: MappingSpec
) -> pl.DataFrame:
    """The pairs found or decided on, with the decision and both markets' terms; a person's word goes first."""
    said = [*_WHO[1:], "relation", "subset_side"]
    both = ruled.join(found, on="pair_id", how="full", coalesce=True, suffix="_found")
    is_ruled = pl.col("decision").is_not_null()
    scored = candidates.select("pair_id", "score", "conflicts", told="relation")
    terms = newest(known.today)
    pairs = (
        both.with_columns(
            found_relation=pl.col("relation_found"),
            **{name: pl.when(is_ruled).then(name).otherwise(f"{name}_found") for name in said},
            basis=pl.col("basis").fill_null(Basis.HUMAN.value),
        )
        .join(scored, on="pair_id", how="left")
        .with_columns(
            is_approved=(pl.col("decision") == RulingVerdict.APPROVED.value).fill_null(False),
            confidence=pl.coalesce("confidence", "score", 0.0).clip(0, 1),
            ts=_time(known.at),
        )
        .with_columns(
            confidence=pl.when("is_approved")
            .then(pl.max_horizontal("confidence", pl.lit(spec.reviewed)))
            .otherwise("confidence")
        )
    )
    for side in ("left", "right"):
        of_side = terms.select(
            pl.col("venue").alias(f"{side}_venue"),
            pl.col("market_id").alias(f"{side}_market"),
            pl.col("terms_sha256").alias(f"{side}_terms"),
        )
        pairs = pairs.join(of_side, on=_WHO_OF[side], how="left")
    return _without_long_over(pairs, known).sort("pair_id").with_columns(as_approved=_as_approved())


def _without_long_over(pairs: pl.DataFrame, known: Known) -> pl.DataFrame:
    """The pairs without those of a market that had ended, or was not listed any more, the day before already."""
    was_told = known.before["venue"].unique().to_list()
    live = pl.concat(
        newest(frame).filter(~pl.col("status").is_in([one.value for one in ENDED])).select("venue", "market_id")
        for frame in (known.today, known.before)
    ).unique()
    for side in ("left", "right"):
        of_side = live.select(pl.all().name.prefix(f"{side}_"), pl.lit(True).alias("is_live"))
        pairs = (
            pairs.join(of_side, left_on=_WHO_OF[side], right_on=[f"{side}_venue", f"{side}_market_id"], how="left")
            .filter(pl.col("is_live").is_not_null() | ~pl.col(f"{side}_venue").is_in(was_told))
            .drop("is_live")
        )
    return pairs


def _as_approved() -> pl.Expr:
    """Whether both markets have exactly the terms that the ruling was made for."""
    same = [pl.col(f"{side}_terms") == pl.col(f"ruled_{side}_terms") for side in ("left", "right")]
    return pl.all_horizontal(same).fill_null(False)


def _drift_of(pairs: pl.DataFrame, known: Known, spec: MappingSpec) -> pl.DataFrame:
    """Every finding about markets and pairs, before what was decided since is taken into account."""
    paired = pl.concat(pairs.select(venue=f"{side}_venue", market_id=f"{side}_market") for side in ("left", "right"))
    about_markets = pl.concat(
        [
            terms_changed(known.today, known.before, spec.watch.fields),
            closed(known.today, known.before, known.at),
            gone(known.today, known.before, paired, known.at),
            stale(known.today, known.at, unseen_s=spec.watch.unseen_s),
        ]
    )
    wanted = pairs.filter(pl.col("decision").ne_missing(RulingVerdict.REJECTED.value))
    return pl.concat(
        [
            of_pairs(about_markets, pairs),
            _unlike_approved(pairs),
            not_one_to_one(wanted, margin=spec.watch.margin),
            diverged(wanted.select(_FOUND), known.prices, spec.watch),
        ]
    )


def _unlike_approved(pairs: pl.DataFrame) -> pl.DataFrame:
    """A blocking finding for each market whose terms are not those its pair was approved for."""
    sides = [
        pairs.filter(
            pl.col("is_approved"),
            pl.col(f"{side}_terms").is_not_null() & (pl.col(f"{side}_terms") != pl.col(f"ruled_{side}_terms")),
        ).with_columns(
            venue=pl.col(f"{side}_venue"),
            market_id=pl.col(f"{side}_market"),
            kind=pl.lit("terms"),
            field=pl.lit("terms_sha256"),
            before=pl.col(f"ruled_{side}_terms"),
            after=pl.col(f"{side}_terms"),
            severity=pl.lit(Severity.BLOCK.value),
        )
        for side in ("left", "right")
    ]
    return pl.concat(frame.select(*MAPPING_DRIFT.columns) for frame in sides)


def _settled(findings: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The findings, those that the approval in force was given in the knowledge of made milder; MAPPING_DRIFT order.

    Changed terms are a note once the new ones are approved, and so is a divergence that began before.
    """
    approved = pairs.filter("is_approved").select("pair_id", "as_approved", "decided_at")
    is_known = (pl.col("kind") == "terms") & pl.col("as_approved").fill_null(False)
    was_seen = (pl.col("kind") == "divergence") & (pl.col("ts") <= pl.col("decided_at")).fill_null(False)
    return (
        findings.join(approved, on="pair_id", how="left")
        .with_columns(
            severity=pl.when(is_known | (was_seen & (pl.col("severity") != Severity.NONE.value)))
            .then(pl.lit(Severity.NOTE.value))
            .otherwise("severity")
        )
        .select(*MAPPING_DRIFT.columns)
        .unique(maintain_order=True)
        .sort(MAPPING_DRIFT.sort)
    )


def _own_flags(pairs: pl.DataFrame) -> pl.DataFrame:
    """What there is to say of pairs beside their drift: pair_id, flag, severity."""
    note, warn, block = (pl.lit(one.value) for one in (Severity.NOTE, Severity.WARN, Severity.BLOCK))
    until_approved = pl.when("is_approved").then(note).otherwise(warn)
    opposed = (pl.col("conflicts").list.len() > 0) & ~pl.col("told").is_in(_ONE_QUESTION)
    other = pl.col("found_relation").is_not_null() & (pl.col("found_relation") != pl.col("relation"))
    told = (
        ("undecided", pl.col("decision").is_null(), note),
        ("rejected", pl.col("decision").eq_missing(RulingVerdict.REJECTED.value), block),
        ("conflict", opposed & pl.col("relation").is_in(_ONE_QUESTION), until_approved),
        ("fallback", pl.col("basis") == Basis.FALLBACK.value, until_approved),
        ("heuristic", pl.col("basis") == Basis.HEURISTIC.value, until_approved),
        ("relation", other, note),
    )
    return pl.concat(
        pairs.filter(when).select("pair_id", flag=pl.lit(flag), severity=severity) for flag, when, severity in told
    )


def _rows(pairs: pl.DataFrame, flags: pl.DataFrame) -> pl.DataFrame:
    rank = pl.col("severity").replace_strict({name: at for at, name in enumerate(SEVERITIES)}, return_dtype=pl.Int32)
    of_pair = (
        flags.drop_nulls("pair_id").group_by("pair_id").agg(flags=pl.col("flag").unique().sort(), worst=rank.max())
    )
    severity = pl.col("worst").fill_null(0).replace_strict(dict(enumerate(SEVERITIES)), return_dtype=pl.String)
    flagged = pairs.join(of_pair, on="pair_id", how="left").with_columns(
        flags=pl.col("flags").fill_null([]), severity=severity
    )
    tradable = pl.col("is_approved") & pl.col("as_approved") & (pl.col("severity") != Severity.BLOCK.value)
    return (
        flagged.with_columns(is_tradable=tradable)
        .select(pl.col(name).cast(dtype) for name, dtype in MAPPING.columns.items())
        .sort(MAPPING.sort)
    )


def _time(at: datetime) -> pl.Expr:
    return pl.lit(at).cast(NS)
