"""What became of markets and of the links between them since somebody looked: changed terms, stale links, divergence.

Findings have the columns of MAPPING_DRIFT. `listed` frames are clean_markets of several venues with a leading `venue`
column; `pairs` have the columns of MAPPING up to `confidence`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from tickline.lake.market_schemas import MAPPING_DRIFT
from tickline.markets.alignment import aligned
from tickline.markets.model import Relation, Severity, Status
from tickline.markets.spec import Watch

ENDED = (Status.CLOSED, Status.SETTLED, Status.VOIDED)
"""A market in one of these does not trade again."""

_MARKET = ["venue", "market_id"]
_ENDED = [status.value for status in ENDED]


def newest(listed: pl.DataFrame) -> pl.DataFrame:
    """Each market as it was described last."""
    return listed.sort(*_MARKET, "version").unique(_MARKET, keep="last", maintain_order=True)


def terms_changed(listed: pl.DataFrame, before: pl.DataFrame, fields: Mapping[str, Severity]) -> pl.DataFrame:
    """A finding for each field that changed since the day before, or from one version of the day to the next.

    `fields` says how bad that is, for the columns of clean_markets that are compared.
    """
    compared = [
        frame.select(*_MARKET, "version", "ts_first", *(pl.col(name).cast(pl.String) for name in fields))
        for frame in (newest(before).with_columns(version=pl.lit(0, pl.Int32)), listed)
    ]
    steps = (
        pl.concat(compared)
        .sort(*_MARKET, "version")
        .with_columns(
            pl.col(list(fields)).shift(1).over(_MARKET).name.prefix("before_"),
            nth=pl.int_range(pl.len()).over(_MARKET),
        )
        .filter(pl.col("nth") > 0)
    )
    changed = pl.concat(
        steps.filter(pl.col(name).ne_missing(pl.col(f"before_{name}"))).select(
            *_MARKET, "ts_first", field=pl.lit(name), before=pl.col(f"before_{name}"), after=pl.col(name)
        )
        for name in fields
    )
    severity = pl.col("field").replace_strict({name: one.value for name, one in fields.items()}, return_dtype=pl.String)
    return _findings(changed, ts="ts_first", kind="terms", severity=severity)


def closed(listed: pl.DataFrame, before: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """A finding for each market that does not trade any more; `before` is its status the day before, if it had one."""
    was = newest(before).select(*_MARKET, before="status")
    now = newest(listed).filter(pl.col("status").is_in(_ENDED)).join(was, on=_MARKET, how="left")
    found = now.with_columns(field=pl.lit("status"), after=pl.col("status"), ts=_time(at))
    return _findings(found, ts="ts", kind="closed", severity=pl.lit(Severity.BLOCK.value))


def gone(listed: pl.DataFrame, before: pl.DataFrame, paired: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """A finding for each market listed the day before, or `paired` (venue, market_id), and not listed now."""
    was = newest(before).select(*_MARKET, before="status")
    known = pl.concat([was.select(_MARKET), paired.select(_MARKET)]).unique().join(was, on=_MARKET, how="left")
    found = known.join(listed, on=_MARKET, how="anti").with_columns(
        field=pl.lit("status"), after=pl.lit(None, pl.String), ts=_time(at)
    )
    return _findings(found, ts="ts", kind="gone", severity=pl.lit(Severity.BLOCK.value))


def stale(listed: pl.DataFrame, at: datetime, *, unseen_s: int) -> pl.DataFrame:
    """A finding for each market that was not looked at lately, is past its close and not closed, or is paused."""
    live = newest(listed).filter(~pl.col("status").is_in(_ENDED))
    now, none = _time(at), pl.lit(None, pl.String)
    unseen = live.filter(pl.col("ts_last") < now - timedelta(seconds=unseen_s))
    late = live.filter(pl.col("ts_close") <= now)
    paused = live.filter(pl.col("status") == Status.PAUSED.value)
    block, warn = pl.lit(Severity.BLOCK.value), pl.lit(Severity.WARN.value)
    told = [
        (unseen.with_columns(field=pl.lit("ts_last"), after=pl.col("ts_last").cast(pl.String)), block),
        (late.with_columns(field=pl.lit("ts_close"), after=pl.col("ts_close").cast(pl.String)), block),
        (paused.with_columns(field=pl.lit("status"), after=pl.col("status")), warn),
    ]
    return pl.concat(
        _findings(found.with_columns(before=none, ts=now), ts="ts", kind="stale", severity=severity)
        for found, severity in told
    )


def diverged(pairs: pl.DataFrame, prices: pl.DataFrame, watch: Watch) -> pl.DataFrame:
    """A finding for each pair whose mids have been apart, up to the last look at both, for long enough.

    Apart is |left - right| of equivalents, |left + right - 1| of complements, and of a subset how much more the
    implying market costs than the implied one. `ts` is when that began; `before` and `after` are the mids now.
    """
    looks = aligned(pairs, prices, within_s=watch.unmatched_s).join(pairs, on="pair_id")
    last_together = pl.col("ts").filter(pl.col("apart") <= watch.apart).max().over("pair_id")
    since = (
        looks.with_columns(apart=_apart())
        .drop_nulls("apart")
        .filter(last_together.is_null() | (pl.col("ts") > last_together))
        .group_by("pair_id", "left_venue", "left_market")
        .agg(
            pl.col("ts").min(),
            lasted=pl.col("ts").max() - pl.col("ts").min(),
            least=pl.col("apart").min(),
            before=pl.col("left_mid").sort_by("ts").last().cast(pl.String),
            after=pl.col("right_mid").sort_by("ts").last().cast(pl.String),
        )
        .filter(pl.col("lasted") >= timedelta(seconds=watch.apart_s))
        .rename({"left_venue": "venue", "left_market": "market_id"})
        .with_columns(field=pl.lit("mid"))
    )
    blocks, warns = pl.lit(Severity.BLOCK.value), pl.lit(Severity.WARN.value)
    severity = pl.when(pl.col("least") > watch.apart_blocks).then(blocks).otherwise(warns)
    return _findings(since, ts="ts", kind="divergence", severity=severity, pair_id=pl.col("pair_id"))


def of_pairs(findings: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Findings about markets, once for each pair the market is in; those in none only where something changed.

    That a market in no pair ended or went is a note: no link hangs on it.
    """
    sides = pl.concat(
        pairs.select("pair_id", venue=f"{side}_venue", market_id=f"{side}_market") for side in ("left", "right")
    )
    named = findings.drop("pair_id").join(sides, on=_MARKET, how="left")
    changed = pl.col("before").is_not_null() & pl.col("before").ne_missing(pl.col("after"))
    told = named.filter(
        pl.col("pair_id").is_not_null() | (pl.col("kind") == "terms") | (changed & (pl.col("kind") != "stale"))
    )
    is_unlinked = pl.col("pair_id").is_null() & (pl.col("kind") != "terms")
    severity = pl.when(is_unlinked).then(pl.lit(Severity.NOTE.value)).otherwise("severity")
    return told.with_columns(severity=severity).select(*MAPPING_DRIFT.columns)


def _apart() -> pl.Expr:
    left, right, relation = pl.col("left_mid"), pl.col("right_mid"), pl.col("relation")
    return (
        pl.when(relation == Relation.EQUIVALENT.value)
        .then((left - right).abs())
        .when(relation == Relation.COMPLEMENT.value)
        .then((left + right - 1).abs())
        .when(pl.col("subset_side") == "left")
        .then(left - right)
        .when(pl.col("subset_side") == "right")
        .then(right - left)
    )


def _time(at: datetime) -> pl.Expr:
    return pl.lit(at).cast(MAPPING_DRIFT.columns["ts"])


def _findings(
    found: pl.DataFrame, *, ts: str, kind: str, severity: pl.Expr, pair_id: pl.Expr | None = None
) -> pl.DataFrame:
    whose = pl.lit(None) if pair_id is None else pair_id
    return found.with_columns(ts=pl.col(ts), kind=pl.lit(kind), severity=severity, pair_id=whose).select(
        pl.col(name).cast(dtype) for name, dtype in MAPPING_DRIFT.columns.items()
    )
