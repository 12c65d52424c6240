"""Polling real ccxt exchanges over real HTTP against the sandbox exchange."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import chain, repeat
from pathlib import Path

import orjson
import polars as pl
import pytest
from pydantic import ValidationError

from runners.sandbox_exchange.faults import GARBAGE, LOST, REPEATED, Fault, at_random
from runners.sandbox_exchange.server import Sandbox
from runners.sandbox_exchange.universe import INSTRUMENTS, LEVELS, MARKETS, TRADES, Universe
from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.sources.capture import Capture, CapturedMarkets, read_candles
from tickline.sources.ccxt_rest import CcxtRest
from tickline.sources.ccxt_venue import PAGING, CcxtSettings, open_exchange
from tickline.sources.segments import Kind, segments

pytestmark = pytest.mark.slow

DAY = date(2026, 3, 6)
START = datetime(2026, 3, 6, tzinfo=UTC)
TICKER = "KXRAIN-26MAR10-NYC"
SPOT = "BTC/USDT"
QUICK = {"attempts": 12, "total_s": 60.0, "first_wait_s": 0.001}
NS_PER_S = 1_000_000_000


def trades(instrument: str, count: int, *, per_ms: int = 7, price: float = 60_000.0) -> pl.DataFrame:
    """Runs of equal milliseconds that no page size used here divides."""
    number = pl.int_range(count, eager=True)
    return (
        pl.DataFrame(
            {
                "instrument": [instrument] * count,
                "ts_event": [START.timestamp() * 1000 + n // per_ms * 250 for n in number],
                "price": [round(price + (n * 7 % 11) / 100, 2) for n in number],
                "size": [1 + n % 5 for n in number],
                "side": ["buy" if n % 3 else "sell" for n in number],
                "trade_id": [str(n) for n in number],
            }
        )
        .with_columns(pl.col("ts_event").cast(pl.Int64).cast(pl.Datetime("ms", "UTC")))
        .cast(TRADES)
    )


def universe(count: int = 60, *, base: str = "BTC") -> Universe:
    spot = f"{base}USDT"
    return Universe(
        trades=pl.concat([trades(spot, count), trades(TICKER, count, price=0.4)]),
        levels=pl.DataFrame(
            [
                (name, side, price, size)
                for name, mid in ((spot, 100.0), (TICKER, 0.5))
                for side, price, size in (
                    ("bid", mid - 0.01, 3.0),
                    ("bid", mid - 0.02, 5.0),
                    ("ask", mid + 0.02, 7.0),
                    ("ask", mid + 0.03, 9.0),
                )
            ],
            schema=LEVELS,
            orient="row",
        ),
        instruments=pl.DataFrame([(spot, base, "USDT", 0.01, 0.00001)], schema=INSTRUMENTS, orient="row"),
        markets=pl.DataFrame(
            [
                (
                    TICKER,
                    "KXRAIN-26MAR10",
                    "Where will it rain?",
                    "Rain in NYC?",
                    "If it rains, Yes.",
                    "Climate",
                    "active",
                    START,
                    datetime(2026, 3, 10, tzinfo=UTC),
                    0.01,
                    0.49,
                    0.52,
                )
            ],
            schema=MARKETS,
            orient="row",
        ),
    )


def spot(url: str, **more: object) -> CcxtSettings:
    settings = {
        "exchange": "binance",
        "symbols": (SPOT,),
        "since": DAY,
        "base_url": url,
        "page_limit": 5,
        "patience": QUICK,
    }
    return CcxtSettings.model_validate(settings | more)


def kalshi(url: str, **more: object) -> CcxtSettings:
    own = {"exchange": "kalshi", "prediction": True, "symbols": (TICKER,), "listing": {"series_ticker": "KXRAIN"}}
    return spot(url, **(own | more))


async def poll(settings: CcxtSettings, folder: Path, *kinds: Kind) -> None:
    async with CcxtRest(settings, folder, clock=time.time_ns, sleep=asyncio.sleep) as venue:
        for kind in kinds:
            await venue.poll(kind)


def captured(folder: Path, feed: Feed, day: date, instrument: str = SPOT) -> pl.DataFrame:
    source = Capture(folder, feed, (instrument,))
    return pl.concat([RAW[feed].empty()] + [b.frame for o in source.objects(day) for b in source.batches(o, day)])


def assert_exactly_once(rows: pl.DataFrame, expected: pl.DataFrame, symbol: str) -> None:
    columns = ["ts_event", "price", "size", "side", "trade_id"]
    good = rows.filter(pl.col("defect").is_null()).with_columns(number=pl.col("trade_id").cast(pl.Int64)).sort("number")
    assert good["trade_id"].to_list() == expected["trade_id"].to_list()
    assert good.select(columns).equals(expected.select(columns))
    assert set(good["instrument"]) == {symbol}
    assert good["seq"].to_list() == good["number"].to_list()


def today() -> date:
    return datetime.now(UTC).date()


class FakeTime:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_772_800_000 * NS_PER_S + 123_456_789

    def __call__(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += int(seconds * NS_PER_S)


@pytest.mark.parametrize("page_limit", [2, 5, 60, 61, 1000])
def test_every_trade_is_captured_exactly_once_though_pages_end_between_equal_times(
    tmp_path: Path, page_limit: int
) -> None:
    async def scenario() -> None:
        async with Sandbox(universe()) as sandbox:
            await poll(spot(sandbox.url, page_limit=page_limit), tmp_path, Kind.TRADES)
            assert_exactly_once(captured(tmp_path, Feed.TRADES, DAY), sandbox.universe.trades_of("BTCUSDT"), SPOT)

    asyncio.run(scenario())


def test_capture_starts_at_the_first_day_wanted(tmp_path: Path) -> None:
    async def scenario() -> None:
        given = universe()
        earlier = given.trades.with_columns(
            pl.when(pl.col("trade_id").cast(pl.Int64) < 23)
            .then(pl.col("ts_event") - pl.duration(days=1))
            .otherwise(pl.col("ts_event"))
        )
        async with Sandbox(Universe(earlier, given.levels, given.instruments, given.markets)) as sandbox:
            await poll(spot(sandbox.url), tmp_path, Kind.TRADES)
            await poll(kalshi(sandbox.url), tmp_path / "k", Kind.TRADES)
        for rows in (captured(tmp_path, Feed.TRADES, DAY), captured(tmp_path / "k", Feed.TRADES, DAY, TICKER)):
            assert sorted(map(int, rows["trade_id"])) == list(range(23, 60))
        assert captured(tmp_path, Feed.TRADES, date(2026, 3, 5)).is_empty()

    asyncio.run(scenario())


def test_a_venue_without_ids_to_page_by_is_paged_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PAGING, "binance")

    async def scenario() -> None:
        async with Sandbox(universe()) as sandbox:
            await poll(spot(sandbox.url, page_limit=9), tmp_path, Kind.TRADES)
            assert all("fromId" not in call.url for call in sandbox.calls)
            assert_exactly_once(captured(tmp_path, Feed.TRADES, DAY), sandbox.universe.trades_of("BTCUSDT"), SPOT)

    asyncio.run(scenario())


def test_a_page_that_paging_by_time_cannot_get_past_is_an_error_and_not_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(PAGING, "binance")

    async def scenario() -> None:
        async with Sandbox(universe()) as sandbox:
            with pytest.raises(SourceError, match="page_limit"):
                await poll(spot(sandbox.url, page_limit=5), tmp_path, Kind.TRADES)

    asyncio.run(scenario())


@pytest.mark.parametrize("settings", [spot, kalshi])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_faults_on_a_third_of_all_calls_lose_and_double_nothing(
    tmp_path: Path, settings: Callable[..., CcxtSettings], seed: int
) -> None:
    plan = at_random(seed, 0.3, (*LOST, *GARBAGE, *REPEATED, Fault.POISON))

    async def scenario() -> None:
        async with Sandbox(universe(), plan=plan, hold_s=0.06) as sandbox:
            chosen = settings(sandbox.url, timeout_ms=40, pages_per_segment=3)
            for _ in range(5):
                await poll(chosen, tmp_path, Kind.TRADES)
            (symbol,) = chosen.symbols
            expected = sandbox.universe.trades_of("BTCUSDT" if symbol == SPOT else TICKER)
            faults = [call.fault for call in sandbox.calls if call.fault]
        days = sorted({DAY, today()})
        rows = pl.concat([captured(tmp_path, Feed.TRADES, day, symbol) for day in days])
        poison = rows.filter(pl.col("trade_id").is_null())
        assert_exactly_once(rows.filter(pl.col("trade_id").is_not_null()), expected, symbol)
        assert poison["price"].is_finite().fill_null(value=False).sum() == 0
        assert len(faults) > 5

    asyncio.run(scenario())


def test_an_empty_page_does_not_prove_that_there_is_nothing_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        plan = [*repeat(None, 9), Fault.LIST, None, Fault.LIST, Fault.LIST]
        async with Sandbox(universe(), plan=plan) as sandbox:
            await poll(spot(sandbox.url), tmp_path, Kind.TRADES)
            assert_exactly_once(captured(tmp_path, Feed.TRADES, DAY), sandbox.universe.trades_of("BTCUSDT"), SPOT)

    asyncio.run(scenario())


def test_paging_by_time_admits_what_it_cannot_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PAGING, "binance")
    source = Capture(tmp_path, Feed.TRADES, (SPOT,))

    async def scenario() -> None:
        whole = universe(60)
        kept = whole.trades.filter(pl.col("trade_id").cast(pl.Int64) >= 40)
        async with Sandbox(universe(20), plan=[None, Fault.LIST]) as sandbox:
            chosen = spot(sandbox.url, page_limit=9)
            await poll(chosen, tmp_path, Kind.TRADES)
            assert not source.complete(DAY)  # nothing was served, which proves nothing
            await poll(chosen, tmp_path, Kind.TRADES)
            assert source.complete(DAY)
            sandbox.universe = Universe(kept, whole.levels, whole.instruments, whole.markets)
            await poll(chosen, tmp_path, Kind.TRADES)
            assert not source.complete(DAY)  # what came between is no longer served
        assert sorted(map(int, captured(tmp_path, Feed.TRADES, DAY)["trade_id"])) == [*range(20), *range(40, 60)]

    asyncio.run(scenario())


def test_a_bare_nan_is_read_though_it_is_not_json() -> None:
    assert math.isnan(open_exchange(spot("http://127.0.0.1:1")).on_json_response('[{"p": NaN}]')[0]["p"])


def test_a_book_that_cannot_be_parsed_is_kept_as_one_defect(tmp_path: Path) -> None:
    async def scenario() -> None:
        given = universe()
        broken = given.levels.with_columns(price=pl.when(pl.col("size") == 9).then(math.nan).otherwise("price"))
        async with Sandbox(Universe(given.trades, broken, given.instruments, given.markets)) as sandbox:
            await poll(spot(sandbox.url), tmp_path, Kind.BOOK)
            await poll(kalshi(sandbox.url), tmp_path / "k", Kind.BOOK)
        (segment,) = segments(tmp_path / "k" / "book")
        (page,) = segment.pages()
        assert '"nan"' in page.body
        (row,) = captured(tmp_path / "k", Feed.BOOK, segment.first, TICKER).to_dicts()
        assert row["price"] is None
        assert row["defect"].startswith("ValueError")
        assert captured(tmp_path / "k", Feed.QUOTES, segment.first, TICKER).is_empty()
        # ccxt reads Binance's levels one by one: only the broken one is lost to the quote.
        (quote,) = captured(tmp_path, Feed.QUOTES, segment.first).to_dicts()
        assert (quote["bid"], quote["ask"]) == (99.99, 100.02)

    asyncio.run(scenario())


def test_one_malformed_row_costs_itself_and_not_its_page(tmp_path: Path) -> None:
    async def scenario() -> None:
        # The calls: markets, newest trades, bisection ..., then the pages.
        plan: Iterator[Fault | None] = chain(repeat(None, 8), repeat(Fault.POISON, 6))
        async with Sandbox(universe(20), plan=plan) as sandbox:
            await poll(spot(sandbox.url, page_limit=6), tmp_path, Kind.TRADES)
            expected = sandbox.universe.trades_of("BTCUSDT")
        rows = pl.concat([captured(tmp_path, Feed.TRADES, day) for day in sorted({DAY, today()})])
        assert_exactly_once(rows, expected, SPOT)
        defects = rows.filter(pl.col("defect").is_not_null())
        assert defects.height >= 3
        assert defects["ts_recv"].null_count() == 0
        bodies = [page.body for segment in segments(tmp_path / "trades") for page in segment.pages()]
        assert any(7 in orjson.loads(body) for body in bodies)

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [Fault.PAUSE_SECONDS, Fault.PAUSE_DATE])
def test_no_call_falls_inside_the_pause_a_venue_asks_for(tmp_path: Path, fault: Fault) -> None:
    async def scenario() -> None:
        clock = FakeTime()
        plan = chain(repeat(None, 3), repeat(fault, 2))
        async with Sandbox(universe(), plan=plan, now=clock, pause_s=30) as sandbox:
            async with CcxtRest(spot(sandbox.url), tmp_path, clock=clock, sleep=clock.sleep) as venue:
                await venue.poll(Kind.TRADES)
            paused = [n for n, call in enumerate(sandbox.calls) if call.fault]
            assert paused == [3, 4]
            for n in paused:
                assert sandbox.calls[n + 1].ts - sandbox.calls[n].ts >= 30 * NS_PER_S
            assert_exactly_once(captured(tmp_path, Feed.TRADES, DAY), sandbox.universe.trades_of("BTCUSDT"), SPOT)

    asyncio.run(scenario())


def test_a_pause_is_kept_on_a_real_clock_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Sandbox(universe(5), plan=[None, Fault.PAUSE_SECONDS], pause_s=1) as sandbox:
            await poll(spot(sandbox.url), tmp_path, Kind.TRADES)
            assert sandbox.calls[2].ts - sandbox.calls[1].ts >= NS_PER_S

    asyncio.run(scenario())


def test_a_pause_longer_than_our_patience_ends_the_poll_and_holds_for_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = FakeTime()
        async with (
            Sandbox(universe(), plan=[Fault.PAUSE_SECONDS], now=clock, pause_s=3600) as sandbox,
            CcxtRest(spot(sandbox.url), tmp_path, clock=clock, sleep=clock.sleep) as venue,
        ):
            for _ in range(3):
                with pytest.raises(SourceError, match="no calls until 2026-03-06"):
                    await venue.poll(Kind.TRADES)
            assert len(sandbox.calls) == 1
            await clock.sleep(3601)
            assert await venue.poll(Kind.TRADES)

    asyncio.run(scenario())


def test_a_ban_stops_everything_and_is_not_probed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Sandbox(universe(), plan=[*repeat(None, 9), Fault.BAN]) as sandbox:
            async with CcxtRest(spot(sandbox.url), tmp_path, clock=time.time_ns, sleep=asyncio.sleep) as venue:
                for kind in (Kind.TRADES, Kind.TRADES, Kind.BOOK, Kind.MARKETS):
                    with pytest.raises(SourceError, match="418"):
                        await venue.poll(kind)
            assert len(sandbox.calls) == 10

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("fault", GARBAGE)
def test_garbage_never_becomes_data(tmp_path: Path, fault: Fault, kind: Kind) -> None:
    async def scenario() -> None:
        impatient = {"attempts": 2, "total_s": 5.0, "first_wait_s": 0.001}
        # The markets are listed before anything else.
        plan = chain(repeat(None, 0 if kind is Kind.MARKETS else 1), repeat(fault))
        async with Sandbox(universe(), plan=plan) as sandbox:
            try:
                await poll(spot(sandbox.url, patience=impatient), tmp_path, kind)
            except SourceError:
                return
            # An empty list may be an honest answer; then it brings no rows.
            assert fault is Fault.LIST
        pages = [page for segment in segments(tmp_path / kind) for page in segment.pages()]
        assert all(not page.columns[name] for page in pages for name in page.columns)

    asyncio.run(scenario())


@pytest.mark.parametrize("settings", [spot, kalshi])
@pytest.mark.parametrize("kill_at", [6, 10, 13, 17])
def test_a_poll_killed_between_pages_goes_on_where_it_was(
    tmp_path: Path, settings: Callable[..., CcxtSettings], kill_at: int
) -> None:
    async def scenario() -> None:
        async with Sandbox(universe(60)) as sandbox:
            chosen = settings(sandbox.url, pages_per_segment=2)
            polling = asyncio.create_task(poll(chosen, tmp_path, Kind.TRADES))
            while len(sandbox.calls) < kill_at and not polling.done():
                await asyncio.sleep(0)
            polling.cancel()
            await asyncio.wait([polling])
            (symbol,) = chosen.symbols
            await poll(chosen, tmp_path, Kind.TRADES)
            expected = sandbox.universe.trades_of("BTCUSDT" if symbol == SPOT else TICKER)
            assert_exactly_once(captured(tmp_path, Feed.TRADES, DAY, symbol), expected, symbol)

    asyncio.run(scenario())


@pytest.mark.parametrize("settings", [spot, kalshi])
def test_a_later_poll_brings_only_what_is_new(tmp_path: Path, settings: Callable[..., CcxtSettings]) -> None:
    async def scenario() -> None:
        whole = universe(60)
        async with Sandbox(universe(40)) as sandbox:
            chosen = settings(sandbox.url)
            await poll(chosen, tmp_path, Kind.TRADES)
            before = segments(tmp_path / "trades")
            sandbox.universe = whole
            await poll(chosen, tmp_path, Kind.TRADES)
        (symbol,) = chosen.symbols
        after = segments(tmp_path / "trades")
        assert after[: len(before)] == before
        new = [row for segment in after[len(before) :] for page in segment.pages() for row in page.columns["trade_id"]]
        assert sorted(map(int, new)) == list(range(40, 60))
        expected = whole.trades_of("BTCUSDT" if symbol == SPOT else TICKER)
        assert_exactly_once(captured(tmp_path, Feed.TRADES, DAY, symbol), expected, symbol)

    asyncio.run(scenario())


def test_a_day_is_complete_once_every_trade_until_after_it_was_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Sandbox(universe()) as sandbox:
            await poll(spot(sandbox.url), tmp_path, Kind.TRADES)
            await poll(kalshi(sandbox.url), tmp_path / "k", Kind.TRADES)
        for folder, symbol in ((tmp_path, SPOT), (tmp_path / "k", TICKER)):
            source = Capture(folder, Feed.TRADES, (symbol,))
            assert source.complete(DAY)
            assert not source.complete(date(2026, 3, 5))
            assert not source.complete(today())
            assert not Capture(folder, Feed.TRADES, (symbol, "never polled")).complete(DAY)

    asyncio.run(scenario())


def test_books_are_snapshots_and_quotes_their_best_levels(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Sandbox(universe()) as sandbox:
            await poll(spot(sandbox.url), tmp_path, Kind.BOOK)
            await poll(kalshi(sandbox.url), tmp_path / "k", Kind.BOOK)
        day = segments(tmp_path / "book")[0].first
        book = captured(tmp_path, Feed.BOOK, day)
        assert book.select("side", "price", "size").rows() == [
            ("bid", 99.99, 3.0),
            ("bid", 99.98, 5.0),
            ("ask", 100.02, 7.0),
            ("ask", 100.03, 9.0),
        ]
        assert set(book["kind"]) == {"snapshot"}
        assert set(book["last_seq"]) == {61}
        (quote,) = captured(tmp_path, Feed.QUOTES, day).to_dicts()
        assert [quote[name] for name in ("bid", "bid_size", "ask", "ask_size", "seq")] == [99.99, 3.0, 100.02, 7.0, 61]
        assert quote["ts_event"] == quote["ts_recv"]
        (quote,) = captured(tmp_path / "k", Feed.QUOTES, day, TICKER).to_dicts()
        assert [quote[name] for name in ("bid", "bid_size", "ask", "ask_size")] == [0.49, 3.0, 0.52, 7.0]

    asyncio.run(scenario())


def test_prediction_markets_become_one_row_an_outcome(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Sandbox(universe()) as sandbox:
            await poll(kalshi(sandbox.url), tmp_path, Kind.MARKETS)
        yes, no = CapturedMarkets(tmp_path).markets(segments(tmp_path / "markets")[0].first).to_dicts()
        assert (yes["instrument"], yes["outcome"], yes["bid"], yes["ask"]) == (TICKER, "YES", 0.49, 0.52)
        assert (no["instrument"], no["outcome"], no["bid"], no["ask"]) == (TICKER + "-NO", "NO", 0.48, 0.51)
        for row in (yes, no):
            assert row["event_id"] == "KXRAIN-26MAR10"
            assert row["event_title"] == "Where will it rain?"
            assert (row["market_id"], row["title"], row["rules"]) == (TICKER, "Rain in NYC?", "If it rains, Yes.")
            assert (row["category"], row["status"], row["tick_size"]) == ("Climate", "active", 0.01)
            assert (row["ts_open"], row["ts_close"]) == (START, datetime(2026, 3, 10, tzinfo=UTC))

    asyncio.run(scenario())


@pytest.mark.parametrize(("settings", "instruments"), [(spot, {SPOT}), (kalshi, {TICKER, TICKER + "-NO"})])
def test_a_malformed_market_costs_itself_and_not_the_listing(
    tmp_path: Path, settings: Callable[..., CcxtSettings], instruments: set[str]
) -> None:
    async def scenario() -> None:
        async with Sandbox(universe(), plan=repeat(Fault.POISON, 6)) as sandbox:
            await poll(settings(sandbox.url), tmp_path, *repeat(Kind.MARKETS, 6))
        listings = CapturedMarkets(tmp_path).markets(segments(tmp_path / "markets")[0].first)
        looks = listings.partition_by("ts_recv")
        assert len(looks) == 6
        assert all(instruments <= set(look["instrument"]) for look in looks)

    asyncio.run(scenario())


def test_candles_are_the_venues_own_and_a_forming_one_is_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        whole = universe(2000)  # 285 groups of 250 ms: two minutes
        async with Sandbox(universe(1900)) as sandbox:
            chosen = spot(sandbox.url, page_limit=2)
            await poll(chosen, tmp_path, Kind.CANDLES)
            sandbox.universe = whole
            await poll(chosen, tmp_path, Kind.CANDLES)
        oracle = (
            whole.trades_of("BTCUSDT")
            .group_by_dynamic("ts_event", every="1m")
            .agg(
                open=pl.col("price").first(),
                high=pl.col("price").max(),
                low=pl.col("price").min(),
                close=pl.col("price").last(),
                volume=pl.col("size").sum(),
            )
            .rename({"ts_event": "ts_open"})
        )
        candles = read_candles(tmp_path, DAY)
        assert candles.height == 2
        assert candles.select(oracle.columns).equals(oracle)

    asyncio.run(scenario())


HOSTILE = [
    "../../etc",
    "'; DROP TABLE x; --",
    "a b&symbol=ETHUSDT",
    "=1+1",
    "\u202eevil",
    "nul\u0000",
    "x" * 90,
    "ÄÖ/%2F",
]


@pytest.mark.parametrize("base", HOSTILE)
def test_a_hostile_symbol_stays_text(tmp_path: Path, base: str) -> None:
    async def scenario() -> None:
        folder = tmp_path / "captured"
        async with Sandbox(universe(12, base=base)) as sandbox:
            await poll(spot(sandbox.url, symbols=()), folder, Kind.MARKETS)
            (symbol,) = CapturedMarkets(folder).markets(segments(folder / "markets")[0].first)["instrument"]
            await poll(spot(sandbox.url, symbols=(symbol,)), folder, Kind.TRADES, Kind.BOOK)
            expected = sandbox.universe.trades_of(f"{base}USDT")
        assert symbol.lower() == f"{base}/USDT".lower()
        assert_exactly_once(captured(folder, Feed.TRADES, DAY, symbol), expected, symbol)
        written = {path.parent.name for path in tmp_path.rglob("*") if path.is_file()}
        assert written == {"markets", "trades", "book"}
        assert [path.name for path in tmp_path.iterdir()] == ["captured"]

    asyncio.run(scenario())


def test_the_same_answers_at_the_same_times_make_the_same_bytes(tmp_path: Path) -> None:
    async def scenario() -> None:
        for folder in ("one", "two"):
            clock = FakeTime()
            async with (
                Sandbox(universe(), now=clock) as sandbox,
                CcxtRest(spot(sandbox.url), tmp_path / folder, clock=clock, sleep=clock.sleep) as venue,
            ):
                for kind in Kind:
                    await venue.poll(kind)
        names = [
            sorted(str(path.relative_to(tmp_path / f)) for path in (tmp_path / f).rglob("*.gz")) for f in ("one", "two")
        ]
        assert names[0] == names[1]
        assert len(names[0]) == 4

    asyncio.run(scenario())


def test_a_symbol_the_venue_does_not_list_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Sandbox(universe()) as sandbox:
            with pytest.raises(SourceError, match="lists no 'DOGE/USDT'"):
                await poll(spot(sandbox.url, symbols=("DOGE/USDT",)), tmp_path, Kind.TRADES)
            with pytest.raises(SourceError, match="NOSUCH"):
                await poll(
                    kalshi(sandbox.url, symbols=("NOSUCH",), patience=QUICK | {"attempts": 2}), tmp_path, Kind.TRADES
                )

    asyncio.run(scenario())


def test_an_unknown_exchange_and_the_no_side_of_kalshi_are_refused() -> None:
    with pytest.raises(ConfigError, match="nosuch"):
        open_exchange(spot("http://127.0.0.1:1", exchange="nosuch"))
    with pytest.raises(ValidationError, match="poll the YES side"):
        kalshi("http://127.0.0.1:1", symbols=(TICKER + "-NO",))


def test_settings_cannot_make_ccxt_talk_or_retry() -> None:
    exchange = open_exchange(spot("http://127.0.0.1:1", options={"maxRetriesOnFailure": 3, "verbose": True}))
    assert exchange.options["maxRetriesOnFailure"] == 0
    assert exchange.verbose is False
    assert exchange.options["fetchMarkets"]["types"] == ["spot"]


def test_an_unreachable_venue_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"binance load_markets .*(RequestTimeout|ExchangeNotAvailable)"):
        asyncio.run(poll(spot("http://127.0.0.1:9", patience=QUICK | {"attempts": 2}), tmp_path, Kind.TRADES))
    assert segments(tmp_path / "trades") == []
