import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.reference.documents import MAX_DEPTH, MAX_NODES, DocumentError, parse

TEXTS = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), max_size=20)
NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXTS, parts, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(DOCUMENTS)
def test_json_is_read_as_itself(value: object) -> None:
    assert parse(json.dumps(value, ensure_ascii=False)).value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 17:00", "17:00"),
        ("a: NO", "NO"),
        ("a: on", "on"),
        ("a: 2026-03-06", "2026-03-06"),
        ("a: 0700", 700),
        ("a: '0700'", "0700"),
        ("a: 1_000", "1_000"),
        ("a: 1e-8", 1e-8),
        ("a: -.5", -0.5),
        ("a: true", True),
        ("a: 'true'", "true"),
        ("a: ~", None),
        ("a:", None),
        ("a: .inf", float("inf")),
        ("a: !!str 3", "3"),
        ("a: " + "9" * 5000, "9" * 5000),
    ],
)
def test_plain_words_follow_the_core_schema(text: str, value: object) -> None:
    assert parse(text).value == {"a": value}


def test_an_alias_repeats_what_its_anchor_holds() -> None:
    assert parse("a: &x {b: 1}\nc: [*x, *x]").value == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


def test_every_place_knows_its_line() -> None:
    lines = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n").lines
    assert lines[("a", "b")] == 2
    assert lines[("a", "c")] == 3
    assert lines[("a", "c", 1, "d")] == 5


BOMB = "\n".join(["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)])


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("", "empty", 1),
        ("# nothing\n", "empty", 1),
        ("a: 1\nb: 2\na: 3", "key 'a' appears twice", 3),
        ("a: 1\n---\nb: 2", "second document", 2),
        ("a: !!python/object/apply:os.system [ls]", "tag", 1),
        ("a: !include x", "tag", 1),
        ("? [a, b]\n: 1", "key must be plain text", 1),
        ("a: *x", "names nothing", 1),
        ("a: &x [*x]", "names nothing", 1),
        ("a:\n  - [\n", "not valid YAML", 3),
        ("a: \0", "not valid YAML", 1),
        ("a: " + "[" * 100_000, f"deeper than {MAX_DEPTH}", 1),
        ("- " * 100_000, f"deeper than {MAX_DEPTH}", 1),
        ("a:\n" + "- x\n" * (MAX_NODES + 1), f"more than {MAX_NODES}", MAX_NODES),
        (BOMB, f"more than {MAX_NODES}", 6),
    ],
)
def test_what_no_configuration_needs_is_refused_with_its_line(text: str, reason: str, line: int) -> None:
    with pytest.raises(DocumentError, match=reason) as refused:
        parse(text)
    assert refused.value.line == line


@settings(deadline=None)
@given(st.text(alphabet="ab:-?*&!|>'\"{}[],#\n \t0.~%@`\\\r\u2028é", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except DocumentError as refused:
        assert refused.line >= 1  # noqa: PT017  (most texts are fine)
