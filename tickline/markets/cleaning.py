"""A day of a prediction venue's listings, cleaned: what its markets are, what they cost, and what was refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from tickline.lake.market_schemas import CLEAN_MARKETS, MARKET_QUOTES, QUARANTINE_MARKETS
from tickline.markets.charges import charged
from tickline.markets.groups import grouped
from tickline.markets.looks import KEYS, looks, with_looks
from tickline.markets.screening import screened
from tickline.markets.terms import terms_sha256, versions
from tickline.reference.models import Venue


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a day of raw_markets comes to: frames CLEAN_MARKETS, MARKET_QUOTES and QUARANTINE_MARKETS.

    A raw row is one outcome of a look. It is behind exactly one row of `quotes`, which names the first of its look's
    rows, or is itself one of `quarantine`. `counts` has `raw`, `looks`, `quoted` (raw rows behind quotes), `refused`
    (raw rows in quarantine) and how many of those each rule refused: raw = quoted + refused.
    """

    markets: pl.DataFrame
    quotes: pl.DataFrame
    quarantine: pl.DataFrame
    counts: Mapping[str, int]


def clean(raw: pl.DataFrame, venue: Venue, day: date) -> Cleaned:
    """Clean the raw_markets rows (MARKETS) of a UTC day of a venue."""
    judged = screened(charged(looks(raw), venue, day), venue.market_rules)
    rows = with_looks(raw).join(judged.select(*KEYS, "rule", "reason"), on=KEYS, how="left", nulls_equal=True)
    refused = rows.filter(pl.col("rule").is_not_null())
    quotes = judged.filter(pl.col("rule").is_null())
    by_rule = refused.group_by("rule").len().sort("rule").rows()
    return Cleaned(
        markets=_markets(judged),
        quotes=quotes.select(*MARKET_QUOTES.columns).sort(MARKET_QUOTES.sort),
        quarantine=refused.select(*QUARANTINE_MARKETS.columns).sort(QUARANTINE_MARKETS.sort),
        counts={
            "raw": raw.height,
            "looks": judged.height,
            "quoted": raw.height - refused.height,
            "refused": refused.height,
            **{f"refused_{rule}": count for rule, count in by_rule},
        },
    )


def _markets(judged: pl.DataFrame) -> pl.DataFrame:
    """The versions of every market whose terms count; groups and parents are those of its latest."""
    trusted = judged.filter("has_terms")
    latest = trusted.sort("ts_recv", "raw_row").unique("market_id", keep="last", maintain_order=True)
    last_seen = pl.col("ts_recv") == pl.col("ts_recv").max()
    related = grouped(latest, judged.filter(~pl.col("has_terms") & last_seen))
    return (
        versions(trusted.with_columns(terms_sha256(trusted)).drop("parent_id"))
        .join(related, on="market_id", how="left")
        .select(pl.col(name).cast(dtype) for name, dtype in CLEAN_MARKETS.columns.items())
        .sort(CLEAN_MARKETS.sort)
    )
