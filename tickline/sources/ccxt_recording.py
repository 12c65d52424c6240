"""A ccxt exchange that keeps every answer it gets and parses rows one at a time.

ccxt parses a page as a whole, so one malformed row loses the page, and it takes an HTML page or an empty body for
an answer. `Recording` is mixed in before any ccxt exchange class and changes exactly that; the requests, the wire
formats and the parsing of one row stay ccxt's.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tickline.sources.patience import Patience

_LONGEST_DEFECT = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response, body as sent; `ts_recv` in UTC ns."""

    url: str
    status: int
    ts_recv: int
    body: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A row as the venue sent it, what ccxt made of it, and why it could not where that is None."""

    raw: Any
    value: Any
    defect: str | None


class Recording:
    """Mixed in before a ccxt exchange class. `attend` must be called before the first request."""

    parse_trade: Callable[..., Any]
    parse_prediction_trade: Callable[..., Any]
    parse_ohlcv: Callable[..., Any]

    def attend(self, patience: Patience, *, only_objects: bool) -> None:
        """Ask with this patience from now on; `only_objects`: the venue never answers with a JSON list."""
        self.patience = patience
        self.only_objects = only_objects
        self.begin()

    def begin(self) -> None:
        """Forget what was recorded: the next call starts afresh."""
        self.answers: list[Answer] = []
        self.parsed: list[Parsed] = []

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """One request, repeated while its failure may pass; only the answer that counts is recorded."""
        above: Any = super()
        answered = await self.patience.ask(lambda: above.fetch(url, method, headers, body))
        self.answers.append(self.heard)
        return answered

    def on_rest_response(self, status: int, _reason: str, url: str, _method: str, headers: Any, *rest: Any) -> str:
        """Called by ccxt with every response, before it is looked at."""
        body = str(rest[0])
        self.patience.heard(status, headers)
        self.heard = Answer(url, status, self.patience.now(), body)
        return body.strip()

    def on_json_response(self, body: str) -> Any:
        """JSON as Python reads it: a bare NaN in one row is no reason to refuse the page."""
        return json.loads(body)

    def handle_errors(self, status: int, reason: str, url: str, method: str, *rest: Any) -> Any:
        """Refuse a successful answer that is no JSON object or list, or an empty object, as one that may pass."""
        from ccxt.base.errors import BadResponse

        above: Any = super()
        above.handle_errors(status, reason, url, method, *rest)
        _headers, body, response = rest[:3]
        acceptable = isinstance(response, dict if self.only_objects else dict | list) and response != {}
        if status < 400 and not acceptable:
            raise BadResponse(f"{url} answered {status} with {body[:80]!r}, which is no data")

    def parse_trades(self, trades: Any, market: Any = None, *_bounds: Any) -> list[Any]:
        """Trades one at a time, neither sorted nor cut to since and limit."""
        return self._each(trades, lambda trade: self.parse_trade(trade, market))

    def parse_prediction_trades(self, trades: Any, outcome: Any = None, *_bounds: Any) -> list[Any]:
        """As parse_trades."""
        return self._each(trades, lambda trade: self.parse_prediction_trade(trade, outcome))

    def parse_ohlcvs(self, candles: Any, market: Any = None, *_bounds: Any) -> list[Any]:
        """Candles one at a time, neither sorted nor cut to since and limit."""
        return self._each(candles, lambda candle: self.parse_ohlcv(candle, market))

    def parse_market(self, market: Any) -> Any:
        """A market, or None where it cannot be parsed."""
        above: Any = super()
        try:
            return above.parse_market(market)
        except Exception:
            return None

    def parse_event(self, event: Any) -> Any:
        """A prediction event with those of its markets that can be parsed; one without markets where it is no event."""
        above: Any = super()
        try:
            markets = [market for market in event.get("markets") or [] if self.parse_market(market) is not None]
            return above.parse_event(event | {"markets": markets})
        except Exception:
            return {"id": None, "title": None, "markets": []}

    def set_markets(self, markets: Any, currencies: Any = None) -> Any:
        """Take the markets that could be parsed."""
        above: Any = super()
        listed = markets.values() if isinstance(markets, dict) else markets
        return above.set_markets([market for market in listed if market is not None], currencies)

    def _each(self, rows: Iterable[Any], parse: Callable[[Any], Any]) -> list[Any]:
        self.parsed = [_attempted(row, parse) for row in rows]
        return [parsed.value for parsed in self.parsed if parsed.defect is None]


def _attempted(row: Any, parse: Callable[[Any], Any]) -> Parsed:
    # Whatever a parser makes of a row it was not written for (ValueError, TypeError, KeyError, ...) concerns that
    # row alone.
    try:
        return Parsed(row, parse(row), None)
    except Exception as error:
        return Parsed(row, None, f"{type(error).__name__}: {error}"[:_LONGEST_DEFECT])
