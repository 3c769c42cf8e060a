"""Scores of whole grids: totals, both teams to score and exact scores, paired like the rest."""

from dataclasses import asdict, dataclass

import numpy as np

import evaluate
import grid
from data import Matches
from evaluate import Difference
from glm import Array
from settings import Settings

TOTAL_LINE = 2.5


@dataclass(frozen=True)
class GoalScores:
    """How good grids of `matches` matches were; losses are means of −log p of what happened."""

    matches: int
    over_log_loss: float  # over or under 2.5 goals
    both_score_log_loss: float
    exact_score_log_loss: float
    modal_score: float  # share of matches that ended with the grid's likeliest score
    over_ece: float
    means_missed: int  # matches whose grid could not meet the model's expected goals beside its 1X2

    def flat(self, prefix: str) -> dict[str, float]:
        """Return the scores by name, each name after `prefix`."""
        return {prefix + name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Grids:
    """What a forecast's grids are made of: result probabilities (n, 3), expected goals (n, 2) and rho (n,)."""

    name: str
    outcome: Array
    rates: Array
    rho: Array

    def tilted(self, outcome: Array, there: np.ndarray) -> tuple[Array, np.ndarray]:
        """Return the grids of the matches `there` with result probabilities `outcome`, and where means were met."""
        cells = grid.dixon_coles(self.rates[there], self.rho[there])
        return grid.tilt(cells, outcome[there], self.rates[there])


@dataclass(frozen=True)
class GoalRow:
    """Grids of one forecast: their scores, and ours − theirs by loss on the matches that both have."""

    name: str
    scores: GoalScores
    differences: dict[str, Difference]


def compare(
    ours: Grids, books: dict[str, Array], matches: Matches, among: np.ndarray, settings: Settings
) -> list[GoalRow]:
    """Score our grids on the matches `among`, and what becomes of them when each of `books` is put upon them.

    `books` are result probabilities (n, 3) by name, NaN where there are none. Each is put upon our grids in two
    ways: tilted, so that our expected goals stay, and reweighed, so that they follow.
    """
    there = among & np.isfinite(ours.outcome[:, 0])
    cells, met = ours.tilted(ours.outcome, there)
    losses = np.full((len(matches), 3), np.nan)
    losses[there] = per_match(cells, matches.goals[there])
    rows = [GoalRow(ours.name, score(cells, matches.goals[there], int((~met).sum()), settings.calibration_bins), {})]
    for book, outcome in books.items():
        priced = there & np.isfinite(outcome[:, 0])
        if not priced.any():
            continue
        goals = matches.goals[priced]
        tilted, met = ours.tilted(outcome, priced)
        reweighed = grid.reweigh(ours.tilted(ours.outcome, priced)[0], outcome[priced])
        for way, cells, missed in (("tilted", tilted, int((~met).sum())), ("reweighed", reweighed, 0)):
            gaps = losses[priced] - per_match(cells, goals)
            rows.append(
                GoalRow(
                    f"{ours.name}, {way} to {book}",
                    score(cells, goals, missed, settings.calibration_bins),
                    evaluate.intervals(gaps, ("over", "both_score", "exact_score"), settings),
                )
            )
    return rows


def per_match(cells: Array, goals: Array) -> Array:
    """Return −log p of over or under, of both teams to score or not, and of the score: (n, 3)."""
    happened = np.column_stack([goals.sum(axis=1) > TOTAL_LINE, (goals > 0).all(axis=1)])
    told = np.column_stack([grid.over(cells, TOTAL_LINE), grid.both_score(cells)])
    chosen = np.where(happened, told, 1 - told)
    exact = cells[np.arange(len(cells)), grid.cell_of(goals)]
    return -np.log(np.maximum(np.column_stack([chosen, exact]), 1e-15))


def score(cells: Array, goals: Array, means_missed: int, bins: int) -> GoalScores:
    """Score grids (n, 121) against final scores (n, 2)."""
    over, both_score, exact = per_match(cells, goals).mean(axis=0)
    told = grid.over(cells, TOTAL_LINE)
    happened = goals.sum(axis=1) > TOTAL_LINE
    place = np.minimum((told * bins).astype(np.int64), bins - 1)
    return GoalScores(
        matches=len(cells),
        over_log_loss=float(over),
        both_score_log_loss=float(both_score),
        exact_score_log_loss=float(exact),
        modal_score=float(np.mean(cells.argmax(axis=1) == grid.cell_of(goals))),
        over_ece=float(np.abs(np.bincount(place, told - happened, minlength=bins)).sum() / len(cells)),
        means_missed=means_missed,
    )
