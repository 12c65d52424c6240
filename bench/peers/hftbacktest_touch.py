"""A schedule of quotes at the touch in hftbacktest, in its own environment: `hftbacktest_touch.py FOLDER`.

Every `wake` each side has one order: where there is none a new one is sent at the touch, where it is not at the touch
it is cancelled. FOLDER holds `ticks.npy` and `settings.json`; for each of the settings' `runs`, NAME.npy gets a row for
each order and time at which it traded: time (UTC ns), side, price in ticks, size in lots. Prints one JSON line.
"""

import json
import sys
from pathlib import Path

import numpy as np
from hftbacktest import BUY, FILLED, GTX, LIMIT, ROIVectorMarketDepthBacktest
from hftbacktest.order import PARTIALLY_FILLED
from hftbacktest_maker import asset, events_of
from numba import njit

SHORT = 0.25


def main() -> None:
    """Run the schedule on the ticks of a folder under each assumption."""
    folder = Path(sys.argv[1])
    settings = json.loads((folder / "settings.json").read_text())
    events = events_of(np.load(folder / "ticks.npy"), settings)
    stopped = []
    for name, run in settings["runs"].items():
        hbt = ROIVectorMarketDepthBacktest([asset(events, settings | run)])
        fills = np.zeros((settings["most_fills"], 4), np.int64)
        # The exchange with partial fills keeps an order whose last fill was exactly what was left of it, and stops with
        # InvalidOrderStatus when the market comes back to it: of a quarter of a lot less, a fill never is.
        size = settings["lots"] - (SHORT if run["partial_fills"] else 0.0)
        count, code = quote(hbt, settings["wake"], settings["tick_size"], settings["lot_size"], size, fills)
        np.save(folder / f"{name}.npy", fills[:count])
        stopped.append(int(code))
        hbt.close()
    print(json.dumps({"stopped": stopped}))


@njit
def quote(hbt, wake, tick_size, lot_size, lots, fills):
    """Run the schedule, noting what traded whenever something is heard."""
    count, sent, size = 0, 0, lots * lot_size
    seen = {np.uint64(0): size}
    hbt.elapse(1)
    code = hbt.elapse(wake - hbt.current_timestamp % wake)
    next_wake = hbt.current_timestamp
    while code != 1 and code < 4:
        orders = hbt.orders(0).values()
        while orders.has_next():
            order = orders.get()
            before = seen[order.order_id]
            traded = order.status in (FILLED, PARTIALLY_FILLED)
            if traded and order.leaves_qty < before:
                fills[count, 0] = order.exch_timestamp
                fills[count, 1] = 1 if order.side == BUY else -1
                fills[count, 2] = order.exec_price_tick
                fills[count, 3] = round((before - order.leaves_qty) / lot_size)
                count += 1
                seen[order.order_id] = order.leaves_qty
        if hbt.current_timestamp == next_wake:
            next_wake += wake
            hbt.clear_inactive_orders(0)
            depth = hbt.depth(0)
            best_bid, best_ask = depth.best_bid_tick, depth.best_ask_tick
            if not (np.isnan(depth.best_bid) or np.isnan(depth.best_ask)):
                has_bid = has_ask = False
                orders = hbt.orders(0).values()
                while orders.has_next():
                    order = orders.get()
                    buys = order.side == BUY
                    has_bid, has_ask = has_bid or buys, has_ask or not buys
                    if order.price_tick != (best_bid if buys else best_ask) and order.cancellable:
                        hbt.cancel(0, order.order_id, False)
                if not has_bid:
                    sent += 1
                    seen[np.uint64(sent)] = size
                    hbt.submit_buy_order(0, sent, best_bid * tick_size, size, GTX, LIMIT, False)
                if not has_ask:
                    sent += 1
                    seen[np.uint64(sent)] = size
                    hbt.submit_sell_order(0, sent, best_ask * tick_size, size, GTX, LIMIT, False)
        code = hbt.wait_next_feed(True, next_wake - hbt.current_timestamp)
    return count, code


if __name__ == "__main__":
    main()
