"""Venues' own statements: what they say was traded, charged and paid, against the fills we hold.

Amounts are exact Decimals. A venue without a statement is `not provided`: nothing is said of its completeness.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl

from tickline.errors import SourceError
from tickline.lake.schema import MONEY, NS


class Entry(StrEnum):
    """What a statement's row is about."""

    FEE = "fee"  # charged, above zero
    FILL = "fill"  # cash of a trade without its fee: below zero where we bought
    SETTLEMENT = "settlement"  # paid out


class Standing(StrEnum):
    """How a sum of ours compares with the venue's."""

    AGREED = "agreed"
    MISSING = "missing"  # we have it, the statement does not
    EXTRA = "extra"  # the statement has it, we do not
    DIFFERENT = "different"


NOT_PROVIDED = "not provided"
"""What is said of a venue's costs where it gave no statement."""

STATEMENT = {
    "venue": pl.String(),
    "ts": NS,
    "market": pl.String(),
    "kind": pl.String(),  # an Entry
    "amount": MONEY,
}
"""The columns of a statement."""

_KEY = ("venue", "market", "kind")
_PLACES = Decimal("1e-12")


def load_statement(path: Path) -> pl.DataFrame:
    """A statement's rows, from CSV with a header or from a JSON list of objects, with exactly the keys of STATEMENT.

    `ts` is ISO 8601 with an offset. Raises SourceError naming the file, the row and what is wrong with it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text, parse_float=str, parse_int=str) if path.suffix == ".json" else _csv_rows(text)
        parsed = [_row(path, number, row) for number, row in enumerate(rows, start=1)]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: no statement can be read from it: {error}") from error
    return pl.DataFrame(parsed, schema=STATEMENT, orient="row")


def reconcile(fills: pl.DataFrame, statement: pl.DataFrame) -> pl.DataFrame:
    """Our fills against statements, by venue, market and kind: `ours`, `theirs`, their `difference` and `standing`.

    `fills` are LANE_FILLS rows of the time the statements are about. Only venues that gave a statement are compared:
    of another there would be nothing but missing rows. What comes to nothing on both sides is left out.
    """
    told = statement["venue"].unique().to_list()
    ours = _ours(fills.filter(pl.col("venue").is_in(told))).group_by(_KEY).agg(ours=pl.col("amount").sum())
    theirs = statement.group_by(_KEY).agg(theirs=pl.col("amount").sum())
    both = ours.join(theirs, on=_KEY, how="full", coalesce=True)
    standing = (
        pl.when(pl.col("theirs").is_null())
        .then(pl.lit(Standing.MISSING.value))
        .when(pl.col("ours").is_null())
        .then(pl.lit(Standing.EXTRA.value))
        .when(pl.col("ours") != pl.col("theirs"))
        .then(pl.lit(Standing.DIFFERENT.value))
        .otherwise(pl.lit(Standing.AGREED.value))
    )
    zero = pl.lit(Decimal(0), dtype=MONEY)
    filled = both.with_columns(standing=standing).with_columns(pl.col("ours", "theirs").fill_null(zero))
    return (
        filled.filter((pl.col("ours") != zero) | (pl.col("theirs") != zero))
        .with_columns(difference=pl.col("theirs") - pl.col("ours"))
        .select(*_KEY, "ours", "theirs", "difference", "standing")
        .sort(_KEY)
    )


def completeness(venues: Iterable[str], reconciled: pl.DataFrame | None) -> dict[str, str]:
    """What may be said of each venue's costs: `not provided`, `complete`, or how many sums do not agree."""
    told: dict[str, str] = dict.fromkeys(sorted(venues), NOT_PROVIDED)
    if reconciled is not None:
        for (venue,), rows in reconciled.group_by("venue", maintain_order=True):
            bad = rows.filter(pl.col("standing") != Standing.AGREED.value).height
            told[str(venue)] = f"{bad} of {rows.height} sums do not agree" if bad else "complete"
    return told


def _ours(fills: pl.DataFrame) -> pl.DataFrame:
    """The rows a statement would have for our fills. A settlement is no fill; its fee is a fee."""
    notional = pl.col("price") * pl.col("size")
    is_settled = pl.col("action") == "settle"
    cash = pl.when(pl.col("direction") == "buy").then(-notional).otherwise(notional)
    named = fills.rename({"market_id": "market"})
    return pl.concat(
        [
            named.select("venue", "market", kind=pl.lit(Entry.FEE.value), amount=pl.col("fee")),
            named.filter(~is_settled).select("venue", "market", kind=pl.lit(Entry.FILL.value), amount=cash),
            named.filter(is_settled).select("venue", "market", kind=pl.lit(Entry.SETTLEMENT.value), amount=notional),
        ]
    ).filter(pl.col("amount") != pl.lit(Decimal(0), dtype=MONEY))


def _csv_rows(text: str) -> Iterator[Mapping[str, Any]]:
    yield from csv.DictReader(text.splitlines(), strict=True)


def _row(path: Path, number: int, row: Any) -> tuple[str, datetime, str, str, Decimal]:
    if not isinstance(row, dict) or set(row) != set(STATEMENT):
        raise SourceError(f"{path}: row {number} must have exactly {', '.join(STATEMENT)}")
    try:
        ts = datetime.fromisoformat(row["ts"])
        if ts.tzinfo is None:
            raise ValueError(f"{row['ts']!r} has no offset from UTC")
        amount = Decimal(row["amount"])
        if not amount.is_finite() or amount != amount.quantize(_PLACES):
            raise ValueError(f"{row['amount']!r} is no amount of at most 12 decimal places")
        return str(row["venue"]), ts.astimezone(UTC), str(row["market"]), Entry(row["kind"]).value, amount
    except (ValueError, TypeError, InvalidOperation) as error:
        raise SourceError(f"{path}: row {number}: {error}") from error
