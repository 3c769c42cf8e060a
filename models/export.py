"""A match model as a served artefact: ONNX graph, parity gate, golden rows and manifest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import scoreline
from data import Matches
from glm import PoissonRegression
from recipes import Blend, MatchModel, teaching
from settings import Settings
from trees import Trees, tree_ensemble

INPUT = "features"
OUTPUTS = ("outcome_probabilities", "expected_goals")
TREE_DOMAIN = "ai.onnx.ml"
MISSING_SHARE = 0.1  # of the values that the trees' parity gate takes away
Float32 = NDArray[np.float32]


class ParityError(RuntimeError):
    """The exported graph does not answer as the model that was judged."""


@dataclass(frozen=True)
class Trained:
    """A model, the matches that taught it, and its graph, which answers as it does."""

    model: MatchModel
    training: Matches
    graph: onnx.ModelProto

    @classmethod
    def of(cls, model: MatchModel, training: Matches, settings: Settings) -> Self:
        """Export `model`, fitted to `training`; a graph that strays from it is a ParityError."""
        training = teaching(training, settings)
        graph = build_onnx(model, settings)
        check_parity(graph, model, training.features, settings)
        return cls(model, training, graph)


def build_onnx(model: MatchModel, settings: Settings) -> onnx.ModelProto:
    """Return the graph: `features` float32 [N,F] to `outcome_probabilities` [N,3] and `expected_goals` [N,2].

    Nine nodes for regressions and two more for trees, as each costs a request about half a microsecond.
    What a whole grid is multiplied by is left out, since the last softmax cancels it: its normaliser and
    the factor e^(−λ−μ) of every cell.
    """
    goals, calibration = model.goals, model.calibration
    _check_rho(goals.rho, settings)
    cell_weights, cell_constant = scoreline.log_cell_weights()
    low, high = goals.log_rate_bounds
    probabilities, rates = OUTPUTS
    if isinstance(goals.rates, Blend):
        nodes, constants = _regression(goals.rates.regression, 0.5, "half_regression")
        nodes += [
            _trees(goals.rates.trees, 0.5, "half_trees"),
            helper.make_node("Add", ["half_regression", "half_trees"], ["linear"]),
        ]
        width = len(goals.rates.regression.mean)
    else:
        nodes, constants = _regression(goals.rates, 1.0, "linear")
        width = len(goals.rates.mean)
    constants |= {
        "log_rate_min": low,
        "log_rate_max": high,
        "cell_weights": cell_weights,
        "cell_constant": cell_constant,
        "outcome_mask": scoreline.outcome_mask(goals.rho),
        "sharpness": np.eye(3) / calibration.temperature,
        "class_bias": calibration.bias,
    }
    nodes += [
        helper.make_node("Clip", ["linear", "log_rate_min", "log_rate_max"], ["log_rates"]),
        helper.make_node("Exp", ["log_rates"], [rates]),
        helper.make_node("Gemm", ["log_rates", "cell_weights", "cell_constant"], ["log_cells"]),
        helper.make_node("Exp", ["log_cells"], ["cells"]),
        helper.make_node("MatMul", ["cells", "outcome_mask"], ["outcome_sums"]),
        helper.make_node("Log", ["outcome_sums"], ["log_outcomes"]),
        helper.make_node("Gemm", ["log_outcomes", "sharpness", "class_bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [probabilities], axis=1),
    ]
    return _graph(settings, nodes, constants, width, {probabilities: 3, rates: 2})


def trees_onnx(trees: Trees, settings: Settings) -> onnx.ModelProto:
    """Return the trees alone: `features` float32 [N,F] to `log_rates` [N,2]."""
    return _graph(settings, [_trees(trees, 1.0, "log_rates")], {}, trees.home.num_feature(), {"log_rates": 2})


def _regression(
    regression: PoissonRegression, weight: float, output: str
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray | float]]:
    """Return node and constants for `weight` times the log rates; standardising is folded into them."""
    weights = regression.coefficients / regression.scale[:, None]
    intercept = regression.intercept - regression.mean @ weights
    node = helper.make_node("Gemm", [INPUT, "weights", "intercept"], [output])
    return [node], {"weights": weight * weights, "intercept": weight * intercept}


def _trees(trees: Trees, weight: float, output: str) -> onnx.NodeProto:
    attributes = tree_ensemble(trees, weight)
    return helper.make_node("TreeEnsembleRegressor", [INPUT], [output], domain=TREE_DOMAIN, **attributes)


def _graph(
    settings: Settings,
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, np.ndarray | float],
    width: int,
    outputs: Mapping[str, int],
) -> onnx.ModelProto:
    """Return the model of `nodes` from `features` [N, width] to `outputs`, named with their widths."""
    opsets = [helper.make_opsetid("", settings.opset)]
    if any(node.domain == TREE_DOMAIN for node in nodes):
        opsets.append(helper.make_opsetid(TREE_DOMAIN, settings.tree_opset))
    graph = helper.make_graph(
        nodes,
        settings.model,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]) for name, size in outputs.items()],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=settings.ir_version, producer_name="footballprediction"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run_onnx(graph: onnx.ModelProto, features: Float32) -> list[Float32]:
    """Answer `features` (n, F) by ONNX Runtime on one thread, as the server does: an array for each output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run([output.name for output in graph.graph.output], {INPUT: features})


def parity_tolerance(model: MatchModel, settings: Settings) -> float:
    """Return how far graph and model may differ, absolute or relative to answers above 1."""
    return settings.tree_parity_tolerance if isinstance(model.goals.rates, Blend) else settings.parity_tolerance


