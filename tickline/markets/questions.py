"""What a market asks apart from its strike: its words with just the strike's own number taken out of them.

Other numbers, of dates, times and places, stay, for they tell questions apart.
"""

import polars as pl

from tickline.markets.model import StrikeOp

STRIKE = "#"
"""Stands where the strike's number stood."""

_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}
_MINUS = r"\-\x{2212}"
_DASHES = _MINUS + r"\x{2013}\x{2014}"
_SUFFIX = rf" ?(?:{'|'.join(_SCALES)})\b"
_DIGITS = r"\d+(?:,\d{3})*(?:\.\d+)?"
_NUMBER = rf"[{_MINUS}]?{_DIGITS}(?:{_SUFFIX})?"
_PIECE = rf"{_NUMBER}|[^\d{_MINUS}]+|[{_MINUS}]"

_MORE, _LESS = "more|above|higher|over|greater", "less|below|lower|under|fewer"
_OR_BEYOND = rf"^[%°]?[fc]? ?(?:or|and) (?:{_MORE}|{_LESS})\b"
_COMPARED = (
    rf"\b(?:or|and) (?:{_MORE}|{_LESS})\b|\b(?:more|higher|greater|larger|less|lower|fewer|smaller) than\b"
    r"|\b(?:or )?equal to\b|\b(?:at least|at most|up to|above|below|over|under|between|from|exactly|strictly)\b"
    r"|[<>≤≥=+]"
)
_RANGE = rf"{STRIKE}([%°]?[fc]?) *(?:to|and|or|through|[{_DASHES}])? *[$€£]?{STRIKE}"
_STEPS = (1.0, 0.1, 0.01, 0.001)
_FINEST = 1e-9


def without_strikes(markets: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The texts called `names` of looks, one a market, in small letters, with STRIKE for the strike's own number.

    Only the first place of each end of the strike is taken out: one told again may be a day or an hour. A text may
    tell the number next to an open end, as "44 or below" does of less than 45. A text without the number stays whole.
    Rows are as in `markets`: market_id and the names.
    """
    strike = ["strike_op", "strike_low", "strike_high"]
    texts = (
        markets.select("market_id", *strike, *names)
        .unpivot(on=names, index=["market_id", *strike], variable_name="name", value_name="piece")
        .with_row_index("text")
    )
    value = pl.col("piece").str.replace(r"^\x{2212}", "-").str.extract(rf"^(-?{_DIGITS})", 1).str.replace_all(",", "")
    suffix = pl.col("piece").str.extract(rf"^[{_MINUS}]?{_DIGITS}({_SUFFIX})$", 1)
    pieces = (
        texts.select("text", *strike, "piece")
        .with_columns(pl.col("piece").fill_null("").str.to_lowercase().str.extract_all(_PIECE))
        .explode("piece", empty_as_null=True)
        .with_columns(value.cast(pl.Float64).alias("value"), suffix.alias("suffix"))
        .with_columns(
            (pl.col("value").shift().over("text").is_not_null() & pl.col("piece").str.contains(rf"^[{_MINUS}]")).alias(
                "dash"
            ),
            pl.col("suffix").str.strip_chars().replace_strict(_SCALES, default=1.0).alias("scale"),
        )
        # The dash of 69-70 takes nothing from 70.
        .with_columns(pl.when("dash").then(pl.col("value").abs()).otherwise("value").alias("value"))
    )
    scaled, plain = pl.col("value") * pl.col("scale"), pl.col("value")
    is_end = [_is(plain, end) | _is(scaled, end) for end in strike[1:]]
    told = pl.any_horizontal(one & (one.cum_sum().over("text") == 1) for one in is_end)
    beyond = _is_next_to_an_end() & ~pl.any_horizontal(is_end).any().over("text")
    is_strike = told | (beyond & (beyond.cum_sum().over("text") == 1))
    unit = pl.when(pl.any_horizontal(_is(scaled, end) for end in strike[1:])).then(pl.lit("")).otherwise("suffix")
    mark = pl.concat_str(pl.when("dash").then(pl.lit("-")).otherwise(pl.lit("")), pl.lit(STRIKE), unit.fill_null(""))
    blanked = (
        pieces.with_columns(pl.when(is_strike).then(mark).otherwise("piece").alias("piece"))
        .group_by("text")
        .agg(pl.col("piece").str.join(""))
    )
    return (
        texts.select("text", "market_id", "name")
        .join(blanked, on="text", how="left", maintain_order="left")
        .pivot(on="name", on_columns=names, index="market_id", values="piece", maintain_order=True)
        .select("market_id", *names)
    )


def uncompared(words: pl.Expr) -> pl.Expr:
    """Words of `without_strikes` without those that tell on which side of its strike, or between which, a number is."""
    plain = words.str.replace_all(_COMPARED, " ").str.replace_all(_RANGE, STRIKE)
    return plain.str.replace_all(r"\s+", " ").str.replace_all(rf"([$€£]) {STRIKE}", f"${{1}}{STRIKE}").str.strip_chars()


def _is(value: pl.Expr, end: str) -> pl.Expr:
    near = (value - pl.col(end)).abs() <= _FINEST * pl.max_horizontal(pl.lit(1.0), pl.col(end).abs())
    return near.fill_null(value=False)


def _is_next_to_an_end() -> pl.Expr:
    """Whether a piece is the last number within an open strike, told as one that is still in it."""
    within = (
        pl.when(pl.col("strike_op") == StrikeOp.LT)
        .then(pl.col("strike_high") - pl.col("value"))
        .when(pl.col("strike_op") == StrikeOp.GT)
        .then(pl.col("value") - pl.col("strike_low"))
    )
    is_step = pl.any_horizontal((within - step).abs() < 1e-6 for step in _STEPS)
    after = pl.col("piece").shift(-1).over("text")
    return (is_step & after.str.contains(_OR_BEYOND)).fill_null(value=False)
