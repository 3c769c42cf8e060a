"""The two convex fits that everything rests on: ridge Poisson regression and the conditional logit.

Both are Newton's method in float64 with a fixed order of operations, so that two runs agree to the bit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 50
TOLERANCE = 1e-10

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PoissonRegression:
    """log E[goals] = intercept + ((features − mean) / scale) · coefficients, for home and away at once.

    `mean` and `scale` are (F,), `coefficients` is (F, 2), `intercept` is (2,).
    """

    mean: Array
    scale: Array
    coefficients: Array
    intercept: Array

    def log_rates(self, features: NDArray[np.floating]) -> Array:
        """Return the log of expected goals (home, away) as (n, 2)."""
        return ((features - self.mean) / self.scale) @ self.coefficients + self.intercept


def fit_poisson(features: NDArray[np.float32], goals: Array, alpha: float) -> PoissonRegression:
    """Fit ridge Poisson regressions of `goals` (n, 2) on the standardised `features` (n, F).

    Minimised is mean(rate − goals · log rate) + alpha / 2 · |coefficients|² for each side, the intercept
    free: scikit-learn's PoissonRegressor. A feature that never varies gets scale 1, hence no weight.
    """
    columns = features.astype(np.float64)
    mean = columns.mean(axis=0)
    scale = columns.std(axis=0)
    # A constant column's computed deviation is rounding, not zero.
    scale[scale <= 1e-6 * np.maximum(1, np.abs(mean))] = 1.0
    design = np.column_stack([np.ones(len(columns)), (columns - mean) / scale])
    ridge = np.full(design.shape[1], alpha)
    ridge[0] = 0.0
    fitted = np.column_stack([_poisson_newton(design, goals[:, side], ridge) for side in (0, 1)])
    return PoissonRegression(mean, scale, fitted[1:], fitted[0])


def _poisson_newton(design: Array, goals: Array, ridge: Array) -> Array:
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(goals.mean())

    def loss(candidate: Array) -> float:
        logs = design @ candidate
        return float(np.mean(np.exp(logs) - goals * logs) + ridge @ candidate**2 / 2)

    for _ in range(MAX_STEPS):
        rates = np.exp(design @ weights)
        gradient = design.T @ (rates - goals) / len(goals) + ridge * weights
        hessian = (design * rates[:, None]).T @ design / len(goals) + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        weights = _descend(loss, weights, step)
        if np.abs(step).max() < TOLERANCE:
            return weights
    raise ArithmeticError(f"Poisson regression: no convergence in {MAX_STEPS} Newton steps")


def fit_logit(design: Array, outcome: NDArray[np.int64]) -> Array:
    """Fit the conditional logit P(class) = softmax(design · parameters) by maximum likelihood.

    `design` is (n, classes, parameters), `outcome` (n,) the class that happened; returns (parameters,).
    """
    rows = np.arange(len(outcome))
    chosen = design[rows, outcome]

    def loss(candidate: Array) -> float:
        logits = design @ candidate
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[rows, outcome]))

    parameters = np.zeros(design.shape[2])
    for _ in range(MAX_STEPS):
        probabilities = softmax(design @ parameters)
        expected = np.einsum("nk,nkp->np", probabilities, design)
        gradient = (expected - chosen).mean(axis=0)
        second = np.einsum("nkp,nk,nkq->pq", design, probabilities, design, optimize=True)
        hessian = (second - expected.T @ expected) / len(outcome)
        step = np.linalg.solve(hessian, gradient)
        parameters = _descend(loss, parameters, step)
        if np.abs(step).max() < TOLERANCE:
            return parameters
    raise ArithmeticError(f"conditional logit: no convergence in {MAX_STEPS} Newton steps")


def softmax(logits: Array) -> Array:
    """Return exp(logits) normalised over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _descend(loss: Callable[[Array], float], start: Array, step: Array) -> Array:
    """Take the Newton step, halved while it overshoots."""
    before = loss(start)
    for _ in range(30):
        with np.errstate(over="ignore"):
            after = loss(start - step)
        if after <= before + 1e-12:
            return start - step
        step = step / 2
    return start
