"""Scores against values worked by hand, the bootstrap, and the leak alarm."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import evaluate
from settings import Settings

CASES = json.loads((Path(__file__).parent / "metrics_cases.json").read_text())
SETTINGS = Settings()


@pytest.mark.parametrize("case", CASES["per_match"], ids=str)
def test_scores_of_a_match(case: dict) -> None:
    probabilities, outcome = np.array([case["probabilities"]], float), np.array([case["outcome"]])
    for name, function in {
        "rps": evaluate.ranked_probability,
        "log_loss": evaluate.log_loss,
        "brier": evaluate.brier,
    }.items():
        assert function(probabilities, outcome)[0] == pytest.approx(case[name], abs=1e-12), name


@pytest.mark.parametrize("case", CASES["pooled"], ids=lambda case: case["name"])
def test_pooled_scores(case: dict) -> None:
    scores = evaluate.score(np.array(case["probabilities"]), np.array(case["outcomes"]), 10)
    wanted = {name: value for name, value in case.items() if name not in ("name", "probabilities", "outcomes")}
    assert {name: getattr(scores, name) for name in wanted} == pytest.approx(wanted, abs=1e-12)


def test_auc_without_both_classes_is_a_coins() -> None:
    assert evaluate.auc(np.array([0.1, 0.2]), np.array([True, True])) == 0.5


def test_bootstrap_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(0.3, 2.0, (4000, 1))
    means = evaluate.bootstrap_means(values, 2000, seed=2)
    assert means.mean() == pytest.approx(values.mean(), abs=0.005)
    assert means.std() == pytest.approx(values.std() / np.sqrt(4000), rel=0.06)
    assert np.array_equal(means, evaluate.bootstrap_means(values, 2000, seed=2))


def test_differences_are_paired() -> None:
    generator = np.random.default_rng(3)
    outcome = generator.integers(3, size=500)
    theirs = np.full((500, 3), 1 / 3)
    ours = theirs + 0.02 * (np.eye(3)[outcome] - 1 / 3)
    found = evaluate.paired_differences(ours, theirs, outcome, SETTINGS)["log_loss"]
    # Each match gains the same, so however noisy the scores are, the interval of the difference is a point.
    assert found.low == pytest.approx(found.high)
    assert found.mean == pytest.approx(np.log(1 / 3) - np.log(1 / 3 + 0.02 * 2 / 3))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"rps": 0.1899}, "RPS 0.1899"), ({"accuracy": 0.561}, "accuracy 0.561"), ({"home_win_auc": 0.746}, "AUC 0.746")],
)
def test_leak_alarm_names_what_is_too_good(change: dict, named: str) -> None:
    honest = evaluate.Scores(9000, 0.198, 0.977, 0.58, 0.53, 0.01, 0.66, 0.6, 0.5, 0.55, 0.714)
    evaluate.raise_leak_alarm(honest, 5, SETTINGS)
    with pytest.raises(evaluate.LeakAlarm, match=named):
        evaluate.raise_leak_alarm(replace(honest, **change), 5, SETTINGS)
    with pytest.raises(ValueError, match="at least 5 pooled seasons"):
        evaluate.raise_leak_alarm(honest, 4, SETTINGS)
