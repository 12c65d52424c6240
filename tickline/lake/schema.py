"""What a dataset's schema is, and the dtypes that several of them share."""

from dataclasses import dataclass

import polars as pl

NS = pl.Datetime("ns", "UTC")
"""A time, UTC."""

MONEY = pl.Decimal(38, 12)
"""Money and sizes of orders and fills, exact."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A dataset's columns in order, and the columns its rows are sorted by."""

    columns: dict[str, pl.DataType]
    sort: tuple[str, ...]
    version: int = 1

    def empty(self) -> pl.DataFrame:
        """A frame of no rows with exactly these columns."""
        return pl.DataFrame(schema=self.columns)
