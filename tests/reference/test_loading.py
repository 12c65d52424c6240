from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tickline.errors import ConfigError
from tickline.reference.loading import MAX_BYTES, Layout, load_layout, load_venues, load_yaml
from tickline.reference.models import Declared, Venue

VENUE = """
name: nysim
kind: equity
calendar: nysim
start: 2026-03-06
end: 2026-03-10
feeds:
  trades: {kind: lean, folder: "${TICKLINE_REAL_DATA}/lean"}
parameters: {jump: 0.05}
instruments:
  - name: SPY
    kind: equity
    quote: USD
    tick_size: 0.01
    lot_size: 1
"""


class Settings(Declared):
    place: str


def written(folder: Path, text: str | bytes, name: str = "nysim.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path, model: type[BaseModel] = Venue) -> str:
    with pytest.raises(ConfigError) as refused:
        load_yaml(path, model)
    return str(refused.value)


def test_a_venue_is_loaded(tmp_path: Path) -> None:
    venue = load_yaml(written(tmp_path, VENUE), Venue)
    assert (venue.name, venue.start, venue.end) == ("nysim", date(2026, 3, 6), date(2026, 3, 10))
    assert str(venue.instruments[0].tick_size) == "0.01"


def test_variables_are_filled_in_from_the_environment_or_their_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "place: ${TICKLINE_REAL_DATA}/a:${TICKLINE_HOME}")
    monkeypatch.setenv("TICKLINE_REAL_DATA", "/data")
    monkeypatch.delenv("TICKLINE_HOME", raising=False)
    assert load_yaml(path, Settings).place == "/data/a:.tickline"
    monkeypatch.delenv("TICKLINE_REAL_DATA")
    assert load_yaml(path, Settings).place == "../shared/data/a:.tickline"


def test_other_variables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    message = refusal(written(tmp_path, "place: ${SECRET}"), Settings)
    assert message.startswith(f"{tmp_path}/nysim.yaml:1: place: only TICKLINE_REAL_DATA")
    assert "hunter2" not in message


def test_every_problem_is_listed_with_file_line_place_reason_and_value(tmp_path: Path) -> None:
    text = VENUE.replace("kind: equity\ncalendar", "kind: bazaar\ncalendar")
    path = written(tmp_path, text.replace("0.01", "-1").replace("quote", "qoute"))
    lines = refusal(path).splitlines()
    assert lines[0].startswith(f"{path}:3: kind: input should be")
    assert lines[0].endswith("(got 'bazaar')")
    assert f"{path}:11: instruments.0.quote: field required" in lines
    assert any(line.startswith(f"{path}:14: instruments.0.tick_size: ") and line.endswith("(got -1)") for line in lines)
    assert f"{path}:13: instruments.0.qoute: extra inputs are not permitted (got 'USD')" in lines
    assert len(lines) == 4


@pytest.mark.parametrize(
    "number", ["nan", ".nan", ".inf", "-.inf", "0", "-0.01", "1e999", "1e-13", "1e13", "abc", "[1]"]
)
def test_a_grid_step_is_finite_positive_and_of_this_world(tmp_path: Path, number: str) -> None:
    assert ":14: instruments.0.tick_size:" in refusal(written(tmp_path, VENUE.replace("0.01", number)))


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (("start: 2026-03-06", "start: 0001-01-01"), "start"),
        (("start: 2026-03-06", "start: 9999-12-31"), "start"),
        (("start: 2026-03-06", "start: 2026-13-06"), "start"),
        (("end: 2026-03-10", "end: 2026-03-05"), "document"),
        (("name: nysim", "name: ../etc/passwd"), "name"),
        (("{jump: 0.05}", "{jump: .nan}"), "parameters.jump"),
        (("{jump: 0.05}", "{'Jump!': 1}"), "parameters"),
        (("trades:", "gossip:"), "feeds.gossip"),
        (("kind: lean, ", ""), "feeds.trades.kind"),
        (("  - name: SPY", "  - name: ''"), "instruments.0.name"),
    ],
)
def test_impossible_values_are_named(tmp_path: Path, wrong: tuple[str, str], place: str) -> None:
    assert f": {place}" in refusal(written(tmp_path, VENUE.replace(*wrong)))


