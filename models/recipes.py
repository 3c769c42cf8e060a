"""The recipes of match-outcome, and their season-forward use.

A recipe gives the rates of home and away goals: `glm` by two ridge Poisson regressions, `blend` by their
geometric mean with boosted trees. From there on all are one: the Dixon-Coles grid turns rates into result
probabilities, and these are calibrated on seasons that the rates' models had not seen.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

import scoreline
from data import PAST_ODDS, Matches
from glm import Array, PoissonRegression, fit_poisson
from settings import Settings
from trees import Trees, fit_trees


class RateModel(Protocol):
    """What gives the rates of goals."""

    def log_rates(self, features: NDArray[np.floating]) -> Array:
        """Return the log of expected goals (home, away), (n, 2), for features (n, F)."""


@dataclass(frozen=True)
class Blend:
    """The geometric mean of the rates of regressions and trees."""

    regression: PoissonRegression
    trees: Trees

    def log_rates(self, features: NDArray[np.floating]) -> Array:
        """Return the log of expected goals (home, away) as (n, 2)."""
        return (self.regression.log_rates(features) + self.trees.log_rates(features)) / 2


def fit_glm(training: Matches, settings: Settings) -> PoissonRegression:
    """Fit the regressions on all of `training`."""
    return fit_poisson(training.features, training.goals, settings.alpha)


def fit_blend(training: Matches, settings: Settings) -> Blend:
    """Fit regressions and trees, each on all of `training`."""
    return Blend(fit_glm(training, settings), fit_trees(training.features, training.goals, settings))


# The settings that shape a recipe: with another value it is another recipe, not a refit.
SHAPING = ("alpha", "rho_seasons", "min_rate", "max_rate", "min_calibration_seasons", "max_calibration_seasons")
TREE_SHAPING = ("tree_leaves", "tree_learning_rate", "tree_count", "tree_min_leaf")
RECIPES: dict[str, Callable[[Matches, Settings], RateModel]] = {"glm": fit_glm, "blend": fit_blend}


def identity(recipe: str, schema_hash: str, settings: Settings) -> str:
    """Name what two models of one recipe share, whatever matches they know: its features and settings."""
    names = SHAPING + (TREE_SHAPING if RECIPES[recipe] is fit_blend else ())
    shape = [schema_hash, {name: getattr(settings, name) for name in names}]
    return f"{recipe} {hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class GoalModel:
    """Rates of goals and the rho that joins them."""

    rates: RateModel
    rho: float
    log_rate_bounds: tuple[float, float]

    def log_rates(self, features: NDArray[np.floating]) -> Array:
        """Return the log of expected goals (home, away), (n, 2), held within the bounds."""
        return np.clip(self.rates.log_rates(features), *self.log_rate_bounds)

    def probabilities(self, features: NDArray[np.floating]) -> Array:
        """Return uncalibrated result probabilities (n, 3)."""
        return scoreline.outcome_probabilities(self.log_rates(features), self.rho)


@dataclass(frozen=True)
class MatchModel:
    """A goal model with its calibration: all that is exported."""

    goals: GoalModel
    calibration: scoreline.Calibration

    def predict(self, features: NDArray[np.floating]) -> tuple[Array, Array]:
        """Return calibrated result probabilities (n, 3) and expected goals (n, 2) in float64."""
        probabilities = self.calibration.apply(self.goals.probabilities(features))
        return probabilities, np.exp(self.goals.log_rates(features))


@dataclass(frozen=True)
class SeasonForward:
    """What came of training before each season and predicting it.

    `models` holds for each tested season the model that predicted it; `uncalibrated` (n, 3) holds the
    goal models' probabilities for every match of a season that some model predicted, NaN before.
    """

    models: dict[str, MatchModel]
    uncalibrated: Array


def teaching(training: Matches, settings: Settings) -> Matches:
    """Return the matches to learn from: all, or where features learn from past odds, those after the first odds.

    Before, such features stand still, and would teach that they mean nothing. Where odds go back fewer seasons
    than training needs, all matches teach.
    """
    odds = np.array([group == PAST_ODDS for group in training.feature_groups])
    if not odds.any():
        return training
    informed = training.select((training.features[:, odds] != training.features[0, odds]).any(axis=1))
    return informed if len(informed.seasons) >= settings.min_training_seasons else training


def fit_goals(training: Matches, recipe: str, settings: Settings) -> GoalModel:
    """Fit the rates of `recipe` on all of `training` that teaches, and rho on its last seasons."""
    training = teaching(training, settings)
    rates = RECIPES[recipe](training, settings)
    bounds = (np.log(settings.min_rate), np.log(settings.max_rate))
    recent = training.select(np.isin(training.season, training.seasons[-settings.rho_seasons :]))
    rho = scoreline.fit_rho(
        np.clip(rates.log_rates(recent.features), *bounds),
        recent.goals,
        scoreline.rho_bounds(settings.min_rate, settings.max_rate),
    )
    return GoalModel(rates, rho, bounds)


def season_forward(matches: Matches, recipe: str, settings: Settings) -> SeasonForward:
    """Train before each season and predict it, from the first that calibration needs to the public test.

    Calibration of season s pools the out-of-sample predictions of the seasons before s, and nothing later.
    """
    seasons = matches.seasons
    first_test = seasons.index(settings.first_test_season)
    first_forward = first_test - settings.max_calibration_seasons
    first_forward = max(first_forward, settings.min_training_seasons)
    if first_test - first_forward < settings.min_calibration_seasons:
        raise ValueError(
            f"too few seasons: {settings.first_test_season} is tested after {first_test} seasons, but "
            f"{settings.min_training_seasons} to train and {settings.min_calibration_seasons} to calibrate "
            "must come before it"
        )
    uncalibrated = np.full((len(matches), 3), np.nan)
    models = {}
    for place in range(first_forward, seasons.index(settings.public_test_season) + 1):
        season = seasons[place]
        before, now = matches.before(season), matches.season == season
        goals = fit_goals(matches.select(before), recipe, settings)
        if place >= first_test:
            models[season] = MatchModel(goals, calibrate(matches, uncalibrated, before, settings))
        uncalibrated[now] = goals.probabilities(matches.features[now])
    return SeasonForward(models, uncalibrated)


def calibrate(
    matches: Matches, uncalibrated: Array, before: NDArray[np.bool_], settings: Settings
) -> scoreline.Calibration:
    """Fit calibration on the last out-of-sample seasons among the matches where `before` holds."""
    predicted = before & np.isfinite(uncalibrated[:, 0])
    seasons = sorted(set(matches.season[predicted].tolist()))[-settings.max_calibration_seasons :]
    if len(seasons) < settings.min_calibration_seasons:
        raise ValueError(f"calibration needs {settings.min_calibration_seasons} seasons, got {seasons}")
    pooled = predicted & np.isin(matches.season, seasons)
    return scoreline.fit_calibration(uncalibrated[pooled], matches.outcome[pooled])
