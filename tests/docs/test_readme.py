"""What the documentation says is true: its commands run, its snippets work, its files, links and pictures are there."""

import ast
import importlib
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from typer.testing import CliRunner

from runners.cli import app
from tickline.pipeline.graph import venue_stages
from tickline.pipeline.stage import Stage
from tickline.reference.loading import VARIABLES
from tickline.sources.ccxt_venue import CcxtSettings
from tickline.universe import load_universe
from tickline.workspace import Workspace

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
EVERYTHING = [README, ROOT / "CHANGELOG.md", *GUIDE, *ADRS, ROOT / "docs" / "adr" / "README.md"]
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))} - {"logs"}
DAY = "2026-03-06"

LONG = {"demo", "docs", "poll", "backfill", "markets sync"}
"""Commands that take more than a moment; `backfill --dry-run` is not among them."""

TELLING = {"mapping review", "mapping drift", "packet"}
"""Commands that end with 1 where what they tell is for a person to act on."""

ELSEWHERE = {"adding-a-venue", "adding-a-source", "real-data", "research"}
"""Pages whose commands need data of their own."""

Make = Callable[..., list[Any]]


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, what else its first line says, and its text."""

    page: Path
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.stem}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    pattern = re.compile(r"^( *)```(\w+) ?(.*)\n((?:.*\n)*?)\1```$", re.MULTILINE)
    content = page.read_text()
    for found in pattern.finditer(content):
        indent, language, info, text = found.groups()
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        yield Block(page, content.count("\n", 0, found.start()) + 1, language, info, "\n".join(lines) + "\n")


BLOCKS = [block for page in (README, *GUIDE) for block in blocks(page)]
COMMANDS = [(block, line) for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]


def of(language: str, info: str | None = None) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and info in (None, block.info)]


def named(block: Block) -> str:
    return str(block)


# Commands


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=str)
def test_every_command_exists_and_takes_its_options(block: Block, line: str) -> None:
    word, *rest = shlex.split(line)
    match word, rest:
        case "make", [target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case "tickline", _:
            understood(typer.main.get_command(app), rest)
        case (("qa" | "bench"), [name, *options]):
            figure = typer.Typer()
            figure.command()(importlib.import_module(f"{word}.{name}").run)
            understood(typer.main.get_command(figure), options)
        case "python", ["-m", module, *options]:
            path = ROOT / module.replace(".", "/")
            source = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
            assert all(option[2:] in source for option in options if option.startswith("--"))
        case "export", [setting]:
            assert setting.partition("=")[0] in environment()
        case "source", [".venv/bin/activate"]:
            pass
        case _:
            pytest.fail(f"{block}: nobody knows the command {line!r}")


def understood(command: click.Command, arguments: list[str]) -> None:
    """Parse a command line without running it; click raises where an option or argument does not exist."""
    context = command.make_context(command.name, list(arguments))
    if isinstance(command, click.Group):
        name, inner, rest = command.resolve_command(context, context.args or context._protected_args)
        assert inner is not None, name
        understood(inner, rest)


def is_quick(line: str) -> bool:
    words = shlex.split(line)
    is_long = not LONG.isdisjoint(called(words))
    return words[0] == "tickline" and (not is_long or "--dry-run" in words)


def called(words: list[str]) -> set[str]:
    """The command in a line, with and without what follows its name."""
    return {words[1], " ".join(words[1:3])}


def run(line: str, *, judged: bool = True) -> None:
    """Run a `tickline` command to its end; of what is not judged, `status` says so by its exit code."""
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    expected = {0 if judged or "status" not in line else 1}
    if not TELLING.isdisjoint(called(shlex.split(line))):
        expected = {0, 1}
    said = f"{line}\n{result.output}\n{result.exception!r}"
    assert result.exit_code in expected, said
    assert result.exception is None or isinstance(result.exception, SystemExit), said


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory: pytest.TempPathFactory, make: Make) -> Path:
    """A folder with the demo's configuration cut to one day of two quiet venues and the prediction venues, and a home
    with everything made.

    No check has judged it: that takes Great Expectations, which takes longer than all the rest.
    """
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "config", folder / "config", ignore=shutil.ignore_patterns("real", "venues", "strategies"))
    (folder / "config" / "venues").mkdir()
    for name in ("coinsim", "nysim"):
        venue = yaml.safe_load((ROOT / "config" / "venues" / f"{name}.yaml").read_text()) | {"end": date(2026, 3, 6)}
        for process in venue["feeds"]["trades"]["processes"].values():  # the feeds share them
            process["quotes_per_hour"] /= 50
            process["trades_per_hour"] /= 50
        (folder / "config" / "venues" / f"{name}.yaml").write_text(yaml.safe_dump(venue))
    for name in ("predsim_a", "predsim_b"):
        venue = yaml.safe_load((ROOT / "config" / "venues" / f"{name}.yaml").read_text()) | {"end": date(2026, 3, 6)}
        (folder / "config" / "venues" / f"{name}.yaml").write_text(yaml.safe_dump(venue))
    with pytest.MonkeyPatch.context() as patch:
        here = entered(folder, patch)
        make(here)
        here.lake.catalog.close()
    return folder


@pytest.fixture
def demo(small_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the small demo to work in, as the reader would: from the folder that holds `config` and `.tickline`."""
    shutil.copytree(small_demo, tmp_path / "copy", symlinks=True)
    return entered(tmp_path / "copy", monkeypatch)


