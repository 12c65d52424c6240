from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.markets import dates, numbers
from tickline.markets.dates import Extent
from tickline.markets.reading import Listing, Question, read
from tickline.markets.relations import Comparison, compare


def question(title: str, *, event: str = "", label: str = "", decided: date | None = None) -> Question:
    return read(Listing(title, event, label, None, decided, is_whole_day=True, closes=None))


def compared(left: str, right: str) -> Comparison:
    return compare(question(left), question(right))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at least 3%", "3% or higher"),
        ("at least 3%", "3%+"),
        ("at least 3%", "no less than 3 percent"),
        ("more than $1.5b", "above $1,500 million"),
        ("at most 200", "no more than 200"),
        ("at most 200", "200 or fewer"),
        ("over 2.5 goals", "3+ goals"),
        ("at least 3 goals", "3 or more goals"),
        ("o/u 8.5", "over 8.5 runs"),
        ("(-1.5)", "by over 1.5 goals"),
        ("between 100 and 105 million", "100m-105m"),
        ("25 bps", "0.25%"),
    ],
)
def test_equal_amounts_are_equal_intervals(one: str, other: str) -> None:
    assert numbers.relate(numbers.find(one)[0], numbers.find(other)[0]) is Extent.SAME


@pytest.mark.parametrize(
    ("one", "other", "extent"),
    [
        ("above 50", "at or above 50", Extent.LEFT_INSIDE),
        ("more than 10,000 cases", "at least 10,000 cases", Extent.LEFT_INSIDE),
        ("above 50", "at or below 50", Extent.OPPOSITE),
        ("at least 3 goals", "fewer than 3 goals", Extent.OPPOSITE),
        ("at least 3 goals", "2 or fewer goals", Extent.OPPOSITE),
        ("above 50", "below 50", Extent.APART),
        ("above 50", "above 60", Extent.RIGHT_INSIDE),
        ("exactly 50", "exactly 60", Extent.APART),
        ("hit (high) $100", "hit (low) $100", Extent.APART),
    ],
)
def test_other_amounts_compare_as_sets_of_numbers(one: str, other: str, extent: Extent) -> None:
    assert numbers.relate(numbers.find(one)[0], numbers.find(other)[0]) is extent


_FORMS = {
    "ge": ("at least {}", "at or above {}", "{} or more", "no less than {}", "≥ {}"),
    "gt": ("more than {}", "above {}", "over {}", "greater than {}", "> {}"),
    "le": ("at most {}", "at or below {}", "{} or less", "no more than {}", "<= {}"),
    "lt": ("less than {}", "below {}", "under {}", "fewer than {}", "< {}"),
}
_MEETS = {"ge": float.__ge__, "gt": float.__gt__, "le": float.__le__, "lt": float.__lt__}


@given(
    st.sampled_from([(op, form) for op, forms in _FORMS.items() for form in forms]),
    st.sampled_from([(op, form) for op, forms in _FORMS.items() for form in forms]),
    st.sampled_from([10.0, 20.0]),
    st.sampled_from([10.0, 20.0]),
)
def test_intervals_relate_as_the_numbers_that_meet_them(
    one: tuple[str, str], other: tuple[str, str], first: float, second: float
) -> None:
    observed = [5.0, 10.0, 15.0, 20.0, 25.0]
    left = [_MEETS[one[0]](number, first) for number in observed]
    right = [_MEETS[other[0]](number, second) for number in observed]
    implies = all(b for a, b in zip(left, right, strict=True) if a)
    implied = all(a for a, b in zip(left, right, strict=True) if b)
    opposite = all(a != b for a, b in zip(left, right, strict=True))
    expected = (
        Extent.SAME
        if implies and implied
        else Extent.OPPOSITE
        if opposite
        else Extent.LEFT_INSIDE
        if implies
        else Extent.RIGHT_INSIDE
        if implied
        else Extent.APART
    )
    found = [numbers.find(form.format(f"{bound:g}"))[0] for (_, form), bound in ((one, first), (other, second))]
    assert numbers.relate(*found) is expected


@pytest.mark.parametrize(
    ("one", "other", "extent"),
    [
        ("before jan 2027", "by december 31, 2026", Extent.SAME),
        ("before 2027", "in 2026", Extent.SAME),
        ("before july", "by june 30", Extent.SAME),
        ("on may 16, 2026", "on 2026-05-16", Extent.SAME),
        ("on may 16 2026", "16 may 2026", Extent.SAME),
        ("may 14, 10am et 2026", "may 14, 2026, 2pm utc", Extent.SAME),
        ("by june 30, 2026", "by september 30, 2026", Extent.LEFT_INSIDE),
        ("by june 30", "before june 30", Extent.RIGHT_INSIDE),
        ("by july", "before july", Extent.APART),
        ("on may 16", "on may 17", Extent.APART),
        ("in 2026", "in 2027", Extent.APART),
        ("may 10, 5pm et", "may 10, 6pm et", Extent.APART),
        ("by june 30", "after june 30", Extent.APART),
        ("by june 30", "", Extent.UNKNOWN),
    ],
)
def test_dates_compare_as_spans(one: str, other: str, extent: Extent) -> None:
    assert dates.relate(dates.find(one)[0], dates.find(other)[0]) is extent


