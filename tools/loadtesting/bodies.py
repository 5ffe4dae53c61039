"""Request bodies as ghz takes them: serialized messages, each with its length as a varint before it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf import proto as protobuf  # type: ignore[attr-defined]  # not in types-protobuf
from google.protobuf.message import Message

from loadtesting.profiles import Profile
from loadtesting.workload import NAME, Classes, Workload
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import simulation_pb2 as pb

PROTO = Path(__file__).resolve().parents[2] / "proto"
INFER_REQUEST, INFER_RESPONSE = "inference.ModelInferRequest", "inference.ModelInferResponse"
_MAX_MESSAGES = 256  # of one file: more would only make ghz read longer
_REPORTS = 4  # updates of a stream on the way
_PIECES = 2  # messages that each image of a session is fed in
_WIRE_TYPES: dict[str, tuple[Any, str]] = {
    "uint8": (network_pb.DATA_TYPE_UINT8, "UINT8"),
    "float32": (network_pb.DATA_TYPE_FLOAT32, "FP32"),
}


class BodyError(ValueError):
    """A body that cannot be made; the message says why."""


class Descriptors:
    """All messages of proto/, compiled by protoc into one file that ghz takes too.

    They are kept out of Python's own pool, where other packages may have registered `inference` already.
    """

    def __init__(self, protoset: Path) -> None:
        self.path = protoset
        files = descriptor_pb2.FileDescriptorSet.FromString(protoset.read_bytes())
        self._pool = descriptor_pool.DescriptorPool()
        self.names = set()
        for file in files.file:
            self._pool.Add(file)  # type: ignore[no-untyped-call]
            self.names |= {f"{file.package}.{message.name}" for message in file.message_type}

    def message(self, name: str) -> type[Message]:
        """The class of a message; BodyError where proto/ has none."""
        if name not in self.names:
            raise BodyError(f"proto/ has no message {name}")
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))  # type: ignore[no-untyped-call]


def compile_protoset(target: Path) -> Descriptors:
    """Writes the descriptors of everything in proto/; BodyError where protoc is missing or fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    command = ["protoc", f"--proto_path={PROTO}", "--include_imports", f"--descriptor_set_out={target}"]
    try:
        subprocess.run([*command, *sources], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise BodyError("protoc was not found; it is in the Debian package protobuf-compiler") from None
    except subprocess.CalledProcessError as error:
        raise BodyError(f"protoc failed: {error.stderr.strip()}") from error
    return Descriptors(target)


@dataclass(frozen=True)
class Body:
    """What one profile sends.

    `messages`: of which ghz takes one for each call in turn, or for a session all of them. `expected`: the
    classes of the answer to each message, or for a session of each answer that has classes; None in the
    place of an answer that comes before an image has had all its steps.
    """

    messages: tuple[Message, ...]
    expected: tuple[Classes | None, ...]

    def write(self, path: Path) -> None:
        """The file for `ghz --binary-file`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            for message in self.messages:
                protobuf.serialize_length_prefixed(message, stream)


def make(profile: Profile, workload: Workload, descriptors: Descriptors) -> Body:
    """The body of a profile."""
    if profile.kind == "session":
        return _session(profile, workload)
    messages: list[Message] = []
    expected = []
    for chosen in _groups(profile.samples, len(workload.samples)):
        samples = workload.samples[chosen]
        request = simulate_request(workload, samples)
        if profile.kind == "infer":
            messages.append(_infer_request(workload, samples, descriptors))
        elif profile.kind == "stream":
            report_every = max(workload.steps // _REPORTS, 1)
            messages.append(pb.SimulateStreamRequest(request=request, report_every=report_every))
        else:
            messages.append(request)
        expected.append(workload.expected[chosen])
    return Body(tuple(messages), tuple(expected))


def simulate_request(workload: Workload, samples: npt.NDArray[Any]) -> pb.SimulateRequest:
    """A request for these samples."""
    request = pb.SimulateRequest(network=NAME, steps=workload.steps)
    request.inputs.append(_array(workload, samples))
    return request


def _array(workload: Workload, samples: npt.NDArray[Any]) -> pb.Array:
    data_type, _ = _WIRE_TYPES[samples.dtype.name]
    return pb.Array(
        name=workload.input_name, data_type=data_type, shape=samples.shape, data=samples.tobytes()
    )


def _infer_request(workload: Workload, samples: npt.NDArray[Any], descriptors: Descriptors) -> Message:
    """The same request by the Open Inference Protocol: raw contents, the classes asked for."""
    request: Any = descriptors.message(INFER_REQUEST)()
    request.model_name = NAME
    request.parameters["steps"].int64_param = workload.steps
    _, datatype = _WIRE_TYPES[samples.dtype.name]
    request.inputs.add(name=workload.input_name, datatype=datatype, shape=samples.shape)
    request.outputs.add(name="classes")
    request.raw_input_contents.append(samples.tobytes())
    return request  # type: ignore[no-any-return]


def _session(profile: Profile, workload: Workload) -> Body:
    """One image after the other through a session of batch 1, each in pieces, with a reset after it."""
    pieces = [len(part) for part in np.array_split(np.arange(workload.steps), _PIECES) if len(part)]
    open_ = pb.SessionRequest()
    open_.open.settings.network = NAME
    open_.open.batch = 1
    messages: list[Message] = [open_]
    expected: list[Classes | None] = []
    (chosen, *_) = _groups(profile.samples, len(workload.samples))
    for index in chosen:
        image = _array(workload, workload.samples[index : index + 1])
        for number, steps in enumerate(pieces):
            advance = pb.SessionRequest()
            advance.advance.steps = steps
            advance.advance.inputs.append(image)
            messages.append(advance)
            last = number == len(pieces) - 1
            expected.append(workload.expected[index : index + 1] if last else None)
        reset = pb.SessionRequest()
        reset.reset.SetInParent()
        messages.append(reset)
    return Body(tuple(messages), tuple(expected))


def _groups(size: int, count: int) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of the samples of each message: all samples in turn, going round where they do not fill one."""
    messages = min(max(-(-count // size), 1), _MAX_MESSAGES)
    for number in range(messages):
        yield np.arange(number * size, (number + 1) * size) % count
