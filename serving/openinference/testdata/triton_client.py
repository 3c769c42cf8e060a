"""Triton's own client, unmodified, against a server of ours: python triton_client.py HOST:PORT OPERATORS.

The server has the models half_plus_two, several_inputs, toil and match-outcome.
"""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from queue import Queue

import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import InferenceServerClient as Client
from tritonclient.grpc.aio import InferenceServerClient as AsyncClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

THREADS, CALLS = 64, 8
WORK = 0.02  # seconds that a run of toil is to take


def tensor(name: str, values: np.ndarray) -> triton.InferInput:
    """Make an input of a NumPy array."""
    made = triton.InferInput(name, values.shape, np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values)
    return made


def toil(client: Client, rounds: int, ids: list[int], client_timeout: float | None = None) -> list[int]:
    """Ask for ids after rounds of work, and return what came back."""
    rows = np.array(ids, dtype=np.int64)
    inputs = [tensor("id", rows), tensor("rounds", np.full_like(rows, rounds))]
    return client.infer("toil", inputs, client_timeout=client_timeout).as_numpy("same_id").tolist()


def refused(status: str, text: str, call: Callable[[], object]) -> None:
    """Expect an error."""
    error = None
    try:
        call()
    except InferenceServerException as caught:
        error = caught
    assert error, f"answered, expected {status}: {text}"
    assert error.status() in [f"StatusCode.{one}" for one in status.split("|")], error
    assert text in error.message(), error


def metadata(client: Client) -> None:
    """Look around."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("toil")
    assert client.is_model_ready("toil", "1")
    assert not client.is_model_ready("toil", "2")
    assert not client.is_model_ready("oracle")
    server = client.get_server_metadata()
    assert server.name == "footballprediction", server
    assert "statistics" in server.extensions, server
    model = client.get_model_metadata("several_inputs", as_json=True)
    assert model["platform"] == "onnxruntime_onnx", model
    assert model["versions"] == ["1"], model
    assert {"name": "small", "datatype": "INT32", "shape": ["-1", "2"]} in model["inputs"], model
    index = client.get_model_repository_index().models
    assert ("toil", "1", "READY") in [(m.name, m.version, m.state) for m in index], index
    config = client.get_model_config("half_plus_two").config
    assert config.max_batch_size == 128, config
    assert list(config.input[0].dims) == [1], config
    refused("NOT_FOUND", "oracle", lambda: client.get_model_metadata("oracle"))
    refused("PERMISSION_DENIED", "needs role operator", lambda: client.load_model("toil"))


def inference(client: Client) -> None:
    """Infer in every way that the client knows."""
    inputs = [
        tensor("flag", np.array([True, False])),
        tensor("exact", np.array([[0.5, 0.25], [-0.5, 0]])),
        tensor("small", np.array([[1, -1], [2, -2]], dtype=np.int32)),
        tensor("single", np.array([[0.5, 0.75], [1, 2]], dtype=np.float32)),
        tensor("large", np.array([[7, 10], [0, 4]])),
    ]
    result = client.infer("several_inputs", inputs, request_id="my id", priority=3, timeout=1_000_000)
    assert result.get_response().id == "my id"
    assert result.get_response().model_version == "1"
    assert result.as_numpy("total").tolist() == [[9, 10], [2.5, 4]], result.get_response()
    assert result.as_numpy("whole").tolist() == [[8, 9], [2, 2]], result.get_response()
    assert result.as_numpy("opposite").tolist() == [False, True], result.get_response()

    wanted = [triton.InferRequestedOutput("whole")]
    result = client.infer("several_inputs", inputs, outputs=wanted, compression_algorithm="gzip")
    assert result.as_numpy("whole").tolist() == [[8, 9], [2, 2]]
    assert result.as_numpy("total") is None

    answers = Queue()
    x = tensor("x", np.array([[2], [4]], dtype=np.float32))
    client.async_infer("half_plus_two", [x], lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=10)
    assert error is None, error
    assert result.as_numpy("y").tolist() == [[3], [4]]

    width = client.get_model_metadata("match-outcome").inputs[0].shape[1]
    result = client.infer("match-outcome", [tensor("features", np.zeros((3, width), dtype=np.float32))])
    assert np.allclose(result.as_numpy("outcome_probabilities").sum(axis=1), 1)
    assert result.as_numpy("expected_goals").shape == (3, 2)


def streaming(client: Client) -> None:
    """Send many requests on a stream, and have each answered in its turn."""
    answers: Queue = Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(50):
        x = tensor("x", np.array([[i]], dtype=np.float32))
        client.async_stream_infer("oracle" if i % 10 == 5 else "half_plus_two", [x], request_id=str(i))
    for i in range(50):
        result, error = answers.get(timeout=10)
        if i % 10 == 5:
            assert 'model unknown: "oracle"' in error.message(), error
            continue
        assert error is None, error
        assert result.get_response().id == str(i)
        assert result.as_numpy("y").tolist() == [[i / 2 + 2]]
    client.stop_stream()


def operating(address: str) -> None:
    """Unload a model and load it again, which takes the operators' port and somebody who decides it."""
    with Client(address) as client:
        refused("INVALID_ARGUMENT", "actor: expected who decides", lambda: client.unload_model("toil"))
        client.unload_model("toil", headers={"actor": "anna", "reason": "a break"})
        assert not client.is_model_ready("toil")
        client.load_model("toil", headers={"actor": "anna"})
        assert client.is_model_ready("toil")


