"""What two questions have to do with each other: how each part compares, what conflicts, which relation follows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein

from tickline.markets import dates, numbers
from tickline.markets.dates import Extent
from tickline.markets.numbers import Interval
from tickline.markets.reading import Question, Timing
from tickline.markets.text import Word

_SAME_MATCH_DAYS = 1  # venues put a night game on the local or on the UTC day
_LATE_DAYS = 550  # venues close some markets a year after the day itself
_CLOSE_DAYS = 20  # of two trading ends of one match
_OPTIONAL_MARKS = ("bill", "bo")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two questions side by side."""

    coverage: float  # 0..1: how much of what either side says in words the other says too
    numbers: Extent
    dates: Extent
    is_aligned: bool  # polarity, with what opposite numbers turn around
    conflicts: tuple[str, ...]  # what rules equivalence out


@dataclass(frozen=True, slots=True)
class Wording:
    """How the words of two questions compare."""

    coverage: float
    is_same: bool


CONFLICTS = ("ambiguous", "entity", "number", "operator", "date", "metric", "polarity")
"""What may rule equivalence out, in the order it is told."""


def compare(left: Question, right: Question) -> Comparison:
    """Compare part by part. Swapping the sides swaps LEFT_INSIDE and RIGHT_INSIDE and changes nothing else."""
    wording = wordings(left, right)
    amount, is_operator = amounts(left.intervals, right.intervals)
    when = timings(left.timing, right.timing)
    is_aligned = aligned(left.sign, right.sign, amount)
    found = {
        "ambiguous": left.is_catch_all or right.is_catch_all,
        "entity": not wording.is_same,
        "number": not marks_agree(left.marks, left.context_marks, right.marks, right.context_marks)
        or (differs(amount, is_aligned=is_aligned) and not is_operator),
        "operator": differs(amount, is_aligned=is_aligned) and is_operator,
        "date": when not in (Extent.SAME, Extent.UNKNOWN),
        "metric": not metrics_agree(left.metric, right.metric),
        "polarity": not is_aligned,
    }
    return Comparison(wording.coverage, amount, when, is_aligned, tuple(name for name in CONFLICTS if found[name]))


