"""Sessions: runs whose state lives on between messages."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, _messages, encodings
from spikeserve._requests import Options
from spikeserve.encodings import Encodings
from spikeserve.errors import InternalError, from_rpc
from spikeserve.recording import records
from spikeserve.results import LayerStatistics, NetworkInfo, ProbeValues, Settings, Values
from spikeserve.v1 import simulation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class SessionProgress:
    """The answer to one `Session.advance`.

    Readouts, classes and statistics run over all steps since the begin or the sample's reset; trajectories
    and records hold the steps of this message.
    """

    steps_done: int  # of the session
    sample_steps: npt.NDArray[np.int64]  # [batch]: since the begin or the sample's reset
    probes: dict[str, ProbeValues]
    classes: npt.NDArray[np.int64]  # [batch]; empty where no output probe was answered
    margins: npt.NDArray[np.float64]  # [batch]
    stats: tuple[LayerStatistics, ...]
    records: dict[str, Values] = field(default_factory=dict)
    compute_s: float = 0.0

    @property
    def outputs(self) -> Values:
        """[batch, outputs...] of the first answered probe."""
        return next(iter(self.probes.values())).outputs


class Session:
    """State of a batch on the server, advanced piece by piece. Made by `Client.session`; for one thread.

    A run in pieces equals the run in one, byte for byte. Close it, or use it in a `with`; the server ends a
    session that is silent for its --session-idle-seconds. After an error the session is over.
    """

    def __init__(
        self,
        call: Callable[[Iterator[pb.SessionRequest]], Any],
        address: str,
        opening: pb.SessionOpen,
        info: NetworkInfo | None,
    ) -> None:
        self._address = address
        self._info = info
        self._requests: queue.SimpleQueue[pb.SessionRequest | None] = queue.SimpleQueue()
        self._call = call(iter(self._requests.get, None))
        self._answered = False  # the last request
        try:
            opened = self._ask(pb.SessionRequest(open=opening), "opened").opened
        except BaseException:
            self.close()
            raise
        self.settings: Settings = _messages.settings(opened.settings)

    def advance(
        self,
        inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        steps: int,
        *,
        encoding: Encodings | None = None,
    ) -> SessionProgress:
        """Runs the next `steps` with these inputs.

        `inputs`: [batch, shape...], held for these steps, or [batch, steps, shape...]. `encoding` as in
        `Client.simulate`.
        """
        arrays = _arrays.choose_types(_arrays.as_inputs(inputs), self._info)
        message = pb.SessionAdvance(
            steps=steps,
            inputs=[_arrays.encode(name, value) for name, value in arrays.items()],
            encodings=encodings.messages(encoding),
        )
        return _progress(self._ask(pb.SessionRequest(advance=message), "progress").progress)

    def reset(self, samples: Sequence[int] = ()) -> None:
        """Puts these samples (default: all) back to step 0: voltages, filters, readout."""
        self._ask(pb.SessionRequest(reset=pb.SessionReset(samples=samples)), "reset")

    def close(self) -> None:
        """Ends the session and frees its state on the server; no effect after the first time."""
        self._requests.put(None)
        if self._answered:
            with contextlib.suppress(grpc.RpcError):  # it may be over already
                next(self._call, None)
        self._call.cancel()  # no effect after the end

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _ask(self, request: pb.SessionRequest, wanted: str) -> pb.SessionResponse:
        self._requests.put(request)
        self._answered = False
        try:
            response: pb.SessionResponse = next(self._call)
        except grpc.RpcError as error:
            raise from_rpc(error, self._address) from None
        except StopIteration:
            raise InternalError("the server ended the session without an answer") from None
        if response.WhichOneof("message") != wanted:
            raise InternalError(f"the server answered with {response.WhichOneof('message')}, wanted {wanted}")
        self._answered = True
        return response


def opening(network: str, batch: int, options: Options) -> pb.SessionOpen:
    """The first message of a session. ValueError for options that a session does not have."""
    if options.steps is not None or options.early_exit is not None or options.encoding is not None:
        raise ValueError(
            "a session has no steps, encoding or early_exit: give them to advance, or leave them out"
        )
    return pb.SessionOpen(settings=options.request(network, {}), batch=batch)


def _progress(message: pb.SessionProgress) -> SessionProgress:
    return SessionProgress(
        steps_done=message.steps_done,
        sample_steps=np.asarray(message.sample_steps, np.int64),
        probes=_messages.probes(message.probes),
        classes=np.asarray(message.classification.classes, np.int64),
        margins=np.asarray(message.classification.margins, np.float64),
        stats=tuple(_messages.statistics(item) for item in message.statistics),
        records=records(message.records),
        compute_s=message.compute_s,
    )
