"""The samples of docs/clients.md, compiled and run against a server, give what the Python client gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import accuracy_table
import client_samples
import pytest
import servers
from client_samples import FOLDER, SOURCES
from forwarding import Forwarding
from trained_models import FASHION_MNIST, ROOT, TrainedModel, fashion_mnist

import spikeserve

Guarded = tuple[spikeserve.LocalServer, dict[str, Path]]  # and the certificates
ServerMaker = Callable[..., spikeserve.LocalServer]
IMAGES = FASHION_MNIST / "t10k-images-idx3-ubyte.gz"
SIMULATE = "/spikeserve.v1.SimulationService/Simulate"
HEALTH = "/grpc.health.v1.Health/Watch"
INFER = "/inference.GRPCInferenceService/ModelInfer"
SHOWN = ("load", "uint8", "run options")
Answer = dict[str, list[int]]  # classes, by what a sample prints before the colon


@pytest.fixture(scope="module")
def spk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not FASHION_MNIST.is_dir():
        pytest.skip(f"no {FASHION_MNIST}: the Debian package dataset-fashion-mnist has it")
    path = tmp_path_factory.mktemp("clients") / "fashion.spk"
    accuracy_table.convert(TrainedModel("fashion_mlp.keras", "fashion"), "spikeserve").save(path)
    return path


@pytest.fixture(scope="module")
def wanted(server: spikeserve.LocalServer, spk: Path) -> Answer:
    """What the Python client gets."""
    images = fashion_mnist().test[:64]
    with spikeserve.Client(server.address) as client:
        client.load("wanted", spikeserve.load_network(spk))
        found = {"classes": client.simulate("wanted", images, steps=16).classes.tolist()}
        for event in client.stream("wanted", images, steps=16, report_every=4):
            name = f"step {event.steps_done}" if isinstance(event, spikeserve.Progress) else "result"
            found[name] = event.classes.tolist()
        client.unload("wanted")
    assert found.keys() == {"classes", "step 4", "step 8", "step 12", "result"}
    return found


def command(name: str) -> tuple[list[str], dict[str, str]]:
    """How a sample is run, and what it wants in its environment."""
    folder, _, program = name.rpartition("/")
    if folder == "node":
        return [*client_samples.node(), str(FOLDER / f"{name}.mjs")], {}
    if folder == "java":
        return [*client_samples.java(), program], {}
    if folder == "go":
        return [str(client_samples.go() / "bin" / program)], {}
    if name == "grpcurl":
        return ["bash", str(ROOT / SOURCES / "grpcurl.sh")], client_samples.grpcurl()
    python = client_samples.tritonclient() if name == "python_oip" else sys.executable
    return [str(python), str(ROOT / SOURCES / f"{name}.py")], {}


def run(
    name: str, address: str, network: str, spk: Path, **environment: object
) -> subprocess.CompletedProcess[str]:
    program, needed = command(name)
    folder = FOLDER / "go" if name.startswith("go/") else None
    variables = {f"SPIKESERVE_{key.upper()}": str(value) for key, value in environment.items()}
    return subprocess.run(
        [*program, address, network, str(spk), str(IMAGES)],
        env={**os.environ, **needed, **variables}, cwd=folder, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def answer(done: subprocess.CompletedProcess[str]) -> Answer:
    """What a sample printed; it has to succeed."""
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(r"^([a-z0-9 ]+):((?: \d+)+)$", done.stdout, re.MULTILINE)
    found = {name: [int(word) for word in classes.split()] for name, classes in lines}
    for name, classes in lines:  # one that speaks both protocols prints some twice
        assert [int(word) for word in classes.split()] == found[name], name
    return found


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.client(client, *SHOWN, *more))
        for name, client, more in (
            ("python_native", "Python", ["stream", "IDX files"]),
            ("python_oip", "tritonclient gRPC", ["stream"]),
            ("go/native", "Go", ["stream"]),
            ("go/oip", "Go", []),
            ("node/native", "Node", ["stream"]),
            ("node/oip", "Node", ["stream"]),
            ("java/Native", "Java", ["stream"]),
            ("java/OpenInference", "Java", ["stream"]),
            ("grpcurl", "grpcurl", ["stream"]),
        )
    ],
)
def test_a_sample_prints_what_the_python_client_gets(
    name: str, server: spikeserve.LocalServer, spk: Path, wanted: Answer
) -> None:
    network = name.replace("/", "-")
    got = answer(run(name, server.address, network, spk))
    # Samples that do not follow a run print the classes alone.
    assert got == (wanted if name != "go/oip" else {"classes": wanted["classes"]})
    with spikeserve.Client(server.address) as client:
        client.unload(network)


@pytest.mark.client("REST", *SHOWN)
def test_curl_prints_what_the_python_client_gets(
    start_server: ServerMaker, spk: Path, wanted: Answer
) -> None:
    address = start_server(http_listen="127.0.0.1:0").http_address
    client_samples.needs("curl", "jq")
    program = ["bash", str(ROOT / SOURCES / "curl.sh"), address, "curl", str(spk), str(IMAGES)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert answer(done) == {"classes": wanted["classes"]}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server that wants a client's certificate and a token, and the files."""
    folder = tmp_path_factory.mktemp("guarded")
    files = servers.make_certificates(folder)
    (folder / "token").write_text("5ecret\n")
    with spikeserve.serve(
        backend="cpu",
        admin_token_file=folder / "token",
        tls_cert=files["server"],
        tls_key=files["server-key"],
        tls_client_ca=files["ca"],
    ) as server:
        yield server, files


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.client(client, "token", "TLS", "mutual TLS"))
        for name, client in (
            ("python_oip", "tritonclient gRPC"),
            ("node/native", "Node"),
            ("java/Native", "Java"),
        )
    ],
)
def test_tokens_and_certificates_of_both_sides(
    name: str, guarded: Guarded, spk: Path, wanted: Answer
) -> None:
    server, files = guarded
    shown = {"ca": files["ca"], "cert": files["client"], "key": files["client-key"]}
    network = name.replace("/", "-")
    assert answer(run(name, server.address, network, spk, token="5ecret", **shown)) == wanted
    refused = run(name, server.address, network, spk, token="wrong", **shown)
    assert refused.returncode != 0
    assert "UNAUTHENTICATED" in refused.stderr
    assert "the token" in refused.stderr


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.client(client, "unix socket"))
        for name, client in (("node/native", "Node"), ("java/Native", "Java"))
    ],
)
def test_a_unix_socket_is_an_address(
    name: str, start_server: ServerMaker, tmp_path: Path, spk: Path, wanted: Answer
) -> None:
    server = start_server(listen=f"unix:{tmp_path / 'socket'}")
    assert answer(run(name, f"unix://{tmp_path / 'socket'}", "here", spk)) == wanted
    assert server.process.poll() is None


@pytest.mark.parametrize(
    ("name", "method"),
    [
        pytest.param(name, method, marks=pytest.mark.client(client, "retry", "network header", *more))
        for name, client, method, more in (
            ("node/native", "Node", SIMULATE, []),
            ("java/OpenInference", "Java", INFER, ["health"]),
        )
    ],
)
def test_what_is_unavailable_is_tried_again(
    name: str, method: str, server: spikeserve.LocalServer, spk: Path, wanted: Answer
) -> None:
    network = f"again-{name.replace('/', '-')}"
    with Forwarding(server.address, refuse=frozenset({method})) as proxy:
        assert answer(run(name, proxy.address, network, spk)) == wanted
    assert proxy.calls[method] == 2
    assert proxy.headers[method]["spikeserve-network"] == network
    # grpc-js passes healthCheckConfig over, as the page says.
    assert (HEALTH in proxy.calls) == name.startswith("java/")
    with spikeserve.Client(server.address) as client:
        client.unload(network)
