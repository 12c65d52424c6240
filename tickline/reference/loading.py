"""From files to validated configuration. Whatever is wrong with a file becomes one ConfigError that lists it all."""

import os
import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tickline.errors import ConfigError
from tickline.reference.documents import Document, DocumentError, Place, Value, parse, shown
from tickline.reference.models import Declared, Named, Venue

MAX_BYTES = 4 * 1024 * 1024
VARIABLES = {"TICKLINE_REAL_DATA": "../shared/data", "TICKLINE_HOME": ".tickline"}
"""The environment variables a file may name as `${NAME}`, and what each stands for where it is not set."""

M = TypeVar("M", bound=BaseModel)
N = TypeVar("N", bound=Named)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_PLAIN_KEY = re.compile(r"[\w-]{1,120}")
_MOST_LISTED, _LONGEST_REASON = 100, 400


class Layout(Declared):
    """`tickline.yaml`: where the parts of a configuration are, relative to that file.

    `load_layout` returns it with every path resolved.
    """

    venues: Path = Path("venues")
    calendars: Path = Path("calendars.yaml")
    rules: Path = Path("rules.yaml")
    conditions: Path = Path("conditions.yaml")
    retention: Path = Path("retention.yaml")
    signals: Path = Path("signals")
    strategies: Path = Path("strategies")
    portfolios: Path = Path("portfolios")
    mappings: Path = Path("mappings")
    lanes: Path = Path("lanes")


def load_yaml(path: Path, model: type[M]) -> M:
    """Read a YAML file as a model; `${TICKLINE_REAL_DATA}` and `${TICKLINE_HOME}` in its texts are filled in.

    Raises ConfigError, `FILE:LINE: place.in.document: reason (got ...)` a line, for whatever is wrong: the file
    missing, too large or not YAML, and every value the model refuses.
    """
    try:
        document = parse(_text(path))
    except DocumentError as error:
        raise ConfigError(f"{path}:{error.line}: {error}") from error
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}:1: the document must be a mapping (got {shown(document.value)})")
    problems: list[tuple[Place, str]] = []
    value = _filled_in(document.value, (), problems)
    try:
        loaded = model.model_validate(value)
    except ValidationError as error:
        problems += [_problem(document, detail) for detail in _causes(error)]
    if problems:
        listed = [_line(path, document, place, reason) for place, reason in problems[:_MOST_LISTED]]
        more = [f"{path}: and {len(problems) - _MOST_LISTED} more"] if len(problems) > _MOST_LISTED else []
        raise ConfigError("\n".join(listed + more))
    return loaded


def load_layout(config_dir: Path) -> Layout:
    """The parts of the configuration in a folder, as paths that can be opened.

    Raises ConfigError where `tickline.yaml` is missing or wrong.
    """
    layout = load_yaml(config_dir / "tickline.yaml", Layout)
    return Layout(**{part: config_dir / path for part, path in layout})


def load_folder(folder: Path, model: type[N], objections: Callable[[N], Iterable[str]]) -> dict[str, N]:
    """Every `NAME.yaml` in a folder as a model, sorted by name; none where there is no such folder.

    Raises ConfigError, listing the problems of all files: one does not load, is not called after what it declares, or
    meets objections, `place.in.document: reason` each.
    """
    found: dict[str, N] = {}
    problems: list[str] = []
    paths = (path for path in folder.iterdir() if path.suffix in (".yaml", ".yml")) if folder.is_dir() else ()
    for path in sorted(paths):
        try:
            one = load_yaml(path, model)
            found[one.name] = one
            if path.name != f"{one.name}.yaml":
                what = f"got {path.name!r}, expected '{one.name}.yaml'"
                problems.append(f"{path}: name: a file is called after what it declares ({what})")
            problems += [f"{path}: {reason}" for reason in objections(one)]
        except ConfigError as error:
            problems.append(str(error) if str(error).startswith(str(path)) else f"{path}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def load_venues(folder: Path, calendars: Container[str]) -> dict[str, Venue]:
    """Every venue in a folder.

    Raises ConfigError as `load_folder` does, also where one names a calendar that is not among `calendars`, or there is
    none.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; it should hold one YAML file for each venue")
    venues = load_folder(folder, Venue, lambda venue: _calendars_missing(venue, calendars))
    if not venues:
        raise ConfigError(f"{folder}: holds no venue; add one as NAME.yaml")
    return venues


def not_listed(instruments: Collection[str], venue: str, venues: Mapping[str, Venue]) -> Iterator[str]:
    """What of a venue and some of its instruments is not declared."""
    if venue not in venues:
        yield f"venue: no venue {venue!r} is declared; there are {', '.join(venues)}"
        return
    listed = {instrument.name for instrument in venues[venue].instruments}
    if unknown := [name for name in instruments if name not in listed]:
        yield f"instruments: {venue} does not list {', '.join(unknown)}; it lists {', '.join(sorted(listed))}"


def _calendars_missing(venue: Venue, calendars: Container[str]) -> Iterator[str]:
    if venue.calendar not in calendars:
        yield f"calendar: no such calendar is declared (got {venue.calendar!r})"
    for instrument in venue.instruments:
        if instrument.calendar is not None and instrument.calendar not in calendars:
            yield f"instruments.{instrument.name}.calendar: no such calendar is declared (got {instrument.calendar!r})"


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES // 1024**2} MiB, no configuration is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text ({error.reason})") from error


def _filled_in(value: Value, place: Place, problems: list[tuple[Place, str]]) -> Any:
    """The value with the variables in its texts replaced; what cannot be is added to the problems."""
    match value:
        case str():
            unknown = sorted(set(_VARIABLE.findall(value)) - VARIABLES.keys())
            if unknown:
                problems.append((place, f"only {', '.join(VARIABLES)} can be filled in (got ${{{unknown[0]}}})"))
                return value
            return _VARIABLE.sub(lambda found: os.environ.get(found[1]) or VARIABLES[found[1]], value)
        case dict():
            return {key: _filled_in(part, (*place, key), problems) for key, part in value.items()}
        case list():
            return [_filled_in(part, (*place, at), problems) for at, part in enumerate(value)]
        case _:
            return value


def _causes(error: ValidationError) -> list[Mapping[str, Any]]:
    """The errors, without those that only say a collection is too short because its items have errors."""
    details = error.errors(include_url=False)
    failed = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    return [dict(detail) for detail in details if detail["type"] != "too_short" or detail["loc"] not in failed]


def _problem(document: Document, detail: Mapping[str, Any]) -> tuple[Place, str]:
    """Where and what a validation error is, its location cut to what the document itself says."""
    place: Place = ()
    for part in detail["loc"]:
        if (*place, part) in document.lines or (part == detail["loc"][-1] and detail["type"] == "missing"):
            place = (*place, part)
    reason = str(detail["msg"]).removeprefix("Value error, ")[:_LONGEST_REASON]
    reason = reason[:1].lower() + reason[1:]
    if detail["type"] == "missing" or isinstance(detail["input"], dict | BaseModel):
        return place, reason
    return place, f"{reason} (got {shown(detail['input'])})"


def _line(path: Path, document: Document, place: Place, reason: str) -> str:
    """A problem as one line of the message; what is missing has the line of what it is missing from."""
    nearest = next(place[:length] for length in range(len(place), -1, -1) if place[:length] in document.lines)
    named = ".".join(part if isinstance(part, str) and _PLAIN_KEY.fullmatch(part) else shown(part) for part in place)
    return f"{path}:{document.lines[nearest]}: {named or 'document'}: {reason}"
