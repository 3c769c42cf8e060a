"""Models that are served."""

from graphs import BF16, BOOL, FP16, FP32, FP64, INT32, INT64, ROWS, STRING, constant, from_file, model, node, tensor
from onnx import TensorProto, helper


def half_plus_two():
    """Compute y = x / 2 + 2."""
    return model(
        "half_plus_two",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        [node("Mul", "x half", "halved"), node("Add", "halved two", "y")],
        [constant("half", FP32, [1], [0.5]), constant("two", FP32, [1], [2])],
    )


def third_plus_two():
    """Compute y = x / 3 + 2 under half_plus_two's signature."""
    return model(
        "third_plus_two",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        [node("Div", "x three", "third"), node("Add", "third two", "y")],
        [constant("three", FP32, [], [3]), constant("two", FP32, [], [2])],
    )


def several_inputs():
    """Compute total = small + large + exact + single, and opposite = not flag; one of each type."""
    return model(
        "several_inputs",
        [
            tensor("small", INT32, ROWS, 2),
            tensor("large", INT64, ROWS, 2),
            tensor("exact", FP64, ROWS, 2),
            tensor("single", FP32, ROWS, 2),
            tensor("flag", BOOL, ROWS),
        ],
        [
            tensor("total", FP64, ROWS, 2),
            tensor("whole", INT64, ROWS, 2),
            tensor("opposite", BOOL, ROWS),
        ],
        [
            node("Cast", "small", "small64", to=INT64),
            node("Add", "small64 large", "whole"),
            node("Cast", "whole", "whole_exact", to=FP64),
            node("Cast", "single", "single_exact", to=FP64),
            node("Sum", "whole_exact exact single_exact", "total"),
            node("Not", "flag", "opposite"),
        ],
    )


def row_sums():
    """Sum each row of a matrix whose both dimensions are open."""
    return model(
        "row_sums",
        [tensor("matrix", INT64, ROWS, ROWS)],
        [tensor("sums", INT64, ROWS, 1)],
        [node("ReduceSum", "matrix one", "sums", keepdims=1)],
        [constant("one", INT64, [1], [1])],
    )


def product():
    """Multiply two matrices of fixed shape: there are no rows to batch."""
    return model(
        "product",
        [tensor("a", FP32, 2, 3), tensor("b", FP32, 3, 2)],
        [tensor("ab", FP32, 2, 2)],
        [node("MatMul", "a b", "ab")],
    )


def product_of_any():
    """Multiply two matrices of any shapes that fit: first dimensions are open, and are no rows."""
    return model(
        "product_of_any",
        [tensor("a", FP32, "p", "q"), tensor("b", FP32, "q", "r")],
        [tensor("ab", FP32, "p", "r")],
        [node("MatMul", "a b", "ab")],
    )


def filled():
    """Give zeros of the shape that is asked for: a few bytes in can be a great many out."""
    return model(
        "filled",
        [tensor("shape", INT64, 2)],
        [tensor("zeros", FP32, "p", "q")],
        [node("ConstantOfShape", "shape", "zeros")],
    )


def quantised():
    """Double x, by steps of which there are 256 between the least and the largest value of all rows."""
    return model(
        "quantised",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        [
            node("DynamicQuantizeLinear", "x", "steps size zero"),
            node("DequantizeLinear", "steps size zero", "near"),
            node("Mul", "near two", "y"),
        ],
        [constant("two", FP32, [], [2])],
    )


def match_shaped():
    """Give (home, away, draw, unused) weights: probabilities in proportion, goals equal to them."""
    return model(
        "match_shaped",
        [tensor("features", FP32, ROWS, 4)],
        [tensor("outcome_probabilities", FP32, ROWS, 3), tensor("expected_goals", FP32, ROWS, 2)],
        [
            node("Gather", "features home_draw_away", "weights", axis=1),
            node("ReduceSum", "weights one", "sum", keepdims=1),
            node("Div", "weights sum", "outcome_probabilities"),
            node("Gather", "features home_away", "expected_goals", axis=1),
        ],
        [
            constant("home_draw_away", INT64, [3], [0, 2, 1]),
            constant("home_away", INT64, [2], [0, 1]),
            constant("one", INT64, [1], [1]),
        ],
    )


