"""The expression language of firewall rules, compiled from one text to a Polars expression and to a Python closure.

The two compilations agree on every row because what is unknown is defined once: null and NaN are both unknown, a
comparison with something unknown is unknown, and `and`, `or`, `not` follow Kleene's three-valued logic. Arithmetic is
IEEE double arithmetic on every number. A time is the seconds since the midnight at which the judged day begins, so that
within the day it is exact to the nanosecond.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import Any, Protocol, TypeVar

import polars as pl

from tickline.errors import FirewallError

GRID_TOLERANCE = 1e-6
"""How far, in steps, a price may lie from its grid. Far above what writing a multiple of a decimal step as a double
costs at ordinary prices, far below any real deviation."""

GRID_ROUNDING = 1e-15
"""Part of the quotient that double rounding may cost (three roundings of 1.1e-16 each, doubled and more)."""


class Kind(Enum):
    """What a name or a subexpression stands for."""

    NUMBER = "number"
    TIME = "time"
    TEXT = "text"
    TRUTH = "truth"


Row = Mapping[str, Any]
"""One row as a mapping of names to numbers, text or None; times are integer nanoseconds since the Unix epoch."""

Closure = Callable[[Row], Any]
Operation = Callable[[Any, Any], Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expression:
    """A rule's condition, checked: its text, its tree and the names it reads."""

    text: str
    tree: ast.expr
    kinds: Mapping[str, Kind]
    names: frozenset[str]

    def expr(self, names: Mapping[str, pl.Expr], *, midnight: int) -> pl.Expr:
        """The condition over a frame: Boolean, null where unknown.

        `names` says where each name is found, `midnight` when the judged day begins, in Unix seconds.
        """
        columns = {
            name: _seconds_column(expr.to_physical(), midnight)
            if self.kinds[name] is Kind.TIME
            else expr.cast(pl.Float64)
            if self.kinds[name] is Kind.NUMBER
            else expr
            for name, expr in names.items()
            if name in self.names
        }
        return _fold(self.tree, _Frames(columns))

    def closure(self, *, midnight: int) -> Callable[[Row], bool | None]:
        """The condition over one row: True, False, or None where unknown."""
        return _fold(self.tree, _Rows(self.kinds, midnight))


def parse(text: str, kinds: Mapping[str, Kind], *, place: str) -> Expression:
    """Read and check a condition over names of known kinds.

    Raises FirewallError naming `place` and the offending part where the text is not an expression of the language,
    uses an unknown name or function, mixes kinds, or is not a condition.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        kind = _Kinds(kinds, place=place, text=text).of(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FirewallError(f"{place}: {text!r} is not an expression ({error})") from None
    if kind is not Kind.TRUTH:
        raise FirewallError(f"{place}: {text!r} is not a condition; compare something")
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in kinds)
    return Expression(text=text, tree=tree, kinds=kinds, names=names)


COMPARISONS: dict[type[ast.cmpop], Operation] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
ARITHMETIC: dict[type[ast.operator], Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
FUNCTIONS: dict[str, tuple[tuple[Kind, ...] | None, Kind]] = {
    "missing": (None, Kind.TRUTH),  # of a name of any kind: is it null?
    "finite": ((Kind.NUMBER,), Kind.TRUTH),  # neither NaN nor infinite
    "off_grid": ((Kind.NUMBER, Kind.NUMBER), Kind.TRUTH),  # not a multiple of the step
    "abs": ((Kind.NUMBER,), Kind.NUMBER),
}


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Finds the kind of every node, refusing whatever is not part of the language."""

    known: Mapping[str, Kind]
    place: str
    text: str

    def of(self, node: ast.expr) -> Kind:  # noqa: PLR0911, PLR0912 - one case a construct
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number):
                if abs(number) <= 1e300:
                    return Kind.NUMBER
            case ast.Name(id=name):
                if name not in self.known:
                    self.refuse(node, f"unknown name; known here: {', '.join(sorted(self.known))}")
                return Kind.NUMBER if self.known[name] is Kind.TIME else self.known[name]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                self.expect(Kind.NUMBER, left, right)
                return Kind.NUMBER
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self.expect(Kind.NUMBER, operand)
                return Kind.NUMBER
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.expect(Kind.TRUTH, operand)
                return Kind.TRUTH
            case ast.BoolOp(values=values):
                self.expect(Kind.TRUTH, *values)
                return Kind.TRUTH
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[ast.Tuple(elts=options)]):
                self.expect(Kind.TEXT, left)
                if options and all(isinstance(o, ast.Constant) and isinstance(o.value, str) for o in options):
                    return Kind.TRUTH
            case ast.Compare(left=left, ops=ops, comparators=right) if all(type(op) in COMPARISONS for op in ops):
                self.expect(Kind.NUMBER, left, *right)
                return Kind.TRUTH
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return self.call(node, name, arguments)
        return self.refuse(node, "not part of the rule language")

    def call(self, node: ast.expr, name: str, arguments: list[ast.expr]) -> Kind:
        expected, result = FUNCTIONS[name]
        if expected is None:
            if len(arguments) != 1 or not isinstance(arguments[0], ast.Name):
                self.refuse(node, f"{name} takes one name")
            self.of(arguments[0])
        else:
            if len(arguments) != len(expected):
                self.refuse(node, f"{name} takes {len(expected)} arguments")
            self.expect(Kind.NUMBER, *arguments)
        return result

    def expect(self, kind: Kind, *nodes: ast.expr) -> None:
        for node in nodes:
            found = self.of(node)
            if found is not kind:
                self.refuse(node, f"a {kind.value} is needed here, this is a {found.value}")

    def refuse(self, node: ast.expr, why: str) -> Kind:
        part = ast.get_source_segment(self.text.strip(), node) or self.text
        raise FirewallError(f"{self.place}: {part!r} in {self.text!r}: {why}")


