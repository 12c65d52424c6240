"""What one day leaves to the next: the CLOSING datasets as the books and ids the firewall works with, and back."""

from collections.abc import Mapping

import polars as pl

from tickline.lake.schemas import CLOSING, Feed
from tickline.ticks.book import Book
from tickline.ticks.canonical import NONE, integers
from tickline.ticks.gaps import LastId


def books_of(closing: pl.DataFrame) -> dict[str, Book]:
    """The unbroken books a day closed with, by instrument. `closing` has the schema CLOSING of a book."""
    return {
        name: Book(
            ts=int(integers(rows["ts_last"])[0]),
            seq=int(integers(rows["seq_last"])[0]),
            levels=rows.filter(pl.col("side").is_not_null()).select("side", "price", "size"),
        )
        for (name,), rows in closing.partition_by("instrument", as_dict=True).items()
    }


def closing_books(books: Mapping[str, Book]) -> pl.DataFrame:
    """The rows of CLOSING that say with which books a day closed."""
    schema = CLOSING[Feed.BOOK]
    parts = [
        (book.levels if book.levels.height else book.levels.clear(1)).select(
            pl.lit(name).alias("instrument"),
            pl.lit(book.ts).alias("ts_last"),
            pl.lit(None if book.seq == NONE else book.seq, dtype=pl.Int64).alias("seq_last"),
            "side",
            "price",
            "size",
        )
        for name, book in books.items()
    ]
    rows = pl.concat(part.cast(pl.Schema(schema.columns)) for part in parts) if parts else schema.empty()
    return rows.sort(schema.sort)


def ids_of(closing: pl.DataFrame) -> dict[str, LastId]:
    """Where a day's consecutive ids ended, by instrument. `closing` has the schema CLOSING of trades or quotes."""
    ends = zip(integers(closing["ts_last"]).tolist(), integers(closing["seq_last"]).tolist(), strict=True)
    return {name: LastId(ts, seq) for name, (ts, seq) in zip(closing["instrument"], ends, strict=True)}


def closing_ids(ids: Mapping[str, LastId]) -> pl.DataFrame:
    """The rows of CLOSING that say where a day's consecutive ids ended."""
    schema = CLOSING[Feed.TRADES]
    physical = {"instrument": pl.String(), "ts_last": pl.Int64(), "seq_last": pl.Int64()}
    rows = pl.DataFrame([(name, *end) for name, end in ids.items()], schema=physical, orient="row")
    return rows.cast(pl.Schema(schema.columns)).sort(schema.sort)
