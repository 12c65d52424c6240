"""Volatility regimes: a Markov chain of calm and wild markets, fitted once on a training span and filtered from there.

What is fitted is kept as JSON. A label at a row is made of the model, that row and earlier ones: filtered, never
smoothed. Source: James Hamilton, A New Approach to the Economic Analysis of Nonstationary Time Series, Econometrica 57
(1989).
"""

import hashlib
import math
import warnings
from datetime import datetime
from typing import Annotated, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import AwareDatetime, Field, ValidationError

from tickline.compiled import kernel
from tickline.errors import ConfigError
from tickline.reference.models import Declared

Floats: TypeAlias = npt.NDArray[np.float64]

FEWEST = 250
"""The fewest returns a chain is fitted on."""

Numbers: TypeAlias = tuple[float, ...]


class VolatilityChain(Declared):
    """A fitted chain: regimes ascending by variance, `mean` and `variance` of a log return in each, and `transition`,
    in each row the probabilities of the regime after that one.

    Trained on `returns` log returns of `instrument` known by `trained_to` (UTC), whose float64 bytes hash to
    `returns_sha256`.
    """

    instrument: str
    mean: Numbers
    variance: tuple[Annotated[float, Field(gt=0)], ...]
    transition: tuple[Numbers, ...]
    trained_from: AwareDatetime
    trained_to: AwareDatetime
    returns: int
    returns_sha256: str

    @property
    def regimes(self) -> int:
        """How many regimes there are."""
        return len(self.variance)


def read_chain(text: str | bytes) -> VolatilityChain:
    """A chain from the JSON of `model_dump_json`. Raises ConfigError where it is not one."""
    try:
        chain = VolatilityChain.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"not a volatility chain: {error}") from error
    rows = np.array(chain.transition)
    shapes_agree = rows.shape == (chain.regimes, chain.regimes) and len(chain.mean) == chain.regimes
    if not shapes_agree or (rows < 0).any() or not np.allclose(rows.sum(axis=1), 1.0):
        raise ConfigError(f"a chain of {chain.regimes} regimes needs as many means and as many rows that sum to 1")
    return chain


def fit(bars: pl.DataFrame, *, trained_to: datetime, regimes: int = 2) -> VolatilityChain:
    """Fit a chain on the log returns of one instrument's closes known by `trained_to` (UTC).

    `bars` has `instrument`, `ts_close` (UTC ns) and `close`, in order of time. Maximum likelihood by statsmodels from
    its fixed starting point: the same bars give the same chain. Raises ConfigError for several instruments, fewer than
    250 returns, ones that do not vary, or where no maximum is found.
    """
    names = bars["instrument"].unique().to_list()
    if len(names) != 1:
        raise ConfigError(f"a volatility chain is of one instrument; these bars are of {sorted(names)}")
    known = _stepped(bars.filter(pl.col("ts_close") <= trained_to))
    steps = known["step"].drop_nulls().to_numpy()
    if steps.size < FEWEST or np.ptp(steps) == 0.0:
        raise ConfigError(
            f"{names[0]} by {trained_to:%F %T}: {steps.size} returns; give {FEWEST} that vary, or train later"
        )
    scale = float(np.std(steps))
    mean, variance, transition = _estimate(steps / scale, regimes, names[0])
    order = np.argsort(variance)
    return VolatilityChain(
        instrument=names[0],
        mean=tuple((mean[order] * scale).tolist()),
        variance=tuple((variance[order] * scale**2).tolist()),
        transition=tuple(tuple(row) for row in transition[np.ix_(order, order)].tolist()),
        trained_from=known["ts"].min(),
        trained_to=trained_to,
        returns=steps.size,
        returns_sha256=hashlib.sha256(steps.tobytes()).hexdigest(),
    )