class _Algebra(Protocol[T]):
    """What each construct of the language means in one compilation."""

    def number(self, value: float) -> T: ...
    def name(self, name: str) -> T: ...
    def arithmetic(self, apply: Operation, left: T, right: T) -> T: ...
    def compare(self, test: Operation, left: T, right: T) -> T: ...
    def within(self, item: T, options: list[str]) -> T: ...
    def both(self, left: T, right: T) -> T: ...
    def either(self, left: T, right: T) -> T: ...
    def negate(self, truth: T) -> T: ...
    def call(self, function: str, *arguments: T) -> T: ...


def _fold(node: ast.expr, algebra: _Algebra[T]) -> T:  # noqa: PLR0911 - one return a construct
    """Translate a checked tree, bottom up."""
    match node:
        case ast.Constant(value=number):
            return algebra.number(float(number))  # type: ignore[arg-type]
        case ast.Name(id=name):
            return algebra.name(name)
        case ast.BinOp(left=left, op=op, right=right):
            return algebra.arithmetic(ARITHMETIC[type(op)], _fold(left, algebra), _fold(right, algebra))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return algebra.call("minus", _fold(operand, algebra))
        case ast.UnaryOp(operand=operand):
            return algebra.negate(_fold(operand, algebra))
        case ast.BoolOp(op=op, values=values):
            return reduce(
                algebra.both if isinstance(op, ast.And) else algebra.either, [_fold(v, algebra) for v in values]
            )
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as op], comparators=[ast.Tuple(elts=options)]):
            inside = algebra.within(_fold(left, algebra), [option.value for option in options])  # type: ignore[attr-defined]
            return inside if isinstance(op, ast.In) else algebra.negate(inside)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            sides = [_fold(side, algebra) for side in (left, *rights)]
            chain = [
                algebra.compare(COMPARISONS[type(op)], before, after)
                for op, before, after in zip(ops, sides, sides[1:], strict=False)
            ]
            return reduce(algebra.both, chain)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return algebra.call(name, *(_fold(argument, algebra) for argument in arguments))
    raise AssertionError(f"unchecked node {ast.dump(node)}")


