"""Frames to Parquet bytes, the same bytes for the same rows, and back.

Writer settings are fixed: pyarrow, zstd level 1, row groups of 2^20 rows, page checksums, dictionaries where
values repeat and delta encoding for integers and times. Nothing in the file depends on when or where it was made.
"""

from pathlib import Path

import polars as pl

from tickline.errors import LakeError
from tickline.lake.schema import Schema

ROW_GROUP = 1 << 20
_DELTA = (pl.Datetime, pl.Date, pl.Int64, pl.Int32, pl.UInt32)
# Identifiers hardly repeat: a dictionary of them costs time and saves nothing.
_UNIQUE_TEXT = frozenset({"trade_id", "payload"})


def write(frame: pl.DataFrame, schema: Schema, path: Path) -> None:
    """Write rows, already in the schema's columns and sort order, as one Parquet file.

    Raises LakeError where the frame's columns are not exactly the schema's.
    """
    # pyarrow.parquet takes 0.1 s to import; readers of the catalog alone need not pay it.
    import pyarrow.parquet as pq

    if dict(frame.schema) != schema.columns:
        raise LakeError(f"columns do not fit the schema: {_difference(frame, schema)}")
    table = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    encodings, dictionary = {}, []
    for name, dtype in schema.columns.items():
        if isinstance(dtype, _DELTA):
            encodings[name] = "DELTA_BINARY_PACKED"
        elif name in _UNIQUE_TEXT:
            encodings[name] = "DELTA_LENGTH_BYTE_ARRAY"
        elif dtype != pl.Boolean:
            dictionary.append(name)
    pq.write_table(
        table,
        path,
        row_group_size=ROW_GROUP,
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionary or False,
        column_encoding=encodings or None,
        write_page_checksum=True,
        store_schema=True,
    )


def _difference(frame: pl.DataFrame, schema: Schema) -> str:
    found = dict(frame.schema)
    missing = [name for name in schema.columns if name not in found]
    unexpected = [name for name in found if name not in schema.columns]
    retyped = [
        f"{name} is {found[name]}, wants {dtype}"
        for name, dtype in schema.columns.items()
        if name in found and found[name] != dtype
    ]
    order = [] if missing or unexpected or retyped else ["columns stand in another order"]
    return "; ".join(
        [f"missing {name}" for name in missing]
        + [f"unexpected {name}" for name in unexpected]
        + retyped
        + (order if list(found) != list(schema.columns) else [])
    )
