"""Plain HTTP to a server's Open Inference Protocol, as any client would speak it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import spikeserve

JSON = "application/json"
JSON_BYTES = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, or its JSON part where bytes follow."""
        return json.loads(self.body[: int(self.headers.get(JSON_BYTES, len(self.body)))])

    @property
    def error(self) -> str:
        return str(self.json["error"])

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """A float32 output, from JSON or from the bytes behind it."""
        at = len(self.body) if JSON_BYTES not in self.headers else int(self.headers[JSON_BYTES])
        for output in self.json["outputs"]:
            size = output.get("parameters", {}).get("binary_data_size", 0)
            if output["name"] == name:
                flat = np.frombuffer(self.body[at : at + size], "<f4") if size else output["data"]
                return np.asarray(flat, np.float32).reshape(output["shape"])
            at += size
        raise KeyError(name)


def ask(
    server: spikeserve.LocalServer,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request on a connection of its own. A body that is no bytes goes out as JSON."""
    host, _, port = server.http_address.rpartition(":")
    if tls is None:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
    else:
        connection = http.client.HTTPSConnection(host, int(port), timeout=60, context=tls)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": JSON, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())
    finally:
        connection.close()


def connect(server: spikeserve.LocalServer, timeout: float = 30.0) -> socket.socket:
    """A bare connection, for what no well-behaved client sends."""
    host, _, port = server.http_address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout)


def raw(server: spikeserve.LocalServer, data: bytes, half_close: bool = False) -> bytes:
    """Sends bytes, and reads until the server closes the connection."""
    with connect(server) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes, or breaks, the connection."""
    received = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part


def tensor(values: npt.NDArray[Any], name: str = "input", datatype: str = "FP32") -> dict[str, Any]:
    """An input whose values stand in the JSON."""
    return {
        "name": name,
        "datatype": datatype,
        "shape": list(values.shape),
        "data": values.reshape(-1).tolist(),
    }


def with_bytes(
    values: npt.NDArray[np.float32], name: str = "input", **request: Any
) -> tuple[bytes, dict[str, str]]:
    """A body and headers of a request whose input follows the JSON as bytes."""
    data = values.astype("<f4").tobytes()
    entry = {
        "name": name,
        "datatype": "FP32",
        "shape": list(values.shape),
        "parameters": {"binary_data_size": len(data)},
    }
    text = json.dumps({"inputs": [entry], **request}).encode()
    return text + data, {JSON_BYTES: str(len(text)), "Content-Type": "application/octet-stream"}