def _seconds_column(ns: pl.Expr, midnight: int) -> pl.Expr:
    # Whole seconds first: the difference of any two times fits, and what is left loses nothing as a double.
    return (ns // 10**9 - midnight).cast(pl.Float64) + (ns % 10**9).cast(pl.Float64) / 1e9


def _seconds(ns: int, midnight: int) -> float:
    whole, rest = divmod(ns, 10**9)
    return float(whole - midnight) + float(rest) / 1e9


def _level(left: pl.Expr, right: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Two operands; where one is a column and the other a single number, that number for every row.

    Between a column and a single number Polars multiplies by the reciprocal instead of dividing, and takes zero for
    nothing to add: that is off by a last place, or by the sign of a zero, from what it does between two columns.
    """
    single = [not operand.meta.root_names() for operand in (left, right)]
    if single == [True, False]:
        return _repeated(left), right
    if single == [False, True]:
        return left, _repeated(right)
    return left, right


def _repeated(number: pl.Expr) -> pl.Expr:
    # What only repeats a number (`repeat`, `when`, `gather`) Polars takes for a single one again.
    ones = (pl.int_range(pl.len()) >= 0).cast(pl.Float64)
    return number * ones


@dataclass(frozen=True, slots=True)
class _Frames:
    """The language over whole columns."""

    columns: Mapping[str, pl.Expr]

    def number(self, value: float) -> pl.Expr:
        return pl.lit(value, dtype=pl.Float64)

    def name(self, name: str) -> pl.Expr:
        return self.columns[name]

    def arithmetic(self, apply: Operation, left: pl.Expr, right: pl.Expr) -> pl.Expr:
        result: pl.Expr = apply(left, right) if apply is operator.mul else apply(*_level(left, right))
        return result

    def compare(self, test: Operation, left: pl.Expr, right: pl.Expr) -> pl.Expr:
        # Polars orders NaN above everything and equal to itself; here it is unknown.
        result: pl.Expr = test(left.fill_nan(None), right.fill_nan(None))
        return result

    def within(self, item: pl.Expr, options: list[str]) -> pl.Expr:
        return item.is_in(options)

    def both(self, left: pl.Expr, right: pl.Expr) -> pl.Expr:
        return left & right

    def either(self, left: pl.Expr, right: pl.Expr) -> pl.Expr:
        return left | right

    def negate(self, truth: pl.Expr) -> pl.Expr:
        return ~truth

    def call(self, function: str, *arguments: pl.Expr) -> pl.Expr:
        first = arguments[0]
        match function:
            case "missing":
                return first.is_null()
            case "finite":
                return first.is_finite()
            case "abs":
                return first.abs()
            case "minus":
                return -first
        value, step = _level(*arguments)
        steps = value / step
        away = (steps - (steps + 0.5).floor()).abs()
        return (away - steps.abs() * GRID_ROUNDING).fill_nan(None) > GRID_TOLERANCE


@dataclass(frozen=True, slots=True)
class _Rows:
    """The language over one row, as closures."""

    kinds: Mapping[str, Kind]
    midnight: int

    def number(self, value: float) -> Closure:
        return lambda row: value

    def name(self, name: str) -> Closure:
        match self.kinds[name]:
            case Kind.TIME:
                return lambda row: None if row[name] is None else _seconds(row[name], self.midnight)
            case Kind.NUMBER:
                return lambda row: None if row[name] is None else float(row[name])
        return lambda row: row[name]

    def arithmetic(self, apply: Operation, left: Closure, right: Closure) -> Closure:
        return _strict(_divide if apply is operator.truediv else apply, left, right)

    def compare(self, test: Operation, left: Closure, right: Closure) -> Closure:
        def compared(a: float, b: float) -> bool | None:
            return None if math.isnan(a) or math.isnan(b) else test(a, b)

        return _strict(compared, left, right)

    def within(self, item: Closure, options: list[str]) -> Closure:
        return _strict(lambda text: text in options, item)

    def both(self, left: Closure, right: Closure) -> Closure:
        def evaluate(row: Row) -> bool | None:
            a = left(row)
            if a is False:
                return False
            b = right(row)
            return False if b is False else None if a is None or b is None else True

        return evaluate

    def either(self, left: Closure, right: Closure) -> Closure:
        def evaluate(row: Row) -> bool | None:
            a = left(row)
            if a is True:
                return True
            b = right(row)
            return True if b is True else None if a is None or b is None else False

        return evaluate

    def negate(self, truth: Closure) -> Closure:
        return _strict(lambda a: not a, truth)

    def call(self, function: str, *arguments: Closure) -> Closure:
        if function == "missing":
            return lambda row: arguments[0](row) is None
        known: dict[str, Callable[..., Any]] = {
            "finite": math.isfinite,
            "abs": abs,
            "minus": operator.neg,
            "off_grid": _off_grid,
        }
        return _strict(known[function], *arguments)


def _strict(function: Callable[..., Any], *arguments: Closure) -> Closure:
    """A function of known values: None where any argument is None."""

    def evaluate(row: Row) -> Any:
        values = [argument(row) for argument in arguments]
        return None if any(value is None for value in values) else function(*values)

    return evaluate


def _divide(a: float, b: float) -> float:
    """IEEE division: Python alone raises on a zero divisor."""
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _off_grid(value: float, step: float) -> bool | None:
    steps = _divide(value, step)
    if not math.isfinite(steps):
        return None
    nearest = math.floor(steps + 0.5) if math.isfinite(steps + 0.5) else steps
    return abs(steps - nearest) - abs(steps) * GRID_ROUNDING > GRID_TOLERANCE
