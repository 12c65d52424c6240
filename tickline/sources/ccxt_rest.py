"""Polls one exchange through ccxt and keeps what it answered as capture segments. `capture` reads them.

A poll goes on from the cursors in the last segment, so it may be killed at any point: what was not written yet is
asked for again. Trades are paged by id where the venue has ids to page by, by its own cursor where it hands one out,
and by time otherwise.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from tickline.errors import SourceError
from tickline.sources.capture import days_of
from tickline.sources.ccxt_fields import (
    LAST_MS,
    NS_PER_MS,
    candle_fields,
    event_ns,
    int64,
    level_fields,
    numeric_id,
    outcome_fields,
    trade_fields,
)
from tickline.sources.ccxt_venue import PAGING, ByCursor, ById, CcxtSettings, open_exchange
from tickline.sources.paging import Frontier, Item, identities, positions
from tickline.sources.patience import Clock, Patience, Sleep
from tickline.sources.segments import COLUMNS, Kind, Page, Segment, segments, write

NS_PER_DAY = 86_400 * 1_000_000_000


_Step = tuple[Page, dict[str, Any]]
"""A page, and the cursor of its symbol once the page is kept."""


class _Unparsable(SourceError):
    """The venue answered, but ccxt could make nothing of it."""


class CcxtRest:
    """One exchange, open for polling: `async with CcxtRest(...) as venue: await venue.poll(Kind.TRADES)`.

    The folder gets one folder of segments a kind. Clock (UTC ns) and sleep (seconds) are the caller's.
    Raises ConfigError where ccxt knows no such exchange.
    """

    def __init__(self, settings: CcxtSettings, folder: Path, *, clock: Clock, sleep: Sleep) -> None:
        self._settings = settings
        self._folder = folder
        self._patience = Patience(settings.exchange, settings.patience, clock=clock, sleep=sleep)
        self._name, self._limit = settings.exchange, settings.page_limit
        self._paging = PAGING.get(settings.exchange)
        self._since_ns = (settings.since - date(1970, 1, 1)).days * NS_PER_DAY
        self._exchange: Any = None

    async def __aenter__(self) -> Self:
        self._exchange = open_exchange(self._settings)
        self._exchange.attend(self._patience, only_objects=isinstance(self._paging, ByCursor))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exchange.close()

    async def poll(self, kind: Kind) -> list[Segment]:
        """Fetch everything of one kind that is new since the last segment, and write it as segments.

        Raises SourceError where the venue stays unreachable, answers nonsense, does not know a symbol, asks for a
        long pause or bans us. What was fetched before is kept.
        """
        folder = self._folder / kind
        kept = segments(folder)
        cursors = kept[-1].cursors() if kept else {}
        written: list[Segment] = []
        pages: list[Page] = []

        def flush() -> None:
            if pages:
                written.append(write(folder, pages, cursors, days=days_of(kind, pages)))
                pages.clear()

        try:
            for symbol in await self._symbols(kind):
                async for page, cursor in self._walk(kind, symbol, cursors.get(symbol)):
                    pages.append(page)
                    cursors[symbol] = cursor
                    if len(pages) >= self._settings.pages_per_segment:
                        flush()
        except SourceError:
            flush()
            raise
        flush()
        return written

    async def _symbols(self, kind: Kind) -> Sequence[str]:
        """What to walk through: the symbols, all known to the venue, or the listing of markets as a whole.

        ccxt looks up each outcome of a prediction venue by itself when it is first asked for.
        """
        if kind is Kind.MARKETS:
            return ("",)
        wanted = self._settings.symbols
        if self._settings.prediction:
            return wanted
        for _ in range(self._settings.patience.attempts):
            if listed := self._exchange.markets or await self._call("load_markets", True):
                unknown = [symbol for symbol in wanted if symbol not in listed]
                if unknown:
                    raise SourceError(f"{self._name} lists no {', '.join(map(repr, unknown))}: correct the symbols")
                return wanted
        raise SourceError(f"{self._name} lists no markets at all: poll again later")

    def _walk(self, kind: Kind, symbol: str, cursor: Any) -> AsyncIterator[_Step]:
        if kind is Kind.MARKETS:
            return self._markets(cursor)
        if kind is Kind.BOOK:
            return self._book(symbol, cursor)
        if kind is Kind.TRADES and isinstance(self._paging, ByCursor):
            return self._backward(self._paging, symbol, cursor)
        return self._forward(kind, symbol, cursor)

    # Forward: by id or by time, oldest first, each page starting at the last row of the one before.

    async def _forward(self, kind: Kind, symbol: str, cursor: Any) -> AsyncIterator[_Step]:
        by_id = self._paging if kind is Kind.TRADES and isinstance(self._paging, ById) else None
        covers_from, covers_to = cursor["covers"] if cursor else (self._since_ns, self._since_ns)
        if cursor:
            floor = Frontier.load(cursor["floor"])
        elif by_id is None:
            floor = Frontier(self._since_ns // NS_PER_MS)
        elif (first := await self._first_id(by_id, symbol)) is not None:
            floor = Frontier(first)
        else:
            return
        advanced = True
        while advanced:
            if by_id is None:
                items = await self._items(kind, symbol, floor.position, since=floor.position, limit=self._limit)
                lowest = min((item.position for item in items), default=floor.position)
                if floor.seen and lowest > floor.position:
                    covers_from = lowest * NS_PER_MS  # the venue no longer serves what lay between
            else:
                items = await self._from_id(by_id, symbol, floor)
            fresh, raised = floor.above(items), floor.raised(items)
            advanced = raised.position > floor.position
            if not advanced and fresh and len(items) >= self._limit:
                raise SourceError(
                    f"{self._name} {symbol}: a whole page of {len(items)} rows lies at one position "
                    f"({floor.position}); raise page_limit so that paging can go on"
                )
            page = self._page(symbol, kind, [item.fields for item in fresh], since=self._since_ns)
            floor, covers_to = raised, page.ts_recv if items and not advanced else covers_to
            yield page, {"floor": floor.dump(), "covers": [covers_from, covers_to]}

    async def _from_id(self, by_id: ById, symbol: str, floor: Frontier) -> list[Item]:
        """The page from the frontier's trade on; asked for again while it cannot be that page.

        That trade exists, so an answer without it (an empty one, too) is not the answer; nor is one that starts
        before it and brings nothing new: an older page served again.
        """
        start = floor.position
        for _ in range(self._settings.patience.attempts):
            items = await self._items(
                Kind.TRADES, symbol, start, by_id=True, limit=self._limit, params={by_id.parameter: start}
            )
            asked_for = any(item.position == start for item in items)
            if asked_for and (items[0].position == start or floor.above(items)):
                return items
        raise SourceError(f"{self._name} {symbol}: trade {start} exists but is not served; poll again later")

    async def _first_id(self, by_id: ById, symbol: str) -> int | None:
        """The id of the first trade since the first day wanted, or of the newest; None where there is no trade yet.

        Found by bisection over ids, where every answer must hold the trade asked for: an empty answer by time could
        as well be a quiet hour or a fault, and trades would be lost unseen.
        """
        newest = await self._items(Kind.TRADES, symbol, -1, by_id=True, limit=self._limit)
        low, high = 0, max((item.position for item in newest), default=-1)
        while low < high:
            middle = (low + high) // 2
            items = await self._from_id(by_id, symbol, Frontier(middle))
            times = [item.fields[0] for item in items if item.position == middle and item.fields[0] is not None]
            if times and times[0] < self._since_ns:
                low = middle + 1
            else:
                high = middle
        return high if high >= 0 else None

    # Backward: by the venue's cursor, newest first, down to where the last complete pass began.

    async def _backward(self, paging: ByCursor, symbol: str, cursor: Any) -> AsyncIterator[_Step]:
        state = cursor or {"floor": Frontier(self._since_ns // NS_PER_MS).dump(), "covers": [self._since_ns] * 2}
        floor, covers = Frontier.load(state["floor"]), state["covers"]
        begun = state.get("pass") or {
            "top": state["floor"],
            "ceiling": Frontier(LAST_MS).dump(),
            "began": self._patience.now(),
            "token": None,
        }
        top, ceiling = Frontier.load(begun["top"]), Frontier.load(begun["ceiling"])
        began, token = begun["began"], begun["token"]
        while True:
            # The venue's bound is in whole seconds and may be exclusive.
            params = {paging.since: floor.position // 1000 - 1} | ({paging.parameter: token} if token else {})
            items = await self._items(Kind.TRADES, symbol, ceiling.position, limit=self._limit, params=params)
            fresh = floor.above(ceiling.below(items))
            page = self._page(symbol, Kind.TRADES, [item.fields for item in fresh], since=self._since_ns)
            top, ceiling = top.raised(items), ceiling.lowered(items)
            token = orjson.loads(page.body).get(paging.answer)
            if not token:
                yield page, {"floor": top.dump(), "covers": [covers[0], began]}
                return
            begun = {"top": top.dump(), "ceiling": ceiling.dump(), "began": began, "token": token}
            yield page, {"floor": floor.dump(), "covers": covers, "pass": begun}

    # One answer at a time.

    async def _items(self, kind: Kind, symbol: str, start: int, *, by_id: bool = False, **bounds: Any) -> list[Item]:
        """One page of trades or candles; `start` is where rows stand on a page that knows no position."""
        if kind is Kind.CANDLES:
            await self._call("fetch_ohlcv", symbol, self._settings.timeframe, **bounds)
            rows = [candle_fields(parsed) for parsed in self._exchange.parsed]
            keys = identities([None] * len(rows), [parsed.raw for parsed in self._exchange.parsed])
        else:
            await self._call("fetch_trades", symbol, **bounds)
            rows = [trade_fields(parsed, number) for number, parsed in enumerate(self._exchange.parsed)]
            keys = identities([row[4] for row in rows], [parsed.raw for parsed in self._exchange.parsed])
        known = [numeric_id(row[4]) if by_id else None if row[0] is None else row[0] // NS_PER_MS for row in rows]
        return [Item(*item) for item in zip(positions(known, start=start), keys, rows, strict=True)]

    async def _book(self, symbol: str, cursor: Any) -> AsyncIterator[_Step]:
        try:
            book = await self._call("fetch_order_book", symbol)
            sides = (("bid", book["bids"]), ("ask", book["asks"]))
            rows = [level_fields(side, level) for side, levels in sides for level in levels]
        except _Unparsable as error:
            book, rows = {}, [(None, None, None, f"{type(error.__cause__).__name__}: {error.__cause__}")]
        page = self._page(
            symbol, Kind.BOOK, rows, ts_event=event_ns(book.get("timestamp")), nonce=int64(book.get("nonce"))
        )
        yield page, {"covers": [cursor["covers"][0] if cursor else page.ts_recv, page.ts_recv]}

    async def _markets(self, cursor: Any) -> AsyncIterator[_Step]:
        if self._settings.prediction and self._settings.listing:
            events = await self._call("fetch_events", dict(self._settings.listing))
        else:
            listed = await self._call("load_markets", True)
            events = [{"markets": list(listed.values())}]
        rows = [row for event in events for market in event["markets"] for row in outcome_fields(event, market)]
        page = self._page("", Kind.MARKETS, rows)
        yield page, {"covers": [cursor["covers"][0] if cursor else page.ts_recv, page.ts_recv]}

    async def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A unified ccxt call. Raises SourceError where it failed for good."""
        from ccxt.base.errors import BaseError

        self._exchange.begin()
        try:
            return await getattr(self._exchange, method)(*args, **kwargs)
        except SourceError:
            raise
        except Exception as error:
            place = " ".join([self._name, method, *map(repr, args[:1])])
            failure = f"{place} failed for good: {type(error).__name__}: {error}; poll again later"
            raise (SourceError if isinstance(error, BaseError) else _Unparsable)(failure) from error

    def _page(self, symbol: str, kind: Kind, rows: Sequence[tuple[Any, ...]], **more: Any) -> Page:
        answer = self._exchange.answers[-1]
        parts = urlsplit(answer.url)
        fields = zip(*rows, strict=True) if rows else [()] * len(COLUMNS[kind])
        return Page(
            symbol=symbol,
            url=parts.path + ("?" + parts.query if parts.query else ""),
            status=answer.status,
            ts_recv=answer.ts_recv,
            columns={name: list(column) for name, column in zip(COLUMNS[kind], fields, strict=True)},
            body=answer.body,
            timeframe=self._settings.timeframe if kind is Kind.CANDLES else None,
            **({"since": answer.ts_recv} | more),
        )
