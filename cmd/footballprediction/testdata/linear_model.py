"""Writes a match model of one linear layer for a feature schema, as a version folder.

    python linear_model.py FOLDER SCHEMA_HASH FEATURE...

The last feature alone moves the result, so that a model fed with other features is found out.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

folder, schema_hash, *features = sys.argv[1:]
width = len(features)
weights = np.zeros((width, 5), np.float32)
weights[-1] = [0.3, 0.0, -0.3, 0.2, 0.1]
biases = np.array([0.4, 0.0, 0.1, 0.4, 0.2], np.float32)

graph = helper.make_graph(
    [
        helper.make_node("Gemm", ["features", "weights", "biases"], ["scores"]),
        helper.make_node("Split", ["scores", "parts"], ["results", "rates"], axis=1),
        helper.make_node("Softmax", ["results"], ["outcome_probabilities"], axis=1),
        helper.make_node("Exp", ["rates"], ["expected_goals"]),
    ],
    "linear",
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])],
    [
        helper.make_tensor_value_info("outcome_probabilities", TensorProto.FLOAT, [None, 3]),
        helper.make_tensor_value_info("expected_goals", TensorProto.FLOAT, [None, 2]),
    ],
    [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(biases, "biases"),
        numpy_helper.from_array(np.array([3, 2], np.int64), "parts"),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
onnx.checker.check_model(model)

rows = np.linspace(-1, 1, 2 * width, dtype=np.float32).reshape(2, width)
scores = rows.astype(np.float64) @ weights + biases
odds = np.exp(scores[:, :3])
outcomes, goals = odds / odds.sum(axis=1, keepdims=True), np.exp(scores[:, 3:])


def tensor(name: str, values: np.ndarray) -> dict:
    """Write a tensor as golden.json has it."""
    return {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}


def spec(name: str, columns: int) -> dict:
    """Describe a tensor as a signature does."""
    return {"name": name, "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, columns]}}


out = Path(folder)
out.mkdir(parents=True)
onnx.save(model, out / "model.onnx")
(out / "golden.json").write_text(
    json.dumps(
        {
            "tolerance": 1e-5,
            "inputs": [tensor("features", rows)],
            "outputs": [tensor("outcome_probabilities", outcomes), tensor("expected_goals", goals)],
        }
    )
)
(out / "manifest.json").write_text(
    json.dumps(
        {
            "model": "match-outcome",
            "version": out.name,
            "feature_schema_hash": schema_hash,
            "features": features,
            "rho": -0.05,
            "data_cutoff": "2025-06-30",
        }
    )
)
signature = {
    "inputs": json.dumps([spec("features", width)]),
    "outputs": json.dumps([spec("outcome_probabilities", 3), spec("expected_goals", 2)]),
}
flavors = {"onnx": {"data": "model.onnx", "onnx_version": onnx.__version__, "providers": ["CPUExecutionProvider"]}}
(out / "MLmodel").write_text(json.dumps({"flavors": flavors, "signature": signature}))  # JSON is YAML
