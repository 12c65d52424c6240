"""What a backtest might have left, simulated from a seed: random prices, a moving-average strategy that pays fees."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import orjson
import polars as pl
import pytest

from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.report.evidence import Evidence
from tickline.kpi.performance import measure
from tickline.lake.schema import NS
from tickline.lake.schemas import BACKTESTS, BARS
from tickline.reference.models import FeeSchedule

START = datetime(2025, 1, 1, tzinfo=UTC)
CAPITAL, SIZE, FEE, SLOW = 100_000.0, 2.0, 0.0005, 48
EXACT = pl.Decimal(38, 12)

Simulate = Callable[..., Evidence]


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    """Makes evidence of so many windows of so many sessions (days) of bars of so many minutes. `text` is what
    failures, labels and reasons say; the other words are names."""
    return simulated


def simulated(
    *,
    seed: int = 7,
    windows: int = 3,
    sessions: int = 20,
    minutes: int = 60,
    instrument: str = "BTC/USDT",
    strategy: str = "sma_trend",
    parameter: str = "fast",
    text: str = "too few trades",
) -> Evidence:
    rng = np.random.default_rng(seed)
    rows = sessions * 24 * 60 // minutes
    bars = _bars(rng, windows * rows, minutes, instrument)
    parts, folds, fasts = [], [], []
    for nth in range(windows):
        folds.append(_folds(rng, parameter, text))
        chosen = folds[nth].filter("chosen")["parameters"][0]
        fasts.append(orjson.loads(chosen)[parameter])
        parts.append(_window(bars.slice(nth * rows, rows), fasts[nth], strategy, chosen))
    frames = {name: pl.concat([part[name] for part in parts]) for name in parts[0]}
    return Evidence(
        **frames,
        orders=_orders(frames["fills"], text),
        folds=pl.concat(folds),
        summary=_summary(parts, strategy),
        bars=bars,
        regimes=_regimes(bars, text),
        fan=_fan(rng),
        stress=_stress(text),
        assumed=Assumptions(costs=Costs(slippage_ticks=1, slippage_bps=Decimal("0.5"))),
        fees=FeeSchedule(maker_bps=Decimal(2), taker_bps=Decimal(5)),
        provenance={"bars_1h/sim/2025": "ab" * 32, "configuration": "cd" * 32, text: text},
    )


def frame(dataset: str, **columns) -> pl.DataFrame:
    """A frame of a dataset's schema out of some of its columns; the others are null."""
    given, schema = pl.DataFrame(columns), BARS if dataset == "bars" else BACKTESTS[f"backtest_{dataset}"]
    return given.select(
        (pl.col(name) if name in columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.columns.items()
    )


def _bars(rng, rows, minutes, instrument):
    """Each bar opens where the one before closed."""
    closes = (30_000 * np.exp(np.cumsum(rng.normal(0, 0.0008 * np.sqrt(minutes), rows)))).round(2)
    opens = np.concatenate([[30_000.0], closes[:-1]])
    reach = np.abs(rng.normal(0, 12, (2, rows))).round(2)
    step = timedelta(minutes=minutes)
    opened = pl.datetime_range(START, START + step * (rows - 1), step, time_unit="ns", eager=True)
    return frame(
        "bars",
        instrument=[instrument] * rows,
        session_date=opened.dt.date(),
        ts_open=opened,
        ts_close=opened + step,
        open=opens,
        high=np.maximum(opens, closes) + reach[0],
        low=np.minimum(opens, closes) - reach[1],
        close=closes,
    )


def _window(bars, fast, strategy, parameters):
    """SIZE long while the fast mean is above the slow one and short below, taken at the next open."""
    opens, closes = (bars[name].to_numpy() for name in ("open", "close"))
    fast_mean, slow_mean = (bars["close"].rolling_mean(size).to_numpy() for size in (fast, SLOW))
    wanted = np.nan_to_num(np.sign(fast_mean - slow_mean)) * SIZE
    held = np.concatenate([[0.0], wanted[:-1]])
    traded = np.diff(held, prepend=0.0)
    fees = np.abs(traded) * opens * FEE
    equity = CAPITAL + np.cumsum(held * (closes - opens) - fees)
    at = np.flatnonzero(traded)
    return {
        "run": frame(
            "run",
            strategy=[strategy],
            mode=["bar"],
            parameters=[parameters],
            strategy_code=["ef" * 32],
            ts_from=bars["ts_close"].head(1),
            ts_to=bars["ts_close"].tail(1),
            rows=[bars.height],
            orders=[at.size],
            refused=[0],
            fills=[at.size],
            capital=[CAPITAL],
            cash=[(equity[-1] - held[-1] * closes[-1]).round(9)],
            fees=[fees.sum().round(9)],
            charges=[0],
            equity=[equity[-1].round(9)],
            conserved=[True],
        ),
        "fills": frame(
            "fills",
            ts=bars["ts_open"].gather(at),
            order=at + 1,
            instrument=bars["instrument"].gather(at),
            session_date=bars["session_date"].gather(at),
            side=np.where(traded[at] > 0, "buy", "sell"),
            price=pl.Series(opens[at]).cast(EXACT),
            size=pl.Series(np.abs(traded[at])).cast(EXACT),
            fee=pl.Series(fees[at]).cast(EXACT),
            is_maker=np.zeros(at.size, dtype=bool),
            tag=np.zeros(at.size, dtype=np.int64),
        ),
        "trades": _trades(bars, held, at),
        "equity": frame(
            "equity",
            ts=bars["ts_close"],
            session_date=bars["session_date"],
            equity=equity,
            drawdown=1 - equity / np.maximum.accumulate(equity),
            exposure=held * closes / equity,
        ),
    }


def _trades(bars, held, at):
    """From each change of the position to the next; the last is still open."""
    opens = bars["open"].to_numpy()
    is_open = np.arange(at.size) == at.size - 1
    left = np.append(at[1:], bars.height - 1)
    leaves = np.where(is_open, bars["close"][-1], opens[left])
    gross = held[at] * (leaves - opens[at])
    fees = SIZE * FEE * (opens[at] + np.where(is_open, 0.0, leaves))
    return frame(
        "trades",
        instrument=bars["instrument"].gather(at),
        side=np.where(held[at] > 0, "long", "short"),
        ts_entry=bars["ts_open"].gather(at),
        ts_exit=np.where(is_open, bars["ts_close"].gather(left), bars["ts_open"].gather(left)),
        size=np.full(at.size, SIZE),
        entry_price=opens[at],
        exit_price=leaves,
        gross=gross,
        fees=fees,
        net=gross - fees,
        is_open=is_open,
    )


def _orders(fills, text):
    sent = frame(
        "orders",
        **{name: fills[name] for name in ("order", "instrument", "side", "size", "tag")},
        ts_sent=fills["ts"],
        filled=fills["size"],
        kind=["market"] * fills.height,
        tif=["gtc"] * fills.height,
        status=["filled"] * fills.height,
    )
    refused = frame(
        "orders",
        order=[0, 0, 0],
        instrument=fills["instrument"].gather([0, 0, 0]),
        ts_sent=fills["ts"].head(3),
        side=["buy"] * 3,
        status=["rejected"] * 3,
        reason=["no_margin", "no_margin", text],
    )
    return pl.concat([refused, sent])


def _folds(rng, parameter, text):
    """A grid whose objective has a hill at 14 and 55; the fourth trial failed."""
    tried = [(fast, slow, stop) for fast in range(6, 26, 4) for slow in range(40, 80, 5) for stop in (0, 3)]
    merits = [float(rng.normal(1 - abs(fast - 14) / 10 - abs(slow - 55) / 40, 0.2)) for fast, slow, _ in tried]
    merits[3] = None
    best = max(merit for merit in merits if merit is not None)
    return frame(
        "folds",
        trial=range(len(tried)),
        trial_id=[f"{nth:064x}" for nth in range(len(tried))],
        parameters=[orjson.dumps(dict(zip((parameter, "slow", "stop"), one, strict=True))).decode() for one in tried],
        objective=merits,
        sharpe=merits,
        chosen=[merit == best for merit in merits],
        failure=[text if merit is None else None for merit in merits],
    )


def _summary(parts, strategy):
    """The measures of each window, and of all of them compounded where there are several."""
    whole, grown = [], 1.0
    for part in parts:
        whole.append(part["equity"].with_columns(pl.col("equity") * grown))
        grown *= part["run"]["equity"].cast(pl.Float64)[0] / CAPITAL
    spans = [(part["equity"]["session_date"][0].isoformat(), part["equity"], part["trades"]) for part in parts]
    if len(parts) > 1:
        spans.append(("all", pl.concat(whole), pl.concat([part["trades"] for part in parts])))
    rows = []
    for scope, equity, trades in spans:
        daily = equity.group_by("session_date", maintain_order=True).last()
        found = asdict(measure(daily, trades, periods_per_year=365.25))
        kept = {name: found[name] for name in BACKTESTS["backtest_summary"].columns if name in found}
        judged = {"trials": 80 * len(parts), "deflated_sharpe": 0.1234, "pbo": 0.6789}
        rows.append({"strategy": strategy, "scope": scope, "sessions": daily.height} | kept | judged)
    return pl.DataFrame(rows, schema=BACKTESTS["backtest_summary"].columns)


def _regimes(bars, text):
    moved = bars["close"].pct_change().abs()
    is_wild = (moved.rolling_mean(24) > moved.mean()).drop_nulls()
    label = pl.Series(np.where(is_wild, text, "calm"))
    return pl.DataFrame({"ts": bars["ts_close"].tail(label.len()).cast(NS), "label": label})


def _fan(rng):
    paths = np.exp(np.cumsum(rng.normal(0, 0.01, (400, 100)), axis=1))
    shares = {f"q{share}": np.quantile(paths, share / 100, axis=0) for share in (5, 25, 50, 75, 95)}
    return pl.DataFrame({"step": range(101)} | {name: np.append(1.0, values) for name, values in shares.items()})


def _stress(text):
    return pl.DataFrame(
        {
            "scenario": ["FlashCrash", "VenueOutage", text],
            "total_return": [-0.08, -0.031, None],
            "max_drawdown": [0.12, 0.06, None],
            "sharpe": [-1.7, -0.6, None],
            "trades": [41, 38, None],
        }
    )