def test_a_date_without_a_year_is_read_near_the_day_the_venue_names() -> None:
    spans = dates.resolved(dates.find("by january 3")[0], date(2026, 12, 30))

    assert date.fromordinal(spans[0].end) == date(2027, 1, 4)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Will Democratic win the House race for AZ-2?", "Will the Democratic Party win the AZ-02 House seat?"),
        ("Will GDP growth be above 3%?", "Will GDP growth not be at most 3%?"),
        ("Will Lee Jae-myung be arrested before 2027?", "Lee Jae Myung arrested by December 31, 2026?"),
        ("Will Türkiye win Group D?", "Group D Winner: Turkey"),
        ("Will Houston win the 2026 Pro Baseball title?", "Will Houston Astros win the 2026 MLB title?"),
    ],
)
def test_one_question_in_other_words_has_no_conflict(left: str, right: str) -> None:
    assert compared(left, right).conflicts == ()


@pytest.mark.parametrize(
    ("left", "right", "conflict"),
    [
        ("Will Republicans win WA-05?", "Will Republicans win VA-09?", "number"),
        ("Will Ann Lee win?", "Will Bob Lee win?", "entity"),
        ("Will the governor of Texas resign?", "Will the lieutenant governor of Texas resign?", "entity"),
        ("Will Ann Lee win?", "Will Ann Lee lose?", "polarity"),
        ("Will Ann Lee resign?", "Will Ann Lee not resign?", "polarity"),
        ("Will CPI be above 3%?", "Will CPI be at least 3%?", "operator"),
        ("Will CPI be above 3%?", "Will CPI be above 4%?", "number"),
        ("Will X Corp launch by June 30?", "Will X Corp launch by July 31?", "date"),
        ("Rangers vs. Astros: O/U 8.5", "Rangers vs. Astros", "metric"),
        ("Foo vs Bar - Map 1 Winner", "Foo vs Bar - Map 2 Winner", "number"),
    ],
)
def test_near_twins_conflict_in_what_differs(left: str, right: str, conflict: str) -> None:
    assert conflict in compared(left, right).conflicts


_TITLES = st.sampled_from(
    [
        "Will GDP growth be above 3% in Q2 2026?",
        "Will GDP growth be at most 3% in Q2 2026?",
        "Rangers vs. Astros: O/U 8.5",
        "Spread: Rangers (-1.5)",
        "Will Ann Lee win the WA-05 House seat?",
        "Will Ann Lee not win the WA-05 House seat by June 30?",
        "Bitcoin Up or Down - May 10, 5PM ET",
        "Will New York Mets win?",
        "Will New York Yankees win?",
    ]
)
_SWAPPED = {Extent.LEFT_INSIDE: Extent.RIGHT_INSIDE, Extent.RIGHT_INSIDE: Extent.LEFT_INSIDE}


@settings(max_examples=40)
@given(_TITLES, _TITLES)
def test_comparing_does_not_depend_on_which_side_is_left(left: str, right: str) -> None:
    one, other = compared(left, right), compared(right, left)

    assert (one.coverage, one.is_aligned, set(one.conflicts)) == (
        other.coverage,
        other.is_aligned,
        set(other.conflicts),
    )
    assert one.numbers is _SWAPPED.get(other.numbers, other.numbers)
    assert one.dates is _SWAPPED.get(other.dates, other.dates)


@given(_TITLES)
def test_a_question_is_itself(title: str) -> None:
    assert compared(title, title).conflicts == ()


_SCRAPS = (
    "by June 31",
    "Feb 30, 2026",
    "12/45/2026",
    "$",
    "1,2,3",
    "0 - 0",
    "Q9",
    "25:99 PM ET",
    "2026-13-40",
    "İ",
    "½",
    "vs",
)


@settings(max_examples=60)
@given(st.lists(st.one_of(st.sampled_from(_SCRAPS), st.text(max_size=8)), max_size=6).map(" ".join))
def test_any_text_can_be_read_and_is_then_like_itself(title: str) -> None:
    asked = question(title, decided=date(2026, 5, 16))

    again = compare(asked, asked)

    assert again.numbers is Extent.SAME
    assert not {"number", "operator", "date", "metric", "polarity"} & set(again.conflicts)
