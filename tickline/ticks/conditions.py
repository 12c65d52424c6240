"""Sale conditions: what a print may set under its tape's rules (open, high and low, last, volume)."""

import re
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import AfterValidator, Field, RootModel, model_validator

from tickline.reference.loading import load_yaml
from tickline.reference.models import Declared, Name

Settable = Literal["open", "high_low", "last", "volume"]

BITS: dict[Settable, int] = {"open": 1, "high_low": 2, "last": 4, "volume": 8}
"""The bits of the clean `sets` column."""

EVERYTHING = 15


def _within_the_range(forbidden: tuple[Settable, ...]) -> tuple[Settable, ...]:
    # No condition in the matrices of the tapes' output specifications (https://www.ctaplan.com/tech-specs,
    # https://www.utpplan.com) updates the last price and not high and low: a bar would close outside its own range.
    if "high_low" in forbidden and not {"open", "last"} <= set(forbidden):
        raise ValueError("what may not set high_low may not set open and last either: they lie between low and high")
    return forbidden


Forbidden = Annotated[tuple[Settable, ...], AfterValidator(_within_the_range)]
"""What a print may not set."""


class Code(Declared):
    """One condition: its code (hexadecimal bit or letter, as the table decodes) and what it forbids, `unless` the
    print carries that other code too."""

    code: Annotated[str, Field(min_length=1, max_length=16)]
    name: str
    may_not_set: Forbidden
    unless: Annotated[str, Field(min_length=1, max_length=16)] | None = None


class Suspicious(Declared):
    """The mark a source appends to a print its vendor calls suspicious, and what such a print may not set."""

    marker: Annotated[str, Field(min_length=1, max_length=1)]
    may_not_set: Forbidden


class Conditions(Declared):
    """The sale-condition table of one tape. Codes it does not list forbid nothing."""

    decode: Literal["hex_bits", "letters"]
    codes: tuple[Code, ...]
    suspicious: Suspicious | None = None

    @model_validator(mode="after")
    def _codes_decode(self) -> "Conditions":
        given = [(entry.name, code) for entry in self.codes for code in (entry.code, entry.unless) if code is not None]
        for name, code in given:
            if self.decode == "letters" and len(code) != 1:
                raise ValueError(f"code {code!r} of {name} is not one letter")
            if self.decode == "hex_bits" and ((bits := _hexadecimal(code)) is None or bits.bit_count() != 1):
                raise ValueError(f"code {code!r} of {name} is not one hexadecimal bit")
        return self

    def sets(self, delivered: str | None) -> int:
        """What a print may set, as `BITS`. No conditions forbid nothing; unreadable ones leave only the volume."""
        if delivered is None:
            return EVERYTHING
        text, forbidden = delivered.strip(), 0
        if self.suspicious and text.endswith(self.suspicious.marker):
            text, forbidden = text.removesuffix(self.suspicious.marker), _bits(self.suspicious.may_not_set)
        if self.decode == "hex_bits" and _hexadecimal(text or "0") is None:
            return BITS["volume"] & ~forbidden
        for code in self.codes:
            if self._carries(text, code.code) and not (code.unless and self._carries(text, code.unless)):
                forbidden |= _bits(code.may_not_set)
        return EVERYTHING & ~forbidden

    def _carries(self, text: str, code: str) -> bool:
        return code in text if self.decode == "letters" else bool(int(text or "0", 16) & int(code, 16))

    def sets_column(self, delivered: pl.Series) -> pl.Series:
        """`sets` of every print of a column, as UInt8."""
        known = delivered.unique()
        sets = pl.Series([self.sets(text) for text in known], dtype=pl.UInt8)
        return delivered.replace_strict(known, sets, return_dtype=pl.UInt8).cast(pl.UInt8).alias("sets")


class _Tables(RootModel[dict[Name, Conditions]]):
    """`conditions.yaml`: tables by the name venues use."""


def load_conditions(path: Path) -> dict[str, Conditions]:
    """Read the tables of a `conditions.yaml`, sorted by name. Raises ConfigError."""
    return dict(sorted(load_yaml(path, _Tables).root.items()))


def _bits(names: tuple[Settable, ...]) -> int:
    return sum(BITS[name] for name in set(names))


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,16}", text) else None
