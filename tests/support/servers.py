"""Real servers for the tests, and what can be seen of them from outside."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import spikeserve
from spikeserve.v1 import network_pb2 as pb


def metrics(server: spikeserve.LocalServer) -> dict[str, float]:
    """All samples of /metrics, by name with labels."""
    lines = http_get(server, "/metrics").splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def http_get(server: spikeserve.LocalServer, path: str) -> str:
    """The body of a page on the metrics port; HTTPError where the status is no success."""
    with urllib.request.urlopen(f"http://{server.metrics_address}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def memory_used(server: spikeserve.LocalServer) -> float:
    """Bytes that the server has reserved."""
    return metrics(server)["spikeserve_memory_used_bytes"]


def eventually(condition: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    """Waits for something that another process does; AssertionError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)


def log_lines(server: spikeserve.LocalServer, text: str, least: int = 1) -> list[str]:
    """The lines of the log with `text` in them, once there are `least`: they are written behind the calls."""

    def found() -> list[str]:
        return [line for line in server.log.splitlines() if text in line]

    eventually(lambda: len(found()) >= least, f"{least} lines of the log have {text!r}")
    return found()


def files_in(folder: Path) -> list[str]:
    """All files under the folder, relative to it, but for the lock of a repository's owner."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".spikeserve-owner")
    return sorted(str(path.relative_to(folder)) for path in files)


def small_network(width: int = 4, scale: float = 1.0, probes: bool = True) -> spikeserve.Network:
    """Input [width] -> neurons -> `width` outputs, all weights on the diagonal: outputs follow the input."""
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="input").input.shape.append(width)
    for name, size in (("in", scale), ("out", 1.0)):
        weights = (np.eye(width) * size).astype("<f4")
        definition.tensors.add(
            id=name, shape=weights.shape, data_type=pb.DATA_TYPE_FLOAT32, data=weights.tobytes()
        )
    definition.operations.add(name="dense").affine.weight = "in"
    neuron = definition.operations.add(name="neurons").neuron
    neuron.integrate_and_fire.amplitude = 1.0 / scale
    neuron.initial_voltage.constant = 0.5
    definition.operations.add(name="output").affine.weight = "out"
    for source, target in (("input", "dense"), ("dense", "neurons"), ("neurons", "output")):
        definition.connections.add(source=source, target=target)
    if probes:
        definition.probes.add(name="output", target="output", quantity=pb.PROBE_QUANTITY_OUTPUT)
    return spikeserve.Network(definition)


def pooling_network(side: int) -> spikeserve.Network:
    """Input [side, side, 1] -> its average -> one neuron of 1000 Hz per unit: the output is the average."""
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="input").input.shape.extend([side, side, 1])
    pool = definition.operations.add(name="pool").pool
    pool.kind = pb.POOL_KIND_AVERAGE
    for field, values in ((pool.window, [side] * 2), (pool.stride, [1, 1])):
        field.extend(values)
    pool.pad_before.extend([0, 0])
    pool.pad_after.extend([0, 0])
    neuron = definition.operations.add(name="neurons").neuron
    neuron.integrate_and_fire.amplitude = 1e-3
    neuron.gain.scalar = 1000.0
    neuron.initial_voltage.constant = 0.5
    definition.connections.add(source="input", target="pool")
    definition.connections.add(source="pool", target="neurons")
    definition.probes.add(name="output", target="neurons", quantity=pb.PROBE_QUANTITY_OUTPUT)
    return spikeserve.Network(definition)


def samples(count: int, width: int = 4, seed: int = 0) -> npt.NDArray[np.float32]:
    """Random inputs in 0..1."""
    return np.random.default_rng(seed).random((count, width), np.float32)


def make_certificates(folder: Path) -> dict[str, Path]:
    """A CA ("ca"), and certificates with keys that it signed for "server" (127.0.0.1) and "client"."""
    files = {"ca": folder / "ca.pem", "ca-key": folder / "ca-key.pem"}
    _openssl(
        "req", "-x509", *_NEW_KEY, "-keyout", files["ca-key"], "-out", files["ca"], "-subj", "/CN=test CA"
    )
    for name in ("server", "client"):
        key, request, cert = (folder / f"{name}{suffix}.pem" for suffix in ("-key", "-request", ""))
        _openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = folder / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        _openssl(
            "x509", "-req", "-in", request, "-CA", files["ca"], "-CAkey", files["ca-key"], "-CAcreateserial",
            "-out", cert, "-days", "2", "-extfile", extensions,
        )  # fmt: skip
        files |= {name: cert, f"{name}-key": key}
    return files


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def counter(values: dict[str, float], name: str, **labels: str) -> float:
    """The sum of the samples of `name` that carry these labels."""
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    total = 0.0
    for sample, value in values.items():
        base, _, rest = sample.partition("{")
        if base == name and wanted <= set(re.findall(r'\w+="[^"]*"', rest)):
            total += value
    return total
