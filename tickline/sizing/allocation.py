"""How capital is split: weights of strategies or instruments out of their past returns, and what risk they carry.

Each way to allocate is a declaration; `allocate` turns one and a frame of returns into weights with diagnostics.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
from pydantic import Field, model_validator

from tickline.errors import BacktestError, ConfigError
from tickline.reference.models import Declared

FEWEST_ROWS = 20
"""Sessions below which nothing is estimated."""

PLACES = 12
"""Weights are rounded to so many decimal places, so that the last bits of a solver are not in the bytes."""

Floats: TypeAlias = npt.NDArray[np.float64]
Estimator: TypeAlias = Literal["sample", "ledoit_wolf"]
Bound = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class EqualWeight(Declared):
    """The same weight for each."""

    method: Literal["equal_weight"] = "equal_weight"
    covariance: Estimator = "sample"


class InverseVolatility(Declared):
    """Weights in proportion to 1 / volatility."""

    method: Literal["inverse_volatility"] = "inverse_volatility"
    covariance: Estimator = "sample"


class RiskParity(Declared):
    """Weights at which each contributes the same to the variance (Maillard, Roncalli and Teiletche 2010)."""

    method: Literal["risk_parity"] = "risk_parity"
    covariance: Estimator = "ledoit_wolf"


class HierarchicalRiskParity(Declared):
    """Recursive bisection of a tree of correlations (López de Prado 2016), with Ward linkage."""

    method: Literal["hrp"] = "hrp"
    covariance: Estimator = "sample"


class MinimumVariance(Declared):
    """The weights within bounds of the least variance (Markowitz 1952)."""

    method: Literal["min_variance"] = "min_variance"
    covariance: Estimator = "ledoit_wolf"
    low: Bound = 0.0
    high: Bound = 1.0


class MeanVariance(Declared):
    """The weights within bounds of the most expected return less risk_aversion / 2 x variance (Markowitz 1952).

    Expected returns are means shrunk to their common mean (James-Stein, as in Jorion 1986).
    """

    method: Literal["mean_variance"] = "mean_variance"
    covariance: Estimator = "ledoit_wolf"
    low: Bound = 0.0
    high: Bound = 1.0
    risk_aversion: Positive = 2.5


class View(Declared):
    """An opinion: `asset` returns `expected` a session, or that much more than `over` does. Confidence 1 is certain."""

    asset: str
    over: str | None = None
    expected: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
    confidence: Annotated[float, Field(gt=0, le=1)] = 0.5


class BlackLitterman(Declared):
    """Market weights, moved by views (Black and Litterman 1992; confidences as in Idzorek 2005, by Walters 2014).

    Without views, or with views the market shares, the weights are the market's. A confidence of 0.5 is the view's own
    variance under the prior (He and Litterman 1999).
    """

    method: Literal["black_litterman"] = "black_litterman"
    covariance: Estimator = "ledoit_wolf"
    low: Bound = 0.0
    high: Bound = 1.0
    risk_aversion: Positive = 2.5
    market: dict[str, Annotated[float, Field(ge=0, le=1)]]
    views: tuple[View, ...] = ()
    tau: Annotated[float, Field(gt=0, le=1)] = 0.05

    @model_validator(mode="after")
    def _weigh_one(self) -> "BlackLitterman":
        if abs(sum(self.market.values()) - 1) > 1e-9:
            raise ValueError(f"market weights add up to {sum(self.market.values())}; make them add up to 1")
        return self


Method = Annotated[
    EqualWeight
    | InverseVolatility
    | RiskParity
    | HierarchicalRiskParity
    | MinimumVariance
    | MeanVariance
    | BlackLitterman,
    Field(discriminator="method"),
]
"""A way to allocate, as a configuration names it: `{method: risk_parity, covariance: sample}`."""


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """Weights and what they mean.

    `weights`: name (String), weight and risk_contribution (Float64; a share of the variance, they add up to 1), by
    name. `volatility` is expected, of one session. `effective_bets` is the squared diversification ratio (Choueifaty,
    Froidure and Reynier 2013): n for n uncorrelated equal risks, 1 for one risk under n names, more where they hedge.
    `inputs_sha256` is the hash of names and returns.
    """

    weights: pl.DataFrame
    volatility: float
    effective_bets: float
    rows: int
    settings: Mapping[str, Any]
    inputs_sha256: str


@dataclass(frozen=True, slots=True)
class _Sample:
    names: tuple[str, ...]
    returns: Floats  # (sessions, names)
    covariance: Floats


def allocate(returns: pl.DataFrame, method: Method) -> Allocation:
    """Weights that add up to 1, rounded to 1e-12, out of simple returns by session.

    `returns` has a Float64 column for each strategy or instrument and a row for each session; in which order columns
    stand makes no difference. Raises ConfigError where the method does not suit the columns, BacktestError where
    returns are missing, too few, constant, or (where the method needs an inverse) move together exactly.
    """
    sample = _sample(returns, method.covariance)
    weights = np.round(_weights(sample, method), PLACES) + 0.0  # no -0.0
    risk = sample.covariance @ weights
    variance = float(weights @ risk)
    volatilities = np.sqrt(np.diag(sample.covariance))
    if variance <= 1e-16 * float(volatilities.max()) ** 2:
        raise BacktestError(f"{', '.join(sample.names)} cancel out and leave no risk to share; leave one out")
    shares = np.round(weights * risk / variance, PLACES) + 0.0
    return Allocation(
        weights=pl.DataFrame({"name": sample.names, "weight": weights, "risk_contribution": shares}),
        volatility=variance**0.5,
        effective_bets=float(np.abs(weights) @ volatilities) ** 2 / variance,
        rows=returns.height,
        settings=method.model_dump(mode="json"),
        inputs_sha256=hashlib.sha256(orjson.dumps(sample.names) + sample.returns.astype("<f8").tobytes()).hexdigest(),
    )


def require_suited(method: Method, names: Sequence[str]) -> None:
    """Raise ConfigError where a method could never weigh just these names, whatever their returns.

    Its bounds leave no room, or it speaks of others than these.
    """
    if isinstance(method, MinimumVariance | MeanVariance | BlackLitterman):
        _require_room(method, len(names))
    if isinstance(method, BlackLitterman):
        _require_market(method, names)
        for view in method.views:
            _pick(names, view)


def _weights(sample: _Sample, method: Method) -> Floats:
    weights: Floats
    count = len(sample.names)
    if not isinstance(method, EqualWeight | InverseVolatility | HierarchicalRiskParity):
        _require_regular(sample)
    match method:
        case EqualWeight():
            weights = np.full(count, 1 / count)
        case InverseVolatility():
            inverse = 1 / np.sqrt(np.diag(sample.covariance))
            weights = inverse / inverse.sum()
        case RiskParity():
            weights = _equal_risk(sample)
        case HierarchicalRiskParity():
            weights = _hierarchical(sample, method.covariance)
        case MinimumVariance():
            weights = _optimum(sample, np.zeros(count), method)
        case MeanVariance():
            weights = _optimum(sample, _shrunk_means(sample, method.covariance) / method.risk_aversion, method)
        case BlackLitterman():
            weights = _optimum(sample, _posterior_means(sample, method) / method.risk_aversion, method)
    return weights


def _equal_risk(sample: _Sample) -> Floats:
    """Damped Newton on n / 2 x C x - sum(log x), of which equal risks are the minimum (Spinu 2013), on correlations C.

    skfolio's solver leaves contributions up to 1e-6 apart.
    """
    count, volatilities = len(sample.names), np.sqrt(np.diag(sample.covariance))
    correlation = sample.covariance / np.outer(volatilities, volatilities)
    exposure = np.full(count, count**-0.5)
    for _ in range(1000):
        slopes = count * correlation @ exposure - 1 / exposure
        step = np.linalg.solve(count * correlation + np.diag(exposure**-2), -slopes)
        decrement = max(float(-slopes @ step), 0.0) ** 0.5
        exposure = exposure + (step if decrement < 0.25 else step / (1 + decrement))
        if decrement < 1e-6:  # it squares with every step
            weights: Floats = exposure / volatilities
            weights /= weights.sum()
            return weights
    raise BacktestError(f"no equal risks of {', '.join(sample.names)} were found; leave out what moves with another")


def _hierarchical(sample: _Sample, estimator: Estimator) -> Floats:
    if len(sample.names) == 1:  # no tree to cut
        return np.ones(1)
    from skfolio import optimization, prior

    moments = prior.EmpiricalPrior(covariance_estimator=_estimator_of_skfolio(estimator))
    weights: Floats = optimization.HierarchicalRiskParity(prior_estimator=moments).fit(sample.returns).weights_
    return weights


def _optimum(sample: _Sample, tilt: Floats, method: MinimumVariance | MeanVariance | BlackLitterman) -> Floats:
    """The weights within bounds of the least variance / 2 - tilt @ weights, by active sets.

    Nocedal and Wright 2006, Numerical Optimization, algorithm 16.3. skfolio's solver stops where the objective is right
    to 1e-9, which leaves weights right to 1e-4; these are right to the last bits.
    """
    count = len(sample.names)
    _require_room(method, count)
    scale = count / np.trace(sample.covariance)
    covariance, tilt = sample.covariance * scale, tilt * scale
    weights, side = np.full(count, 1 / count), np.zeros(count)  # -1 where a weight is held at low, 1 where at high
    for _ in range(100 * count):
        step, price = _step(covariance, covariance @ weights - tilt, side == 0)
        room = np.where(step > 0, method.high, method.low) - weights
        reach = np.divide(room, step, out=np.full(count, np.inf), where=np.abs(step) > 1e-15)
        blocking = int(np.argmin(reach))
        if reach[blocking] < 1:
            weights = weights + max(float(reach[blocking]), 0.0) * step
            weights[blocking] = method.high if step[blocking] > 0 else method.low
            side[blocking] = np.sign(step[blocking])
            continue
        weights = weights + step
        gain = side * (covariance @ weights - tilt + price)  # of letting a weight go from its bound
        if gain.max() < 1e-13:
            return weights
        side[int(np.argmax(gain))] = 0
    raise BacktestError(f"no best weights of {', '.join(sample.names)} were found; widen low or high a little")


def _step(covariance: Floats, slopes: Floats, is_free: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """The step of the free weights, adding up to nothing, to where their slopes are all the same; and minus that."""
    free = np.flatnonzero(is_free)
    equations = np.ones((free.size + 1, free.size + 1))
    equations[:-1, :-1], equations[-1, -1] = covariance[np.ix_(free, free)], 0.0
    solved = np.linalg.solve(equations, np.append(-slopes[free], 0.0))
    step = np.zeros(len(slopes))
    step[free] = solved[:-1]
    return step, float(solved[-1])


def _shrunk_means(sample: _Sample, estimator: Estimator) -> Floats:
    means: Floats = sample.returns.mean(axis=0)
    if means.size >= 3:  # of fewer, shrinking is no better (Stein 1956)
        from skfolio.moments import ShrunkMu

        means = ShrunkMu(covariance_estimator=_estimator_of_skfolio(estimator)).fit(sample.returns).mu_
    return means


def _posterior_means(sample: _Sample, method: BlackLitterman) -> Floats:
    _require_market(method, sample.names)
    market = np.array([method.market[name] for name in sample.names])
    means: Floats = method.risk_aversion * sample.covariance @ market
    if not method.views:
        return means
    picks = np.array([_pick(sample.names, view) for view in method.views])
    expected = np.array([view.expected for view in method.views])
    doubts = np.array([1 / view.confidence - 1 for view in method.views])
    spread = method.tau * sample.covariance @ picks.T
    certain = picks @ spread
    try:
        surprise = np.linalg.solve(certain + np.diag(doubts * np.diag(certain)), expected - picks @ means)
    except np.linalg.LinAlgError as error:
        raise ConfigError("views of confidence 1 repeat or contradict each other; drop or doubt one") from error
    means += spread @ surprise
    return means


def _require_room(method: MinimumVariance | MeanVariance | BlackLitterman, count: int) -> None:
    if not method.low * count <= 1 <= method.high * count:
        raise ConfigError(f"no {count} weights from {method.low} to {method.high} add up to 1; widen low or high")


def _require_market(method: BlackLitterman, names: Sequence[str]) -> None:
    if set(method.market) != set(names):
        raise ConfigError(f"market weighs {', '.join(sorted(method.market))}; weigh {', '.join(names)}")


def _pick(names: Sequence[str], view: View) -> Floats:
    row = np.zeros(len(names))
    for name, sign in ((view.asset, 1.0), (view.over, -1.0)):
        if name is not None and name not in names:
            raise ConfigError(f"a view on {name}, which has no returns; there are {', '.join(names)}")
        if name is not None:
            row[names.index(name)] += sign
    if not row.any():
        raise ConfigError(f"a view of {view.asset} over itself says nothing; name another")
    return row


def _sample(returns: pl.DataFrame, estimator: Estimator) -> _Sample:
    names = tuple(sorted(returns.columns))
    if not names:
        raise BacktestError("no returns to allocate by; give a column for each strategy or instrument")
    if returns.height < FEWEST_ROWS:
        raise BacktestError(f"{returns.height} sessions of returns, fewer than {FEWEST_ROWS}; take a longer window")
    for name in names:
        column = returns[name]
        if column.dtype != pl.Float64:
            raise BacktestError(f"returns of {name} are {column.dtype}, not Float64; select the columns to allocate to")
        missing = returns.height - int(column.is_finite().sum())
        if missing:
            raise BacktestError(
                f"{missing} of {returns.height} returns of {name} are missing; fill them or leave it out"
            )
        if column.min() == column.max():
            raise BacktestError(f"returns of {name} never change, so it has no risk to weigh; leave it out")
    values: Floats = np.ascontiguousarray(returns.select(names).to_numpy())
    return _Sample(names, values, _covariance(values, estimator))


def _covariance(returns: Floats, estimator: Estimator) -> Floats:
    """Of sessions; shrunk as Ledoit and Wolf (2004, A well-conditioned estimator for large covariance matrices)."""
    covariance: Floats = np.atleast_2d(np.cov(returns, rowvar=False))
    if estimator == "ledoit_wolf":
        from sklearn.covariance import ledoit_wolf

        covariance = ledoit_wolf(returns)[0]
    return covariance


def _estimator_of_skfolio(estimator: Estimator) -> Any:
    from skfolio import moments

    return moments.LedoitWolf() if estimator == "ledoit_wolf" else moments.EmpiricalCovariance()


def _require_regular(sample: _Sample) -> None:
    volatilities = np.sqrt(np.diag(sample.covariance))
    least = float(np.linalg.eigvalsh(sample.covariance / np.outer(volatilities, volatilities))[0])
    if least < 1e-10:
        raise BacktestError(
            f"the covariance of {', '.join(sample.names)} over {len(sample.returns)} sessions is singular: columns "
            "repeat each other or sessions are too few; leave some out, take a longer window or covariance ledoit_wolf"
        )
