"""KServe's own client, unmodified, against a server of ours: python kserve_client.py HTTP GRPC, two HOST:PORT.

The server has the models half_plus_two and strings.
"""

import asyncio
import sys

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

X = np.array([[2], [4]], dtype=np.float32)
TEXTS = np.array([["Köln"], ["🙂"]], dtype=np.object_)


def request(model: str, name: str, values: np.ndarray, datatype: str, binary: bool, **parameters: bool) -> InferRequest:
    """Make a request of one tensor."""
    given = InferInput(name, list(values.shape), datatype)
    given.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[given], request_id="my id", parameters=parameters)


async def rest(address: str) -> None:
    """Infer over HTTP."""
    base = f"http://{address}"
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_live(base)
    assert await client.is_server_ready(base)
    assert await client.is_model_ready(base, "half_plus_two")
    assert not await client.is_model_ready(base, "oracle")
    for binary in (False, True):
        wanted = request("half_plus_two", "x", X, "FP32", binary, binary_data_output=binary)
        answer = await client.infer(base, wanted, model_name="half_plus_two")
        assert answer.id == "my id", answer
        assert answer.outputs[0].as_numpy().tolist() == [[3], [4]], answer
        wanted = request("strings", "text", TEXTS, "BYTES", binary, binary_data_output=binary)
        answer = await client.infer(base, wanted, model_name="strings")
        got = [v.decode() if isinstance(v, bytes) else v for v in answer.outputs[0].as_numpy().ravel()]
        assert got == TEXTS.ravel().tolist(), got
    error = None
    try:
        await client.infer(base, wanted, model_name="oracle")
    except httpx.HTTPStatusError as caught:
        error = caught
    assert error
    assert error.response.status_code == 404, error
    assert 'model unknown: "oracle"' in str(error), error
    await client.close()


async def native(address: str) -> None:
    """Infer over gRPC."""
    async with InferenceGRPCClient(address, retries=0) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("half_plus_two")
        for binary in (False, True):
            answer = await client.infer(request("half_plus_two", "x", X, "FP32", binary))
            assert answer.outputs[0].as_numpy().tolist() == [[3], [4]], answer
        error = None
        try:
            await client.infer(request("oracle", "x", X, "FP32", binary=True))
        except grpc.RpcError as caught:
            error = caught
        assert error
        assert error.code() == grpc.StatusCode.NOT_FOUND, error


async def main() -> None:
    """Do all of it."""
    await rest(sys.argv[1])
    await native(sys.argv[2])


if __name__ == "__main__":
    asyncio.run(main())
