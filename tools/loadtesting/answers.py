"""Calls of our own beside those of ghz, which does not look into answers: are the classes right?"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import grpc
import numpy as np

from loadtesting.bodies import INFER_RESPONSE, Body, Descriptors
from loadtesting.profiles import Profile
from loadtesting.workload import Classes
from spikeserve.v1 import simulation_pb2 as pb

_TIMEOUT = 60.0
_PAUSE = 0.1  # seconds between two calls while ghz runs, so that they are no load themselves


@dataclass
class Tally:
    """What the calls of our own came to."""

    codes: Counter[str]
    compared: int = 0  # classes
    wrong: int = 0
    first: str = ""  # the first wrong one

    def compare(self, got: Classes, wanted: Classes, message: int) -> None:
        """Counts the classes of the answer to a message of the body."""
        self.compared += len(wanted)
        if got.shape != wanted.shape:
            self._tell(len(wanted), f"message {message}: got {len(got)} classes, wanted {len(wanted)}")
            return
        differ = np.flatnonzero(got != wanted)
        if len(differ):
            at = differ[0]
            self._tell(len(differ), f"message {message}, sample {at}: got {got[at]}, wanted {wanted[at]}")

    def _tell(self, wrong: int, text: str) -> None:
        self.wrong += wrong
        self.first = self.first or text

    @property
    def problems(self) -> list[str]:
        """One line, or none."""
        if not self.wrong:
            return []
        return [f"wrong class in {self.wrong:,} of {self.compared:,} places, first in {self.first}"]


class Caller:
    """Sends the messages of a body and compares the classes. Usable from one thread at a time."""

    def __init__(
        self,
        channel: grpc.Channel,
        metadata: tuple[tuple[str, str], ...],
        profile: Profile,
        body: Body,
        descriptors: Descriptors,
    ) -> None:
        self._channel, self._metadata = channel, metadata
        self._profile, self._body, self._descriptors = profile, body, descriptors
        self.tally = Tally(Counter())
        self.last_error: grpc.RpcError | None = None

    def all_once(self) -> None:
        """Every message once."""
        for number in range(self._calls):
            self.one(number)

    def one(self, number: int) -> None:
        """The call with this number; bodies go round."""
        number %= self._calls
        kind = self._profile.kind
        call = {
            "simulate": self._simulate,
            "stream": self._stream,
            "session": self._session,
            "infer": self._infer,
        }[kind]
        try:
            answers = call(number)
        except grpc.RpcError as error:
            self.last_error = error
            self.tally.codes[error.code().name] += 1
            return
        self.tally.codes["OK"] += 1
        wanted = self._body.expected if kind == "session" else (self._body.expected[number],)
        if len(answers) != len(wanted):
            self.tally.compare(np.concatenate([*answers, []]).astype(np.int64), _together(wanted), number)
            return
        for place, (got, right) in enumerate(zip(answers, wanted, strict=True)):
            if right is not None:
                self.tally.compare(got, right, place if kind == "session" else number)

    @property
    def _calls(self) -> int:
        return 1 if self._profile.kind == "session" else len(self._body.messages)

    def _method(self, kind: str) -> Any:
        """A call that takes a message and returns bytes."""
        make: Callable[..., Any] = getattr(self._channel, kind)
        return make(
            f"/{self._profile.method}", request_serializer=lambda message: message.SerializeToString()
        )

    def _options(self) -> dict[str, Any]:
        return {"timeout": _TIMEOUT, "metadata": self._metadata}

    def _simulate(self, number: int) -> list[Classes]:
        answer = self._method("unary_unary")(self._body.messages[number], **self._options())
        return [_classes(pb.SimulateResponse.FromString(answer))]

    def _stream(self, number: int) -> list[Classes]:
        events = self._method("unary_stream")(self._body.messages[number], **self._options())
        parsed = [pb.SimulateStreamResponse.FromString(event) for event in events]
        return [_classes(event.result) for event in parsed if event.HasField("result")]

    def _session(self, _: int) -> list[Classes]:
        events = self._method("stream_stream")(iter(self._body.messages), **self._options())
        parsed = [pb.SessionResponse.FromString(event) for event in events]
        return [_classes(event.progress) for event in parsed if event.HasField("progress")]

    def _infer(self, number: int) -> list[Classes]:
        answer = self._method("unary_unary")(self._body.messages[number], **self._options())
        response: Any = self._descriptors.message(INFER_RESPONSE)()
        response.ParseFromString(answer)
        raw = dict(
            zip((output.name for output in response.outputs), response.raw_output_contents, strict=True)
        )
        return [np.frombuffer(raw.get("classes", b""), "<i8").astype(np.int64)]


def _classes(message: Any) -> Classes:
    return np.array(message.classification.classes, np.int64)


def _together(parts: tuple[Classes | None, ...]) -> Classes:
    return np.concatenate([part for part in parts if part is not None])


class Watch:
    """Calls on and on in a thread of its own while ghz runs; use it in a `with`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: BaseException | None = None

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            for number in itertools.count():
                self._caller.one(number)
                if self._stop.wait(_PAUSE):
                    return
        except BaseException as error:
            self._error = error