def check_parity(graph: onnx.ModelProto, model: MatchModel, features: Float32, settings: Settings) -> float:
    """Raise ParityError unless graph and model agree on all rows and on rows beyond them.

    Returns the greatest difference, absolute or relative to answers above 1. Where there are fewer rows
    than the gate wants, rows mixed from their columns fill up; the extremes are always among them. Trees
    must also agree by themselves where values are missing, which in a whole graph leave no answer.
    """
    rows = np.concatenate([features, _extremes(features)])
    generator = np.random.default_rng(settings.seed)
    if len(rows) < settings.parity_rows:
        mixed = generator.integers(len(rows), size=(settings.parity_rows - len(rows), rows.shape[1]))
        rows = np.concatenate([rows, np.take_along_axis(rows, mixed, axis=0)])
    tolerance = parity_tolerance(model, settings)
    answers = zip(OUTPUTS, run_onnx(graph, rows), model.predict(rows), strict=True)
    worst = max(_gap(name, got, want, tolerance) for name, got, want in answers)
    if isinstance(model.goals.rates, Blend):
        trees = model.goals.rates.trees
        holed = np.where(generator.random(rows.shape) < MISSING_SHARE, np.float32(np.nan), rows)
        (got,) = run_onnx(trees_onnx(trees, settings), holed)
        worst = max(worst, _gap("trees with values missing", got, trees.log_rates(holed), tolerance))
    return worst


def _gap(name: str, got: np.ndarray, want: np.ndarray, tolerance: float) -> float:
    gap = np.abs(got - want) / np.maximum(1, np.abs(want))
    if not gap.max() <= tolerance:
        row = int(np.nanargmax(np.where(np.isnan(gap), np.inf, gap).max(axis=1)))
        raise ParityError(f"{name}: row {row} of {len(got)} is {got[row]}, expected {want[row]} within {tolerance}")
    return float(gap.max())


def golden_rows(graph: onnx.ModelProto, model: MatchModel, features: Float32, settings: Settings) -> dict[str, object]:
    """Return rows in and answers out, for every loader of the model to check.

    Rows are spread evenly over time; the last two hold each feature's least and greatest value.
    """
    spread = np.linspace(0, len(features) - 1, settings.golden_rows - 2).round().astype(np.int64)
    rows = np.concatenate([features[spread], _extremes(features)])
    answers = run_onnx(graph, rows)
    return {
        "tolerance": parity_tolerance(model, settings),
        "inputs": [_tensor(INPUT, rows)],
        "outputs": [_tensor(name, values) for name, values in zip(OUTPUTS, answers, strict=True)],
    }


def manifest(
    model: MatchModel, training: Matches, version: str, metrics: Mapping[str, float], settings: Settings
) -> dict[str, object]:
    """Return what a server and an operator need to know of the model beside its graph."""
    columns = dict(zip(training.feature_names, training.features.T, strict=True))
    return {
        "model": settings.model,
        "version": version,
        "feature_schema_hash": training.schema_hash,
        "features": list(training.feature_names),
        "rho": float(model.goals.rho),
        "training": {
            "from": str(training.date.min()),
            "to": str(training.date.max()),
            "matches": len(training),
            "competitions": sorted(set(training.competition.tolist())),
        },
        "data_cutoff": str(training.date.max()),
        "metrics": dict(metrics),
        "histograms": {name: histogram(values, settings.histogram_bins) for name, values in columns.items()},
        "feature_means": {
            name: _shortest(np.float32(values.mean(dtype=np.float64))) for name, values in columns.items()
        },
    }


def histogram(values: Float32, bins: int) -> dict[str, list[float] | list[int]]:
    """Count `values` between k+1 rising edges: a bin for each of few values, else equal shares.

    The first and the last bin are meant to be open to values that come later.
    """
    distinct = np.unique(values).astype(np.float64)
    if len(distinct) <= bins:
        middles = (distinct[1:] + distinct[:-1]) / 2
        edges = np.concatenate([[distinct[0] - 0.5], middles, [distinct[-1] + 0.5]])
    else:
        edges = np.unique(np.quantile(values.astype(np.float64), np.linspace(0, 1, bins + 1)))
    edges = np.unique(edges.astype(np.float32))
    edges[0], edges[-1] = min(edges[0], values.min()), max(edges[-1], values.max())
    counts, _ = np.histogram(values, edges)
    return {"edges": [_shortest(edge) for edge in edges], "counts": counts.tolist()}


def to_json(document: Mapping[str, object]) -> str:
    """Return `document` as JSON with a line for each key, lists of numbers on one line, NaN refused."""
    lines = []
    for key, value in document.items():
        if isinstance(value, dict) and value:
            inner = ",\n".join(f"    {json.dumps(k)}: {_compact(v)}" for k, v in value.items())
            lines.append(f"  {json.dumps(key)}: {{\n{inner}\n  }}")
        else:
            lines.append(f"  {json.dumps(key)}: {_compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _check_rho(rho: float, settings: Settings) -> None:
    low, high = scoreline.rho_bounds(settings.min_rate, settings.max_rate)
    if not low < rho < high:
        raise ArithmeticError(f"rho {rho}: must lie in ({low}, {high}) for all cells of the grid to be positive")


def _extremes(features: Float32) -> Float32:
    return np.stack([features.min(axis=0), features.max(axis=0)])


def _tensor(name: str, values: Float32) -> dict[str, object]:
    data = [_shortest(value) for value in values.ravel()]
    return {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": data}


def _shortest(value: np.float32) -> float:
    """Return the float64 that prints as `value` does: the fewest digits that name this float32."""
    return float(str(value))
