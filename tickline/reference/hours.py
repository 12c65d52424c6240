"""Windows of trading, and what happens to a session's regular ones: extended by pre and post segments, cut by an
early close, interrupted by closures. All instants are UTC; impossible hours are a ValueError that says why.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import model_validator

from tickline.reference.clocks import Clock, Instant, instant
from tickline.reference.models import Declared


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of uninterrupted trading, [open, close), of one session."""

    session_date: date
    segment: Literal["pre", "regular", "post"]
    open: datetime
    close: datetime
    is_early_close: bool = False


class ExtendedHours(Declared):
    """Local times from which trading goes on before the first regular window, and until which after the last.

    The post segment of an early close ends at `early_post_close`; without that there is none.
    """

    pre_open: Clock | None = None
    post_close: Clock | None = None
    early_post_close: Clock | None = None

    def around(self, regular: Sequence[Window], zone: ZoneInfo) -> Iterator[Window]:
        """A session's regular windows with the segments before and after them.

        Raises ValueError where a segment would end before it begins.
        """
        if not regular:
            return
        first, last = regular[0], regular[-1]
        if self.pre_open is not None:
            pre_open = instant(first.session_date, self.pre_open, zone)
            yield _forward(replace(first, segment="pre", open=pre_open, close=first.open))
        yield from regular
        ends = self.early_post_close if last.is_early_close else self.post_close
        if ends is not None:
            post_close = instant(last.session_date, ends, zone)
            yield _forward(replace(last, segment="post", open=last.close, close=post_close))


class Closure(Declared):
    """A halt, outage or maintenance, [start, end), in which nothing trades."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"end {self.end} does not lie after start {self.start}")
        return self


def session(
    regular: Sequence[Window],
    early_close: timedelta | None,
    *,
    extended: ExtendedHours,
    zone: ZoneInfo,
) -> Iterator[Window]:
    """All windows of a session, from its ordinary regular ones and the local time of its early close if it has one.

    Raises ValueError where the early close does not lie within the session.
    """
    if early_close is not None:
        regular = _cut(regular, early_close, zone)
    return extended.around(regular, zone)


def without(windows: Iterable[Window], closures: Sequence[Closure]) -> Iterator[Window]:
    """What is left of each window outside the closures. A closure within a window leaves two."""
    for window in windows:
        opens = window.open
        for closure in sorted(closures, key=lambda closure: closure.start):
            if opens < closure.start < window.close:
                yield replace(window, open=opens, close=closure.start)
            if closure.start < window.close:
                opens = max(opens, closure.end)
        if opens < window.close:
            yield replace(window, open=opens)


def in_order(windows: Iterable[Window]) -> Iterator[Window]:
    """The windows that have any length, in time. Raises ValueError where one opens before the last has closed."""
    last: Window | None = None
    for window in windows:
        if window.open >= window.close:
            continue
        if last is not None and window.open < last.close:
            raise ValueError(f"two windows overlap: one opens at {window.open}, the one before closes at {last.close}")
        last = window
        yield window


def _cut(regular: Sequence[Window], early_close: timedelta, zone: ZoneInfo) -> list[Window]:
    if not regular:
        raise ValueError("an early close is declared for a day without a session")
    first, last = regular[0], regular[-1]
    close = instant(first.session_date, early_close, zone)
    if not first.open < close <= last.close:
        raise ValueError(f"the early close at {close} does not lie within the session of {first.session_date}")
    # The exchange may know of it by now: then nothing is left to cut.
    is_early_close = last.is_early_close or close < last.close
    open_until_then = [window for window in regular if window.open < close]
    return [replace(w, close=min(w.close, close), is_early_close=is_early_close) for w in open_until_then]


def _forward(window: Window) -> Window:
    if window.open > window.close:
        raise ValueError(
            f"the {window.segment} segment of {window.session_date} would run backwards, "
            f"from {window.open} to {window.close}"
        )
    return window
