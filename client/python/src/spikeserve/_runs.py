"""A simulate call but for the waiting: what it asks for, the requests it becomes, and the joined answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from spikeserve import _arrays, _messages, _probes, _requests
from spikeserve._requests import Limits, Options, RunOptions
from spikeserve._upload import OnProgress
from spikeserve.results import InputInfo, NetworkInfo, SimulationResult
from spikeserve.v1 import simulation_pb2 as pb


@dataclass(frozen=True)
class Draft:
    """A call as its caller wants it; how it is sent may depend on what the server says of the network."""

    network: str
    options: Options
    given: _arrays.Given

    def needs_info(self, known: Sequence[InputInfo] | None) -> bool:
        """Whether `run` has to be given what the server says of the network.

        `known`: its inputs, where they were asked for before. They may be others by now, and only save the
        question where the arrays can go out as they are.
        """
        options = self.options
        if known is None or options.trajectories or options.record or options.early_exit is not None:
            return True
        if isinstance(self.given, list | tuple):
            return True
        arrays = _arrays.as_inputs(self.given)
        shapes = {item.name: item.shape for item in known}
        if len(known) == 1:
            shapes[""] = known[0].shape
        fitting = all(name in shapes and _arrays.fits(value, shapes[name]) for name, value in arrays.items())
        return not fitting or _arrays.needs_info(arrays)

    def run(self, info: NetworkInfo | None, limits: Limits) -> Run:
        """The call as it is sent. ValueError where not even one sample fits into a request."""
        if info is None:
            arrays = _arrays.as_inputs(self.given)
        else:
            arrays = _arrays.fit(self.given, info.input_shapes, repr(self.network))
            self._check_exit(info)
        _arrays.check_batches(arrays)
        arrays = _arrays.choose_types(arrays, info)
        options = self.options.resolved(info)
        answer_bytes = _requests.answer_bytes(options, info)
        fitting = _requests.samples_per_request(arrays, limits, answer_bytes)
        return Run(self.network, options, arrays, fitting)

    def _check_exit(self, info: NetworkInfo) -> None:
        """ValueError for an early exit of one output: nothing lies below it, any look would end the run."""
        sizes = [math.prod(one.shape) for one in info.probes if _probes.is_default(one.quantity)]
        if self.options.early_exit is not None and sizes[:1] == [1]:
            raise ValueError(
                f"early_exit: its margin is that between two outputs, network '{self.network}' has one output"
            )


def draft(network: str, inputs: _arrays.Given, options: RunOptions) -> Draft:
    """The call, with its options checked. ValueError for wrong options, and inputs that make no batch."""
    chosen = Options(**options)
    if not isinstance(inputs, list | tuple):
        _arrays.as_inputs(inputs)  # what cannot be right with any network is refused before it is asked for
    return Draft(network, chosen, inputs)


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
        self._network = answer.settings.network  # which `network@alias` stands for
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