def test_an_instrument_listed_twice_is_refused(tmp_path: Path) -> None:
    twice = VENUE + VENUE.split("instruments:")[1]
    assert "instruments listed twice: SPY" in refusal(written(tmp_path, twice))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"- a", "must be a mapping (got a list)"),
        (b"a", "must be a mapping (got 'a')"),
        (b"a: \xff", "not UTF-8"),
        (b"a: 1\n\x00", "not valid YAML"),
        (b"#" * (MAX_BYTES + 1), "larger than 4 MiB"),
    ],
)
def test_a_file_that_is_no_document_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = written(tmp_path, content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert reason in message


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.yaml") == f"{tmp_path}/absent.yaml: no such file"
    assert "no such file" in refusal(tmp_path)
    assert "cannot be read" in refusal(tmp_path / ("n" * 300)) or "no such file" in refusal(tmp_path / ("n" * 300))
    assert "no such file" in refusal(tmp_path / "a\0b")


def test_a_flood_of_problems_is_cut_short(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "\n".join(f"k{at}: 1" for at in range(5000))))
    assert message.endswith("and 4904 more")
    assert len(message) < 20_000


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.data())
def test_a_venue_with_anything_anywhere_is_loaded_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    document = yaml.safe_load(VENUE)
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
        lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
        max_leaves=6,
    )
    target = data.draw(st.sampled_from([document, document["feeds"], document["instruments"][0]]))
    target[data.draw(st.sampled_from(sorted(target)) | st.text(max_size=8))] = data.draw(anything)
    path = written(tmp_path, yaml.safe_dump(document, allow_unicode=True))
    try:
        load_yaml(path, Venue)
    except ConfigError as refused:
        assert all(line.startswith(str(path)) for line in str(refused).splitlines())  # noqa: PT017


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.integers(0, len(VENUE) - 1), st.binary(max_size=4), st.integers(0, 8))
def test_a_damaged_file_is_loaded_or_refused(tmp_path: Path, at: int, junk: bytes, lost: int) -> None:
    content = VENUE.encode()
    path = written(tmp_path, content[:at] + junk + content[at + lost :])
    try:
        load_yaml(path, Venue)
    except ConfigError as refused:
        assert str(refused).startswith(str(path))  # noqa: PT017


def test_the_parts_of_a_layout_are_relative_to_its_file(tmp_path: Path) -> None:
    written(tmp_path, "venues: mine\nrules: ../rules.yaml", "tickline.yaml")
    layout = load_layout(tmp_path)
    assert layout.venues == tmp_path / "mine"
    assert layout.rules == tmp_path / "../rules.yaml"
    assert layout.calendars == tmp_path / "calendars.yaml"


def test_a_layout_of_unknown_parts_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "venus: mine", "tickline.yaml")
    with pytest.raises(ConfigError, match=r"tickline\.yaml:1: venus: extra inputs"):
        load_layout(tmp_path)
    assert Layout().venues == Path("venues")


def test_venues_are_sorted_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        written(tmp_path, VENUE.replace("name: nysim", f"name: {name}"), f"{name}.yaml")
    assert list(load_venues(tmp_path, {"nysim"})) == ["a", "b", "c"]


def test_the_problems_of_all_venues_are_listed(tmp_path: Path) -> None:
    written(tmp_path, VENUE, "other.yaml")
    written(tmp_path, VENUE, "nysim.yml")
    written(tmp_path, "name: 3", "broken.yaml")
    own = VENUE.replace("name: nysim", "name: fine").replace("    quote:", "    calendar: lost\n    quote:")
    written(tmp_path, own, "fine.yaml")
    with pytest.raises(ConfigError) as refused:
        load_venues(tmp_path, {"nysim"})
    message = str(refused.value)
    assert "broken.yaml:1: name: input should be a valid string (got 3)" in message
    assert (
        "other.yaml: name: a file is called after what it declares (got 'other.yaml', expected 'nysim.yaml')" in message
    )
    assert "nysim.yml: name: a file is called after what it declares" in message
    assert "fine.yaml: instruments.SPY.calendar: no such calendar is declared (got 'lost')" in message


def test_a_venue_on_an_undeclared_calendar_is_refused(tmp_path: Path) -> None:
    written(tmp_path, VENUE)
    with pytest.raises(ConfigError, match=r"nysim\.yaml: calendar: no such calendar is declared \(got 'nysim'\)"):
        load_venues(tmp_path, {"always"})


@pytest.mark.parametrize("folder", ["absent", "."])
def test_a_folder_without_venues_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match="venue"):
        load_venues(tmp_path / folder, {"always"})
