"""Whole scoreline grids, as serving builds them from a model's answers: what goals and odds are judged on.

A grid is a row of 121 cells: home goals 0..10, and within them away goals 0..10; it sums to 1.
"""

import numpy as np
from numpy.typing import NDArray

import scoreline
from glm import Array
from scoreline import MAX_GOALS, ONE_ONE

MAX_STEPS = 20
MEAN_TOLERANCE = 1e-6  # goals
MAX_TILT = 30.0
MAX_STRIDE = 4.0

_GOALS = scoreline.log_cell_weights()[0]  # (2, 121) home and away goals of each cell
_RESULT = scoreline.outcome_mask(0.0)  # (121, 3) 1 where a cell is that result
_BOTH = np.stack([_GOALS[0] ** 2, _GOALS[0] * _GOALS[1], _GOALS[1] ** 2])


def dixon_coles(rates: Array, rho: float | Array) -> Array:
    """Return grids (n, 121) of `rates` (n, 2) and `rho`, one number or one a match."""
    weights, constant = scoreline.log_cell_weights()
    cells = np.exp(np.log(rates) @ weights + constant - rates.sum(axis=1, keepdims=True))
    # All four corrections are this amount, taken from 0-0 and 1-1 and given to 1-0 and 0-1.
    amount = np.asarray(rho) * cells[:, ONE_ONE]
    for cell, sign in ((0, -1), (1, 1), (MAX_GOALS + 1, 1), (ONE_ONE, -1)):
        cells[:, cell] += sign * amount
    return cells / cells.sum(axis=1, keepdims=True)


def tilt(cells: Array, outcome: Array, means: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Move grids to result probabilities `outcome` (n, 3) and mean goals `means` (n, 2) by the least change.

    Least in Kullback-Leibler divergence: cells are multiplied by exp(a·x + b·y + c·[home] + d·[draw]). Given
    a and b, c and d follow in closed form, so Newton searches two numbers a match. Returns the grids and
    where both means were met, (n,); elsewhere a = b = 0 and the result probabilities are met alone.
    """
    exponents = np.zeros((len(cells), 2))
    for _ in range(MAX_STEPS):
        value, error, curvature = _dual(cells, outcome, means, exponents)
        if np.abs(error).max(initial=0.0) <= MEAN_TOLERANCE / 100:
            break
        curvature += 1e-12 * np.trace(curvature, axis1=1, axis2=2)[:, None, None] * np.eye(2)
        step = -np.linalg.solve(curvature, error[:, :, None])[:, :, 0]
        step *= np.minimum(1.0, MAX_STRIDE / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        slope = (error * step).sum(axis=1)
        for _ in range(20):
            moved = np.clip(exponents + step, -MAX_TILT, MAX_TILT)
            too_far = _dual(cells, outcome, means, moved)[0] > value + 1e-4 * slope + 1e-13
            if not too_far.any():
                break
            step[too_far] /= 2
            slope[too_far] /= 2
        exponents = np.where(too_far[:, None], exponents, moved)
    error = _dual(cells, outcome, means, exponents)[1]
    met = np.abs(error).max(axis=1) <= MEAN_TOLERANCE
    return reweigh(cells * np.exp(np.where(met[:, None], exponents, 0.0) @ _GOALS), outcome), met


def reweigh(cells: Array, outcome: Array) -> Array:
    """Move grids to result probabilities `outcome` (n, 3) alone: cells of one result keep their proportions."""
    return cells * ((outcome / (cells @ _RESULT)) @ _RESULT.T)


def _dual(cells: Array, outcome: Array, means: Array, exponents: Array) -> tuple[Array, Array, Array]:
    """Return the convex dual (n,), its gradient (n, 2), which is the means' error, and curvature (n, 2, 2)."""
    weights = cells * np.exp(exponents @ _GOALS)
    mass = weights @ _RESULT
    share = outcome / mass
    value = (outcome * np.log(mass)).sum(axis=1) - (exponents * means).sum(axis=1)
    # first (n, goals, result): mean goals within each result
    first = np.stack([(weights * goals) @ _RESULT for goals in _GOALS], axis=1) / mass[:, None, :]
    error = (first * outcome[:, None, :]).sum(axis=2) - means
    home, mixed, away = ((((weights * square) @ _RESULT) * share).sum(axis=1) for square in _BOTH)
    second = np.stack([home, mixed, mixed, away], axis=1).reshape(-1, 2, 2)
    return value, error, second - np.einsum("nir,njr,nr->nij", first, first, outcome)


def over(cells: Array, line: float) -> Array:
    """Return the probability (n,) that both sides together score more goals than `line`."""
    return cells @ (_GOALS.sum(axis=0) > line)


def both_score(cells: Array) -> Array:
    """Return the probability (n,) that each side scores."""
    return cells @ (_GOALS.min(axis=0) > 0)


def cell_of(goals: Array) -> NDArray[np.int64]:
    """Return the cell (n,) of final scores `goals` (n, 2); more than ten goals count as ten."""
    home, away = np.minimum(goals, MAX_GOALS).astype(np.int64).T
    return home * (MAX_GOALS + 1) + away
