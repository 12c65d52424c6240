"""Every feature by name: what it reads, its bounded parameters, its expression over columns and its online twin.

`compute` adds wanted features to a frame of bars, quotes or trades as columns; `replay` says what the twins would have
said live. Both agree to rounding, and neither reads a row after the one it stands on.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from tickline.errors import ConfigError
from tickline.signals import complexity, flow, indicators, online, volatility


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number a feature is given, within [low, high]."""

    name: str
    default: float
    low: float
    high: float
    is_whole: bool = True

    def checked(self, value: Any, feature: str) -> float:
        """The value as a number of this parameter. Raises ConfigError where it is none."""
        fits = isinstance(value, Real) and not isinstance(value, bool) and self.low <= float(value) <= self.high
        if not fits or (self.is_whole and value != int(value)):
            kind = "a whole number" if self.is_whole else "a number"
            raise ConfigError(
                f"feature {feature}: {self.name} = {value!r}; give {kind} in [{self.low:g}, {self.high:g}]"
            )
        return int(value) if self.is_whole else float(value)


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of one instrument.

    `inputs` are the numbers it reads of each row, as expressions over the columns of BARS or of clean quotes or trades.
    `batch(*inputs, *parameters)` gives an expression for each of `outputs`, to be evaluated over the columns `by`;
    `update(state, *inputs, *parameters)` the same of one row, with a state of `size(*parameters)` floats for each
    instrument, zeros at first. The first parameter of `rising` has to be less than the second.
    """

    inputs: tuple[pl.Expr, ...]
    batch: Callable[..., pl.Expr | tuple[pl.Expr, ...]]
    update: Callable[..., float | tuple[float, ...]]
    size: Callable[..., int]
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[str, ...] = ("",)
    rising: tuple[str, str] | None = None
    by: tuple[str, ...] = ("instrument",)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(sorted({*self.by, *chain.from_iterable(given.meta.root_names() for given in self.inputs)}))


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A feature with its parameters; those not given have their defaults.

    Raises ConfigError where there is no such feature or parameter, or a parameter is out of bounds.
    """

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.name not in FEATURES:
            raise ConfigError(f"no feature {self.name!r}; there are {', '.join(FEATURES)}")
        feature = self.feature
        if unknown := set(self.parameters) - {parameter.name for parameter in feature.parameters}:
            known = ", ".join(parameter.name for parameter in feature.parameters) or "none"
            raise ConfigError(f"feature {self.name}: no parameter {', '.join(sorted(unknown))}; it has {known}")
        given = {
            parameter.name: parameter.checked(self.parameters.get(parameter.name, parameter.default), self.name)
            for parameter in feature.parameters
        }
        if feature.rising and given[feature.rising[0]] >= given[feature.rising[1]]:
            less, more = feature.rising
            raise ConfigError(
                f"feature {self.name}: {less} = {given[less]:g} has to be less than {more} = {given[more]:g}"
            )
        object.__setattr__(self, "parameters", given)

    @property
    def feature(self) -> Feature:
        """What it is a specification of."""
        return FEATURES[self.name]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, such as `sma_20` or `bollinger_20_2_upper`."""
        numbers = (f"{value:g}" for value in self.parameters.values())
        stem = "_".join((self.name, *numbers))
        return tuple(f"{stem}_{output}" if output else stem for output in self.feature.outputs)

    def expressions(self) -> list[pl.Expr]:
        """Its columns as expressions over a frame in order of time within each instrument."""
        outputs = self.feature.batch(*self.feature.inputs, *self.parameters.values())
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return [
            output.over(self.feature.by).alias(column) for output, column in zip(several, self.columns, strict=True)
        ]


def compute(frame: pl.LazyFrame, wanted: Sequence[FeatureSpec]) -> pl.LazyFrame:
    """The frame with a Float64 column for each output of the wanted features.

    `frame` holds bars (BARS), or clean quotes or trades, in order of time within each instrument. Raises ConfigError
    where it lacks a column a feature reads or a feature is wanted twice.
    """
    there = frame.collect_schema().names()
    for spec in wanted:
        if missing := set(spec.feature.reads) - set(there):
            raise ConfigError(f"feature {spec.name} reads {', '.join(sorted(missing))}, which the frame does not have")
        if twice := set(spec.columns) & set(there):
            raise ConfigError(f"the frame would have {', '.join(sorted(twice))} twice; ask for each feature once")
        there += spec.columns
    return frame.with_columns(chain.from_iterable(spec.expressions() for spec in wanted))


def replay(frame: pl.DataFrame, spec: FeatureSpec) -> pl.DataFrame:
    """The columns of a feature as its twin says them row by row: what would have been known live.

    Calls compiled code from Python at about 1 us a row: for proofs, not for histories.
    """
    feature, parameters = spec.feature, [float(value) for value in spec.parameters.values()]
    numbers = [given.cast(pl.Float64).fill_null(np.nan).alias(str(at)) for at, given in enumerate(feature.inputs)]
    states: dict[str, online.State] = defaultdict(lambda: np.zeros(feature.size(*parameters)))
    said = [
        feature.update(states[instrument], *values, *parameters)
        for instrument, *values in frame.select("instrument", *numbers).iter_rows()
    ]
    columns = np.array(said, np.float64).reshape(len(said), len(spec.columns))
    return pl.DataFrame(columns, schema=dict.fromkeys(spec.columns, pl.Float64)).fill_nan(None)


def _n(default: int, *, low: int = 1, high: int = 10_000) -> Parameter:
    return Parameter("n", default, low, high)


def _keeps_nothing() -> int:
    return 0


_OPEN, _HIGH, _LOW, _CLOSE = _BAR = tuple(pl.col(name) for name in ("open", "high", "low", "close"))
_BID, _BID_SIZE, _ASK, _ASK_SIZE = _QUOTE = tuple(pl.col(name) for name in ("bid", "bid_size", "ask", "ask_size"))
_BAND = ("upper", "middle", "lower")

FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        # of bars
        "sma": Feature((_CLOSE,), indicators.sma, online.sma, online.sma_size, (_n(20),)),
        "ema": Feature((_CLOSE,), indicators.ema, online.ema, online.ema_size, (_n(20),)),
        "wma": Feature((_CLOSE,), indicators.wma, online.wma, online.wma_size, (_n(20, high=1000),)),
        "rsi": Feature((_CLOSE,), indicators.rsi, online.rsi, online.rsi_size, (_n(14),)),
        "true_range": Feature((_HIGH, _LOW, _CLOSE), indicators.true_range, online.true_range, online.true_range_size),
        "atr": Feature((_HIGH, _LOW, _CLOSE), indicators.atr, online.atr, online.atr_size, (_n(14),)),
        "stdev": Feature((_CLOSE,), indicators.stdev, online.stdev, online.stdev_size, (_n(20, low=2),)),
        "zscore": Feature((_CLOSE,), indicators.zscore, online.zscore, online.zscore_size, (_n(20, low=2),)),
        "bollinger": Feature(
            (_CLOSE,),
            indicators.bollinger,
            online.bollinger,
            lambda n, _: online.bollinger_size(n),
            (_n(20, low=2), Parameter("width", 2.0, 0.01, 100.0, is_whole=False)),
            _BAND,
        ),
        "donchian": Feature(
            (_HIGH, _LOW), indicators.donchian, online.donchian, online.donchian_size, (_n(20),), _BAND
        ),
        "macd": Feature(
            (_CLOSE,),
            indicators.macd,
            online.macd,
            online.macd_size,
            (Parameter("fast", 12, 1, 9_999), Parameter("slow", 26, 2, 10_000), Parameter("signal", 9, 1, 10_000)),
            ("line", "signal", "histogram"),
            rising=("fast", "slow"),
        ),
        "session_vwap": Feature(
            (pl.col("turnover"), pl.col("volume"), pl.col("session_date").to_physical()),
            lambda turnover, volume, _: indicators.session_vwap(turnover, volume),
            online.session_vwap,
            online.session_vwap_size,
            by=("instrument", "session_date"),
        ),
        "close_to_close": Feature(
            (_CLOSE,),
            volatility.close_to_close,
            volatility.close_to_close_online,
            volatility.close_to_close_size,
            (_n(20, low=2),),
        ),
        "parkinson": Feature(
            (_HIGH, _LOW), volatility.parkinson, volatility.parkinson_online, volatility.parkinson_size, (_n(20),)
        ),
        "garman_klass": Feature(
            _BAR, volatility.garman_klass, volatility.garman_klass_online, volatility.garman_klass_size, (_n(20),)
        ),
        "rogers_satchell": Feature(
            _BAR,
            volatility.rogers_satchell,
            volatility.rogers_satchell_online,
            volatility.rogers_satchell_size,
            (_n(20),),
        ),
        "yang_zhang": Feature(
            _BAR, volatility.yang_zhang, volatility.yang_zhang_online, volatility.yang_zhang_size, (_n(20, low=2),)
        ),
        "permutation_entropy": Feature(
            (_CLOSE,),
            complexity.permutation_entropy,
            complexity.permutation_entropy_online,
            complexity.permutation_entropy_size,
            (_n(100, low=3), Parameter("order", 4, 2, 7)),
            rising=("order", "n"),
        ),
        "hurst": Feature(
            (_CLOSE,),
            complexity.hurst,
            complexity.hurst_online,
            complexity.hurst_size,
            (_n(256, low=128), Parameter("every", 32, 1, 10_000)),
        ),
        # of quotes
        "mid": Feature((_BID, _ASK), flow.mid, flow.mid_online, _keeps_nothing),
        "spread": Feature((_BID, _ASK), flow.spread, flow.spread_online, _keeps_nothing),
        "relative_spread": Feature((_BID, _ASK), flow.relative_spread, flow.relative_spread_online, _keeps_nothing),
        "micro_price": Feature(_QUOTE, flow.micro_price, flow.micro_price_online, _keeps_nothing),
        "book_imbalance": Feature(
            (_BID_SIZE, _ASK_SIZE), flow.book_imbalance, flow.book_imbalance_online, _keeps_nothing
        ),
        "order_flow_imbalance": Feature(
            _QUOTE,
            flow.order_flow_imbalance,
            flow.order_flow_imbalance_online,
            flow.order_flow_imbalance_size,
            (_n(50),),
        ),
        # of trades
        "volume_imbalance": Feature(
            (pl.col("size"), flow.side_sign(pl.col("side"))),
            flow.volume_imbalance,
            flow.volume_imbalance_online,
            flow.volume_imbalance_size,
            (_n(100),),
        ),
    }
)
"""Every shipped feature."""
