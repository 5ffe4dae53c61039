"""What the commands need to know about a network's input."""

from __future__ import annotations

from spikeserve.results import InputInfo, NetworkInfo


def only_input(info: NetworkInfo) -> InputInfo:
    """The one input of a network; ValueError where it has several."""
    if len(info.inputs) != 1:
        names = ", ".join(item.name for item in info.inputs)
        raise ValueError(
            f"network '{info.name}' has the inputs {names}; use the Python client for such networks"
        )
    return info.inputs[0]
