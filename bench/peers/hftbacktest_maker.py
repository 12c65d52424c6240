"""The maker of Tickline's bench in hftbacktest, in its own environment: `hftbacktest_maker.py FOLDER`.

FOLDER holds `ticks.npy`, Tickline's TICK records of one instrument, and `settings.json`. Prints one JSON line: the CPU
seconds of each warm run, and what the maker did, to be held against Tickline's.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest import (
    BUY,
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    GTX,
    LIMIT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
    event_dtype,
)
from hftbacktest.data import correct_event_order, validate_event_order
from numba import njit

TRADE, CLEARS = 0, 1
"""A kind of tick, and a flag: the first level of a snapshot (tickline.backtest.ticks)."""


def main() -> None:
    """Time the maker on the ticks of a folder."""
    folder = Path(sys.argv[1])
    settings = json.loads((folder / "settings.json").read_text())
    events = events_of(np.load(folder / "ticks.npy"), settings)
    chosen = tuple(settings["maker"][name] for name in ("half_spread", "skew", "lots", "inventory", "requote"))
    seconds = []
    for _ in range(1 + settings["rounds"]):
        hbt = ROIVectorMarketDepthBacktest([asset(events, settings)])
        started = time.process_time()
        sent, position = make(hbt, settings["wake"], settings["tick_size"], settings["lot_size"], chosen)
        seconds.append(time.process_time() - started)
        trades = hbt.state_values(0).num_trades
        hbt.close()
    held = round(position / settings["lot_size"])
    print(json.dumps({"seconds": seconds[1:], "orders": sent, "fills": int(trades), "position": held}))


def events_of(ticks: np.ndarray, settings: dict) -> np.ndarray:
    """Ticks as hftbacktest's events, a clearing one before each snapshot: in the exchange's and the local order at
    once, split in two where these differ."""
    events = np.zeros(ticks.size, event_dtype)
    clears = np.flatnonzero(ticks["flags"] & CLEARS)
    shared = np.isin(ticks["ts"], ticks["ts"][clears]) & np.isin(ticks["ts_recv"], ticks["ts_recv"][clears])
    depth = np.where(shared, DEPTH_SNAPSHOT_EVENT, DEPTH_EVENT)
    side = np.where(ticks["side"] > 0, BUY_EVENT, np.where(ticks["side"] < 0, SELL_EVENT, 0))
    events["ev"] = np.where(ticks["kind"] == TRADE, TRADE_EVENT, depth) | side
    events["exch_ts"], events["local_ts"] = ticks["ts"], ticks["ts_recv"]
    events["px"], events["qty"] = ticks["price"] * settings["tick_size"], ticks["lots"] * settings["lot_size"]
    clearing = events[clears].copy()
    clearing["ev"], clearing["px"], clearing["qty"] = DEPTH_CLEAR_EVENT, 0, 0
    events = np.insert(events, clears, clearing)
    by_exchange, by_local = (np.argsort(events[name], kind="stable") for name in ("exch_ts", "local_ts"))
    ordered = correct_event_order(events, by_exchange, by_local)
    validate_event_order(ordered)
    return ordered


def asset(events: np.ndarray, settings: dict) -> BacktestAsset:
    """The market under the settings' assumptions. It reads the events where they lie: keep them."""
    market = (
        BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(settings["order_latency"], settings["answer_latency"])
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(settings["tick_size"])
        .lot_size(settings["lot_size"])
        .roi_lb(settings["lowest"])
        .roi_ub(settings["highest"])
        .last_trades_capacity(0)
    )
    market = market.partial_fill_exchange() if settings["partial_fills"] else market.no_partial_fill_exchange()
    match settings["queue"]:
        case "risk_averse":
            return market.risk_adverse_queue_model()
        case "share":
            return market.power_prob_queue_model(1)
        case "log":
            return market.log_prob_queue_model()
        case _:
            return market.power_prob_queue_model(3)


@njit
def make(hbt, wake, tick_size, lot_size, chosen):
    """Quote as tickline.signals.strategies.maker does; the orders sent, and the position in the end."""
    half_spread, skew, lots, inventory, requote = chosen
    sent = 0
    hbt.elapse(1)
    done = hbt.elapse(wake - hbt.current_timestamp % wake)
    while done == 0:
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        best_bid, best_ask = depth.best_bid, depth.best_ask
        if not (np.isnan(best_bid) or np.isnan(best_ask)):
            held = round(hbt.position(0) / lot_size)
            around = (best_bid + best_ask) / 2.0 - skew * tick_size * held / inventory
            away = half_spread * tick_size
            bid, ask = min(around - away, best_bid), max(around + away, best_ask)
            if held + lots > inventory:
                bid = np.nan
            if held - lots < -inventory:
                ask = np.nan
            has_bid = has_ask = False
            orders = hbt.orders(0).values()
            while orders.has_next():
                order = orders.get()
                buys = order.side == BUY
                price = bid if buys else ask
                if abs(order.price_tick * tick_size - price) < requote * tick_size or not order.cancellable:
                    has_bid, has_ask = has_bid or buys, has_ask or not buys
                else:
                    hbt.cancel(0, order.order_id, False)
            if not has_bid and not np.isnan(bid):
                sent += 1
                hbt.submit_buy_order(0, sent, within(bid, tick_size, True), lots * lot_size, GTX, LIMIT, False)
            if not has_ask and not np.isnan(ask):
                sent += 1
                hbt.submit_sell_order(0, sent, within(ask, tick_size, False), lots * lot_size, GTX, LIMIT, False)
        done = hbt.elapse(wake)
    return sent, hbt.position(0)


@njit
def within(price, tick_size, buys):
    """A price on the grid that gives away no more than this one."""
    exact = price / tick_size
    nearest = np.rint(exact)
    if abs(exact - nearest) <= 1e-6:
        return nearest * tick_size
    return (np.floor(exact) if buys else np.ceil(exact)) * tick_size


if __name__ == "__main__":
    main()
