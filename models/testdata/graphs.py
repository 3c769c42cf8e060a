"""Build ONNX graphs in few words."""

from onnx import ModelProto, TensorProto, checker, helper

FP32, FP64 = TensorProto.FLOAT, TensorProto.DOUBLE
INT32, INT64, BOOL = TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
FP16, BF16, STRING = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.STRING
COMPLEX64, FP8 = TensorProto.COMPLEX64, TensorProto.FLOAT8E4M3FN
ROWS = None  # a dimension left open


def tensor(name, dtype, *shape):
    """Describe an input or output."""
    return helper.make_tensor_value_info(name, dtype, shape)


def of_any_rank(made: ModelProto, *values) -> ModelProto:
    """Take back how many dimensions inputs or outputs have: ONNX Runtime can do without."""
    for value in values:
        value.type.tensor_type.ClearField("shape")
    return made


def constant(name, dtype, shape, values):
    """Give the graph a constant."""
    return helper.make_tensor(name, dtype, shape, values)


def node(op, inputs, outputs, **attributes):
    """Apply an operator; inputs and outputs are names separated by spaces."""
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def model(name, inputs, outputs, nodes, constants=(), opset=17) -> ModelProto:
    """Build and check a model."""
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(constants))
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=9,
        producer_name="footballprediction",
    )
    checker.check_model(made)
    return made


def from_file(location):
    """Compute y = x + a constant that a file holds, whose path is relative to the model's."""
    outside = TensorProto(
        name="outside",
        data_type=FP32,
        dims=[1],
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        outside.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [node("Add", "x outside", "y")],
        "from_file",
        [tensor("x", FP32, ROWS, 1)],
        [tensor("y", FP32, ROWS, 1)],
        initializer=[outside],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="footballprediction"
    )
