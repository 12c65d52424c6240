import orjson
import pytest

from tickline.errors import LakeError
from tickline.lake.chained import append_line, load_lines


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "said.jsonl"
    for number in range(3):
        append_line(file, {"number": number, "why": "a\nb"})
    return file


def test_what_was_said_is_read_in_its_order(path, tmp_path):
    assert [line.said["number"] for line in load_lines(path)] == [0, 1, 2]
    assert load_lines(tmp_path / "absent.jsonl") == []


def edited(content: bytes) -> bytes:
    return content.replace(b'"number":1', b'"number":7')


def rehashed(content: bytes) -> bytes:
    """A line that was replaced together with its own hash."""
    lines = [orjson.loads(line) for line in content.splitlines()]
    lines[1] = lines[0] | {"previous": lines[1]["previous"]}
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


@pytest.mark.parametrize(
    "change",
    [
        edited,
        rehashed,
        lambda content: content[:-1],
        lambda content: content[:-20],
        lambda content: b"".join(content.splitlines(keepends=True)[1:]),
        lambda content: b"".join(reversed(content.splitlines(keepends=True))),
        lambda content: content + b"\n",
        lambda content: content + b"[]\n",
    ],
)
def test_what_was_torn_edited_or_moved_is_found_and_nothing_is_added_to_it(path, change):
    path.write_bytes(change(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(LakeError, match=r"said\.jsonl:\d"):
        load_lines(path)
    with pytest.raises(LakeError, match=r"said\.jsonl:\d"):
        append_line(path, {"number": 3})
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(LakeError, match="nothing was recorded"):
        append_line(tmp_path / "absent" / "said.jsonl", {})