def entered(folder: Path, patch: pytest.MonkeyPatch) -> Workspace:
    patch.chdir(folder)
    patch.setenv("TICKLINE_CONFIG", "config")
    patch.setenv("TICKLINE_HOME", ".tickline")
    patch.setenv("DAGSTER_HOME", str(folder / ".tickline" / "dagster"))
    return Workspace(folder / "config", folder / ".tickline")


@pytest.mark.parametrize(
    "page", [page for page in (README, *GUIDE) if page.stem not in ELSEWHERE], ids=lambda p: p.stem
)
def test_the_quick_commands_of_a_page_run_in_its_order(demo: Workspace, page: Path) -> None:
    for block, line in COMMANDS:
        if block.page == page and is_quick(line):
            run(line, judged=False)


@pytest.mark.slow
def test_the_commands_of_the_research_guide_run_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    elsewhere = shutil.ignore_patterns("real", "venues", "mappings", "lanes")
    shutil.copytree(ROOT / "config", tmp_path / "config", ignore=elsewhere)
    (tmp_path / "config" / "venues").mkdir()
    venue = yaml.safe_load((ROOT / "config" / "venues" / "coinsim.yaml").read_text())
    for process in venue["feeds"]["trades"]["processes"].values():
        process["quotes_per_hour"] /= 10
    (tmp_path / "config" / "venues" / "coinsim.yaml").write_text(yaml.safe_dump(venue))
    here = entered(tmp_path, monkeypatch)
    make(here)
    here.lake.catalog.close()
    for block, line in COMMANDS:
        if block.page.stem == "research":
            run(line)
    assert {"coin_trend.html", "coin_trend_tables", "compare.html"} <= {path.name for path in tmp_path.iterdir()}