def volatility_regimes(bars: pl.DataFrame, chain: VolatilityChain) -> pl.DataFrame:
    """The regime of each bar after the chain's training: 0 the calmest.

    `bars` are those of its instrument, as for `fit`; earlier ones warm the filter up and get no row, for the chain knew
    their future. Columns: `instrument`, `ts` (UTC ns), `label` (Int8) and `p_0`, `p_1` ... (Float64), the probabilities
    of the regimes given all returns so far. Raises ConfigError for bars of another instrument.
    """
    if others := set(bars["instrument"].unique()) - {chain.instrument}:
        raise ConfigError(
            f"a chain of {chain.instrument} says nothing of {', '.join(sorted(others))}; fit one of its own"
        )
    stepped = _stepped(bars)
    likely = filtered(stepped["step"].to_numpy(), chain)
    names = [f"p_{regime}" for regime in range(chain.regimes)]
    labels = pl.Series("label", likely.argmax(axis=1), pl.Int8)
    return (
        stepped.with_columns(labels, *(pl.Series(name, likely[:, at]) for at, name in enumerate(names)))
        .filter(pl.col("ts") > chain.trained_to)
        .select("instrument", "ts", "label", *names)
    )


def filtered(steps: Floats, chain: VolatilityChain) -> Floats:
    """The probability of each regime (steps x regimes) given the log returns so far, from the chain's long run on.

    A missing (NaN) return tells nothing: the chain just moves on.
    """
    transition = np.array(chain.transition)
    mean, variance = np.array(chain.mean), np.array(chain.variance)
    likely: Floats = _hamilton(steps, mean, variance, transition, long_run(transition))
    return likely


def long_run(transition: Floats) -> Floats:
    """The share of time a chain spends in each regime: the left eigenvector of eigenvalue 1."""
    count = len(transition)
    equations = np.vstack((transition.T - np.eye(count), np.ones(count)))
    shares: Floats = np.linalg.lstsq(equations, np.append(np.zeros(count), 1.0), rcond=None)[0]
    return shares


@kernel
def _hamilton(steps: Floats, mean: Floats, variance: Floats, transition: Floats, shares: Floats) -> Floats:
    """Move on by the chain, weigh by the density of what came, and let the weights sum to 1."""
    count = mean.size
    found, likely, density = np.empty((steps.size, count)), shares.copy(), np.ones(count)
    for at in range(steps.size):
        _densities(steps[at], mean, variance, density)
        total = 0.0
        for after in range(count):
            moved = 0.0
            for before in range(count):
                moved += likely[before] * transition[before, after]
            found[at, after] = moved * density[after]
            total += found[at, after]
        for after in range(count):
            likely[after] = found[at, after] = found[at, after] / total
    return found


@kernel
def _densities(step: float, mean: Floats, variance: Floats, density: Floats) -> None:
    """Write the normal density of a step in each regime, by the highest of them; of a missing one they are alike."""
    highest = -np.inf
    for regime in range(mean.size):
        off = step - mean[regime]
        density[regime] = 0.0 if np.isnan(step) else -0.5 * (off * off / variance[regime] + math.log(variance[regime]))
        highest = max(highest, density[regime])
    for regime in range(mean.size):
        density[regime] = math.exp(density[regime] - highest)


def _stepped(bars: pl.DataFrame) -> pl.DataFrame:
    """Bars with a close above 0, with the log return since the one before."""
    return bars.filter(pl.col("close").is_finite() & (pl.col("close") > 0.0)).select(
        "instrument", pl.col("ts_close").alias("ts"), pl.col("close").log().diff().alias("step")
    )


def _estimate(steps: Floats, regimes: int, name: str) -> tuple[Floats, Floats, Floats]:
    """(means, variances, transition by rows) of most likelihood for returns of about unit variance."""
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it converged is asked below
        found = MarkovRegression(steps, k_regimes=regimes, switching_variance=True).fit(disp=False, maxiter=500)
    values = dict(zip(found.model.param_names, found.params, strict=True))
    variance = np.array([values[f"sigma2[{regime}]"] for regime in range(regimes)])
    if not found.mle_retvals["converged"] or not math.isfinite(found.llf) or variance.min() <= 0.0:
        raise ConfigError(f"no chain of {regimes} regimes fits the returns of {name}; take fewer regimes or more bars")
    mean = np.array([values[f"const[{regime}]"] for regime in range(regimes)])
    return mean, variance, found.regime_transition[:, :, 0].T
