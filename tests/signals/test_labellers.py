"""What a signal set makes of bars: each column what its feature or labeller says by itself, and of no later bar."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

from tickline.lake.schema import NS
from tickline.lake.schemas import BARS, SESSIONS
from tickline.signals.anomalies import Limits, anomalies
from tickline.signals.features import FeatureSpec, compute
from tickline.signals.spec import SignalSet, signals
from tickline.signals.volatility_regimes import fit, volatility_regimes

FIRST, BARS_A_SESSION = date(2026, 3, 2), 288


@cache
def bars(sessions: int) -> pl.DataFrame:
    """Five-minute bars of a market whose moves are three times as large in every other quarter of a session."""
    count = sessions * BARS_A_SESSION
    wild = np.arange(count) // (BARS_A_SESSION // 4) % 2
    steps = np.random.default_rng(7).normal(0, 1, count) * np.where(wild, 0.003, 0.001)
    close = 100 * np.exp(steps.cumsum())
    opened = [datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=5 * nth) for nth in range(count)]
    known = pl.DataFrame(
        {
            "instrument": "A",
            "session_date": [at.date() for at in opened],
            "segment": "regular",
            "ts_open": pl.Series(opened).cast(NS),
            "close": close,
            "bid_close": close - 0.5,
            "ask_close": close + 1.5,
            "volume": np.random.default_rng(8).lognormal(0, 1, count),
        }
    ).with_columns(ts_close=pl.col("ts_open") + pl.duration(minutes=5, time_unit="ns"))
    return pl.concat(
        [BARS.empty(), known.select(name for name in BARS.columns if name in known.columns)], how="diagonal"
    )


@cache
def opens(sessions: int) -> pl.DataFrame:
    days = [FIRST + timedelta(days=nth) for nth in range(sessions)]
    known = {
        "session_date": days,
        "segment": "regular",
        "open": [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in days],
    }
    return pl.concat([SESSIONS.empty(), pl.DataFrame(known, schema_overrides={"open": NS})], how="diagonal")


def declared(**changes: object) -> SignalSet:
    columns = {"x": changes.pop("column")}
    return SignalSet.model_validate({"name": "s", "venue": "v", "instruments": ["A"], "columns": columns} | changes)


def made(sessions: int, **changes: object) -> pl.Series:
    return signals(bars(sessions), opens(sessions), declared(**changes))["x"]


def test_a_feature_is_what_it_is_by_itself() -> None:
    (upper, *_) = (spec := FeatureSpec("bollinger", {"n": 30})).columns
    alone = compute(bars(2).lazy(), [spec]).collect()[upper]
    assert made(2, column={"of": "bollinger", "output": "upper", "parameters": {"n": 30}}).equals(
        alone, check_names=False
    )


def test_mids_stand_for_the_prices_of_a_venue_without_trades() -> None:
    of_mids = made(2, prices="mids", column={"of": "sma", "parameters": {"n": 1}})
    assert np.allclose(of_mids, bars(2)["close"] + 0.5)


def test_anomalies_know_when_each_session_began() -> None:
    alone = anomalies(bars(7).lazy(), opens(7).lazy(), Limits(sessions=5)).collect()["volume_score"]
    said = made(7, column={"of": "anomaly", "output": "volume_score", "parameters": {"sessions": 5}})
    assert said.null_count() == 5 * BARS_A_SESSION
    assert said.equals(alone, check_names=False)


def test_a_volatility_chain_is_fitted_to_the_sessions_before_alone() -> None:
    column = {"of": "volatility_regime", "output": "label"}
    said = made(3, column=column)
    before = bars(3).head(2 * BARS_A_SESSION)
    alone = volatility_regimes(bars(3), fit(before, trained_to=before["ts_close"].max()))["label"]
    assert said.head(2 * BARS_A_SESSION).null_count() == 2 * BARS_A_SESSION
    assert said.tail(BARS_A_SESSION).to_list() == [float(label) for label in alone]
    assert set(alone) == {0, 1}
    cut = signals(bars(3).head(2 * BARS_A_SESSION + 100), opens(3), declared(column=column))["x"]
    assert cut.equals(said.head(cut.len()))


def test_nothing_is_said_of_volatility_where_nothing_came_before() -> None:
    assert made(1, column={"of": "volatility_regime", "output": "wildest"}).null_count() == BARS_A_SESSION