def amounts(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> tuple[Extent, bool]:
    """How the numbers compare, and whether what differs is only how they are compared with."""
    return numbers.relate(left, right), numbers.same_bounds(left, right)


def aligned(left_sign: int, right_sign: int, amount: Extent) -> bool:
    """Whether YES means YES: "not above 50" is "at most 50"."""
    return (left_sign == right_sign) != (amount is Extent.OPPOSITE)


def differs(amount: Extent, *, is_aligned: bool) -> bool:
    """Whether the numbers rule equivalence out."""
    return amount is not Extent.SAME and not (amount is Extent.OPPOSITE and is_aligned)


def timings(left: Timing, right: Timing) -> Extent:
    """How the times of resolution compare: by the texts, and by the venues' own dates where a text says nothing."""
    if left.spans and right.spans:
        return dates.relate(left.spans, right.spans)
    if left.spans or right.spans:
        said, other = (left, right) if left.spans else (right, left)
        return Extent.UNKNOWN if all(_may_be_on(span, other) for span in said.spans) else Extent.APART
    if not left.near or not right.near:
        return Extent.UNKNOWN
    if left.is_match or right.is_match:
        most = 0 if left.is_whole_day and right.is_whole_day else _SAME_MATCH_DAYS
    else:
        most = _LATE_DAYS
    return Extent.UNKNOWN if abs(left.near - right.near) <= most else Extent.APART


def marks_agree(
    left: tuple[str, ...], left_context: tuple[str, ...], right: tuple[str, ...], right_context: tuple[str, ...]
) -> bool:
    """Whether no district, game, stage or rank of one side is another or missing on the other side."""
    for mark in set(left) ^ set(right):
        kind = mark.partition(":")[0]
        others, context = (right, right_context) if mark in left else (left, left_context)
        if any(one.startswith(f"{kind}:") for one in others):
            return False
        if kind not in _OPTIONAL_MARKS and mark not in context:
            return False
    return True


def metrics_agree(left: str, right: str) -> bool:
    """Whether both may ask of one kind of outcome."""
    return left == right or {left, right} <= {"other", "winner", "range"}


def wordings(left: Question, right: Question) -> Wording:
    """How the words, the teams and who is asked of compare."""
    found = _wording(left, right)
    return Wording(found.coverage, found.is_same and _teams_agree(left, right) and _subjects_agree(left, right))


def _may_be_on(span: dates.Span, other: Timing) -> bool:
    if span.minute >= 0:
        return False
    if not span.has_year or not other.near:
        return True
    start, end = span.start, span.end
    if other.is_match and end - start == 1:
        return abs(other.near - start) <= _SAME_MATCH_DAYS
    first = end if span.is_open and start < end - 10_000 else start
    return first - 3 <= other.near <= end + _LATE_DAYS


def _wording(left: Question, right: Question) -> Wording:
    of_left, of_right = left.by_stem, right.by_stem
    if of_left.keys() == of_right.keys() and any(word.weight == 1 for word in of_left.values()):
        return Wording(1.0, is_same=True)
    only_left = [word for stem, word in of_left.items() if stem not in of_right]
    only_right = [word for stem, word in of_right.items() if stem not in of_left]
    only_left, only_right = _without_aliases(only_left, only_right, of_left.keys() & of_right.keys())
    shared = sum(word.weight for stem, word in of_left.items() if stem in of_right)
    told_left = [word for word in only_left if word.stem not in right.context]
    told_right = [word for word in only_right if word.stem not in left.context]
    substituted = _are_substituted(only_left, only_right, of_left, of_right)
    if substituted:
        lost = max(sum(word.weight for word in only_left), sum(word.weight for word in only_right), 1.0)
    else:
        lost = max(_lost(told_left, of_right), _lost(told_right, of_left))
    coverage = shared / (shared + lost) if shared + lost else 0.0
    is_keyed = not any(word.is_key for word in (*told_left, *told_right))
    if not any(word.weight == 1 for stem, word in of_left.items() if stem in of_right):
        is_keyed = is_keyed and _contexts_agree(left, right)
    return Wording(coverage, is_keyed and lost < 1)


def _lost(only: Iterable[Word], other: Mapping[str, Word]) -> float:
    """The weight of what only one side says. What lengthens a name that both say counts little."""
    return sum(0.25 if _lengthens(word, other) else word.weight for word in only)


def _are_substituted(
    only_left: list[Word], only_right: list[Word], of_left: Mapping[str, Word], of_right: Mapping[str, Word]
) -> bool:
    """Whether each side says something that the other does not; a name that is only longer on one side aside."""
    short_left = [word for word in only_left if not _lengthens(word, of_right)]
    short_right = [word for word in only_right if not _lengthens(word, of_left)]
    if len(short_left) < len(only_left) and len(short_right) < len(only_right):
        return _tells(only_left) and _tells(only_right)  # New York Mets and New York Yankees
    return _tells(short_left) and _tells(short_right)


def _tells(only: Iterable[Word]) -> bool:
    return any(word.weight == 1 or word.is_scope for word in only)


def _lengthens(word: Word, other: Mapping[str, Word]) -> bool:
    before = other.get(word.after)
    return (
        word.is_name
        and not word.is_key
        and before is not None
        and before.is_name
        and before.weight == 1
        and (not before.is_key and before.stem != "win")
    )


def _without_aliases(
    only_left: list[Word], only_right: list[Word], shared: Iterable[str]
) -> tuple[list[Word], list[Word]]:
    """Without the words that are one name spelt in two ways: a slip in a long name, an initial for a word."""
    kept_right = list(only_right)
    kept_left: list[Word] = []
    for word in only_left:
        twin = next((other for other in kept_right if _is_alias(word, other)), None)
        if twin is None:
            kept_left.append(word)
        else:
            kept_right.remove(twin)
    return kept_left, kept_right


def _is_alias(one: Word, other: Word) -> bool:
    if not (one.is_name and other.is_name) or one.is_key or other.is_key or one.after != other.after or not one.after:
        return False
    if any(letter.isdigit() for letter in one.stem + other.stem):
        return False
    short, long = sorted((one.stem, other.stem), key=len)
    if len(short) == 1:
        return long.startswith(short)
    return len(short) >= 5 and DamerauLevenshtein.distance(short, long) <= 1


def _contexts_agree(left: Question, right: Question) -> bool:
    if not left.context or not right.context:
        return False
    return left.context == right.context


def _teams_agree(left: Question, right: Question) -> bool:
    if not left.teams and not right.teams:
        return True
    if not left.teams or not right.teams:
        sides, other = (left.teams, right) if left.teams else (right.teams, left)
        told = other.context | {word.stem for word in other.words}
        return any(side & told for side in sides)
    (a, b), (c, d) = left.teams, right.teams
    return (bool(a & c) and bool(b & d)) or (bool(a & d) and bool(b & c))


def _subjects_agree(left: Question, right: Question) -> bool:
    first = frozenset({"(first)"})
    if left.subject == first and right.subject == first:
        return bool(left.teams[0] & right.teams[0])
    if first in (left.subject, right.subject):
        return False
    return not left.subject or not right.subject or bool(left.subject & right.subject)
