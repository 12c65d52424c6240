"""Asking a venue again: bounded retries for reads, and the pauses a venue asks for.

A pause (429, or any answer with Retry-After) holds for the whole venue, not only for the request that caused it.
A ban (418) ends the asking: nothing is sent any more, not even to find out whether the ban still holds.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeVar

import stamina
from pydantic import Field

from tickline.errors import SourceError
from tickline.reference.models import Declared

NS_PER_S = 1_000_000_000
_BANNED = 418
_PAUSING = frozenset({429, 503})
_MAX_BACKOFF_S = 30.0

T = TypeVar("T")
Clock = Callable[[], int]
"""UTC now in ns."""
Sleep = Callable[[float], Awaitable[None]]
"""Wait some seconds."""


class Bounds(Declared):
    """How long a read is worth repeating: at most so many attempts within so many seconds."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 8
    total_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0
    first_wait_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.2


class Patience:
    """Repeats reads of one venue within bounds, and never calls inside a pause or after a ban."""

    def __init__(self, venue: str, bounds: Bounds, *, clock: Clock, sleep: Sleep) -> None:
        self._venue = venue
        self._bounds = bounds
        self._clock = clock
        self._sleep = sleep
        self._pause_until = 0
        self._banned = False

    def now(self) -> int:
        """UTC now in ns."""
        return self._clock()

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of an answer's status and headers, before anything else is made of it."""
        self._banned = self._banned or status == _BANNED
        if status in _PAUSING:
            lowered = {name.lower(): value for name, value in headers.items()}
            self._pause_until = max(self._pause_until, self._clock() + int(pause_s(lowered) * NS_PER_S))

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to a read, repeated where the failure may pass.

        Raises SourceError where the venue banned us or asks for a pause longer than the bounds; the error of the
        last attempt otherwise.
        """
        retrying = stamina.retry_context(
            on=self._may_pass,
            attempts=self._bounds.attempts,
            timeout=self._bounds.total_s,
            wait_initial=self._bounds.first_wait_s,
            wait_max=_MAX_BACKOFF_S,
            wait_jitter=self._bounds.first_wait_s,
        )
        async for attempt in retrying:
            with attempt:
                await self._wait_out_the_pause()
                return await question()
        raise AssertionError("a retry context either returns or raises")

    def _may_pass(self, error: Exception) -> bool:
        import aiohttp
        from ccxt.base.errors import OperationFailed

        # An answer cut off in its middle reaches us as a bare ExchangeError caused by the HTTP client.
        cut_off = isinstance(error.__cause__, aiohttp.ClientError)
        return not self._banned and (cut_off or isinstance(error, OperationFailed))

    async def _wait_out_the_pause(self) -> None:
        if self._banned:
            raise SourceError(
                f"{self._venue} has banned this address (418): nothing more is sent; poll more slowly, and start again "
                "once the ban is over"
            )
        while (left := (self._pause_until - self._clock()) / NS_PER_S) > 0:
            if left > self._bounds.total_s:
                until = datetime.fromtimestamp(self._pause_until / NS_PER_S, UTC)
                raise SourceError(f"{self._venue} asks for no calls until {until:%Y-%m-%d %H:%M:%S} UTC: poll after it")
            await self._sleep(left)


def pause_s(headers: Mapping[str, str]) -> float:
    """How many seconds an answer (header names in lower case) asks to wait; 0 where it does not say.

    Retry-After is seconds or an HTTP date (RFC 9110, 10.2.3). A date is measured against the answer's own Date, so
    that a difference between the clocks does not shorten the pause.
    """
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        return max(0.0, (parsedate_to_datetime(asked) - parsedate_to_datetime(headers["date"])).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0