@pytest.fixture(scope="module")
def judged_demo(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small demo in which a backfill made and judged all there is."""
    folder = Path(shutil.copytree(small_demo, tmp_path_factory.mktemp("judged") / "copy", symlinks=True))
    with pytest.MonkeyPatch.context() as patch:
        entered(folder, patch)
        run("tickline backfill")
    return folder


@pytest.mark.slow
def test_the_long_commands_run_and_leave_nothing_to_say(judged_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered(judged_demo, monkeypatch)
    lines = {line for block, line in COMMANDS if block.page.stem not in ELSEWHERE and line.startswith("tickline")}
    for line in (*sorted(line for line in lines if not is_quick(line)), "tickline status"):
        run(line)


@pytest.mark.slow
@pytest.mark.parametrize("block", of("python", "slow"), ids=named)
def test_slow_python_snippets_run(judged_demo: Path, monkeypatch: pytest.MonkeyPatch, block: Block) -> None:
    entered(judged_demo, monkeypatch)
    assert printed(block).strip()


# Snippets


@pytest.mark.parametrize("block", of("python", ""), ids=named)
def test_python_snippets_run(demo: Workspace, block: Block) -> None:
    assert printed(block).strip()


def printed(block: Block) -> str:
    """What a snippet prints."""
    said: list[str] = []
    names: dict[str, Any] = {"print": lambda *things: said.append(" ".join(map(str, things)))}
    exec(compile(block.text, str(block), "exec"), names)
    return "\n".join(said)


@pytest.mark.parametrize("block", of("py"), ids=named)
def test_fragments_are_python(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", of("yaml"), ids=named)
def test_configuration_is_accepted(demo: Workspace, block: Block) -> None:
    config = demo.config
    (mycoin,) = of("yaml", "config/venues/mycoin.yaml")
    (config.parent / mycoin.info).write_text(mycoin.text)
    if block.info.startswith("config/"):
        upto = [one for one in blocks(block.page) if one.info.startswith("config/") and one.line <= block.line]
        for one in upto:
            (config.parent / one.info).parent.mkdir(exist_ok=True)
            (config.parent / one.info).write_text(one.text)
    else:
        written = yaml.safe_load(block.text)
        edit = EDITS[block.info]
        path = config / edit.file
        document = yaml.safe_load(path.read_text())
        edit.apply(document, written)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    universe = load_universe(config)
    for venue in universe.venues.values():
        venue_stages(universe, venue, today=date(2026, 3, 20))
        if venue.poll is not None:
            CcxtSettings(**{"since": venue.start, **venue.poll})


@dataclass(frozen=True)
class Edit:
    """What a reader does with a fragment of YAML: the file it goes into, and how."""

    file: str
    apply: Callable[[dict[str, Any], Any], None]


def add_rule(document: dict[str, Any], written: Any) -> None:
    document["parameters"]["default"] |= yaml.safe_load(of("yaml", "parameters")[0].text)
    scans = [at for at, rule in enumerate(document["rules"]) if "scan" in rule]
    document["rules"][scans[0] : scans[0]] = written


EDITS = {
    "venue": Edit("venues/mycoin.yaml", dict.update),
    "calendar": Edit("calendars.yaml", dict.update),
    "retention": Edit("retention.yaml", dict.update),
    "parameters": Edit("rules.yaml", lambda document, written: document["parameters"]["default"].update(written)),
    "rule": Edit("rules.yaml", add_rule),
}


ADDED = {"clean_trades": [3], "clean_markets": [1], "market_quotes": [1], "quarantine_markets": [0]}
"""Rows of what the guide's venues deliver."""


def test_the_venues_of_the_guide_can_be_added_as_written(demo: Workspace, make: Make) -> None:
    page = next(page for page in GUIDE if page.stem == "adding-a-venue")
    for block in blocks(page):
        if "/" in block.info:
            path = demo.config.parent / block.info
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    here = Workspace(demo.config, demo.home)
    published = [*make(here, venue="mycoin"), *make(here, venue="mykalshi")]
    for block, line in COMMANDS:
        if block.page == page and is_quick(line):
            run(line, judged=False)
    made = {dataset: [one.rows for one in published if one.key.dataset == dataset] for dataset in ADDED}
    assert made == ADDED


@pytest.mark.slow
def test_the_commands_of_a_recorded_week_run(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TICKLINE_CONFIG", "config/real")
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(real_data))
    week, *_ = (block for block in BLOCKS if block.page.stem == "real-data" and "us_equities" in block.text)
    lines = [line for line in week.text.splitlines() if "us_equities" in line]
    assert [shlex.split(line)[1] for line in lines] == ["backfill", "status", "explain"]
    for line in lines:
        run(line)


# What is named is there


@pytest.mark.parametrize("page", EVERYTHING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            assert linked.is_file(), f"{page.name} links to {target}"
            assert not heading or heading in headings(linked), f"{page.name} links to {target}"


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", EVERYTHING, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_folders_and_modules_named_in_prose_exist(page: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(r"`([^`\n]+)`", prose):
        if name.split("/")[0] in FOLDERS and "/" in name:
            assert (ROOT / name).exists(), f"{page.name} names {name}"
        elif re.fullmatch(rf"({'|'.join(FOLDERS)})(\.\w+)+", name):
            assert resolves(name), f"{page.name} names {name}"


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    try:
        if find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    module, _, attribute = name.rpartition(".")
    return hasattr(importlib.import_module(module), attribute)


def test_the_layout_names_every_folder() -> None:
    layout = set(re.findall(r"^\| `([\w/]+?)/?` \|", README.read_text(), re.MULTILINE))
    packages = {f"tickline/{path.parent.name}" for path in (ROOT / "tickline").glob("*/__init__.py")}
    assert layout == {name for name in FOLDERS if any((ROOT / name).rglob("*.*"))} | packages


def test_environment_variables_are_those_the_code_reads() -> None:
    page = next(page for page in GUIDE if page.stem == "operating")
    listed = set(re.findall(r"^\| `(TICKLINE_\w+)` \|", page.read_text(), re.MULTILINE))
    told = {name for page in EVERYTHING for name in re.findall(r"TICKLINE_[A-Z0-9_]+", page.read_text())}
    assert listed == environment()
    assert told <= environment()


def environment() -> set[str]:
    """The variables of a user's environment that the code reads; those of the marts are set for dbt alone."""
    sources = [path.read_text() for name in ("tickline", "sensors", "runners") for path in (ROOT / name).rglob("*.py")]
    read = {name for source in sources for name in re.findall(r"environ\.get\(\s*\"(TICKLINE_\w+)\"", source)}
    return read | VARIABLES.keys()


def test_the_decisions_are_numbered_listed_and_complete() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for number, page in enumerate(ADRS, start=1):
        title, text = page.read_text().split("\n", 1)
        assert page.name.startswith(f"{number:04}-")
        assert f"| [{number:04}]({page.name}) | {title.removeprefix(f'# {number:04} ')} |" in index
        for part in ("Context", "Decision", "Alternatives", "Consequences"):
            assert f"**{part}.**" in text, f"{page.name} lacks {part}"


# Pictures and tables that repeat the code


def test_the_picture_of_the_graph_is_the_graph(demo: Workspace) -> None:
    coinsim = venue_stages(demo.universe, demo.universe.venues["coinsim"], today=date(2026, 3, 20))
    assert drawn(of("mermaid")[0]) == made_of(coinsim)


def test_the_picture_of_prediction_markets_is_the_rest_of_the_graph(demo: Workspace) -> None:
    whose = {*demo.universe.mappings, *demo.universe.lanes}
    whose |= {venue for spec in demo.universe.lanes.values() for venue in spec.venues}
    everything = made_of([stage for stage in demo.graph if stage.venue in whose])
    own = {"raw_markets", "clean_markets", "mapping", "lanes", "identification"}
    assert drawn(of("mermaid")[1]) == {(above, below) for above, below in everything if own & {above, below}}


def made_of(stages: list[Stage]) -> set[tuple[str, str]]:
    """Which stages, by name, are made of which, and what marts are made of."""
    from assets.marts import models, upstream

    maker = {dataset: stage.name for stage in stages for dataset in stage.datasets}
    found = {
        (maker[need.key.dataset], stage.name)
        for stage in stages
        for period in stage.periods
        for need in stage.needs(period)
    }
    read_by_marts = {dataset for model in models() for dataset in upstream(model)[1]}
    return found | {(maker[dataset], "marts") for dataset in read_by_marts if dataset in maker}


def drawn(picture: Block) -> set[tuple[str, str]]:
    """The arrows of a picture."""
    found = set()
    for left, right in re.findall(r"^ *(.+?) --> (.+)$", picture.text, re.MULTILINE):
        found |= {(a, b) for a in left.split(" & ") for b in right.split(" & ")}
    return found


def test_the_sources_of_the_guide_are_all_there_are() -> None:
    from tickline.sources.opening import KINDS, MARKET_KINDS

    for stem, kinds in (("adding-a-source", KINDS), ("adding-a-venue", MARKET_KINDS)):
        page = next(page for page in GUIDE if page.stem == stem)
        assert set(re.findall(r"^\| `(\w+)` \|", page.read_text(), re.MULTILINE)) == kinds.keys()


def test_the_words_of_the_lanes_in_the_guide_are_all_there_are() -> None:
    from tickline.lake.lane_schemas import LANES
    from tickline.lake.market_schemas import MAPPINGS, MARKET_STAGE
    from tickline.lanes.gates import GATES
    from tickline.lanes.model import Kind

    text = next(page for page in GUIDE if page.stem == "prediction-markets").read_text()
    rows = [re.findall(r"`([\w*]+)`", row) for row in re.findall(r"^\|(.+)\|$", text, re.MULTILINE)]
    named = {word for row in rows for word in row}
    assert named >= {*(kind.value for kind in Kind), *GATES, *MARKET_STAGE, *MAPPINGS, *LANES, "identification"}


@pytest.mark.slow
def test_what_runs_by_itself_is_as_the_guide_says(demo: Workspace) -> None:
    from datetime import UTC, datetime

    from orchestration.definitions import build_definitions

    found = build_definitions(demo.universe, now=datetime.now(UTC)).get_repository_def()
    on = {sensor.name: sensor.default_status.value == "RUNNING" for sensor in found.sensor_defs}
    on |= {schedule.name: schedule.default_status.value == "RUNNING" for schedule in found.schedule_defs}
    page = next(page for page in GUIDE if page.stem == "operating")
    told = re.findall(r"^\| `(\w+)` \| .+ \| (on|off) \|$", page.read_text(), re.MULTILINE)
    assert {name: word == "on" for name, word in told} == on
