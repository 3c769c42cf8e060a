"""Make models as users bring them, and what Python's onnxruntime answers, for the Go tests.

Usage: trained.py FOLDER. It writes FOLDER/<name>/1/{model.onnx,golden.json}, whose golden rows are
Python's answers; where Python has none that could be served, there are no golden rows.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from lightgbm import LGBMClassifier, LGBMRegressor
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as FloatOfTrees
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

# The version of the library that the server loads, so that kernels are the same.
assert onnxruntime.__version__ == "1.27.0", onnxruntime.__version__

# Of each model its name, itself, and the inputs that it is asked about, if any.
Models = Iterator[tuple[str, onnx.ModelProto, dict[str, np.ndarray] | None]]

ROWS, WIDTH = 200, 6
TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}

rng = np.random.default_rng(11)
features = rng.normal(size=(ROWS, WIDTH)).astype(np.float32)
strength = features[:, 0] - features[:, 1] + 0.5 * features[:, 2] * features[:, 3]
outcome = np.digitize(strength, [-0.6, 0.6])  # 0, 1, 2
goals = np.exp(0.3 * strength + 0.1)
words = np.array(["home", "draw", "away"])
clubs = np.array(["Arsenal", "Bayern München", "Łódź", "İstanbul", "", "Ajax, Amsterdam"])
home, away = rng.choice(clubs, ROWS), rng.choice(clubs, ROWS)
kickoff = rng.integers(11, 22, ROWS)


def scikit_learn() -> Models:
    """Give models of scikit-learn with their inputs: pipelines, ensembles, a network, strings."""

    def export(trained: object, x: np.ndarray = features, **options: object) -> tuple:
        chosen = {id(trained): options} if options else None
        return to_onnx(trained, x[:1], options=chosen), {"X": x}

    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, outcome)
    yield "scikit_pipeline", *export(linear, zipmap=False)
    yield "scikit_zipmap", export(linear)[0], None
    named = LogisticRegression().fit(features, words[outcome])
    yield "scikit_columns", *export(named, zipmap="columns")
    forest = RandomForestClassifier(30, random_state=1).fit(features, outcome)
    yield "scikit_forest", *export(forest, zipmap=False)
    boosted = GradientBoostingRegressor(n_estimators=40, random_state=1).fit(features, goals)
    yield "scikit_boosted", *export(boosted)
    double = features.astype(np.float64)
    exact = make_pipeline(StandardScaler(), LogisticRegression()).fit(double, outcome)
    yield "scikit_double", *export(exact, double, zipmap=False)
    network = MLPClassifier((32, 16), max_iter=60, random_state=1).fit(features, outcome)
    yield "scikit_network", *export(network, zipmap=False)


def scikit_learn_of_strings() -> Models:
    """Give models of scikit-learn that take and answer strings, of columns of several types."""
    columns = {"home": home, "away": away, "kickoff": kickoff}
    table = {name: column.reshape(-1, 1) for name, column in columns.items()} | {"form": features[:, :2]}
    columns = np.concatenate(list(table.values()), axis=1, dtype=object)
    types = [
        ("home", StringTensorType([None, 1])),
        ("away", StringTensorType([None, 1])),
        ("kickoff", Int64TensorType([None, 1])),
        ("form", FloatTensorType([None, 2])),
    ]
    encode = ColumnTransformer(
        [
            ("clubs", OneHotEncoder(handle_unknown="ignore"), [0, 1]),
            ("numbers", StandardScaler(), [2, 3, 4]),
        ]
    )
    pipeline = make_pipeline(encode, LogisticRegression(max_iter=300)).fit(columns, words[outcome])
    made = to_onnx(pipeline, initial_types=types, options={id(pipeline): {"zipmap": False}})
    yield "scikit_strings", made, table
    ordinal = OrdinalEncoder().fit(table["home"])
    made = to_onnx(ordinal, initial_types=[("home", StringTensorType([None, 1]))])
    yield "scikit_ordinal", made, {"home": table["home"]}


def trees() -> Models:
    """Give models of LightGBM and XGBoost."""
    types = [("features", FloatOfTrees([None, WIDTH]))]
    x = {"features": features}
    quick = {"n_estimators": 30, "random_state": 1, "n_jobs": 1}
    classes = LGBMClassifier(num_leaves=7, verbose=-1, **quick).fit(features, outcome)
    made = convert_lightgbm(classes, initial_types=types, zipmap=False)
    yield "lightgbm_classes", made, x
    yield "lightgbm_classes_of_one_row", made, x
    yield "lightgbm_zipmap", convert_lightgbm(classes, initial_types=types), None
    counts = LGBMRegressor(objective="poisson", num_leaves=7, verbose=-1, **quick).fit(features, np.round(goals))
    yield "lightgbm_poisson", convert_lightgbm(counts, initial_types=types), x
    classes = XGBClassifier(max_depth=3, **quick).fit(features, outcome)
    yield "xgboost_classes", convert_xgboost(classes, initial_types=types), x
    number = XGBRegressor(max_depth=3, **quick).fit(features, goals)
    yield "xgboost_number", convert_xgboost(number, initial_types=types), x


def model(inputs: list, outputs: list, nodes: list, constants: dict) -> onnx.ModelProto:
    """Build a graph by hand; an input or output is (name, type, shape)."""
    graph = helper.make_graph(
        [helper.make_node(op, i.split(), o.split(), **attributes) for op, i, o, attributes in nodes],
        "made by hand",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made


def by_hand() -> Models:
    """Give models that no library trained."""
    single, half = TensorProto.FLOAT, TensorProto.FLOAT16

    def weights(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    def eighths(*shape: int) -> np.ndarray:
        return (rng.integers(-16, 17, shape) / 8).astype(np.float16)  # so that no sum is rounded

    layers = [
        ("Gemm", "x w1 b1", "h1", {}),
        ("Relu", "h1", "a1", {}),
        ("Gemm", "a1 w2 b2", "h2", {}),
        ("Tanh", "h2", "a2", {}),
        ("Gemm", "a2 w3 b3", "logits", {}),
        ("Softmax", "logits", "p", {"axis": 1}),
    ]
    constants = {
        "w1": weights(WIDTH, 64),
        "b1": weights(64),
        "w2": weights(64, 32),
        "b2": weights(32),
        "w3": weights(32, 3),
        "b3": weights(3),
    }
    network = model([("x", single, [None, WIDTH])], [("p", single, [None, 3])], layers, constants)
    yield "hand_network", network, {"x": features}
    yield "hand_external", network, {"x": features}

    nodes = [("MatMul", "x w", "h", {}), ("Add", "h b", "y", {})]
    constants = {"w": eighths(WIDTH, 4), "b": eighths(4)}
    x = {"x": eighths(ROWS, WIDTH)}
    yield "hand_half", model([("x", half, [None, WIDTH])], [("y", half, [None, 4])], nodes, constants), x
    wide = [("Softsign", "x", "y", {}), ("Transpose", "y", "z", {"perm": [0, 2, 1]})]
    shapes = [("x", half, [None, None, None])], [("y", half, [None, None, None]), ("z", half, [None, None, None])]
    yield "hand_half_open", model(*shapes, wide, {}), {"x": eighths(ROWS, 3, 5)}

    inputs = [("x", single, [None, 3]), ("at", TensorProto.INT64, [None]), ("weight", TensorProto.DOUBLE, [None, 1])]
    inputs += [("use", TensorProto.BOOL, [None, 1])]
    outputs = [("score", TensorProto.DOUBLE, [None, 3]), ("large", TensorProto.BOOL, [None, 3])]
    nodes = [
        ("Gather", "table at", "offset", {"axis": 0}),
        ("Add", "x offset", "moved", {}),
        ("Cast", "moved", "exact", {"to": TensorProto.DOUBLE}),
        ("Mul", "exact weight", "weighed", {}),
        ("Where", "use weighed exact", "score", {}),
        ("Greater", "score one", "large", {}),
    ]
    given = {
        "x": features[:, :3],
        "at": rng.integers(0, 5, ROWS),
        "weight": rng.normal(size=(ROWS, 1)),
        "use": rng.integers(0, 2, (ROWS, 1)).astype(bool),
    }
    constants = {"table": weights(5, 3), "one": np.array(1.0)}
    yield "hand_several", model(inputs, outputs, nodes, constants), given

    nodes = [("MatMul", "a b", "ab", {}), ("ReduceSum", "ab", "sum", {"keepdims": 1})]
    inputs = [("a", single, [20, 30]), ("b", single, [30, 20])]
    outputs = [("ab", single, [20, 20]), ("sum", single, [1, 1])]
    given = {"a": weights(20, 30), "b": weights(30, 20)}
    yield "hand_no_rows", model(inputs, outputs, nodes, {}), given


def values(array: np.ndarray) -> list:
    """List an array's elements as golden.json has them."""
    if array.dtype.kind in "OU":
        return [str(value) for value in array.ravel()]
    return array.ravel().tolist()


