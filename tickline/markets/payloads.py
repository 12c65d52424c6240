"""Venues' own market records, JSON as delivered, as columns of text. What the texts mean is each venue's module's."""

from collections.abc import Mapping
from typing import Any

import orjson
import polars as pl

from tickline.lake.schema import NS

READABLE = "is_readable"


def told(payloads: pl.Series, paths: Mapping[str, str]) -> pl.DataFrame:
    """What each record says at some places: a String column for each path, and `is_readable`.

    A path names keys and positions, `events.0.title`; text that holds a JSON list counts as that list. Numbers and
    truth values become text, what is missing or empty text null.
    """
    steps = {name: path.split(".") for name, path in paths.items()}
    records = [_record(text) for text in payloads]
    columns: dict[str, Any] = {
        name: pl.Series([_text(_at(record, path)) for record in records], dtype=pl.String())
        for name, path in steps.items()
    }
    return pl.DataFrame(columns | {READABLE: pl.Series([bool(record) for record in records], dtype=pl.Boolean())})


def number(*names: str) -> pl.Expr:
    """The first of some columns of text that is a number, Float64; null where none is."""
    return pl.coalesce(pl.col(name).cast(pl.Float64, strict=False) for name in names)


def moment(*names: str) -> pl.Expr:
    """The first of some columns of text that is a time in UTC that can be told in nanoseconds."""
    return pl.coalesce(_moment(name) for name in names)


def is_true(name: str) -> pl.Expr:
    """Whether a column of text says true; null where it says neither."""
    return pl.col(name).replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean())


def _moment(name: str) -> pl.Expr:
    # Zulu or an offset of whole hours: 2026-02-06T07:06:43.123Z, 2026-02-06 07:06:43+00.
    text = pl.col(name).str.replace("T", " ", literal=True).str.replace(r"(Z|\+00(:00)?)$", "")
    parsed = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    believable = parsed.dt.year().is_between(1971, 2261)
    return pl.when(believable).then(parsed).dt.replace_time_zone("UTC").cast(NS)


def _record(text: str | None) -> dict[str, Any]:
    try:
        record = orjson.loads(text or "null")
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(record, dict):
        return {}
    return {
        name: _listed(value) if isinstance(value, str) and value[:1] == "[" else value for name, value in record.items()
    }


def _at(value: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _listed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return value.strip() or None if isinstance(value, str) else orjson.dumps(value).decode()
