"""Laws of paging, against a venue that is a list."""

from hypothesis import given
from hypothesis import strategies as st

from tickline.sources.paging import Frontier, Item, identities, positions

Row = tuple[int, str | None, int]  # position, id, content


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Rows in time order, with runs of equal times; some without an id, some of those equal in content."""
    steps = draw(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 1)), max_size=40))
    rows, position = [], 0
    for number, (step, has_id, content) in enumerate(steps):
        position += step
        rows.append((position, str(number) if has_id else None, content))
    return rows


def page(rows: list[Row]) -> list[Item]:
    keys = identities([row[1] for row in rows], [[row[0], row[2]] for row in rows])
    return [Item(row[0], key, row) for row, key in zip(rows, keys, strict=True)]


@given(histories(), st.integers(1, 5), st.integers(0, 3))
def test_forward_pages_bring_every_row_exactly_once(rows: list[Row], room: int, early: int) -> None:
    # A page must hold more than one run of equal times; how the venue overlaps beyond that is its own affair.
    longest = max((sum(row[0] == at for row in rows) for at, *_ in rows), default=0)
    floor, kept = Frontier(0), list[Row]()
    while True:
        # The venue serves whole milliseconds from an earlier one on.
        start = next((n for n, row in enumerate(rows) if row[0] >= floor.position - early), len(rows))
        wanted = next((n for n, row in enumerate(rows) if row[0] >= floor.position), len(rows))
        items = page(rows[start : wanted + longest + room])
        kept += [item.fields for item in floor.above(items)]
        raised = floor.raised(items)
        if raised.position == floor.position:
            break
        floor = Frontier.load(raised.dump())
    assert kept == rows


@given(histories(), st.integers(1, 5), st.integers(0, 3))
def test_backward_pages_bring_every_row_with_an_id_exactly_once(rows: list[Row], size: int, early: int) -> None:
    newest_first = [row for row in reversed(rows) if row[1] is not None]
    ceiling, kept = Frontier(10**9), list[Row]()
    for start in range(0, len(newest_first), size):
        items = page(newest_first[max(0, start - early) : start + size])
        kept += [item.fields for item in ceiling.below(items)]
        ceiling = Frontier.load(ceiling.lowered(items).dump())
    assert kept == newest_first


def test_a_row_repeated_within_a_page_counts_once() -> None:
    rows = [(5, "a", 0), (6, "b", 0), (5, "a", 0), (6, "b", 0)]
    assert [item.fields for item in Frontier(0).above(page(rows))] == rows[:2]


def test_equal_rows_without_ids_are_two_rows_on_one_page_and_the_same_two_on_the_next() -> None:
    rows: list[Row] = [(5, None, 1), (5, None, 1)]
    floor = Frontier(0)
    assert len(floor.above(page(rows))) == 2
    assert floor.raised(page(rows)).above(page(rows)) == []


def test_a_row_of_unknown_position_stands_beside_its_neighbour() -> None:
    assert positions([None, 7, None, 9, None], start=3) == [7, 7, 7, 9, 9]
    assert positions([None, None], start=3) == [3, 3]
