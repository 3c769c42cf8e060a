"""Triton's own client over HTTP, unmodified, against a server: python triton_http_client.py HOST:PORT OPERATORS.

The server has the models half_plus_two, several_inputs, strings, same and toil.
"""

import asyncio
import sys
from collections.abc import Callable

import numpy as np
import tritonclient.http as triton
from ml_dtypes import bfloat16
from tritonclient.http import InferenceServerClient as Client
from tritonclient.http.aio import InferenceServerClient as AsyncClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

TYPES = {
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FLOAT16": np.float16,
    "BFLOAT16": bfloat16,
    "FLOAT": np.float32,
    "DOUBLE": np.float64,
    "BOOL": np.bool_,
}


def tensor(name: str, values: np.ndarray, binary: bool = True) -> triton.InferInput:
    """Make an input of a NumPy array."""
    made = triton.InferInput(name, values.shape, np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def refused(status: str, text: str, call: Callable[[], object]) -> None:
    """Expect an error."""
    error = None
    try:
        call()
    except InferenceServerException as caught:
        error = caught
    assert error, f"answered, expected {status}: {text}"
    assert error.status() == status, error
    assert text in error.message(), error


def metadata(client: Client) -> None:
    """Look around."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("toil")
    assert client.is_model_ready("toil", "1")
    assert not client.is_model_ready("toil", "2")
    assert not client.is_model_ready("oracle")
    assert client.get_server_metadata()["name"] == "footballprediction"
    model = client.get_model_metadata("several_inputs", "1")
    assert {"name": "small", "datatype": "INT32", "shape": [-1, 2]} in model["inputs"], model
    config = client.get_model_config("half_plus_two")
    assert config["max_batch_size"] == 128, config
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}], config
    index = client.get_model_repository_index()
    assert ("toil", "1", "READY") in [(m["name"], m["version"], m["state"]) for m in index], index
    refused("404", "oracle", lambda: client.get_model_metadata("oracle"))
    refused("404", "oracle", lambda: client.get_model_config("oracle"))
    refused("403", "needs role operator", lambda: client.load_model("toil"))


def inference(client: Client) -> None:
    """Infer in every way that the client knows."""
    x = np.array([[2], [4]], dtype=np.float32)
    for binary in (True, False):
        for wanted in (None, [triton.InferRequestedOutput("y", binary_data=binary)]):
            for compression in (None, "gzip", "deflate"):
                result = client.infer(
                    "half_plus_two",
                    [tensor("x", x, binary)],
                    outputs=wanted,
                    request_id="my id",
                    priority=1,
                    timeout=1_000_000,
                    request_compression_algorithm=compression,
                    response_compression_algorithm=compression,
                )
                assert result.as_numpy("y").tolist() == [[3], [4]], result.get_response()
                assert result.get_response()["id"] == "my id"
    large = np.arange(4000, dtype=np.float32).reshape(-1, 1)  # large enough to be compressed
    for algorithm in ("gzip", "deflate"):
        result = client.infer("half_plus_two", [tensor("x", large)], response_compression_algorithm=algorithm)
        assert np.array_equal(result.as_numpy("y"), large / 2 + 2)

    pending = [client.async_infer("half_plus_two", [tensor("x", x + i)]) for i in range(20)]
    for i, request in enumerate(pending):
        assert request.get_result().as_numpy("y").tolist() == [[3 + i / 2], [4 + i / 2]]

    before = client.get_inference_statistics("half_plus_two")["model_stats"][0]["inference_stats"]
    client.infer("half_plus_two", [tensor("x", x)])
    after = client.get_inference_statistics("half_plus_two", "1")["model_stats"][0]["inference_stats"]
    assert after["success"]["count"] == before["success"]["count"] + 1, (before, after)


def types(client: Client) -> None:
    """Have tensors of every type come back as they went."""
    values = {name: np.array([[0, 1], [1, 0]]).astype(dtype) for name, dtype in TYPES.items()}
    values["INT64"] = np.array([[-(2**63), 2**63 - 1], [2**53 + 1, -(2**53) - 1]])
    values["UINT64"] = np.array([[2**64 - 1, 2**63], [2**53 + 1, 0]], dtype=np.uint64)
    values["FLOAT16"] = np.array([[65504, 6e-8], [np.inf, -0.5]], dtype=np.float16)
    for binary in (True, False):
        as_binary = {name: binary or name in ("FLOAT16", "BFLOAT16") for name in values}  # which have no JSON form
        inputs = [tensor(name, array, as_binary[name]) for name, array in values.items()]
        outputs = [triton.InferRequestedOutput(f"{name}_again", binary_data=as_binary[name]) for name in values]
        result = client.infer("same", inputs, outputs=outputs)
        for name, array in values.items():
            assert np.array_equal(result.as_numpy(f"{name}_again"), array), (name, result.get_response())

    texts = np.array([["Köln"], [""], ['"\\\n🙂']], dtype=np.object_)
    for binary in (True, False):
        wanted = [triton.InferRequestedOutput("same", binary_data=binary)]
        result = client.infer("strings", [tensor("text", texts, binary)], outputs=wanted).as_numpy("same")
        got = [v.decode() if isinstance(v, bytes) else v for v in result.ravel()]
        assert got == texts.ravel().tolist(), got


def errors(client: Client) -> None:
    """Ask what is wrong."""
    one = tensor("x", np.array([[1]], dtype=np.float32))
    refused("404", "oracle", lambda: client.infer("oracle", [one]))
    refused("404", "7", lambda: client.infer("half_plus_two", [one], model_version="7"))
    for binary in (True, False):
        for bad, text in (
            (np.array([[1]]), 'input "x": tensor datatype: expected FP32, got INT64'),
            (np.array([1], dtype=np.float32), 'input "x": tensor shape: expected 2 dimensions [-1,1], got 1 [1]'),
            (np.array([[1, 2]], dtype=np.float32), 'input "x": tensor shape: expected [-1,1], got [1,2]'),
            (np.array([["text"]], dtype=np.object_), 'input "x": tensor datatype: expected FP32, got BYTES'),
        ):
            wrong = tensor("x", bad, binary)
            refused("400", text, lambda wrong=wrong: client.infer("half_plus_two", [wrong]))
    nan = tensor("x", np.array([[np.nan]], dtype=np.float32), binary=False)
    refused("400", "NaN", lambda: client.infer("half_plus_two", [nan]))
    refused("501", "sequence_", lambda: client.infer("half_plus_two", [one], sequence_id=3, sequence_start=True))
    shared = triton.InferInput("x", [1, 1], "FP32")
    shared.set_shared_memory("region", 4)
    refused("501", "shared_memory_region", lambda: client.infer("half_plus_two", [shared]))


def operating(address: str) -> None:
    """Unload a model and load it again, which takes the operators' port and somebody who decides it."""
    with Client(address) as client:
        refused("400", "actor: expected who decides", lambda: client.unload_model("toil"))
        client.unload_model("toil", headers={"actor": "anna", "reason": "a break"})
        assert not client.is_model_ready("toil")
        client.load_model("toil", headers={"actor": "anna"})
        assert client.is_model_ready("toil")


async def asynchronous(address: str) -> None:
    """Infer through asyncio."""
    async with AsyncClient(address) as client:
        assert await client.is_server_ready()
        x = np.array([[2], [4]], dtype=np.float32)
        results = await asyncio.gather(*(client.infer("half_plus_two", [tensor("x", x + i)]) for i in range(20)))
        for i, result in enumerate(results):
            assert result.as_numpy("y").tolist() == [[3 + i / 2], [4 + i / 2]]


def main() -> None:
    """Do all of it."""
    with Client(sys.argv[1], concurrency=4) as client:
        metadata(client)
        inference(client)
        types(client)
        errors(client)
    operating(sys.argv[2])
    asyncio.run(asynchronous(sys.argv[1]))


if __name__ == "__main__":
    main()
