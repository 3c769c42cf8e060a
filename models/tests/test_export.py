"""The exported graph, its parity gate, and the files beside it."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

import export
import recipes
import scoreline
from data import Matches
from settings import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module", params=recipes.RECIPES)
def fitted(request: pytest.FixtureRequest, matches: Matches) -> recipes.MatchModel:
    goals = recipes.fit_goals(matches, request.param, SETTINGS)
    return recipes.MatchModel(goals, scoreline.Calibration(0.9, np.array([0.1, -0.06, -0.04])))


@pytest.fixture(scope="module")
def graph(fitted: recipes.MatchModel) -> onnx.ModelProto:
    return export.build_onnx(fitted, SETTINGS)


def test_graph_answers_as_the_model(fitted: recipes.MatchModel, graph: onnx.ModelProto, matches: Matches) -> None:
    assert export.check_parity(graph, fitted, matches.features, SETTINGS) < 1e-6
    probabilities, rates = export.run_onnx(graph, matches.features)
    assert probabilities.dtype == rates.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_graph_survives_what_no_match_has_shown(fitted: recipes.MatchModel, graph: onnx.ModelProto) -> None:
    width = graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    rows = np.stack([np.full(width, value, np.float32) for value in (-1e6, -50, 0, 50, 1e6)])
    probabilities, rates = export.run_onnx(graph, rows)
    assert np.isfinite(probabilities).all()
    assert rates.min() >= SETTINGS.min_rate * (1 - 1e-6)
    assert rates.max() <= SETTINGS.max_rate * (1 + 1e-6)
    np.testing.assert_allclose(probabilities, fitted.predict(rows)[0], atol=1e-5)


def test_a_row_is_answered_the_same_in_any_batch(graph: onnx.ModelProto, matches: Matches) -> None:
    together, _ = export.run_onnx(graph, matches.features[:50])
    for row in range(50):
        alone, _ = export.run_onnx(graph, matches.features[row : row + 1])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


def test_graph_has_the_served_signature_and_is_the_same_each_time(
    fitted: recipes.MatchModel, graph: onnx.ModelProto
) -> None:
    def shapes(values: object) -> dict[str, list]:
        return {value.name: [dim.dim_value or None for dim in value.type.tensor_type.shape.dim] for value in values}

    assert shapes(graph.graph.input) == {"features": [None, 6]}
    assert shapes(graph.graph.output) == {"outcome_probabilities": [None, 3], "expected_goals": [None, 2]}
    assert (graph.opset_import[0].version, graph.ir_version) == (SETTINGS.opset, SETTINGS.ir_version)
    assert graph.SerializeToString() == export.build_onnx(fitted, SETTINGS).SerializeToString()


def test_parity_gate_closes(fitted: recipes.MatchModel, matches: Matches) -> None:
    other = replace(fitted, calibration=replace(fitted.calibration, temperature=0.905))
    with pytest.raises(export.ParityError, match="outcome_probabilities: row"):
        export.check_parity(export.build_onnx(other, SETTINGS), fitted, matches.features, SETTINGS)
    broken = matches.features.copy()
    broken[3, 2] = np.nan
    with pytest.raises(export.ParityError, match="row 3 of"):
        export.check_parity(export.build_onnx(fitted, SETTINGS), fitted, broken, SETTINGS)


def test_rho_must_keep_the_grid_positive(fitted: recipes.MatchModel) -> None:
    with pytest.raises(ArithmeticError, match=r"rho 0\.05"):
        export.build_onnx(replace(fitted, goals=replace(fitted.goals, rho=0.05)), SETTINGS)


def test_golden_rows_survive_json(fitted: recipes.MatchModel, graph: onnx.ModelProto, matches: Matches) -> None:
    golden = json.loads(export.to_json(export.golden_rows(graph, fitted, matches.features, SETTINGS)))
    (rows,) = golden["inputs"]
    assert golden["tolerance"] == export.parity_tolerance(fitted, SETTINGS)
    assert (rows["name"], rows["datatype"], rows["shape"]) == ("features", "FP32", [SETTINGS.golden_rows, 6])
    features = np.array(rows["data"], np.float32).reshape(rows["shape"])
    assert np.array_equal(features[0], matches.features[0])  # shortest digits, yet the same float32
    assert np.array_equal(features[-1], matches.features.max(axis=0))
    for tensor, got in zip(golden["outputs"], export.run_onnx(graph, features), strict=True):
        assert np.array_equal(np.array(tensor["data"], np.float32).reshape(tensor["shape"]), got)


def test_manifest_tells_what_the_model_was_made_of(fitted: recipes.MatchModel, matches: Matches) -> None:
    found = json.loads(export.to_json(export.manifest(fitted, matches, "7", {"rps": 0.2}, SETTINGS)))
    assert (found["model"], found["version"], found["metrics"]) == ("match-outcome", "7", {"rps": 0.2})
    assert found["features"] == list(matches.feature_names) == list(found["histograms"]) == list(found["feature_means"])
    assert found["rho"] == fitted.goals.rho
    assert found["training"] == {
        "from": "2005-08-05",
        "to": str(matches.date[-1]),
        "matches": len(matches),
        "competitions": ["E0", "SP1"],
    }
    for histogram in found["histograms"].values():
        assert len(histogram["edges"]) == len(histogram["counts"]) + 1
        assert sum(histogram["counts"]) == len(matches)
    assert len(found["histograms"]["home_newcomer"]["counts"]) == 2
    assert len(found["histograms"]["elo_difference"]["counts"]) == SETTINGS.histogram_bins
    assert found["histograms"]["never_varies"]["counts"] == [len(matches)]


def test_json_refuses_what_json_has_no_word_for() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        export.to_json({"metrics": {"rps": float("nan")}})
