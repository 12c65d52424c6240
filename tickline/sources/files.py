"""Which files a path pattern names, and which UTC days each of them can hold rows of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from glob import has_magic
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator

from tickline.errors import SourceError
from tickline.sources.archives import describe, path_of
from tickline.sources.source import SourceObject

LONGEST_PAUSE_DAYS = 7
"""A file dated this long after a day proves the day delivered: no market rests longer."""

Span = tuple[date, date]
"""The first and last UTC day of a file."""

_DAY = timedelta(days=1)


def _dated_only(pattern: str) -> str:
    try:
        fields = [(name, conversion) for _, name, _, conversion in Formatter().parse(pattern) if name is not None]
        pattern.format(date=date(2000, 1, 1))
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"not a path template ({error})") from None
    if any(given != ("date", None) for given in fields):
        raise ValueError("only {date}, or {date:FORMAT} as in {date:%Y%m%d}, may stand in braces")
    return pattern


Pattern = Annotated[str, AfterValidator(_dated_only)]
"""A path with wildcards (`*`, `?`, `[..]`, `**`) and, where a file's name says its UTC day, `{date}` in ISO form or
in a strftime form of its own: `{date:%Y%m%d}`."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a pattern in the order of their dates and names.

    A file may begin a little before its first day and end a little after its last: it can hold rows of those days
    and the two beside them, and none of them is made without it. The span of a file whose name has no date is what
    `survey` finds in it, once.
    """

    pattern: Pattern
    survey: Callable[[Path], Span]
    _surveyed: dict[str, Span] = field(default_factory=dict, repr=False, compare=False)

    def objects(self, day: date) -> list[SourceObject]:
        """The files that can hold rows of a day.

        Raises SourceError where the folder they should lie in does not exist, or one cannot be read.
        """
        if self._is_dated:
            found = []
            for dated in (day - _DAY, day, day + _DAY):
                paths = self._named(dated)
                with _days_named((dated, dated)):
                    found += [describe(path) for path in paths]
            return found
        paths = self._named(day)
        with _days_named(None):
            found = [describe(path) for path in paths]
            spans = [self._span_found(source_object) for source_object in found]
        return [
            source_object
            for source_object, (first, last) in zip(found, spans, strict=True)
            if first - _DAY <= day <= last + _DAY
        ]

    @contextmanager
    def reading(self, source_object: SourceObject, day: date) -> Iterator[Span]:
        """The span of one of the objects of a day; what goes wrong within is told with the days it can hold rows of."""
        span = self._span(source_object, day)
        with _days_named(span):
            yield span

    def _span(self, source_object: SourceObject, day: date) -> Span:
        if not self._is_dated:
            return self._span_found(source_object)
        path = path_of(source_object)
        for dated in (day - _DAY, day, day + _DAY):
            if path in {found.absolute() for found in self._named(dated)}:
                return dated, dated
        raise SourceError(f"{path}: is not one of the files {self.pattern} of {day} or a day beside it")

    def complete(self, day: date) -> bool:
        """Whether a file reaches beyond the day: nothing of the day is still to come."""
        if self._is_dated:
            return any(self._named(day + after * _DAY) for after in range(1, LONGEST_PAUSE_DAYS + 1))
        return any(self._span_found(describe(path))[1] > day for path in self._named(day))

    @property
    def _is_dated(self) -> bool:
        return any(name is not None for _, name, _, _ in Formatter().parse(self.pattern))

    def _named(self, day: date) -> list[Path]:
        pattern, plain = _filled_in(self.pattern, day)
        if plain and pattern.is_file():
            return [pattern]
        root = pattern.parent
        while has_magic(str(root)):
            root = root.parent
        if not root.is_dir():
            raise SourceError(f"{root}: no such folder, but the files {self.pattern} should lie there")
        return sorted(path for path in root.glob(str(pattern.relative_to(root))) if path.is_file())

    def _span_found(self, source_object: SourceObject) -> Span:
        if source_object.sha256 not in self._surveyed:
            self._surveyed[source_object.sha256] = self.survey(path_of(source_object))
        return self._surveyed[source_object.sha256]


@lru_cache(maxsize=100_000)
def _filled_in(pattern: str, day: date) -> tuple[Path, bool]:
    """The pattern of a day, and whether it names one file, without wildcards."""
    text = pattern.format(date=day)
    return Path(text), not has_magic(text)


@contextmanager
def _days_named(span: Span | None) -> Iterator[None]:
    """Say which days wait for a file of a span (of none, if its name has no date) that turns out to be broken."""
    try:
        yield
    except SourceError as error:
        days = f"{span[0] - _DAY} to {span[1] + _DAY}" if span else "any day, for its name has no date"
        raise type(error)(f"{error}; no day whose rows it can hold is made without it ({days})") from error
