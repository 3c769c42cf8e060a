"""From two rates to the chance of each result: the Dixon-Coles grid, rho and calibration."""

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from data import AWAY, DRAW, HOME
from glm import Array, fit_logit, softmax

MAX_GOALS = 10
_HOME_GOALS, _AWAY_GOALS = np.divmod(np.arange((MAX_GOALS + 1) ** 2), MAX_GOALS + 1)
ONE_ONE = MAX_GOALS + 2  # the cell 1-1 of the flattened grid


def log_cell_weights() -> tuple[Array, Array]:
    """Return A (2, 121) and c (121,) with log P(cell) = [log λ, log μ] · A + c − λ − μ for independent sides.

    Cells run over home goals 0..10, and within them over away goals 0..10.
    """
    factorials = np.array([lgamma(k + 1) for k in range(MAX_GOALS + 1)])
    weights = np.stack([_HOME_GOALS, _AWAY_GOALS]).astype(np.float64)
    return weights, -(factorials[_HOME_GOALS] + factorials[_AWAY_GOALS])


def outcome_mask(rho: float) -> Array:
    """Return M (121, 3) with [home, draw, away] ∝ cells · M, the Dixon-Coles correction included.

    The correction adds λμρ·e^(−λ−μ) to 1-0 and to 0-1 and takes it from 0-0 and from 1-1, and that
    amount is ρ·P(1-1): so it moves ρ of the cell 1-1 to a home win, as much to an away win, and takes
    both from the draw. The total stays, whatever ρ.
    """
    mask = np.zeros((len(_HOME_GOALS), 3))
    mask[_HOME_GOALS > _AWAY_GOALS, HOME] = 1.0
    mask[_HOME_GOALS == _AWAY_GOALS, DRAW] = 1.0
    mask[_HOME_GOALS < _AWAY_GOALS, AWAY] = 1.0
    mask[ONE_ONE] += rho * np.array([1.0, -2.0, 1.0])
    return mask


def outcome_probabilities(log_rates: Array, rho: float | Array) -> Array:
    """Sum the grid 0..10, normalised, to (n, 3) home, draw, away. `rho` is one number or one a match."""
    weights, constant = log_cell_weights()
    totals = np.exp(log_rates).sum(axis=1, keepdims=True)
    cells = np.exp(log_rates @ weights + constant - totals)
    sums = cells @ outcome_mask(0.0)
    sums += (np.asarray(rho) * cells[:, ONE_ONE])[:, None] * np.array([1.0, -2.0, 1.0])
    return sums / sums.sum(axis=1, keepdims=True)


def rho_bounds(min_rate: float, max_rate: float) -> tuple[float, float]:
    """Return the range of rho that keeps every cell positive for all rates within the bounds.

    The lower bound is −1/rate of the larger rate, the upper min(1/(λμ), 1).
    """
    if not 0 < min_rate < max_rate:
        raise ValueError(f"rates must satisfy 0 < min < max, got {min_rate} and {max_rate}")
    return -1.0 / max_rate, min(1.0, 1.0 / max_rate**2)


def fit_rho(log_rates: Array, goals: Array, bounds: tuple[float, float], weights: Array | None = None) -> float:
    """Return the rho within `bounds` of greatest likelihood for scores `goals` (n, 2) given the rates.

    The likelihood is concave in rho, so its derivative is halved down to a point.
    """
    home, away = np.exp(log_rates).T
    low = (goals <= 1).all(axis=1)
    home_goals, away_goals = goals[low].T
    home, away = home[low], away[low]
    # tau of each low score is 1 + slope · rho.
    slope = np.select(
        [(home_goals == 0) & (away_goals == 0), home_goals == 0, away_goals == 0],
        [-home * away, home, away],
        -1.0,
    )
    weight = np.ones(len(slope)) if weights is None else weights[low]
    lower, upper = (bound * (1 - 1e-9) for bound in bounds)
    for _ in range(60):
        middle = (lower + upper) / 2
        if np.sum(weight * slope / (1 + slope * middle)) > 0:
            lower = middle
        else:
            upper = middle
    return (lower + upper) / 2


@dataclass(frozen=True)
class Calibration:
    """softmax(log p / temperature + bias); `bias` is (3,) and sums to zero."""

    temperature: float
    bias: Array

    def apply(self, probabilities: Array) -> Array:
        """Return calibrated probabilities (n, 3)."""
        return softmax(np.log(probabilities) / self.temperature + self.bias)


def fit_calibration(probabilities: Array, outcome: NDArray[np.int64]) -> Calibration:
    """Fit temperature and class bias by maximum likelihood on out-of-sample `probabilities` (n, 3)."""
    design = np.zeros((len(outcome), 3, 3))
    design[:, :, 0] = np.log(probabilities)
    design[:, HOME, 1] = 1.0
    design[:, AWAY, 2] = 1.0
    sharpness, home, away = fit_logit(design, outcome)
    if sharpness <= 0:
        raise ArithmeticError(f"calibration: temperature must be positive, got sharpness {sharpness}")
    bias = np.array([home, 0.0, away])
    return Calibration(1.0 / sharpness, bias - bias.mean())