async def asynchronous(address: str) -> None:
    """Infer, and stream, through asyncio."""
    async with AsyncClient(address) as client:

        async def requests() -> AsyncIterator[dict]:
            for i in range(20):
                yield {"model_name": "half_plus_two", "inputs": [tensor("x", np.array([[i]], dtype=np.float32))]}

        one = await client.infer("half_plus_two", [tensor("x", np.array([[2]], dtype=np.float32))])
        assert one.as_numpy("y").tolist() == [[3]]
        i = 0
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            assert result.as_numpy("y").tolist() == [[i / 2 + 2]]
            i += 1
        assert i == 20, i


def errors(client: Client) -> None:
    """Ask what is wrong."""
    one = tensor("x", np.array([[1]], dtype=np.float32))
    refused("NOT_FOUND", "oracle", lambda: client.infer("oracle", [one]))
    refused("NOT_FOUND", "7", lambda: client.infer("half_plus_two", [one], model_version="7"))
    for bad, text in (
        (np.array([[1]]), 'input "x": tensor datatype: expected FP32, got INT64'),
        (np.array([1], dtype=np.float32), 'input "x": tensor shape: expected 2 dimensions [-1,1], got 1 [1]'),
        (np.array([[1, 2]], dtype=np.float32), 'input "x": tensor shape: expected [-1,1], got [1,2]'),
        (np.array([["text"]], dtype=np.object_), 'input "x": tensor datatype: expected FP32, got BYTES'),
    ):
        refused("INVALID_ARGUMENT", text, lambda bad=bad: client.infer("half_plus_two", [tensor("x", bad)]))
    nothing = [triton.InferRequestedOutput("q")]
    refused("INVALID_ARGUMENT", 'output "q"', lambda: client.infer("half_plus_two", [one], outputs=nothing))
    shared = triton.InferInput("x", [1, 1], "FP32")
    shared.set_shared_memory("region", 4)
    refused("UNIMPLEMENTED", "shared_memory_region", lambda: client.infer("half_plus_two", [shared]))
    # Where the client is late to look at its own deadline, it sees the server's end of the stream first.
    refused("DEADLINE_EXCEEDED|CANCELLED", "", lambda: toil(client, 10_000, [1], client_timeout=0.01))


def sharing(client: Client) -> None:
    """Have many threads share the executions of a model that takes its time."""
    sample, fastest = 1000, 1e9
    for _ in range(5):
        began = time.perf_counter()
        assert toil(client, sample, [1]) == [1]
        fastest = min(fastest, time.perf_counter() - began)
    rounds = int(WORK / fastest * sample) + 1

    def statistics() -> triton.service_pb2.ModelStatistics:
        return client.get_inference_statistics("toil").model_stats[0]

    wrong = []

    def ask(thread: int) -> None:
        for call in range(CALLS):
            ids = [thread * 1000 + call * 10 + i for i in range(1 + thread % 3)]
            got = toil(client, rounds, ids)
            if got != ids:
                wrong.append((ids, got))

    before = statistics()
    threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = statistics()
    assert not wrong, wrong
    inferences = after.inference_count - before.inference_count
    executions = after.execution_count - before.execution_count
    requests = after.inference_stats.success.count - before.inference_stats.success.count
    computed = after.inference_stats.compute_infer.ns - before.inference_stats.compute_infer.ns
    print(f"{inferences} rows of {requests} requests in {executions} executions of {computed / requests / 1e6:.1f} ms")
    assert inferences == sum(CALLS * (1 + thread % 3) for thread in range(THREADS))
    assert requests == THREADS * CALLS
    assert computed / requests >= 0.005e9
    assert executions <= requests / 4


def main() -> None:
    """Do all of it."""
    with Client(sys.argv[1]) as client:
        metadata(client)
        inference(client)
        streaming(client)
        sharing(client)
        errors(client)
    operating(sys.argv[2])
    asyncio.run(asynchronous(sys.argv[1]))


if __name__ == "__main__":
    main()
