"""A simulate call but for the waiting: what it asks for, the requests it becomes, and the joined answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy.typing as npt

from spikeserve import _arrays, _messages, _requests
from spikeserve._requests import Limits, Options, RunOptions
from spikeserve._upload import OnProgress
from spikeserve.results import NetworkInfo, SimulationResult
from spikeserve.v1 import simulation_pb2 as pb


@dataclass(frozen=True)
class Draft:
    """A call as its caller wants it; how it is sent may depend on what the server says of the network."""

    network: str
    options: Options
    arrays: _arrays.Inputs

    @property
    def needs_info(self) -> bool:
        """Whether `run` has to be given what the server says of the network."""
        options = self.options
        return bool(options.trajectories or options.record or _arrays.needs_info(self.arrays))

    def run(self, info: NetworkInfo | None, limits: Limits) -> Run:
        """The call as it is sent. ValueError where not even one sample fits into a request."""
        arrays = _arrays.choose_types(self.arrays, info)
        options = self.options.resolved(info)
        answer_bytes = _requests.answer_bytes(options, info)
        fitting = _requests.samples_per_request(arrays, limits, answer_bytes)
        return Run(self.network, options, arrays, fitting)


def draft(network: str, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike], options: RunOptions) -> Draft:
    """The call with its inputs as arrays. ValueError for wrong options, and inputs that make no batch."""
    return Draft(network, Options(**options), _arrays.as_inputs(inputs))


class Run:
    """The requests of one call, at most `fitting` samples each, and their answers. For one thread."""

    def __init__(self, network: str, options: Options, arrays: _arrays.Inputs, fitting: int) -> None:
        self._network = network
        self._options = options
        self._arrays = arrays
        self._fitting = fitting
        self._results: list[SimulationResult] = []
        self._asked = 0  # samples up to the last request
        self._done = 0  # samples that are answered

    def requests(self) -> Iterator[pb.SimulateRequest]:
        """The requests in order; each is made after the answer to the one before was added."""
        for part in _requests.parts(self._arrays, self._fitting):
            self._asked = self._done + _requests.batch_size(part)
            yield self._options.request(self._network, part, self._done)

    def add(self, answer: pb.SimulateResponse, on_progress: OnProgress | None) -> None:
        """Takes the answer to the last request, and reports how many samples are done."""
        self._results.append(_messages.result(answer))
        self._options = replace(self._options, version=answer.settings.version)  # all parts by one version
        self._done = self._asked
        if on_progress is not None:
            on_progress(self._done, _requests.batch_size(self._arrays))

    def result(self) -> SimulationResult:
        """The answer for the whole batch."""
        return _requests.join(self._results)

    def stream_request(self, report_every: int) -> pb.SimulateStreamRequest:
        """The one request of a stream. ValueError where the batch does not fit into it."""
        _requests.check_one_request(self._arrays, self._fitting)
        request = self._options.request(self._network, self._arrays)
        return pb.SimulateStreamRequest(request=request, report_every=report_every)
