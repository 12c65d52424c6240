"""The sandbox exchange behind HTTP on loopback: `async with Sandbox(universe) as sandbox: ... sandbox.url`."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Self

import orjson
from aiohttp import web

from runners.sandbox_exchange import binance, kalshi
from runners.sandbox_exchange.faults import NS_PER_S, Fault, spoiled
from runners.sandbox_exchange.universe import Universe
from runners.sandbox_exchange.wire import Reply, Request

LOOPBACK = "127.0.0.1"
_VENUES = {module.HOST: module.respond for module in (binance, kalshi)}
_EARLY_ROWS = 3


@dataclass(frozen=True, slots=True)
class Call:
    """One request served: when it arrived (UTC ns), what for, and what was done to it."""

    ts: int
    url: str
    fault: Fault | None


class Sandbox:
    """A running exchange. `calls` lists what was asked; `universe` may be replaced while it runs.

    `pause_s` is what a 429 asks to wait, `hold_s` how late an answer that is to time out comes. `now` is the clock
    of the exchange (UTC ns). Port 0 takes a free one.
    """

    def __init__(
        self,
        universe: Universe,
        *,
        plan: Iterable[Fault | None] = (),
        port: int = 0,
        now: Callable[[], int] = time.time_ns,
        pause_s: int = 1,
        hold_s: float = 1.0,
    ) -> None:
        self.universe = universe
        self._plan = iter(plan)
        self.calls: list[Call] = []
        self._port, self._now, self._pause_s, self._hold_s = port, now, pause_s, hold_s
        self._answered: dict[str, Reply] = {}
        application = web.Application()
        application.router.add_get("/{host}/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self._port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        fault = next(self._plan, None)
        url = http.path_qs
        self.calls.append(Call(self._now(), url, fault))
        respond = _VENUES.get(http.match_info["host"])
        if respond is None:
            raise web.HTTPNotFound(text=f"no such venue; there are {', '.join(_VENUES)}")
        early = _EARLY_ROWS if fault is Fault.OVERLAP else 0
        request = Request("/" + http.match_info["path"], dict(http.query), early)
        reply = respond(self.universe, request, self._now() // 1_000_000)
        if fault is Fault.STALE:
            reply = self._answered.get(url, reply)
        elif fault is None:
            self._answered[url] = reply
        else:
            reply = spoiled(reply, fault, now_ns=self._now(), pause_s=self._pause_s, number=len(self.calls))
        if fault is Fault.TIMEOUT:
            await asyncio.sleep(self._hold_s)
        return await self._cut(http, reply) if fault is Fault.CUT else self._whole(reply)

    def _whole(self, reply: Reply) -> web.Response:
        text = orjson.dumps(reply.content) if reply.text is None else reply.text.encode()
        date = format_datetime(datetime.fromtimestamp(self._now() // NS_PER_S, UTC), usegmt=True)
        headers = {"Date": date, "Content-Type": "application/json"} | reply.headers
        return web.Response(status=reply.status, body=text, headers=headers)

    async def _cut(self, http: web.Request, reply: Reply) -> web.StreamResponse:
        body = orjson.dumps(reply.content)
        response = web.StreamResponse(headers={"Content-Length": str(len(body) + 1)})
        await response.prepare(http)
        await response.write(body[: len(body) // 2])
        if http.transport is not None:
            http.transport.close()
        return response
