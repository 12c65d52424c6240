"""Which exchange to poll through ccxt, and how: settings, the way each venue pages, and opening it.

What one venue needs of its own is declared in the tables here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from tickline.errors import ConfigError
from tickline.reference.models import Declared, Symbol
from tickline.sources.ccxt_recording import Recording
from tickline.sources.patience import Bounds


@dataclass(frozen=True, slots=True)
class ById:
    """The venue counts its trades up by one and serves them from an id on, inclusive, oldest first.

    `parameter` carries the id.
    """

    parameter: str


@dataclass(frozen=True, slots=True)
class ByCursor:
    """The venue serves trades newest first and says in `answer` where the next page starts.

    `parameter` carries that back; `since` bounds the pages from below, in whole seconds.
    """

    parameter: str
    answer: str
    since: str


_BINANCE = ById("fromId")
# Every venue that is not listed is paged by time, which any venue understands.
PAGING: dict[str, ById | ByCursor] = {
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints (aggTrades)
    "binance": _BINANCE,
    "binanceus": _BINANCE,
    # https://docs.kalshi.com/api-reference/market/get-trades
    "kalshi": ByCursor(parameter="cursor", answer="cursor", since="min_ts"),
}
# Without these ccxt asks Binance's signed endpoints, too, when it lists the markets.
OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False},
}


class CcxtSettings(Declared):
    """What to poll, where, and how patiently.

    `symbols` are ccxt's unified symbols; of a prediction venue, the venue's own ids of outcomes. `since` is the first
    UTC day wanted. `listing` narrows which prediction events are listed (ccxt's parameters of fetch_events, such as
    `series_ticker`). `base_url` sends every request to another address, with the venue's host as the first part of
    the path, and drops ccxt's rate limit: it is for a server on this machine.
    """

    exchange: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")]
    prediction: bool = False
    symbols: tuple[Symbol, ...] = ()
    since: date
    timeframe: str = "1m"
    options: dict[str, Any] = Field(default_factory=dict)
    listing: dict[str, str | int] = Field(default_factory=dict)
    base_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = None
    page_limit: Annotated[int, Field(ge=2, le=5000)] = 1000
    pages_per_segment: Annotated[int, Field(ge=1, le=1000)] = 64
    timeout_ms: Annotated[int, Field(ge=1)] = 10_000
    patience: Bounds = Bounds()

    @model_validator(mode="after")
    def _one_side_of_a_market(self) -> Self:
        refused = [symbol for symbol in self.symbols if self.exchange == "kalshi" and symbol.endswith("-NO")]
        if refused:
            # ccxt 4.5.90 gives the trades of both outcomes the price of YES.
            raise ValueError(f"poll the YES side of {', '.join(refused)}: its trades are the same, priced as 1 - price")
        return self


def open_exchange(settings: CcxtSettings) -> Any:
    """The ccxt exchange, recording, never verbose, never retrying by itself. Raises ConfigError where unknown."""
    if settings.prediction:
        import ccxt.prediction as venues
    else:
        import ccxt.async_support as venues

    if settings.exchange not in venues.exchanges:
        raise ConfigError(f"ccxt knows no exchange {settings.exchange!r} (prediction: {settings.prediction})")
    known = getattr(venues, settings.exchange)
    options = OPTIONS.get(settings.exchange, {}) | settings.options | {"maxRetriesOnFailure": 0}
    exchange = type(known.__name__, (Recording, known), {})(
        {"options": options, "timeout": settings.timeout_ms, "enableRateLimit": settings.base_url is None}
    )
    exchange.verbose = False
    if settings.base_url is not None:
        exchange.timeout_on_exit = 0  # the time TLS needs to wind down
        exchange.urls["api"] = _repointed(exchange.urls["api"], settings.base_url, exchange.implode_hostname)
    return exchange


def _repointed(urls: Any, base_url: str, implode: Callable[[str], str]) -> Any:
    if isinstance(urls, dict):
        return {name: _repointed(url, base_url, implode) for name, url in urls.items()}
    return f"{base_url}/{implode(urls).split('://', 1)[1]}" if isinstance(urls, str) else urls
