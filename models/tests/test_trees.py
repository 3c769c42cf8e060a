"""The trees are LightGBM's to the bit, missing values and thresholds between two float32 included."""

from dataclasses import replace

import numpy as np
import pytest

import export
import recipes
from data import Matches
from settings import Settings
from trees import Trees, fit_trees, tree_ensemble

SETTINGS = Settings()


@pytest.fixture(scope="module")
def trees(matches: Matches) -> Trees:
    return fit_trees(matches.features, matches.goals, SETTINGS)


def test_two_fits_are_one(trees: Trees, matches: Matches) -> None:
    again = fit_trees(matches.features, matches.goals, SETTINGS)
    assert again.home.model_to_string() == trees.home.model_to_string()
    assert again.away.model_to_string() == trees.away.model_to_string()


def test_trees_learn(trees: Trees, matches: Matches) -> None:
    log_rates = trees.log_rates(matches.features)
    assert log_rates.shape == (len(matches), 2)
    np.testing.assert_allclose(np.exp(log_rates).mean(axis=0), matches.goals.mean(axis=0), rtol=0.02)
    assert np.corrcoef(log_rates[:, 0], matches.feature("elo_difference"))[0, 1] > 0.9


@pytest.mark.parametrize("with_gaps", [False, True], ids=["learnt without gaps", "learnt with gaps"])
def test_onnx_sends_missing_values_where_lightgbm_does(matches: Matches, with_gaps: bool) -> None:
    generator = np.random.default_rng(4)
    holed = np.where(generator.random(matches.features.shape) < 0.2, np.float32(np.nan), matches.features)
    trees = fit_trees(holed if with_gaps else matches.features, matches.goals, SETTINGS)
    graph = export.trees_onnx(trees, SETTINGS)
    assert len(holed) >= 5000
    (found,) = export.run_onnx(graph, holed)
    np.testing.assert_allclose(found, trees.log_rates(holed), atol=1e-6)


def test_onnx_decides_thresholds_as_lightgbm_does(trees: Trees, matches: Matches) -> None:
    """At each threshold, and one float32 above and below it, both take the same way."""
    graph = export.trees_onnx(trees, SETTINGS)
    attributes = tree_ensemble(trees, 1.0)
    rows = []
    base = matches.features[0]
    for feature, threshold, mode in zip(
        attributes["nodes_featureids"], attributes["nodes_values"], attributes["nodes_modes"], strict=True
    ):
        if mode == "LEAF":
            continue
        exact = np.float32(threshold)
        for value in (np.nextafter(exact, np.float32(-np.inf)), exact, np.nextafter(exact, np.float32(np.inf))):
            row = base.copy()
            row[feature] = value
            rows.append(row)
    rows = np.stack(rows)
    (found,) = export.run_onnx(graph, rows)
    np.testing.assert_allclose(found, trees.log_rates(rows), atol=1e-6)


def test_blend_is_the_geometric_mean(trees: Trees, matches: Matches) -> None:
    regression = recipes.fit_glm(matches, SETTINGS)
    rates = np.exp(recipes.Blend(regression, trees).log_rates(matches.features))
    both = np.exp(regression.log_rates(matches.features)) * np.exp(trees.log_rates(matches.features))
    np.testing.assert_allclose(rates, np.sqrt(both))


def test_parity_gate_looks_at_the_trees(trees: Trees, matches: Matches) -> None:
    blend = recipes.Blend(recipes.fit_glm(matches, SETTINGS), trees)
    goals = recipes.GoalModel(blend, -0.05, (np.log(SETTINGS.min_rate), np.log(SETTINGS.max_rate)))
    model = recipes.MatchModel(goals, recipes.scoreline.Calibration(1.0, np.zeros(3)))
    other = replace(model, goals=replace(goals, rates=replace(blend, trees=Trees(trees.away, trees.home))))
    with pytest.raises(export.ParityError, match="outcome_probabilities: row"):
        export.check_parity(export.build_onnx(other, SETTINGS), model, matches.features, SETTINGS)
