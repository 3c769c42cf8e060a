"""Make the tiny ONNX models that the Go tests run: their answers can be worked out in one's head.

The folder is one that `--models` can name: <name>/<version>/model.onnx, some as MLflow folders with
golden rows. refused/ holds models that must not be served. Run it with any Python that has `onnx`;
it writes the same bytes every time.
"""

import json
import struct
from pathlib import Path

import refused
import served
from graphs import BOOL, FP32, FP64, INT32, INT64, from_file
from onnx import ModelProto, save

HERE = Path(__file__).resolve().parent
NAMES = {FP32: "float32", FP64: "float64", INT32: "int32", INT64: "int64", BOOL: "bool"}


def signature(values):
    """Write tensors as MLflow's signature does: JSON in a string."""
    specs = []
    for v in values:
        t = v.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") else -1 for d in t.shape.dim]
        specs.append(
            {
                "name": v.name,
                "type": "tensor",
                "tensor-spec": {"dtype": NAMES[t.elem_type], "shape": shape},
            }
        )
    return json.dumps(specs)


def write(folder: Path, made: ModelProto) -> Path:
    """Write a bare model.onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    save(made, folder / "model.onnx")
    return folder


def write_mlflow(folder: Path, made: ModelProto) -> Path:
    """Write an MLflow ONNX model folder, as far as a server reads it."""
    write(folder, made)
    (folder / "MLmodel").write_text(
        "flavors:\n"
        "  onnx:\n"
        "    data: model.onnx\n"
        "    onnx_version: 1.23.2\n"
        "mlflow_version: 3.4.0\n"
        "signature:\n"
        f"  inputs: '{signature(made.graph.input)}'\n"
        f"  outputs: '{signature(made.graph.output)}'\n"
        "  params: null\n"
    )
    return folder


def golden(folder: Path, inputs, outputs) -> None:
    """Write rows in and rows out; a tensor is (name, datatype, shape, data)."""
    keys = ("name", "datatype", "shape", "data")
    rows = {
        "tolerance": 1e-5,
        "inputs": [dict(zip(keys, t, strict=True)) for t in inputs],
        "outputs": [dict(zip(keys, t, strict=True)) for t in outputs],
    }
    (folder / "golden.json").write_text(json.dumps(rows, indent=2) + "\n")


def main() -> None:
    """Write every model."""
    folder = write_mlflow(HERE / "half_plus_two" / "1", served.half_plus_two())
    golden(
        folder,
        [("x", "FP32", [3, 1], [0, 2, -4])],
        [("y", "FP32", [3, 1], [2, 3, 0])],
    )
    folder = write_mlflow(HERE / "match_shaped" / "1", served.match_shaped())
    golden(
        folder,
        [("features", "FP32", [2, 4], [2, 1, 1, 0, 1, 3, 4, 9])],
        [
            ("outcome_probabilities", "FP32", [2, 3], [0.5, 0.25, 0.25, 0.125, 0.5, 0.375]),
            ("expected_goals", "FP32", [2, 2], [2, 1, 1, 3]),
        ],
    )
    folder = write_mlflow(HERE / "several_inputs" / "1", served.several_inputs())
    golden(
        folder,
        [
            ("small", "INT32", [1, 2], [1, -1]),
            ("large", "INT64", [1, 2], [9007199254740993, 10]),
            ("exact", "FP64", [1, 2], [0.5, 0.25]),
            ("single", "FP32", [1, 2], [0.5, 0.75]),
            ("flag", "BOOL", [1], [True]),
        ],
        [
            ("whole", "INT64", [1, 2], [9007199254740994, 9]),
            ("opposite", "BOOL", [1], [False]),
        ],
    )
    for make in served.BARE:
        write(HERE / make.__name__ / "1", make())
    folder = write(HERE / "from_file" / "1", from_file("seven.bin"))
    (folder / "seven.bin").write_bytes(struct.pack("<f", 7))
    folder = write(HERE / "halves_from_file" / "1", served.halves_from_file())
    (folder / "seven.bin").write_bytes(struct.pack("<e", 7))
    for make in refused.ALL:
        write(HERE / "refused" / make.__name__, make())


if __name__ == "__main__":
    main()
