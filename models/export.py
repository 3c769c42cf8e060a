"""The champion as a served artefact: ONNX graph, parity gate, golden rows and manifest."""

import json
from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import scoreline
from champion import Champion
from data import Matches
from settings import Settings

INPUT = "features"
OUTPUTS = ("outcome_probabilities", "expected_goals")
Float32 = NDArray[np.float32]


class ParityError(RuntimeError):
    """The exported graph does not answer as the model that was judged."""


def build_onnx(champion: Champion, settings: Settings) -> onnx.ModelProto:
    """Return the graph: `features` float32 [N,F] to `outcome_probabilities` [N,3] and `expected_goals` [N,2].

    Nine nodes, as each costs a request about half a microsecond. Standardising is folded into weights and
    intercept. What a whole grid is multiplied by is left out, since the last softmax cancels it: its
    normaliser and the factor e^(−λ−μ) of every cell.
    """
    goals, calibration = champion.goals, champion.calibration
    _check_rho(goals.rho, settings)
    cell_weights, cell_constant = scoreline.log_cell_weights()
    low, high = goals.log_rate_bounds
    weights = goals.regression.coefficients / goals.regression.scale[:, None]
    constants = {
        "weights": weights,
        "intercept": goals.regression.intercept - goals.regression.mean @ weights,
        "log_rate_min": low,
        "log_rate_max": high,
        "cell_weights": cell_weights,
        "cell_constant": cell_constant,
        "outcome_mask": scoreline.outcome_mask(goals.rho),
        "sharpness": np.eye(3) / calibration.temperature,
        "class_bias": calibration.bias,
    }
    probabilities, rates = OUTPUTS
    nodes = [
        helper.make_node("Gemm", [INPUT, "weights", "intercept"], ["linear"]),
        helper.make_node("Clip", ["linear", "log_rate_min", "log_rate_max"], ["log_rates"]),
        helper.make_node("Exp", ["log_rates"], [rates]),
        helper.make_node("Gemm", ["log_rates", "cell_weights", "cell_constant"], ["log_cells"]),
        helper.make_node("Exp", ["log_cells"], ["cells"]),
        helper.make_node("MatMul", ["cells", "outcome_mask"], ["outcome_sums"]),
        helper.make_node("Log", ["outcome_sums"], ["log_outcomes"]),
        helper.make_node("Gemm", ["log_outcomes", "sharpness", "class_bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [probabilities], axis=1),
    ]
    width = len(goals.regression.mean)
    graph = helper.make_graph(
        nodes,
        settings.model,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, width])],
        [
            helper.make_tensor_value_info(probabilities, TensorProto.FLOAT, [None, 3]),
            helper.make_tensor_value_info(rates, TensorProto.FLOAT, [None, 2]),
        ],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", settings.opset)],
        ir_version=settings.ir_version,
        producer_name="footballprediction",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run_onnx(model: onnx.ModelProto, features: Float32) -> tuple[Float32, Float32]:
    """Answer `features` (n, F) by ONNX Runtime on one thread, as the server does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    probabilities, rates = session.run(list(OUTPUTS), {INPUT: features})
    return probabilities, rates


def check_parity(model: onnx.ModelProto, champion: Champion, features: Float32, settings: Settings) -> float:
    """Raise ParityError unless graph and model agree on all rows and on rows beyond them.

    Returns the greatest difference, absolute or relative to answers above 1. Where there are fewer rows
    than the gate wants, rows mixed from their columns fill up; the extremes are always among them.
    """
    rows = np.concatenate([features, _extremes(features)])
    if len(rows) < settings.parity_rows:
        generator = np.random.default_rng(settings.seed)
        mixed = generator.integers(len(rows), size=(settings.parity_rows - len(rows), rows.shape[1]))
        rows = np.concatenate([rows, np.take_along_axis(rows, mixed, axis=0)])
    worst = 0.0
    answers = zip(OUTPUTS, run_onnx(model, rows), champion.predict(rows), strict=True)
    for name, got, want in answers:
        gap = np.abs(got - want) / np.maximum(1, np.abs(want))
        if not gap.max() <= settings.parity_tolerance:
            row = int(np.nanargmax(np.where(np.isnan(gap), np.inf, gap).max(axis=1)))
            raise ParityError(
                f"{name}: row {row} of {len(rows)} is {got[row]}, expected {want[row]} "
                f"within {settings.parity_tolerance}"
            )
        worst = max(worst, float(gap.max()))
    return worst


def golden_rows(model: onnx.ModelProto, features: Float32, settings: Settings) -> dict[str, object]:
    """Return rows in and answers out, for every loader of the model to check.

    Rows are spread evenly over time; the last two hold each feature's least and greatest value.
    """
    spread = np.linspace(0, len(features) - 1, settings.golden_rows - 2).round().astype(np.int64)
    rows = np.concatenate([features[spread], _extremes(features)])
    answers = run_onnx(model, rows)
    return {
        "tolerance": settings.parity_tolerance,
        "inputs": [_tensor(INPUT, rows)],
        "outputs": [_tensor(name, values) for name, values in zip(OUTPUTS, answers, strict=True)],
    }


def manifest(
    champion: Champion, training: Matches, version: str, metrics: Mapping[str, float], settings: Settings
) -> dict[str, object]:
    """Return what a server and an operator need to know of the model beside its graph."""
    columns = dict(zip(training.feature_names, training.features.T, strict=True))
    return {
        "model": settings.model,
        "version": version,
        "feature_schema_hash": training.schema_hash,
        "features": list(training.feature_names),
        "rho": float(champion.goals.rho),
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
