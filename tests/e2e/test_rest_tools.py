"""HTTP clients of others, as they come from the package index, against the real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import servers
from tool_env import fetched, run_tool

import spikeserve

X = 500 * servers.samples(5)  # spikes within ten steps


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spikeserve.LocalServer]:
    folder = tmp_path_factory.mktemp("tools") / "networks"
    with (
        spikeserve.serve(backend="cpu", network_repository=folder, http_listen="127.0.0.1:0") as server,
        spikeserve.Client(server.address) as client,
    ):
        client.load("net", servers.small_network())
        yield server


@pytest.fixture(scope="module")
def expected(server: spikeserve.LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with inputs and with the native client's outputs for them."""
    path = tmp_path_factory.mktemp("tools") / "expected.npz"
    with spikeserve.Client(server.address) as client:
        np.savez(path, x=X, y=np.asarray(client.simulate("net", X, steps=10).outputs, np.float32))
    return path


TRITON = """
import base64, json, sys
import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

address, arrays, spk = sys.argv[1:]
x, y = np.load(arrays)["x"], np.load(arrays)["y"]
client = http.InferenceServerClient(address, concurrency=4)
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("net") and not client.is_model_ready("none")
assert client.get_server_metadata()["name"] == "spikeserve"
assert client.get_model_metadata("net")["inputs"][0]["shape"] == [-1, 4]
assert client.get_model_config("net")["input"][0]["dims"] == [4]

for binary in (True, False):
    given = http.InferInput("input", list(x.shape), "FP32")
    given.set_data_from_numpy(x, binary_data=binary)
    wanted = http.InferRequestedOutput("output", binary_data=binary)
    result = client.infer("net", [given], outputs=[wanted], request_id="7", parameters={"steps": 10})
    assert result.as_numpy("output").tobytes() == y.tobytes(), binary
    assert result.get_response()["id"] == "7"
assert client.infer("net", [given], parameters={"steps": 10}).as_numpy("output").tobytes() == y.tobytes()
pending = [client.async_infer("net", [given], parameters={"steps": 10}) for _ in range(8)]
assert all(one.get_result().as_numpy("output").tobytes() == y.tobytes() for one in pending)
top = client.infer("net", [given], outputs=[http.InferRequestedOutput("output", class_count=2)])
assert top.as_numpy("output").shape == (5, 2)

client.load_model("more", config="{}", files={"file:1/network.spk": open(spk, "rb").read()})
assert client.is_model_ready("more", "1")
assert {"more", "net"} <= {entry["name"] for entry in client.get_model_repository_index()}
client.unload_model("more")
assert not client.is_model_ready("more")
try:
    client.infer("none", [given])
    raise SystemExit("an unknown model was served")
except InferenceServerException as error:
    assert "none" in str(error) and error.status() == "404", error
try:
    client.get_system_shared_memory_status()
    raise SystemExit("there is shared memory")
except InferenceServerException as error:
    assert error.message(), error
stats = client.get_inference_statistics("net")["model_stats"][0]
requests = stats["inference_stats"]["success"]["count"]
print(json.dumps({"requests": requests, "samples": stats["inference_count"]}))
"""


@pytest.mark.client("REST", "float32", "load", "unload", "list", "statistics")
def test_tritonclient(server: spikeserve.LocalServer, expected: Path, tmp_path: Path) -> None:
    python = fetched("tritonclient")
    servers.small_network().save(tmp_path / "more.spk")
    labels = {"method": "ModelInfer", "code": "OK"}

    def served() -> float:
        return servers.counter(servers.metrics(server), "spikeserve_requests_total", **labels)

    before = served()
    said = json.loads(
        run_tool(python, TRITON, server.http_address, str(expected), str(tmp_path / "more.spk"))
    )
    assert said["requests"] * 5 == said["samples"]
    servers.eventually(lambda: served() == before + 12, "the server counts what the client did")


KSERVE = """
import asyncio, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceRESTClient
from kserve.inference_client import RESTConfig

async def main(url, arrays):
    x, y = np.load(arrays)["x"], np.load(arrays)["y"]
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "net")
    for binary in (True, False):
        given = InferInput("input", list(x.shape), "FP32")
        given.set_data_from_numpy(x, binary_data=binary)
        request = InferRequest(model_name="net", infer_inputs=[given], parameters={"steps": 10})
        result = await client.infer(url, request, model_name="net")
        output = next(one for one in result.outputs if one.name == "output")
        assert output.as_numpy().astype(np.float32).tobytes() == y.tobytes(), binary
    first = InferenceRESTClient(RESTConfig(protocol="v1"))
    answer = await first.infer(
        url, {"instances": x.tolist(), "parameters": {"steps": 10}}, model_name="net"
    )
    assert np.asarray(answer["predictions"], np.float32).tobytes() == y.tobytes()
    print("ok")

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def test_kserve(server: spikeserve.LocalServer, expected: Path) -> None:
    python = fetched("kserve")
    assert run_tool(python, KSERVE, f"http://{server.http_address}", str(expected)).endswith("ok\n")
