"""Commands about mappings: what waits for a person, and what a person decides."""

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from runners.commands.mapping import _marked, plain
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output
from tickline.markets.cleaning import clean
from tickline.markets.review import load
from tickline.pipeline.mapping import mapping_stage
from tickline.pipeline.stage import materialise
from tickline.reference.models import Venue
from tickline.sources.opening import open_markets
from tickline.workspace import Workspace

ROOT = Path(__file__).parents[2]
DAYS = (date(2026, 3, 6), date(2026, 3, 7))
HOSTILE = "Will [red]the Fed[/] cut\x1b[2J rates\u202e?"

Tickline = Callable[..., Any]


def test_a_venues_text_moves_no_cursor_and_is_no_markup() -> None:
    assert plain(HOSTILE) == "Will [red]the Fed[/] cut\ufffd[2J rates\ufffd?"
    assert plain("two\nlines") == "two lines"
    assert _marked(plain(HOSTILE), "the Fed cut").plain.strip() == plain(HOSTILE)


def test_what_only_one_side_says_is_marked() -> None:
    marked = _marked("Fed cuts 50 bp", "Fed cuts 25 bp.")
    assert [marked.plain[span.start : span.end] for span in marked.spans] == ["50"]


def publish(lake: Lake, venue: Venue, day: date, here: Workspace) -> None:
    assert venue.markets is not None
    raw = open_markets(venue.markets, venue, calendars=here.universe.calendars).markets(day)
    made = clean(raw, venue, day)
    hostile = pl.when(pl.col("market_id") == "FEDDEC-26MAR-CUT").then(pl.lit(HOSTILE)).otherwise("title")
    outputs = [
        Output(PartitionKey.daily("clean_markets", venue.name, day), made.markets.with_columns(title=hostile), {}),
        Output(PartitionKey.daily("market_quotes", venue.name, day), made.quotes, {}),
    ]
    with lake.lease(str(outputs[0].key)) as lease:
        lake.publish(outputs, made_from=[], code="test", run="test", lease=lease)


