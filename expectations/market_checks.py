"""Judge what a prediction venue's listings came to: every raw row accounted for, every price one that can be."""

import sys
from collections.abc import Iterable, Mapping

import polars as pl

from expectations.declared_checks import hash_by, judge
from expectations.evaluate import Outcome
from expectations.suites import Suite, of_partition
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.markets.model import GroupKind, Label, Status
from tickline.markets.screening import RULES, TRADING
from tickline.markets.terms import terms_sha256
from tickline.reference.models import Venue

_COLUMNS = of_partition("schema_differences", "Columns and types are exactly the declared ones")
_RECONCILED = of_partition("unreconciled", "Every raw row is behind one quote or in quarantine, no more and no fewer")
_SIDES = ("yes_bid", "yes_ask", "no_bid", "no_ask")
_EXACT = 1e-6

SUITES = {
    suite.dataset: suite
    for suite in (
        Suite(
            "clean_markets",
            (
                _COLUMNS,
                _RECONCILED,
                of_partition("rows_short", "As many markets as a day must list"),
                of_partition("repeated", "No market has a version twice, nor versions that do not count from one"),
                of_partition("incomplete", "Every market has an id, a question, a standing, an outcome and a fee"),
                of_partition("strangers", "Standings, groups and labels are among the known ones"),
                of_partition("disordered", "No market opens after it closes, no version ends before it begins"),
                of_partition("unhashed", "The hash of the terms is that of the terms"),
                of_partition("lonely", "A group has more than one market, and a parent is listed"),
            ),
        ),
        Suite(
            "market_quotes",
            (
                _COLUMNS,
                _RECONCILED,
                of_partition("repeated", "No look is quoted twice"),
                of_partition("outside", "Every price lies between 0 and 1"),
                of_partition("empty", "Every quote has a price"),
                of_partition("crossed", "No bid stands above its ask"),
                of_partition("not_trading", "No market that is closed, settled or void has a price"),
            ),
        ),
        Suite(
            "quarantine_markets",
            (
                _COLUMNS,
                _RECONCILED,
                of_partition("repeated", "No raw row is refused twice"),
                of_partition("unexplained", "Every row has a known rule and a reason"),
            ),
        ),
    )
}
"""What a listing's partitions are judged by."""


def listed_by(venues: Iterable[Venue]) -> dict[tuple[str, str], str]:
    """By venue and dataset, the hash of what a partition is judged by now: the suite, and the venue's floor."""
    by = sys.modules[__name__]
    return {
        (venue.name, dataset): hash_by(suite, by, venue.market_rules.rows)
        for venue in venues
        if venue.markets is not None
        for dataset, suite in SUITES.items()
    }


def judge_markets(lake: Lake, venue: Venue, published: Iterable[Publication]) -> dict[PartitionKey, Outcome]:
    """Judge a venue's listings, and record the verdicts."""
    judged = [one for one in published if one.key.dataset in SUITES]
    raw = {one.key.period: PartitionKey("raw_markets", venue.name, one.key.period) for one in judged}
    current = lake.catalog.currents(raw.values())
    rows = {period: current[key].rows for period, key in raw.items() if key in current}

    def measure(of: Publication, frame: pl.DataFrame) -> Mapping[str, float | None]:
        measured = _MEASURES[of.key.dataset](frame) | {"unreconciled": unreconciled(of, rows.get(of.key.period))}
        if of.key.dataset == "clean_markets":
            measured["rows_short"] = float(max(0, venue.market_rules.rows - frame["market_id"].n_unique()))
        return measured

    return judge(lake, judged, SUITES, listed_by([venue]), measure)


def of_markets(markets: pl.DataFrame) -> dict[str, float | None]:
    """What the suite of clean_markets bounds, of a day's rows; `unreconciled` and `rows_short` aside."""
    known = (
        pl.col("status").is_in(list(Status))
        & pl.col("group_kind").is_in([*GroupKind]).fill_null(value=True)
        & pl.col("label").is_in([*Label]).fill_null(value=True)
        & pl.col("result").is_in(["yes", "no", "void"]).fill_null(value=True)
    )
    ids = markets["market_id"].unique().implode()
    members = pl.col("market_id").n_unique().over("group_id")
    lonely = (pl.col("group_id").is_not_null() & (members < 2)) | ~pl.col("parent_id").is_in(ids).fill_null(value=True)
    needed = ("market_id", "title", "status", "fee_kind", "fee_rounding", "fee_places", "terms_sha256", "raw_row")
    sided = pl.any_horizontal(pl.col("yes_instrument", "no_instrument").is_not_null())
    disordered = (pl.col("ts_open") >= pl.col("ts_close")) | (pl.col("ts_first") > pl.col("ts_last"))
    counted = pl.int_range(1, pl.len() + 1).over("market_id", order_by="version")
    return {
        "repeated": _count(markets, pl.col("version") != counted),
        "incomplete": _count(markets, pl.any_horizontal(pl.col(needed).is_null()) | ~sided),
        "strangers": _count(markets, ~known),
        "disordered": _count(markets, disordered),
        "unhashed": float((terms_sha256(markets) != markets["terms_sha256"]).sum()),
        "lonely": _count(markets, lonely),
    }


def of_quotes(quotes: pl.DataFrame) -> dict[str, float | None]:
    """What the suite of market_quotes bounds, of a day's rows; `unreconciled` aside."""
    inside = pl.all_horizontal(pl.col(_SIDES).is_between(0, 1, closed="none").fill_null(value=True))
    crossed = (pl.col("yes_bid") > pl.col("yes_ask") + _EXACT) | (pl.col("no_bid") > pl.col("no_ask") + _EXACT)
    return {
        "repeated": float(quotes.height - quotes.select("market_id", "ts_recv").n_unique()),
        "outside": _count(quotes, ~inside),
        "empty": _count(quotes, pl.all_horizontal(pl.col(_SIDES).is_null())),
        "crossed": _count(quotes, crossed),
        "not_trading": _count(quotes, ~pl.col("status").is_in(TRADING).fill_null(value=False)),
    }


def of_refused(refused: pl.DataFrame) -> dict[str, float | None]:
    """What the suite of quarantine_markets bounds, of a day's rows; `unreconciled` aside."""
    explained = pl.col("rule").is_in([rule.name for rule in RULES]) & pl.col("reason").is_not_null()
    return {
        "repeated": float(refused.height - refused["raw_row"].n_unique()),
        "unexplained": _count(refused, ~explained.fill_null(value=False)),
    }


def unreconciled(of: Publication, raw: int | None) -> float | None:
    """By how many rows the counts of a partition, of its rules and of the raw partition differ; None without that."""
    if raw is None:
        return None
    counts = of.facts["counts"]
    by_rule = sum(count for name, count in counts.items() if name.startswith("refused_"))
    apart = abs(counts["raw"] - raw) + abs(counts["refused"] - by_rule)
    apart += abs(counts["raw"] - counts["quoted"] - counts["refused"])
    if of.key.dataset == "quarantine_markets":
        apart += abs(of.rows - counts["refused"])
    if of.key.dataset == "market_quotes":
        # A look has one or two outcomes.
        apart += max(0, of.rows - counts["quoted"]) + max(0, counts["quoted"] - 2 * of.rows)
    return float(apart)


def _count(frame: pl.DataFrame, broken: pl.Expr) -> float:
    return float(frame.select(broken.fill_null(value=False).sum()).item() or 0)


_MEASURES = {"clean_markets": of_markets, "market_quotes": of_quotes, "quarantine_markets": of_refused}