def golden(session: onnxruntime.InferenceSession, given: dict) -> dict:
    """Write down what a session answers."""
    given = {name: array.astype(object) if array.dtype.kind in "OU" else array for name, array in given.items()}
    answers = session.run(None, given)
    sides = (session.get_inputs(), [given[i.name] for i in session.get_inputs()]), (session.get_outputs(), answers)
    inputs, outputs = (
        [
            {"name": i.name, "datatype": TYPES[i.type], "shape": list(array.shape), "data": values(array)}
            for i, array in zip(infos, arrays, strict=True)
        ]
        for infos, arrays in sides
    )
    return {"tolerance": 1e-6, "inputs": inputs, "outputs": outputs}


# What is logged with the model by MLflow, which has looked at its answers: the graph gives the label
# a single row.
LIGHTGBM = """flavors:
  onnx:
    data: model.onnx
signature:
  inputs: '[{"name": "features", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 6]}}]'
  outputs: '[{"name": "label", "type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}},
    {"name": "probabilities", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]'
"""


def write(folder: Path, name: str, made: onnx.ModelProto, given: dict | None) -> None:
    """Write a model, and its answers if it is given something."""
    place = folder / name / "1"
    place.mkdir(parents=True)
    external = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(made, place / "model.onnx", **(external if name == "hand_external" else {}))
    if name == "lightgbm_classes":
        (place / "MLmodel").write_text(LIGHTGBM)
    if given is not None:
        session = onnxruntime.InferenceSession(place / "model.onnx", providers=["CPUExecutionProvider"])
        (place / "golden.json").write_text(json.dumps(golden(session, given)))


def main() -> None:
    """Write every model."""
    warnings.simplefilter("ignore")  # the models need not be good ones
    onnxruntime.set_default_logger_severity(3)
    for family in (scikit_learn, scikit_learn_of_strings, trees, by_hand):
        for name, made, given in family():
            write(Path(sys.argv[1]), name, made, given)


if __name__ == "__main__":
    main()