@pytest.fixture(scope="module")
def mapped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home in which the shipped mapping was made, and the configuration without decisions."""
    folder = tmp_path_factory.mktemp("mapped")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "config" / "mappings" / "predsim.decisions.jsonl").unlink(missing_ok=True)
    here = Workspace(folder / "config", folder / "home")
    venues = [here.universe.venues[name] for name in ("predsim_a", "predsim_b")]
    for day in DAYS:
        for venue in venues:
            publish(here.lake, venue, day, here)
    stage = mapping_stage(here.universe.mappings["predsim"], *venues, DAYS, here.universe.decisions["predsim"])
    for period in stage.periods:
        materialise(here.lake, stage, period, run="test")
    here.lake.catalog.close()
    return folder


@pytest.fixture
def mapped(mapped_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    shutil.copytree(mapped_once, tmp_path / "own", symlinks=True)
    here = Workspace(tmp_path / "own" / "config", tmp_path / "own" / "home")
    monkeypatch.setenv("TICKLINE_CONFIG", str(here.config))
    monkeypatch.setenv("TICKLINE_HOME", str(here.home))
    monkeypatch.setenv("COLUMNS", "160")
    yield here
    here.lake.catalog.close()


def pair_of(tickline: Tickline, left: str, right: str) -> dict[str, Any]:
    found = tickline("mapping", "candidates", "--limit", "1000", "--json").json["candidates"]
    (row,) = [row for row in found if (row["left_market"], row["right_market"]) == (left, right)]
    return dict(row)


CUT = ("FEDDEC-26MAR-CUT", "fed-decision-in-march/decrease")


@pytest.mark.slow
def test_candidates_are_listed_by_score(mapped: Workspace, tickline: Tickline) -> None:
    said = tickline("mapping", "candidates", "--limit", "3", "--json").json
    scores = [row["score"] for row in said["candidates"]]
    assert (said["day"], len(scores), scores) == ("2026-03-07", 3, sorted(scores, reverse=True))
    assert tickline("mapping", "candidates", "--relation", "subset", "--json").code == 0
    shown = tickline("mapping", "candidates", "--day", "2026-03-06")
    assert (shown.code, "2026-03-06" in shown.out) == (0, True)


@pytest.mark.slow
def test_a_pair_is_approved_by_the_beginning_of_its_id_for_the_terms_of_now(
    mapped: Workspace, tickline: Tickline
) -> None:
    pair = pair_of(tickline, *CUT)
    approve = ("mapping", "approve", pair["pair_id"][:10], "--by", "ada", "--why", "one meeting")
    said = tickline(*approve, "--relation", "equivalent", "--json")
    assert said.code == 0
    (ruling,) = load(mapped.universe.decisions["predsim"]).rulings
    assert (ruling.pair_id, ruling.by, ruling.reason) == (pair["pair_id"], "ada", "one meeting")
    listed = mapped.lake.dataset("clean_markets", first="2026-03-07", last="2026-03-07").collect()
    terms = dict(listed.select("market_id", "terms_sha256").iter_rows())
    assert (ruling.left_terms, ruling.right_terms) == (terms[CUT[0]], terms[CUT[1]])
    assert (said.json["left_terms"], said.json["right_terms"]) == (ruling.left_terms, ruling.right_terms)


@pytest.mark.slow
def test_approving_shows_both_texts_and_hides_none_of_the_hostile_one(mapped: Workspace, tickline: Tickline) -> None:
    pair = pair_of(tickline, *CUT)
    shown = tickline(
        "mapping", "approve", pair["pair_id"], "--by", "ada", "--why", "[b]x", "--relation", "equivalent"
    ).out
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    for text in ("[red]the", "Fed[/]", "Fed decreases interest rates", "federal funds rate", "says ada"):
        assert text in shown


@pytest.mark.slow
def test_a_rejection_is_the_last_word_until_an_approval(mapped: Workspace, tickline: Tickline) -> None:
    pair = pair_of(tickline, *CUT)
    for verdict, extra in (("reject", ()), ("approve", ("--relation", "complement"))):
        said = tickline("mapping", verdict, pair["pair_id"], "--by", "ada", "--why", "read both", *extra, "--json")
        assert said.code == 0
    first, second = load(mapped.universe.decisions["predsim"]).rulings
    assert [first.verdict, second.verdict, second.relation] == ["rejected", "approved", "complement"]


@pytest.mark.slow
def test_review_shows_what_waits_and_ends_with_0_once_nothing_does(mapped: Workspace, tickline: Tickline) -> None:
    waiting = tickline("mapping", "review", "--limit", "100", "--json")
    assert (waiting.code, waiting.json["waiting"]) == (1, len(waiting.json["pairs"]))
    assert waiting.json["waiting"] > 0
    shown = tickline("mapping", "review", "--limit", "100")
    assert shown.code == 1
    for row in waiting.json["pairs"]:
        assert row["pair_id"] in shown.out
        assert tickline("mapping", "reject", row["pair_id"], "--by", "ada", "--why", "no", "--json").code == 0
    left = tickline("mapping", "review", "--json")
    assert (left.code, left.json["waiting"]) == (0, 0)


@pytest.mark.slow
def test_drift_is_listed_by_severity_and_ends_with_1_where_something_blocks(
    mapped: Workspace, tickline: Tickline
) -> None:
    said = tickline("mapping", "drift", "--json")
    assert said.code == (1 if said.json["blocking"] else 0)
    assert tickline("mapping", "drift", "--severity", "block").code == said.code
    assert (
        tickline("mapping", "drift", "--day", "2026-03-06", "--severity", "warn", "--json").json["day"] == "2026-03-06"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("approve zzz --by ada --why x", "0 pairs of predsim on 2026-03-07 begin with 'zzz'"),
        ("drift --day 2026-04-01", "mapping/predsim/2026-04-01 is not in the lake"),
        ("review --mapping other", "no mapping 'other'; there are predsim"),
    ],
)
def test_what_is_not_there_is_named(mapped: Workspace, tickline: Tickline, line: str, match: str) -> None:
    said = tickline("mapping", *line.split())
    assert said.code == 1
    assert match in said.err
    assert load(mapped.universe.decisions["predsim"]).rulings == ()


@pytest.mark.slow
def test_nothing_is_approved_from_which_nothing_follows(mapped: Workspace, tickline: Tickline) -> None:
    pair = pair_of(tickline, *CUT)["pair_id"]
    for extra, match in (
        (("--relation", "related"), "nothing follows from related"),
        (("--relation", "subset"), "which side implies the other"),
        (("--relation", "subset", "--implies", "both"), "which side implies the other"),
        (("--relation", "equivalent", "--implies", "left"), "which side implies the other"),
    ):
        said = tickline("mapping", "approve", pair, "--by", "ada", "--why", "x", *extra)
        assert (said.code, match in said.err) == (1, True)
    assert tickline("mapping", "approve", pair, "--by", " ", "--why", "x", "--relation", "equivalent").code == 1
    assert load(mapped.universe.decisions["predsim"]).rulings == ()
