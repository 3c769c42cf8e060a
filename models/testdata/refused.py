"""Models that must not be served."""

from graphs import COMPLEX64, FP8, FP32, INT64, ROWS, constant, from_file, model, node, of_any_rank, tensor
from onnx import helper


def three_rows():
    """Compute y = x / 2 + 2 for three rows, and fail for others though the signature allows them."""
    return model(
        "three_rows",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        [
            node("Reshape", "x three", "exported"),
            node("Reshape", "exported rows", "any"),
            node("Mul", "any half", "halved"),
            node("Add", "halved two", "y"),
        ],
        [
            constant("three", INT64, [1], [3]),
            constant("rows", INT64, [2], [-1, 1]),
            constant("half", FP32, [1], [0.5]),
            constant("two", FP32, [1], [2]),
        ],
    )


def any_rank():
    """Compute y = x / 2, saying of neither how many dimensions it has."""
    made = model(
        "any_rank",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        [node("Mul", "x half", "y")],
        [constant("half", FP32, [], [0.5])],
    )
    return of_any_rank(made, *made.graph.input, *made.graph.output)


def another_rank():
    """Compute y = x / 2 without the dimensions of 1, so that nobody knows how many y has."""
    made = model(
        "another_rank",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS)],
        [node("Squeeze", "x", "flat"), node("Mul", "flat half", "y")],
        [constant("half", FP32, [], [0.5])],
    )
    return of_any_rank(made, *made.graph.output)


def eighths():
    """Take a type that Open Inference has no name for."""
    return model(
        "eighths",
        [tensor("x", FP8, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        [node("Cast", "x", "y", to=FP32)],
        opset=19,
    )


def sequence():
    """Answer a sequence of tensors."""
    return model(
        "sequence",
        [tensor("x", FP32, 4, 1)],
        [helper.make_tensor_sequence_value_info("parts", FP32, None)],
        [node("SplitToSequence", "x", "parts", axis=0)],
    )


def scalar():
    """Take a tensor without dimensions."""
    return model(
        "scalar",
        [tensor("x", FP32)],
        [tensor("y", FP32)],
        [node("Neg", "x", "y")],
    )


def imaginary():
    """Take a type that ONNX names and ONNX Runtime does not know."""
    return model(
        "imaginary",
        [tensor("x", COMPLEX64, ROWS, 1)],
        [tensor("y", COMPLEX64, ROWS, 1)],
        [node("Identity", "x", "y")],
    )


def escaping():
    """Compute y = x + a constant in a file outside the model's folder."""
    return from_file("../outside.bin")


ALL = (three_rows, any_rank, another_rank, eighths, imaginary, sequence, scalar, escaping)
