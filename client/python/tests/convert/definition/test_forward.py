"""Rate mode of operations against plain loops over their definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spikeserve.convert.definition import forward
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.convert.definition.work import affordable, multiplications
from spikeserve.v1 import network_pb2 as pb

RNG = np.random.default_rng(0)
WINDOWS = [((1, 1), (1, 1), (1, 1), (1, 1)), ((2, 1), (1, 2), (0, 1), (2, 0))]  # stride, dilation, padding


def loops(x: np.ndarray, weight: np.ndarray, body: pb.ConvOperation) -> np.ndarray:
    pads = zip(body.pad_before, body.pad_after, strict=True)
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    outputs, width, *kernel = weight.shape
    spans = zip(x.shape[1:3], kernel, body.dilation, body.stride, strict=True)
    sizes = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in spans]
    result = np.zeros((len(x), *sizes, outputs))
    for out, row, column in itertools.product(range(outputs), *map(range, kernel)):
        first = out // (outputs // body.groups) * width
        rows = np.arange(sizes[0]) * body.stride[0] + row * body.dilation[0]
        columns = np.arange(sizes[1]) * body.stride[1] + column * body.dilation[1]
        seen = x[:, rows][:, :, columns, first : first + width]
        result[..., out] += seen @ weight[out, :, row, column]
    return result


@pytest.mark.parametrize("patches", [1, 300, 5000, 1 << 20])
@pytest.mark.parametrize(("groups", "width", "outputs"), [(1, 6, 4), (2, 3, 4), (6, 1, 6), (6, 1, 12)])
@pytest.mark.parametrize("window", WINDOWS)
def test_convolutions_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
    patches: int,
    groups: int,
    width: int,
    outputs: int,
    window: tuple[tuple[int, int], ...],
) -> None:
    monkeypatch.setattr(forward, "_PATCHES", patches)
    stride, dilation, before, after = window
    body = pb.ConvOperation(
        weight="w", groups=groups, stride=stride, dilation=dilation, pad_before=before, pad_after=after
    )
    x, weight = RNG.normal(size=(5, 9, 8, 6)), RNG.normal(size=(outputs, width, 3, 2))
    found = forward.evaluate(pb.Operation(conv=body), [x], {"w": weight})
    np.testing.assert_allclose(found, loops(x, weight, body), atol=1e-12)


def test_pools_divide_by_the_real_cells() -> None:
    body = pb.PoolOperation(window=[3, 2], stride=[2, 2], pad_before=[1, 0], pad_after=[1, 1])
    x = RNG.normal(size=(2, 5, 5, 3))
    found = forward.evaluate(pb.Operation(pool=body), [x], {})
    padded = np.pad(x, [(0, 0), (1, 1), (0, 1), (0, 0)], constant_values=np.nan)
    places = (0, 2, 4)
    wanted = [[np.nanmean(padded[:, r : r + 3, c : c + 2], axis=(1, 2)) for c in places] for r in places]
    np.testing.assert_allclose(found, np.moveaxis(np.array(wanted), 2, 0), atol=1e-12)


def dense(inputs: int, outputs: int) -> pb.NetworkDefinition:
    """An input and an Affine operation, of which no value is known."""
    definition = pb.NetworkDefinition()
    definition.operations.add(name="in").input.shape.append(inputs)
    definition.operations.add(name="out").affine.weight = "w"
    definition.connections.add(source="in", target="out")
    definition.tensors.add(id="w", shape=[outputs, inputs], data_type=pb.DATA_TYPE_FLOAT32)
    return definition


def test_shapes_need_no_values() -> None:
    assert operation_shapes(dense(7, 3)) == {"in": (7,), "out": (3,)}


def test_larger_networks_take_fewer_samples() -> None:
    assert multiplications(dense(40_000, 1000)) == 40_000_000
    assert affordable(dense(40_000, 1000), 500) == 500
    assert affordable(dense(40_000, 4000), 500) == 250
    assert affordable(dense(40_000, 40_000), 500) == 100
    assert affordable(dense(40_000, 40_000), 70) == 70