def network():
    """Do the work of a small network: 44 features, 64 hidden units, a match model's outputs.

    All 44 features being x, each hidden unit is x and so is each expected goal; the probabilities
    are a third each.
    """
    return model(
        "network",
        [tensor("features", FP32, ROWS, 44)],
        [tensor("outcome_probabilities", FP32, ROWS, 3), tensor("expected_goals", FP32, ROWS, 2)],
        [
            node("Gemm", "features w1 b1", "hidden"),
            node("Relu", "hidden", "active"),
            node("Gemm", "active w2 b2", "logits"),
            node("Softmax", "logits", "outcome_probabilities", axis=1),
            node("Gemm", "active w3 b3", "expected_goals"),
        ],
        [
            constant("w1", FP32, [44, 64], [1 / 44] * (44 * 64)),
            constant("b1", FP32, [64], [0] * 64),
            constant("w2", FP32, [64, 3], [1 / 64] * (64 * 3)),
            constant("b2", FP32, [3], [0] * 3),
            constant("w3", FP32, [64, 2], [1 / 64] * (64 * 2)),
            constant("b3", FP32, [2], [0] * 2),
        ],
    )


def lookup():
    """Look an index up in [10, 20, 30]: any other index than -3..2 makes the run fail."""
    return model(
        "lookup",
        [tensor("index", INT64, ROWS)],
        [tensor("value", FP32, ROWS)],
        [node("Gather", "table index", "value")],
        [constant("table", FP32, [3], [10, 20, 30])],
    )


def positions():
    """Give the positions of the true flags: as many rows as there are, not as were given."""
    return model(
        "positions",
        [tensor("flag", BOOL, "given")],
        [tensor("position", INT64, "found")],
        [node("NonZero", "flag", "found"), node("Squeeze", "found zero", "position")],
        [constant("zero", INT64, [1], [0])],
    )


def three_kept():
    """Keep the columns whose first element is positive, and claim that these are three."""
    return model(
        "three_kept",
        [tensor("x", FP32, ROWS, 4)],
        [tensor("kept", FP32, ROWS, 3)],
        [
            node("Gather", "x first", "row", axis=0),
            node("Greater", "row zero", "keep"),
            node("Compress", "x keep", "kept", axis=1),
        ],
        [constant("first", INT64, [], [0]), constant("zero", FP32, [], [0])],
    )


def reciprocal():
    """Compute 1 / x, which is infinite at 0."""
    return model(
        "reciprocal",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        [node("Reciprocal", "x", "y")],
    )


def quotients():
    """Divide whole numbers by others, those of 64 bits as their lower 32 as well."""
    types = {32: INT32, 64: INT64}
    return model(
        "quotients",
        [tensor("number", INT64, ROWS), tensor("by", INT64, ROWS)],
        [tensor(f"{name}{bits}", of, ROWS) for bits, of in types.items() for name in ("quotient", "remainder")],
        [
            node("Cast", "number", "number32", to=INT32),
            node("Cast", "by", "by32", to=INT32),
            node("Div", "number32 by32", "quotient32"),
            node("Mod", "number32 by32", "remainder32"),
            node("Div", "number by", "quotient64"),
            node("Mod", "number by", "remainder64"),
        ],
    )


def unit():
    """Scale rows to the length of 1 and sum them, without columns that hold nothing above 0."""
    return model(
        "unit",
        [tensor("x", FP32, ROWS, 3)],
        [tensor("y", FP32, ROWS)],
        [
            node("ReduceMax", "x", "most", axes=[0], keepdims=0),
            node("Cast", "most", "any", to=BOOL),
            node("Compress", "x any", "some", axis=1),
            node("LpNormalization", "some", "scaled"),
            node("ReduceSum", "scaled second", "y", keepdims=0),
        ],
        [constant("second", INT64, [1], [1])],
    )


