"""The stream of messages that carries a network to the server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from spikeserve._messages import MODES
from spikeserve.network import Network
from spikeserve.v1 import network_pb2 as pb

CHUNK_BYTES = 1 << 20

OnProgress = Callable[[int, int], None]  # bytes handed over, bytes in all


def upload(
    name: str, network: Network, version: int, mode: str, on_progress: OnProgress | None
) -> Iterator[pb.LoadNetworkRequest]:
    """The header and the chunks of one LoadNetwork call; ValueError for an unknown mode."""
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, choose one of {', '.join(MODES)}")
    payload = network.to_bytes()
    header = pb.LoadNetworkHeader(
        name=name,
        version=version,
        mode=MODES[mode],
        total_bytes=len(payload),
        sha256=hashlib.sha256(payload).digest(),
    )
    return _messages(header, payload, on_progress)


def _messages(
    header: pb.LoadNetworkHeader, payload: bytes, on_progress: OnProgress | None
) -> Iterator[pb.LoadNetworkRequest]:
    yield pb.LoadNetworkRequest(header=header)
    for start in range(0, len(payload), CHUNK_BYTES):
        chunk = payload[start : start + CHUNK_BYTES]
        yield pb.LoadNetworkRequest(chunk=chunk)
        if on_progress is not None:
            on_progress(start + len(chunk), len(payload))
