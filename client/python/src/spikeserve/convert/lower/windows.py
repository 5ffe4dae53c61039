"""Window arithmetic of convolutions and pools, as Keras defines it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Shape, Value, check_size
from spikeserve.convert.lower.rules import need_rank
from spikeserve.convert.read.graph import Config
from spikeserve.convert.read.records import plain_value
from spikeserve.v1 import network_pb2 as pb


def window_padding(
    mode: str | tuple[int, int], size: int, kernel: int, stride: int, dilation: int = 1
) -> tuple[int, int, int]:
    """(output size, zeros before, zeros after) of one spatial axis.

    `same` puts the odd zero at the end; `causal` pads in front whatever the stride; a pair is what to pad.
    Raises UnsupportedError where nothing is left or the mode is unknown.
    """
    extent = (kernel - 1) * dilation + 1
    if isinstance(mode, tuple):
        before, after = mode
        out = (size + before + after - extent) // stride + 1
    elif mode == "same":
        out = -(-size // stride)
        total = max((out - 1) * stride + extent - size, 0)
        before, after = total // 2, total - total // 2
    elif mode in ("valid", "causal"):
        before, after = (dilation * (kernel - 1) if mode == "causal" else 0), 0
        out = (size + before - extent) // stride + 1
    else:
        raise UnsupportedError(f"padding {mode!r} is unknown", "use 'same', 'valid' or 'causal'")
    if out < 1:
        raise UnsupportedError(
            f"a window of {extent} does not fit into an axis of {size}", "check the input shape"
        )
    return out, before, after


def per_axis(value: Any, rank: int, what: str) -> list[int]:
    """One positive integer per spatial axis from a number or a list."""
    value = plain_value(value)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * rank
    ok = all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in values)
    if len(values) != rank or not ok:
        raise UnsupportedError(f"{what} is {value!r}", f"give {rank} positive integers")
    return values


def pair_per_axis(value: Any, rank: int, what: str) -> list[tuple[int, int]]:
    """(before, after) per spatial axis from Keras' padding or cropping argument."""
    value = plain_value(value)
    if isinstance(value, int):
        value = [value] * rank
    elif rank == 1:
        value = [value]
    pairs = [[v, v] if isinstance(v, int) else list(v) for v in value]
    ok = all(len(p) == 2 and all(isinstance(v, int) and v >= 0 for v in p) for p in pairs)
    if len(pairs) != rank or not ok:
        raise UnsupportedError(f"{what} is {value!r}", f"give {rank} pairs of non-negative integers")
    return [(int(p[0]), int(p[1])) for p in pairs]


def padding_modes(config: Config, rank: int) -> Sequence[str | tuple[int, int]]:
    """What `window_padding` takes for each spatial axis: Keras' mode, or pairs, which other formats have."""
    padding = config.get("padding", "valid")
    if isinstance(padding, list):
        return pair_per_axis(padding if rank > 1 else padding[0], rank, "padding")
    return [str(padding).lower()] * rank


def channels_first(config: Config) -> bool:
    """True where the layer's data_format is channels_first."""
    return config.get("data_format") == "channels_first"


def pad_windows(
    body: pb.ConvOperation | pb.PoolOperation,
    config: Config,
    shape: Shape,
    window: Shape,
    dilation: Sequence[int],
) -> Shape:
    """Writes the explicit padding; returns the spatial output shape."""
    modes = padding_modes(config, len(window))
    sizes = [
        window_padding(mode, n, k, s, d)
        for mode, n, k, s, d in zip(modes, shape[:-1], window, body.stride, dilation, strict=True)
    ]
    padded = [n + before + after for n, (_, before, after) in zip(shape[:-1], sizes, strict=True)]
    check_size((*padded, shape[-1]), "its padded input")
    body.pad_before.extend(before for _, before, _ in sizes)
    body.pad_after.extend(after for _, _, after in sizes)
    return tuple(out for out, _, _ in sizes)


def channels_last(value: Value, rank: int, config: Config) -> Value:
    """The input of a layer with `rank` spatial axes, seen with its channels last."""
    need_rank(value, rank + 1)
    if not channels_first(config):
        return value
    return value.permuted((*range(1, rank + 1), 0))


def original_layout(value: Value, rank: int, config: Config) -> Value:
    """The output of such a layer, seen as its data_format says."""
    if not channels_first(config):
        return value
    return value.permuted((rank, *range(rank)))
