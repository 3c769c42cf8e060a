"""Scores of forecasts, and the honest comparison of two: paired, on the same matches, with an interval.

`probabilities` is always (n, 3) home, draw, away; `outcome` is (n,) with HOME, DRAW or AWAY.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from data import HOME, Matches
from glm import Array
from settings import Settings

Outcome = NDArray[np.int64]


class LeakAlarm(RuntimeError):  # noqa: N818 - it is known by this name
    """A forecast is better than any bookmaker: a feature has seen the result."""


@dataclass(frozen=True)
class Scores:
    """How good forecasts of `matches` matches were. The home_win figures call a win at p ≥ .5."""

    matches: int
    rps: float
    log_loss: float
    brier: float
    accuracy: float
    ece: float
    home_win_accuracy: float
    home_win_precision: float
    home_win_recall: float
    home_win_f1: float
    home_win_auc: float

    def flat(self, prefix: str = "") -> dict[str, float]:
        """Return the scores by name, each name after `prefix`."""
        return {prefix + name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Difference:
    """Mean of ours − theirs with its bootstrap interval; below zero, ours is better."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True)
class Row:
    """One line of a comparison: a forecast's scores, and ours − its on the matches that both have.

    `ours` holds our scores on those matches where they are fewer than all.
    """

    name: str
    scores: Scores
    ours: Scores | None
    differences: dict[str, Difference]


def compare(
    ours: Array, rivals: dict[str, Array], matches: Matches, among: NDArray[np.bool_], settings: Settings
) -> list[Row]:
    """Score each rival on the matches `among` that it has forecast, paired with ours on the same ones.

    Forecasts are (n, 3) over all matches, NaN where there is none. A rival without any is left out.
    """
    rows = []
    for name, theirs in rivals.items():
        both = among & np.isfinite(theirs[:, 0])
        if not both.any():
            continue
        outcome = matches.outcome[both]
        rows.append(
            Row(
                name,
                score(theirs[both], outcome, settings.calibration_bins),
                None if both.sum() == among.sum() else score(ours[both], outcome, settings.calibration_bins),
                paired_differences(ours[both], theirs[both], outcome, settings),
            )
        )
    return rows


def early_season(matches: Matches, days: int) -> NDArray[np.bool_]:
    """Mark the matches within `days` of the first match of their competition's season, (n,)."""
    early = np.zeros(len(matches), dtype=bool)
    for competition, season in sorted(set(zip(matches.competition.tolist(), matches.season.tolist(), strict=True))):
        inside = (matches.competition == competition) & (matches.season == season)
        early |= inside & (matches.date < matches.date[inside].min() + np.timedelta64(days, "D"))
    return early


def score(probabilities: Array, outcome: Outcome, bins: int) -> Scores:
    """Score forecasts against what happened."""
    home_win = outcome == HOME
    called = probabilities[:, HOME] >= 0.5
    true_positives = int(np.sum(called & home_win))
    precision = _ratio(true_positives, int(called.sum()))
    recall = _ratio(true_positives, int(home_win.sum()))
    return Scores(
        matches=len(outcome),
        rps=float(ranked_probability(probabilities, outcome).mean()),
        log_loss=float(log_loss(probabilities, outcome).mean()),
        brier=float(brier(probabilities, outcome).mean()),
        accuracy=float(np.mean(probabilities.argmax(axis=1) == outcome)),
        ece=calibration_error(probabilities, outcome, bins),
        home_win_accuracy=float(np.mean(called == home_win)),
        home_win_precision=precision,
        home_win_recall=recall,
        home_win_f1=_ratio(2 * precision * recall, precision + recall),
        home_win_auc=auc(probabilities[:, HOME], home_win),
    )


def ranked_probability(probabilities: Array, outcome: Outcome) -> Array:
    """Return the ranked probability score of each match: ½ Σ (cumulative p − cumulative outcome)²."""
    gaps = np.cumsum(probabilities - _one_hot(outcome), axis=1)[:, :2]
    return (gaps**2).sum(axis=1) / 2


def log_loss(probabilities: Array, outcome: Outcome) -> Array:
    """Return −log p of what happened, for each match; p is held at 1e-15 or more."""
    chosen = probabilities[np.arange(len(outcome)), outcome]
    return -np.log(np.maximum(chosen, 1e-15))


def brier(probabilities: Array, outcome: Outcome) -> Array:
    """Return the Brier score of each match, summed over the three classes."""
    return ((probabilities - _one_hot(outcome)) ** 2).sum(axis=1)


def calibration_error(probabilities: Array, outcome: Outcome, bins: int) -> float:
    """Return the expected calibration error: equal-width bins, mean over the three classes."""
    happened = _one_hot(outcome)
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = [
        np.abs(np.bincount(place[:, k], probabilities[:, k] - happened[:, k], minlength=bins)).sum() for k in range(3)
    ]
    return float(np.mean(gaps) / len(outcome))


def auc(score_of_match: Array, positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive outranks a negative, ties counting half; .5 without both."""
    _, inverse, counts = np.unique(score_of_match, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    mean_rank = (last_rank - (counts - 1) / 2)[inverse]
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return 0.5
    wins = mean_rank[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def paired_differences(ours: Array, theirs: Array, outcome: Outcome, settings: Settings) -> dict[str, Difference]:
    """Compare two forecasts of the same matches by RPS and log loss, resampling matches with replacement."""
    losses = {"rps": ranked_probability, "log_loss": log_loss}
    gaps = np.column_stack([loss(ours, outcome) - loss(theirs, outcome) for loss in losses.values()])
    return intervals(gaps, tuple(losses), settings)


def intervals(gaps: Array, names: Sequence[str], settings: Settings) -> dict[str, Difference]:
    """Return the mean of each column of `gaps` (n, k), by name, with its bootstrap interval over matches."""
    draws = bootstrap_means(gaps, settings.resamples, settings.seed)
    tail = (1 - settings.interval) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return {name: Difference(float(gaps[:, k].mean()), float(low[k]), float(high[k])) for k, name in enumerate(names)}


def bootstrap_means(values: Array, resamples: int, seed: int) -> Array:
    """Return the mean of `values` (n, k) over each of `resamples` draws of n rows, (resamples, k)."""
    generator = np.random.default_rng(seed)
    rows = len(values)
    means = np.empty((resamples, values.shape[1]))
    for draw in range(resamples):
        counts = np.bincount(generator.integers(rows, size=rows), minlength=rows)
        means[draw] = counts @ values / rows
    return means


def raise_leak_alarm(scores: Scores, seasons: int, settings: Settings) -> None:
    """Raise LeakAlarm when `scores`, pooled over `seasons` seasons, are too good to be true.

    Fewer seasons than the alarm needs is an error too: a single good season proves nothing.
    """
    if seasons < settings.alarm_seasons:
        raise ValueError(f"leak alarm: needs at least {settings.alarm_seasons} pooled seasons, got {seasons}")
    found = []
    if scores.rps < settings.alarm_rps:
        found.append(f"RPS {scores.rps:.4f} < {settings.alarm_rps}")
    if scores.accuracy > settings.alarm_accuracy:
        found.append(f"accuracy {scores.accuracy:.4f} > {settings.alarm_accuracy}")
    if scores.home_win_auc > settings.alarm_auc:
        found.append(f"home-win AUC {scores.home_win_auc:.4f} > {settings.alarm_auc}")
    if found:
        raise LeakAlarm(
            f"leak alarm over {seasons} seasons, {scores.matches} matches: {', '.join(found)}: "
            "a feature has seen the result"
        )


def _one_hot(outcome: Outcome) -> Array:
    return np.eye(3)[outcome]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