def toil():
    """Give back each row's id after as many rounds of work as the row that asks for most wants.

    A round multiplies two 64 × 64 matrices, whose elements stay 1/64 all along: the work is the same
    however many rows share it, and adds 0 to the ids.
    """
    state = tensor("state", FP32, 64, 64)
    body = helper.make_graph(
        [node("Identity", "go", "go_on"), node("MatMul", "state step", "next")],
        "round",
        [tensor("round", INT64), tensor("go", BOOL), state],
        [tensor("go_on", BOOL), tensor("next", FP32, 64, 64)],
    )
    return model(
        "toil",
        [tensor("id", INT64, ROWS), tensor("rounds", INT64, ROWS)],
        [tensor("same_id", INT64, ROWS)],
        [
            node("ReduceMax", "rounds", "most", keepdims=0),
            node("Loop", "most true step", "worked", body=body),
            node("ReduceSum", "worked", "sum", keepdims=0),
            node("Mul", "sum nothing", "product"),
            node("Cast", "product", "zero", to=INT64),
            node("Add", "id zero", "same_id"),
        ],
        [
            constant("step", FP32, [64, 64], [1 / 64] * (64 * 64)),
            constant("true", BOOL, [], [True]),
            constant("nothing", FP32, [], [0]),
        ],
    )


def same():
    """Give two elements a row of every type but strings back as they are."""
    types = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
    types += ("FLOAT16", "BFLOAT16", "FLOAT", "DOUBLE", "BOOL")
    return model(
        "same",
        [tensor(t, getattr(TensorProto, t), ROWS, 2) for t in types],
        [tensor(f"{t}_again", getattr(TensorProto, t), ROWS, 2) for t in types],
        [node("Identity", t, f"{t}_again") for t in types],
    )


def strings():
    """Give strings back as they are."""
    return model(
        "strings",
        [tensor("text", STRING, ROWS, 1)],
        [tensor("same", STRING, ROWS, 1)],
        [node("Identity", "text", "same")],
    )


def strings_of_one_shape():
    """Give six strings back as they are: there are no rows to batch."""
    return model(
        "strings_of_one_shape",
        [tensor("text", STRING, 2, 3)],
        [tensor("same", STRING, 2, 3)],
        [node("Identity", "text", "same")],
    )


def halves():
    """Compute double = 2x in FP16, which rounds, and same = x in BF16 by way of FP32."""
    return model(
        "halves",
        [tensor("x", FP16, ROWS, 1), tensor("b", BF16, ROWS, 1)],
        [tensor("double", FP16, ROWS, 1), tensor("same", BF16, ROWS, 1)],
        [
            node("Add", "x x", "double"),
            node("Cast", "b", "single", to=FP32),
            node("Cast", "single", "same", to=BF16),
        ],
    )


def halves_of_any_width():
    """Compute what halves does for rows of any width, and whether 2x is above 1."""
    return model(
        "halves_of_any_width",
        [tensor("x", FP16, ROWS, ROWS), tensor("b", BF16, ROWS, ROWS)],
        [
            tensor("double", FP16, ROWS, ROWS),
            tensor("large", BOOL, ROWS, ROWS),
            tensor("same", BF16, ROWS, ROWS),
        ],
        [
            node("Add", "x x", "double"),
            node("Greater", "double one", "large"),
            node("Identity", "b", "same"),
        ],
        [constant("one", FP16, [], [1])],
    )


def halves_found():
    """Keep the positive numbers, in FP16: as many rows as there are, not as were given."""
    return model(
        "halves_found",
        [tensor("x", FP16, "given")],
        [tensor("kept", FP16, "found")],
        [node("Greater", "x zero", "keep"), node("Compress", "x keep", "kept", axis=0)],
        [constant("zero", FP16, [], [0])],
    )


def halves_from_file():
    """Compute y = x + a constant that a file holds, in FP16 and for rows of any width."""
    made = from_file("seven.bin")
    graph = made.graph
    for value in (graph.input[0], graph.output[0]):
        value.CopyFrom(tensor(value.name, FP16, ROWS, ROWS))
    graph.initializer[0].data_type = FP16
    graph.initializer[0].external_data[2].value = "2"
    return made


# Those that are a model.onnx and nothing else.
BARE = (
    third_plus_two,
    row_sums,
    product,
    product_of_any,
    filled,
    quantised,
    network,
    lookup,
    positions,
    three_kept,
    reciprocal,
    quotients,
    unit,
    toil,
    same,
    strings,
    strings_of_one_shape,
    halves,
    halves_of_any_width,
    halves_found,
)
