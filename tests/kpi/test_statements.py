from decimal import Decimal

import polars as pl
import pytest

from tickline.errors import SourceError
from tickline.kpi.statements import STATEMENT, Standing, completeness, load_statement, reconcile


def told(run, venue: str = "left") -> pl.DataFrame:
    """The statement a venue would give of a run, row by row, by plain arithmetic."""
    rows = []
    for fill in run.fills.filter(venue=venue).iter_rows(named=True):
        sign = -1 if fill["direction"] == "buy" else 1
        kind = "settlement" if fill["action"] == "settle" else "fill"
        rows.append((venue, fill["ts"], fill["market_id"], kind, sign * fill["price"] * fill["size"]))
        rows.append((venue, fill["ts"], fill["market_id"], "fee", fill["fee"]))
    return pl.DataFrame(rows, schema=STATEMENT, orient="row")


def test_a_statement_of_the_same_trades_agrees_and_the_other_venue_is_not_provided(run):
    found = reconcile(run.fills, told(run))
    assert set(found["standing"]) == {Standing.AGREED.value}
    assert completeness(["left", "right"], found) == {"left": "complete", "right": "not provided"}


def test_the_smallest_difference_is_told(run):
    cent = Decimal("0.000000000001")
    off = told(run).with_columns(
        amount=pl.when(pl.int_range(pl.len()) == 1).then(pl.col("amount") + cent).otherwise("amount")
    )
    found = reconcile(run.fills, off)
    (bad,) = found.filter(standing=Standing.DIFFERENT.value).iter_rows(named=True)
    assert (bad["kind"], bad["difference"]) == ("fee", cent)
    assert "1 of" in completeness(["left"], found)["left"]


def test_what_only_one_side_has_is_missing_or_extra(run):
    statement = told(run).filter(pl.col("kind") != "fee")
    other = statement.head(1).with_columns(market=pl.lit("stranger"))
    found = dict(reconcile(run.fills, pl.concat([statement, other])).select("kind", "standing").iter_rows())
    assert found["fee"] == Standing.MISSING.value
    assert Standing.EXTRA.value in set(reconcile(run.fills, pl.concat([statement, other]))["standing"])


def test_without_a_statement_nothing_is_called_complete():
    assert completeness(["a", "b"], None) == {"a": "not provided", "b": "not provided"}


ROW = "left,2026-03-06T12:00:00+00:00,m,fee,0.0300"


def test_both_forms_are_read_exactly(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text(f"venue,ts,market,kind,amount\n{ROW}\n")
    document = tmp_path / "a.json"
    document.write_text(
        '[{"venue": "left", "ts": "2026-03-06T13:00:00+01:00", "market": "m", "kind": "fee", "amount": 0.0300}]'
    )
    assert load_statement(table).equals(load_statement(document))
    assert load_statement(table)["amount"].to_list() == [Decimal("0.03")]


@pytest.mark.parametrize(
    "text",
    [
        "venue,ts,market,kind\nleft,2026-03-06T12:00:00Z,m,fee\n",
        "venue,ts,market,kind,amount\n" + ROW.replace("fee", "rebate"),
        "venue,ts,market,kind,amount\n" + ROW.replace("+00:00", ""),
        "venue,ts,market,kind,amount\n" + ROW.replace("0.0300", "NaN"),
        "venue,ts,market,kind,amount\n" + ROW.replace("0.0300", "0.0000000000001"),
        "venue,ts,market,kind,amount\n" + ROW + ",more",
    ],
)
def test_a_row_that_is_not_understood_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match="row 1"):
        load_statement(path)
