"""The sandbox exchange over HTTP, asked without ccxt."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Any

import aiohttp
import polars as pl
import pytest

from runners.sandbox_exchange.faults import GARBAGE, Fault, at_random
from runners.sandbox_exchange.server import Sandbox
from runners.sandbox_exchange.universe import demo

BINANCE = "/api.binance.com/api/v3/"
KALSHI = "/external-api.kalshi.com/trade-api/v2/"
UNIVERSE = demo(trades=300)
BTC = UNIVERSE.trades_of("BTCUSDT")
MS = BTC["ts_event"].dt.epoch("ms").to_list()
NYC = "KXRAIN-26MAR10-NYC"

Ask = Callable[..., Awaitable[tuple[int, Any]]]


def serve(scenario: Callable[[Ask], Awaitable[None]], plan: Iterable[Fault | None] = ()) -> None:
    async def run() -> None:
        async with Sandbox(UNIVERSE, plan=plan, hold_s=0.2) as sandbox, aiohttp.ClientSession() as session:

            async def ask(path: str, **query: Any) -> tuple[int, Any]:
                async with session.get(sandbox.url + path, params=query) as response:
                    return response.status, await response.json(content_type=None)

            await scenario(ask)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"fromId": 10, "limit": 5}, range(10, 15)),
        ({"fromId": 298}, range(298, 300)),
        ({"fromId": 300}, ()),
        ({"limit": 7}, range(293, 300)),
        ({"startTime": MS[50]}, [n for n in range(300) if MS[n] >= MS[50]]),
        ({"startTime": MS[50], "endTime": MS[60]}, [n for n in range(300) if MS[50] <= MS[n] <= MS[60]]),
        ({"startTime": MS[50], "limit": 3}, [n for n in range(300) if MS[n] >= MS[50]][:3]),
        ({"endTime": MS[0] - 1}, ()),
    ],
)
def test_aggregate_trades_are_chosen_by_id_or_time(query: dict[str, int], ids: Iterable[int]) -> None:
    async def scenario(ask: Ask) -> None:
        status, rows = await ask(BINANCE + "aggTrades", symbol="BTCUSDT", **query)
        assert status == 200
        assert [row["a"] for row in rows] == list(ids)
        for row in rows:
            trade = BTC.row(row["a"], named=True)
            assert (float(row["p"]), float(row["q"]), row["T"]) == (trade["price"], trade["size"], MS[row["a"]])
            assert row["m"] == (trade["side"] == "sell")

    serve(scenario)


def test_binance_refuses_what_binance_refuses() -> None:
    async def scenario(ask: Ask) -> None:
        for query, code in (
            ({"symbol": "NOSUCH"}, -1121),
            ({}, -1121),
            ({"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
            ({"symbol": "BTCUSDT", "fromId": "one"}, -1100),
        ):
            status, answer = await ask(BINANCE + "aggTrades", **query)
            assert (status, answer["code"]) == (400, code)
        assert (await ask(BINANCE + "klines", symbol="BTCUSDT", interval="7m"))[1]["code"] == -1120
        assert (await ask(BINANCE + "nosuch"))[0] == 404

    serve(scenario)


def test_binance_serves_the_rest_of_its_public_endpoints() -> None:
    async def scenario(ask: Ask) -> None:
        assert await ask(BINANCE + "ping") == (200, {})
        assert (await ask(BINANCE + "time"))[1]["serverTime"] > 1_700_000_000_000
        symbols = (await ask(BINANCE + "exchangeInfo"))[1]["symbols"]
        assert [symbol["symbol"] for symbol in symbols] == ["BTCUSDT", "ETHUSDT"]
        depth = (await ask(BINANCE + "depth", symbol="BTCUSDT", limit=3))[1]
        assert [float(price) for price, _ in depth["bids"]] == pytest.approx([59_999.99, 59_999.98, 59_999.97])
        assert [float(price) for price, _ in depth["asks"]] == pytest.approx([60_000.01, 60_000.02, 60_000.03])
        recent = (await ask(BINANCE + "trades", symbol="BTCUSDT", limit=2))[1]
        assert [row["id"] for row in recent] == [298, 299]

    serve(scenario)


def test_klines_follow_from_the_trades() -> None:
    async def scenario(ask: Ask) -> None:
        rows = (await ask(BINANCE + "klines", symbol="BTCUSDT", interval="1m", startTime=MS[0] // 60_000 * 60_000))[1]
        volume: Counter[int] = Counter()
        prices: dict[int, list[float]] = {}
        for ms, price, size in zip(MS, BTC["price"], BTC["size"], strict=True):
            volume[ms // 60_000 * 60_000] += round(size * 100)
            prices.setdefault(ms // 60_000 * 60_000, []).append(price)
        assert [row[0] for row in rows] == sorted(prices)
        for row in rows:
            seen = prices[row[0]]
            assert [float(text) for text in row[1:5]] == [seen[0], max(seen), min(seen), seen[-1]]
            assert round(float(row[5]) * 100) == volume[row[0]]
            assert (row[6], row[8], len(row)) == (row[0] + 59_999, len(seen), 12)

    serve(scenario)


def test_kalshi_pages_trades_newest_first_by_cursor() -> None:
    async def scenario(ask: Ask) -> None:
        ids: list[str] = []
        query: dict[str, Any] = {"ticker": NYC, "limit": 37}
        while True:
            status, page = await ask(KALSHI + "markets/trades", **query)
            assert status == 200
            ids += [trade["trade_id"] for trade in page["trades"]]
            if not page["cursor"]:
                break
            query["cursor"] = page["cursor"]
        assert ids == [str(n) for n in reversed(range(300))]
        assert (await ask(KALSHI + "markets/trades", ticker=NYC, cursor="bogus"))[0] == 400
        last = UNIVERSE.trades_of(NYC)["ts_event"].dt.epoch("s").max()
        recent = (await ask(KALSHI + "markets/trades", ticker=NYC, min_ts=last, limit=1000))[1]["trades"]
        assert 0 < len(recent) < 300

    serve(scenario)


def test_kalshi_lists_events_markets_and_bids_only_books() -> None:
    async def scenario(ask: Ask) -> None:
        (event,) = (await ask(KALSHI + "events", series_ticker="KXRAIN"))[1]["events"]
        assert len(event["markets"]) == 2
        assert (await ask(KALSHI + "events", series_ticker="KXNONE"))[1]["events"] == []
        assert (await ask(KALSHI + f"events/{event['event_ticker']}"))[1]["event"] == event
        first = (await ask(KALSHI + "markets", limit=1))[1]
        second = (await ask(KALSHI + "markets", limit=1, cursor=first["cursor"]))[1]
        assert [page["markets"][0]["ticker"] for page in (first, second)] == [NYC, "KXRAIN-26MAR10-LON"]
        assert (await ask(KALSHI + f"markets/{NYC}"))[1]["market"] == event["markets"][0]
        assert (await ask(KALSHI + "markets/NOSUCH"))[1]["error"]["code"] == "not_found"
        book = (await ask(KALSHI + f"markets/{NYC}/orderbook"))[1]["orderbook_fp"]
        best_yes, best_no = float(book["yes_dollars"][-1][0]), float(book["no_dollars"][-1][0])
        assert (best_yes, best_no) == (0.41, 0.57)

    serve(scenario)


def test_a_seeded_plan_repeats_and_keeps_its_rate() -> None:
    one, two, other = (list(islice(at_random(seed, 0.3, GARBAGE), 2000)) for seed in (5, 5, 6))
    assert one == two != other
    assert 500 < sum(fault is not None for fault in one) < 700
    assert {fault for fault in one if fault} == set(GARBAGE)


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [
        (Fault.ERROR_500, 500, None),
        (Fault.ERROR_503, 503, None),
        (Fault.PAUSE_SECONDS, 429, "1"),
        (Fault.BAN, 418, "120"),
    ],
)
def test_faults_of_status_look_as_a_venue_sends_them(fault: Fault, status: int, header: str | None) -> None:
    async def run() -> None:
        async with Sandbox(UNIVERSE, plan=[fault]) as sandbox, aiohttp.ClientSession() as session:
            async with session.get(sandbox.url + BINANCE + "time") as response:
                assert (response.status, response.headers.get("Retry-After")) == (status, header)
            async with session.get(sandbox.url + BINANCE + "time") as response:
                assert response.status == 200
            assert [call.fault for call in sandbox.calls] == [fault, None]

    asyncio.run(run())


def test_a_cut_answer_breaks_off_and_a_late_one_times_out() -> None:
    async def run() -> None:
        timeout = aiohttp.ClientTimeout(total=0.1)
        async with (
            Sandbox(UNIVERSE, plan=[Fault.CUT, Fault.TIMEOUT], hold_s=0.3) as sandbox,
            aiohttp.ClientSession(timeout=timeout) as session,
        ):
            for error in (aiohttp.ClientPayloadError, TimeoutError):
                with pytest.raises(error):
                    async with session.get(sandbox.url + BINANCE + "exchangeInfo") as response:
                        await response.read()

    asyncio.run(run())


def test_faults_of_pages_repeat_overlap_age_and_poison_them() -> None:
    async def scenario(ask: Ask) -> None:
        page = {"symbol": "BTCUSDT", "fromId": 10, "limit": 4}
        plain = (await ask(BINANCE + "aggTrades", **page))[1]
        doubled = (await ask(BINANCE + "aggTrades", **page))[1]
        early = (await ask(BINANCE + "aggTrades", **page))[1]
        stale = (await ask(BINANCE + "aggTrades", **page))[1]
        poisoned = (await ask(BINANCE + "aggTrades", **page))[1]
        assert [row["a"] for row in plain] == [10, 11, 12, 13]
        assert doubled == plain[:3] + plain
        assert [row["a"] for row in early] == [7, 8, 9, 10]
        assert stale == plain
        assert len(poisoned) == 5
        assert [row for row in poisoned if row in plain] == plain

    serve(scenario, [None, Fault.DUPLICATED, Fault.OVERLAP, Fault.STALE, Fault.POISON])


def test_garbage_is_a_success_without_data() -> None:
    async def run() -> None:
        async with Sandbox(UNIVERSE, plan=GARBAGE) as sandbox, aiohttp.ClientSession() as session:
            texts = []
            for _ in GARBAGE:
                async with session.get(sandbox.url + BINANCE + "time") as response:
                    assert response.status == 200
                    texts.append(await response.text())
        assert texts[0].startswith("<html>")
        assert texts[1:4] == ["", "null", "[]"]
        assert texts[4].startswith('{"s')
        assert not texts[4].endswith("}")

    asyncio.run(run())


def test_the_command_explains_itself_with_an_example() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "runners.sandbox_exchange", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "--fault-rate" in shown
    assert "Example" in shown


def test_the_demo_universe_is_the_same_for_the_same_seed() -> None:
    one, two, other = (demo(seed=seed, trades=50).trades for seed in (1, 1, 2))
    assert one.equals(two)
    assert not one.equals(other)
    assert one.filter(pl.col("price") <= 0).is_empty()
