import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import FirewallError
from tickline.ticks.language import Expression, Kind, parse

MIDNIGHT = 1_773_014_400
KINDS = {"a": Kind.NUMBER, "b": Kind.NUMBER, "n": Kind.NUMBER, "t": Kind.TIME, "s": Kind.TEXT}
DTYPES = {"a": pl.Float64, "b": pl.Float64, "n": pl.Int64, "t": pl.Int64, "s": pl.String}

numbers = (
    st.none() | st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 0.01, 1e-320, 1e308, 1e16])
)
integers = st.none() | st.integers(-(2**63), 2**63 - 1)
rows = st.lists(
    st.fixed_dictionaries(
        {"a": numbers, "b": numbers, "n": integers, "t": integers, "s": st.none() | st.sampled_from("xyz")}
    ),
    min_size=1,
    max_size=8,
)

arithmetic = st.recursive(
    st.sampled_from(["a", "b", "n", "t", "0", "0.01", "3", "1e300"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda text: f"abs({text})"),
        inner.map(lambda text: f"-{text}"),
    ),
    max_leaves=5,
)
comparison = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
truths = st.recursive(
    st.one_of(
        st.tuples(arithmetic, comparison, arithmetic).map(" ".join),
        st.tuples(arithmetic, comparison, arithmetic, comparison, arithmetic).map(" ".join),
        arithmetic.map(lambda text: f"finite({text})"),
        st.sampled_from("abnts").map(lambda name: f"missing({name})"),
        st.tuples(arithmetic, arithmetic).map(lambda pair: f"off_grid({pair[0]}, {pair[1]})"),
        st.sampled_from(['s in ("x",)', 's not in ("x", "y")']),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=6,
)


def over_frame(expression: Expression, given_rows: list[dict[str, object]]) -> list[bool | None]:
    frame = pl.DataFrame(given_rows, schema=DTYPES)
    return frame.with_columns(found=expression.expr({name: pl.col(name) for name in KINDS}, midnight=MIDNIGHT))[
        "found"
    ].to_list()


@settings(deadline=None)
@given(text=truths, given_rows=rows)
def test_both_compilations_agree_on_every_row(text: str, given_rows: list[dict[str, object]]) -> None:
    expression = parse(text, KINDS, place="test")
    judge_row = expression.closure(midnight=MIDNIGHT)

    assert [judge_row(row) for row in given_rows] == over_frame(expression, given_rows)


@pytest.mark.parametrize(
    ("text", "row", "verdict"),
    [
        ("a > 0", {"a": math.nan}, None),
        ("a > 0", {"a": None}, None),
        ("not a > 0", {"a": math.nan}, None),
        ("a == a", {"a": math.nan}, None),
        ("a > 0 or b > 0", {"a": None, "b": 1.0}, True),
        ("a > 0 and b > 0", {"a": None, "b": -1.0}, False),
        ("a > 0 or b > 0", {"a": None, "b": -1.0}, None),
        ("missing(a)", {"a": math.nan}, False),
        ("missing(a)", {"a": None}, True),
        ("finite(a)", {"a": math.nan}, False),
        ("finite(a)", {"a": -math.inf}, False),
        ("finite(a)", {"a": None}, None),
        ("0 < a <= 1", {"a": 1.0}, True),
        ("0 < a <= 1", {"a": 1.5}, False),
        ("1 / a > 5", {"a": 0.0}, True),
        ("a / a > 5", {"a": 0.0}, None),
        ("t >= 1", {"t": (MIDNIGHT + 1) * 10**9}, True),
        ("t >= 1", {"t": (MIDNIGHT + 1) * 10**9 - 1}, False),
        ("t < 0", {"t": MIDNIGHT * 10**9 - 1}, True),
        ("t >= 86400", {"t": (MIDNIGHT + 86_400) * 10**9 - 1}, False),
        ("t < 0", {"t": -(2**63)}, True),
        ("t > 0", {"t": 2**63 - 1}, True),
        ('s not in ("buy", "sell")', {"s": "BUY"}, True),
        ('s not in ("buy", "sell")', {"s": None}, None),
    ],
)
def test_unknown_values_follow_kleene_logic(text: str, row: dict[str, object], verdict: bool | None) -> None:
    expression = parse(text, KINDS, place="test")
    full = dict.fromkeys(KINDS) | row

    assert expression.closure(midnight=MIDNIGHT)(full) is verdict
    assert over_frame(expression, [full]) == [verdict]


@pytest.mark.parametrize(
    "text", ["a / 0.1 == b", "-a / 0.1 == -b", "1 / (0 - n) > 0", "1 / -n < 0", "1 / (n + -0.0) > 0"]
)
def test_a_single_number_divides_and_counts_as_a_column_of_it_would(text: str) -> None:
    expression = parse(text, KINDS, place="test")
    given_rows = [{"a": a, "b": a / 0.1, "n": 0, "t": None, "s": None} for a in (1.0, 3.3, 61_800.7, 99_999.9)]
    assert over_frame(expression, given_rows) == [expression.closure(midnight=MIDNIGHT)(row) for row in given_rows]


@settings(deadline=None)
@given(steps=st.integers(1, 10**9), step=st.sampled_from(["0.01", "0.00001", "0.001", "0.25", "1", "5", "1e-8"]))
def test_a_written_multiple_of_the_step_is_on_the_grid(steps: int, step: str) -> None:
    off_grid = parse("off_grid(a, b)", KINDS, place="test").closure(midnight=MIDNIGHT)
    price = float(f"{steps * float(step):.10g}") if step == "1e-8" else round(steps * float(step), 10)

    assert off_grid({"a": price, "b": float(step)}) is False


@settings(deadline=None)
@given(steps=st.integers(0, 10**8), part=st.floats(0.001, 0.999))
def test_a_price_between_two_steps_is_off_the_grid(steps: int, part: float) -> None:
    off_grid = parse("off_grid(a, b)", KINDS, place="test").closure(midnight=MIDNIGHT)

    assert off_grid({"a": (steps + part) * 0.01, "b": 0.01}) is True


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("price > 0", "unknown name"),
        ("a", "not a condition"),
        ("a + b", "not a condition"),
        ("a > ", "not an expression"),
        ("__import__('os').system('true')", "not part of the rule language"),
        ("a.real > 0", "not part of the rule language"),
        ("a > True", "not part of the rule language"),
        ("a ** b > 1", "not part of the rule language"),
        ("(lambda: 1)() > 0", "not part of the rule language"),
        ("[x for x in a] == 1", "not part of the rule language"),
        ("sqrt(a) > 1", "not part of the rule language"),
        ("finite(a, b)", "takes 1 arguments"),
        ("missing(a + b)", "takes one name"),
        ("s > 1", "a number is needed"),
        ("a in ('x',)", "a text is needed"),
        ("not a", "a truth is needed"),
        ("a > 1e999", "not part of the rule language"),
        ("a > 0" + " + 1" * 5000, ""),
        ("not " * 5000 + "a > 0", ""),
        ("a > \0", "not an expression"),
    ],
)
def test_anything_else_is_refused_naming_the_rule(text: str, complaint: str) -> None:
    with pytest.raises(FirewallError, match="rule demo") as refusal:
        parse(text, KINDS, place="rule demo")
    assert complaint in str(refusal.value)
