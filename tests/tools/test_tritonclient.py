"""tritonclient over gRPC, unmodified, gets what our own client gets."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import servers
from conftest import INPUT, NAME, Script, run_script, text
from tool_env import fetched

import spikeserve

STEPS = 16
DATATYPES = {"uint8": "UINT8", "float32": "FP32", "float64": "FP64"}

pytestmark = pytest.mark.timeout(600)  # the first test may wait for the package


@pytest.fixture(scope="session")
def python() -> Path:
    return fetched("tritonclient")


@pytest.fixture
def triton(python: Path, server: spikeserve.LocalServer) -> Script:
    """A case of the blocking client on the shared server."""

    def call(case: str, **arguments: Any) -> Any:
        given = {"address": server.address, "model": NAME, "parameters": {"steps": STEPS}} | arguments
        return run_script(python, "triton_grpc.py", case, **given)

    return call


@pytest.fixture
def aio(python: Path, server: spikeserve.LocalServer) -> Script:
    """A case of the client for asyncio."""

    def call(case: str, **arguments: Any) -> Any:
        given = {"address": server.address, "model": NAME, "parameters": {"steps": STEPS}} | arguments
        return run_script(python, "triton_aio.py", case, **given)

    return call


def tensor(values: npt.NDArray[Any]) -> dict[str, Any]:
    """An input of a script."""
    datatype = DATATYPES[values.dtype.name]
    return {"name": INPUT, "datatype": datatype, "shape": values.shape, "bytes": text(values)}


def wanted_outputs(result: spikeserve.SimulationResult | spikeserve.Progress) -> dict[str, str]:
    """By probe."""
    return {name: text(probe.logits) for name, probe in result.probes.items()}


@pytest.mark.client("tritonclient gRPC", "health")
def test_lookups(triton: Script, aio: Script, client: spikeserve.Client) -> None:
    info = client.get(NAME)
    said = triton("lookups", other="absent")
    ready = {"live": True, "ready": True, "model_ready": True, "other_ready": False}
    assert {name: said[name] for name in ready} == ready
    assert said["version_ready"] is True
    assert said["server"]["name"] == "spikeserve"
    assert said["server"]["version"] == spikeserve.__version__
    assert said["metadata"]["versions"] == ["1"]
    assert said["metadata"]["inputs"] == [{"name": INPUT, "datatype": "FP32", "shape": ["-1", "8", "8"]}]
    assert said["metadata"]["outputs"] == [
        {"name": info.probes[0].name, "datatype": "FP32", "shape": ["-1", "10"]},
        {"name": "classes", "datatype": "INT64", "shape": ["-1"]},
        {"name": "margins", "datatype": "FP64", "shape": ["-1"]},
        {"name": "steps_used", "datatype": "INT64", "shape": ["-1"]},
    ]
    config = said["config"]
    for kind in ("input", "output"):
        assert [each["name"] for each in config[kind]] == [
            each["name"] for each in said["metadata"][f"{kind}s"]
        ]
    assert config["max_batch_size"] > 0
    assert aio("lookups", other="absent") == ready


@pytest.mark.client("tritonclient gRPC", "uint8", "float32", "float64", "run options")
@pytest.mark.parametrize("kind", ["images", "floats", "doubles"])
def test_infer_gives_the_bytes_of_our_own_client(
    triton: Script,
    client: spikeserve.Client,
    images: npt.NDArray[np.uint8],
    floats: npt.NDArray[np.float32],
    kind: str,
) -> None:
    values: npt.NDArray[Any] = images if kind == "images" else floats
    if kind == "doubles":
        values = floats.astype(np.float64)
    wanted = client.simulate(NAME, values, steps=STEPS)
    probe = next(iter(wanted.probes))
    asked = [probe, "classes", "margins", "steps_used"]
    got = triton("infer", tensor=tensor(values), outputs=asked)
    assert got["id"] == "one"
    assert [*got["outputs"]] == asked
    assert got["outputs"] == {
        probe: text(wanted.logits), "classes": text(wanted.classes), "margins": text(wanted.margins),
        "steps_used": text(np.full(len(values), STEPS)),
    }  # fmt: skip
    assert got["parameters"]["batch_size"] >= len(values)


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_a_compressed_request_is_refused(
    triton: Script, images: npt.NDArray[np.uint8], compression: str
) -> None:
    failure = triton("refused", tensor=tensor(images), compression=compression)
    assert failure["code"] == "StatusCode.UNIMPLEMENTED"
    assert f"'{compression}' is disabled" in failure["message"]


def test_typed_values_give_the_same_bytes(
    triton: Script,
    client: spikeserve.Client,
    images: npt.NDArray[np.uint8],
    floats: npt.NDArray[np.float32],
) -> None:
    for values in (images, floats, floats.astype(np.float64)):
        wanted = client.simulate(NAME, values, steps=STEPS)
        assert triton("typed", tensor=tensor(values))["outputs"] == wanted_outputs(wanted)


def test_many_requests_at_the_same_time(
    triton: Script, aio: Script, client: spikeserve.Client, images: npt.NDArray[np.uint8]
) -> None:
    wanted = wanted_outputs(client.simulate(NAME, images, steps=STEPS))
    answers = triton("many", tensor=tensor(images), count=40)
    assert answers.keys() == {str(number) for number in range(40)}
    assert all(answer["outputs"] == wanted for answer in answers.values())
    assert [answer["outputs"] for answer in aio("infer", tensor=tensor(images), count=40)] == [wanted] * 40


@pytest.mark.client("tritonclient gRPC", "stream")
@pytest.mark.parametrize("empty_final", [False, True])
def test_a_stream_reports_and_lives_on_after_an_error(
    triton: Script, client: spikeserve.Client, images: npt.NDArray[np.uint8], empty_final: bool
) -> None:
    *reports, result = client.stream(NAME, images, report_every=4, steps=STEPS)
    requests = [{"steps": STEPS, "report_every": 4}, {"stepps": STEPS}, {"steps": STEPS}]
    reported, refused, plain = triton(
        "stream", tensor=tensor(images), requests=requests, empty_final=empty_final
    )
    assert isinstance(result, spikeserve.SimulationResult)
    by_steps = {report.steps_done: report for report in reports if isinstance(report, spikeserve.Progress)}
    with_values = [answer for answer in reported if answer["outputs"]]
    for answer in with_values[:-1]:
        assert answer["outputs"] == wanted_outputs(by_steps[answer["parameters"]["steps_done"]])
    assert with_values[-1]["outputs"] == wanted_outputs(result)
    assert len(with_values) == 1 + len(by_steps)
    assert len(reported) == len(with_values) + empty_final
    finals = [answer["parameters"]["triton_final_response"] for answer in reported]
    assert finals == [False] * (len(reported) - 1) + [True]
    [failure] = refused
    assert "INVALID_ARGUMENT" in failure["message"]
    assert "stepps" in failure["message"]
    assert [answer["outputs"] for answer in plain] == [wanted_outputs(result)]


def test_a_stream_of_asyncio(
    aio: Script, client: spikeserve.Client, images: npt.NDArray[np.uint8]
) -> None:
    requests: list[dict[str, int]] = [{"steps": 4}, {"stepps": 4}, {"steps": 8}]
    answers = aio("stream", tensor=tensor(images), requests=requests, empty_final=False)
    assert "stepps" in answers[1]["message"]
    for answer, steps in ((answers[0], 4), (answers[2], 8)):
        assert answer["outputs"] == wanted_outputs(client.simulate(NAME, images, steps=steps))


@pytest.mark.client("tritonclient gRPC", "classes as text")
def test_classes_as_text(
    triton: Script, client: spikeserve.Client, images: npt.NDArray[np.uint8]
) -> None:
    wanted = client.simulate(NAME, images, steps=STEPS, top_k=3)
    assert wanted.top_k is not None
    probe = next(iter(wanted.probes))
    got = triton("infer", tensor=tensor(images), outputs=[probe], class_count=3)
    assert got["shapes"][probe] == [len(images), 3]
    for row, classes, values in zip(
        got["outputs"][probe], wanted.top_k.classes, wanted.top_k.values, strict=True
    ):
        pairs = [element.split(":")[:2] for element in row]
        assert [int(index) for _, index in pairs] == classes.tolist()
        assert [float(value) for value, _ in pairs] == pytest.approx(values.tolist(), rel=1e-5)


@pytest.mark.client("tritonclient gRPC", "statistics")
def test_statistics_count_every_call(
    triton: Script,
    client: spikeserve.Client,
    network: spikeserve.Network,
    images: npt.NDArray[np.uint8],
) -> None:
    client.load("counted", network)
    triton("many", model="counted", tensor=tensor(images), count=7)
    triton("stream", model="counted", tensor=tensor(images[:3]), requests=[{}, {}], empty_final=False)
    assert triton("refused", model="counted", tensor=tensor(images[:, :4]))["code"].endswith(
        "INVALID_ARGUMENT"
    )
    client.simulate("counted", images, steps=STEPS)  # our own calls are counted beside
    stats = triton("statistics", model="counted")
    requests = stats["inference_stats"]
    assert (stats["name"], stats["version"]) == ("counted", "1")
    assert int(requests["success"]["count"]) == 7 + 2 + 1
    assert int(requests["fail"]["count"]) == 1
    assert int(requests["queue"]["count"]) == 7 + 2 + 1
    assert int(stats["inference_count"]) == 8 * len(images) + 2 * 3
    assert 1 <= int(stats["execution_count"]) <= 10
    batches = [
        (int(each["batch_size"]), int(each["compute_infer"]["count"])) for each in stats["batch_stats"]
    ]
    assert sum(runs for _, runs in batches) == int(stats["execution_count"])
    assert sum(size * runs for size, runs in batches) == int(stats["inference_count"])
    client.unload("counted")


@pytest.mark.client("tritonclient gRPC", "load", "unload", "list")
def test_the_repository(
    triton: Script,
    client: spikeserve.Client,
    network: spikeserve.Network,
    images: npt.NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    network.save(tmp_path / "digits.spk")
    file = base64.b64encode((tmp_path / "digits.spk").read_bytes()).decode()
    said = triton("repository", model="uploaded", file=file, tensor=tensor(images))
    assert said["before"] == said["after"] == [[NAME, "1", "READY"]]
    assert ["uploaded", "3", "READY"] in said["loaded"]
    wanted = wanted_outputs(client.simulate(NAME, images, steps=STEPS))
    assert said["answer"]["outputs"] == wanted


@pytest.mark.parametrize("limit", [{"seconds": 0.3}, {"timeout_us": 300_000}])
def test_a_timeout_ends_the_run(
    triton: Script, server: spikeserve.LocalServer, images: npt.NDArray[np.uint8], limit: dict[str, float]
) -> None:
    parameters = {"steps": 100_000_000, "encoding": "poisson"}
    failure = triton("refused", tensor=tensor(images), parameters=parameters, **limit)
    assert failure["code"] == "StatusCode.DEADLINE_EXCEEDED"
    assert failure["message"]
    servers.eventually(
        lambda: servers.counter(
            servers.metrics(server), "spikeserve_requests_total", code="DEADLINE_EXCEEDED"
        )
        >= 1,
        "the server has counted it",
    )


@pytest.mark.parametrize(
    ("model", "parameters", "change", "code", "words"),
    [
        ("absent", {}, {}, "NOT_FOUND", "absent"),
        (NAME, {"steps": 0}, {}, "INVALID_ARGUMENT", "steps"),
        (NAME, {}, {"name": "other"}, "INVALID_ARGUMENT", "other"),
        (NAME, {}, {"shape": [20, 4, 16]}, "INVALID_ARGUMENT", "8"),
    ],
)
def test_a_refusal_has_its_code_and_message(
    triton: Script,
    images: npt.NDArray[np.uint8],
    model: str,
    parameters: dict[str, int],
    change: dict[str, Any],
    code: str,
    words: str,
) -> None:
    failure = triton("refused", model=model, parameters=parameters, tensor=tensor(images) | change)
    assert failure["code"] == f"StatusCode.{code}"
    assert words in failure["message"]


@pytest.mark.client("tritonclient gRPC", "token", "TLS")
def test_tokens_and_tls(
    python: Path, network: spikeserve.Network, images: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    files = servers.make_certificates(tmp_path)
    (tmp_path / "tokens").write_text("right\n")
    flags: dict[str, Any] = {
        "tls_cert": files["server"], "tls_key": files["server-key"], "tls_client_ca": files["ca"],
        "auth_token_file": tmp_path / "tokens",
    }  # fmt: skip
    with spikeserve.serve(backend="cpu", network_repository=tmp_path / "networks", **flags) as server:
        with spikeserve.Client(
            server.address, token="right", root_cert=files["ca"], client_cert=files["client"],
            client_key=files["client-key"],
        ) as client:  # fmt: skip
            client.load(NAME, network)
            wanted = wanted_outputs(client.simulate(NAME, images, steps=STEPS))
        connection = {
            "ssl": True, "root_certificates": str(files["ca"]), "private_key": str(files["client-key"]),
            "certificate_chain": str(files["client"]),
        }  # fmt: skip

        def call(case: str, token: str | None, connection: dict[str, Any] = connection) -> Any:
            return run_script(
                python, "triton_grpc.py", case, address=server.address, model=NAME,
                tensor=tensor(images), parameters={"steps": STEPS}, connection=connection,
                headers=token and {"authorization": f"Bearer {token}"}, seconds=20,
            )  # fmt: skip

        assert call("infer", "right")["outputs"] == wanted
        for token in (None, "wrong"):
            failure = call("refused", token)
            assert failure["code"] == "StatusCode.UNAUTHENTICATED"
            assert "token" in failure["message"]
        nameless = {"ssl": True, "root_certificates": str(files["ca"])}
        assert call("refused", "right", nameless)["code"] in (
            "StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED",
        )  # fmt: skip
