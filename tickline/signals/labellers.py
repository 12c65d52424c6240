"""Every labeller by name: its bounded parameters, what it says of bars, and its code.

A classifier is not among them: it is trained once, on labels that somebody chose, and kept as a file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.signals.anomalies import Limits, anomalies
from tickline.signals.features import Parameter
from tickline.signals.regimes import Thresholds, regimes
from tickline.signals.volatility_regimes import fit, volatility_regimes


@dataclass(frozen=True, slots=True)
class Labeller:
    """`label(bars, opens, *parameters)` gives `instrument`, `ts` and `outputs`, numbers or Booleans, of each bar.

    `bars` are BARS in order of time within each instrument, `opens` the SESSIONS of their calendar; `module` is where
    the work is done.
    """

    label: Callable[..., pl.LazyFrame]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    module: str


def _regimes(bars: pl.LazyFrame, _opens: pl.LazyFrame, *thresholds: float) -> pl.LazyFrame:
    return regimes(bars, Thresholds._make(thresholds))


def _anomalies(bars: pl.LazyFrame, opens: pl.LazyFrame, *limits: float) -> pl.LazyFrame:
    return anomalies(bars, opens, Limits._make(limits))


def _volatility(bars: pl.LazyFrame, _opens: pl.LazyFrame, count: int) -> pl.LazyFrame:
    """The volatility regime of each bar of the last session, by a chain fitted to the sessions before it.

    Nothing is said of an instrument whose earlier returns are too few for a chain, or fit none.
    """
    said = [_NO_VOLATILITY]
    for of_instrument in bars.collect().partition_by("instrument", maintain_order=True):
        before = of_instrument.filter(pl.col("session_date") < pl.col("session_date").max())
        if before.is_empty():
            continue
        try:
            chain = fit(before, trained_to=before["ts_close"][-1], regimes=count)
        except ConfigError:
            continue
        labelled = volatility_regimes(of_instrument, chain)
        said.append(labelled.select("instrument", "ts", "label", wildest=pl.col(f"p_{count - 1}")))
    return pl.concat(said).lazy()


_NO_VOLATILITY = pl.DataFrame(schema={"instrument": pl.String(), "ts": NS, "label": pl.Int8(), "wildest": pl.Float64()})


def _share(name: str, default: float, *, high: float) -> Parameter:
    return Parameter(name, default, 0.0, high, is_whole=False)


_T, _L = Thresholds(), Limits()

LABELLERS: Mapping[str, Labeller] = MappingProxyType(
    {
        "regime": Labeller(
            _regimes,
            (
                Parameter("patterns", _T.patterns, 50, 100_000),
                Parameter("order", _T.order, 2, 7),
                Parameter("memory", _T.memory, 128, 10_000),
                Parameter("every", _T.every, 1, 10_000),
                _share("entropy_enter", _T.entropy_enter, high=1.0),
                _share("entropy_leave", _T.entropy_leave, high=1.0),
                _share("hurst_enter", _T.hurst_enter, high=1.5),
                _share("hurst_leave", _T.hurst_leave, high=1.5),
            ),
            ("label", "entropy", "hurst"),
            regimes.__module__,
        ),
        "anomaly": Labeller(
            _anomalies,
            (
                Parameter("window", _L.window, 5, 10_000),
                Parameter("sessions", _L.sessions, 5, 1_000),
                Parameter("limit", _L.limit, 0.1, 1_000.0, is_whole=False),
            ),
            ("return_score", "volume_score", "is_return_anomaly", "is_volume_anomaly"),
            anomalies.__module__,
        ),
        "volatility_regime": Labeller(
            _volatility, (Parameter("regimes", 2, 2, 4),), ("label", "wildest"), volatility_regimes.__module__
        ),
    }
)
"""Every shipped labeller that a signal set may name."""
