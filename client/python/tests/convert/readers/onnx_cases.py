"""Small ONNX models with inputs, one for every operator that is read and the forms that it comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx_files import node, onnx_model

SEED = 21
IMAGE = ("N", 4, 7, 6)


@dataclass(frozen=True)
class Case:
    """A model, its file, and the shape of its input."""

    name: str
    model: bytes
    shape: Sequence[int | str | None]

    def inputs(self) -> np.ndarray:
        """Some samples; the batch is that of the model, or 3."""
        sizes = [n if isinstance(n, int) else 3 for n in self.shape]
        return np.random.default_rng(SEED).normal(size=sizes).astype("f4")


CASES: dict[str, Case] = {}
_RNG = np.random.default_rng(SEED)


def _values(*shape: int) -> np.ndarray:
    return _RNG.normal(size=shape).astype("f4")


def _ints(*values: int) -> np.ndarray:
    return np.asarray(values, "i8")


def _add(
    name: str, *nodes: bytes, shape: Sequence[int | str | None] = IMAGE, opset: int = 17, **constants: Any
) -> None:
    CASES[name] = Case(name, onnx_model(*nodes, shape=shape, opset=opset, **constants), shape)


def _one(
    name: str, kind: str, inputs: str = "x", opset: int = 17, shape: Any = IMAGE, **settings: Any
) -> None:
    """One node; arrays among the settings are constants that its inputs name."""
    constants = {key: value for key, value in settings.items() if isinstance(value, np.ndarray)}
    attributes = {key: value for key, value in settings.items() if key not in constants}
    _add(name, node(kind, inputs, "y", **attributes), shape=shape, opset=opset, **constants)


def _convolutions() -> None:
    w = _values(6, 4, 3, 2)
    _one("conv", "Conv", "x w b", w=w, b=_values(6))
    _one("conv_no_bias", "Conv", "x w", w=w, strides=[2, 1])
    _one("conv_pads", "Conv", "x w b", w=w, b=_values(6), pads=[1, 0, 2, 1], strides=[2, 2])
    _one("conv_dilated", "Conv", "x w", w=w, dilations=[2, 3], pads=[1, 2, 1, 2])
    _one("conv_groups", "Conv", "x w b", w=_values(6, 2, 3, 3), b=_values(6), group=2, pads=[1, 1, 1, 1])
    _one("conv_depthwise", "Conv", "x w b", w=_values(8, 1, 3, 3), b=_values(8), group=4)
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        _one(f"conv_{mode.lower()}", "Conv", "x w", w=w, auto_pad=mode, strides=[2, 3])
    _one(
        "conv1d",
        "Conv",
        "x w b",
        shape=("N", 3, 9),
        w=_values(5, 3, 4),
        b=_values(5),
        pads=[2, 1],
        strides=[2],
    )
    _one("conv_opset_23", "Conv", "x w", w=w, opset=23)
    _one("conv_opset_13", "Conv", "x w", w=w, opset=13)


def _pools() -> None:
    for kind in ("AveragePool", "MaxPool"):
        name = {"AveragePool": "average", "MaxPool": "max"}[kind]
        _one(f"{name}_pool", kind, kernel_shape=[2, 3], strides=[2, 2])
        _one(f"{name}_pool_pads", kind, kernel_shape=[3, 3], pads=[1, 1, 0, 1])
        _one(f"{name}_pool_ceil", kind, kernel_shape=[3, 2], strides=[3, 4], ceil_mode=1)
        _one(f"{name}_pool_same", kind, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
        _one(f"{name}_pool_1d", kind, shape=("N", 3, 9), kernel_shape=[3], strides=[2])
        _one(f"global_{name}_pool", f"Global{kind}")
    _one("average_pool_counts", "AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    _one("reduce_mean", "ReduceMean", axes=[2, 3], keepdims=0)
    _one("reduce_mean_input", "ReduceMean", "x axes", opset=18, axes=_ints(-1, -2))
    _one("reduce_mean_last", "ReduceMean", axes=[1, 2], keepdims=0)
    _one("reduce_max", "ReduceMax", axes=[2, 3], keepdims=0)


def _dense() -> None:
    row = ("N", 5)
    statistics: dict[str, Any] = {"g": _values(4), "o": _values(4), "m": _values(4), "v": _values(4) ** 2}
    _one("gemm", "Gemm", "x w b", shape=row, w=_values(5, 3), b=_values(3))
    _one(
        "gemm_factors",
        "Gemm",
        "x w b",
        shape=row,
        w=_values(3, 5),
        b=_values(1, 3),
        transB=1,
        alpha=0.5,
        beta=2.0,
    )
    _one("gemm_scalar_bias", "Gemm", "x w b", shape=row, w=_values(5, 3), b=_values(1))
    _one("matmul", "MatMul", "x w", shape=("N", 2, 5), w=_values(5, 3))
    _add(
        "matmul_add",
        node("MatMul", "x w", "h"),
        node("Add", "b h", "y"),
        shape=row,
        w=_values(5, 3),
        b=_values(3),
    )
    _one("batch_norm", "BatchNormalization", "x g o m v", epsilon=1e-3, **statistics)
    _one("batch_norm_row", "BatchNormalization", "x g o m v", shape=("N", 4), **statistics)
    _add(
        "conv_batch_norm_relu",
        node("Conv", "x w", "h", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "h g o m v", "n"),
        node("Relu", "n", "y"),
        w=_values(4, 4, 3, 3),
        **statistics,
    )


def _arithmetic() -> None:
    channel = _values(4, 1, 1)
    _one("add_channel", "Add", "x c", c=channel)
    _one("add_number", "Add", "c x", c=np.asarray(0.5, "f4"))
    _one("add_last", "Add", "x c", c=_values(6))
    _one("sub_from", "Sub", "c x", c=channel)
    _one("sub", "Sub", "x c", c=_values(1, 4, 1, 1))
    _one("mul", "Mul", "x c", c=channel)
    _one("div", "Div", "x c", c=np.full((1,), 4, "f4"))
    _one("neg", "Neg")
    _one("add_itself", "Add", "x x")
    _add("add_branches", node("Relu", "x", "h"), node("Add", "h x", "y"))
    _add("sub_branches", node("Relu", "x", "h"), node("Sub", "h x", "y"))
    _add("mul_branches", node("Relu", "x", "h"), node("Mul", "h x", "y"))
    _add("sum_three", node("Relu", "x", "h"), node("Sum", "h x h", "y"))
    _add("mean_two", node("Relu", "x", "h"), node("Mean", "h x", "y"))
    _one("sum_one", "Sum")


def _activations() -> None:
    _one("relu", "Relu")
    _one("leaky_relu", "LeakyRelu", alpha=0.2)
    _one("relu6", "Clip", "x low high", low=np.asarray(0, "f4"), high=np.asarray(6, "f4"))
    _one("clip_below", "Clip", "x low", low=np.asarray(0, "f4"))
    _one("max_zero", "Max", "x low", low=np.zeros(1, "f4"))
    _one("prelu_uniform", "PRelu", "x s", s=np.full((4, 1, 1), 0.1, "f4"))
    _one("softmax", "Softmax", shape=("N", 5))
    _one("log_softmax", "LogSoftmax", shape=("N", 5))
    for kind in (
        "Sigmoid",
        "Tanh",
        "Softplus",
        "HardSwish",
        "Mish",
        "Elu",
        "Selu",
        "HardSigmoid",
        "Softsign",
    ):
        _hidden(kind.lower(), node(kind, "x", "h"), opset=18)
    _hidden("hardsigmoid_sixth", node("HardSigmoid", "x", "h", alpha=1 / 6))
    _hidden("elu_half", node("Elu", "x", "h", alpha=0.5))
    _hidden("gelu", node("Gelu", "x", "h"), opset=20)
    _hidden("gelu_tanh", node("Gelu", "x", "h", approximate="tanh"), opset=20)
    _hidden("prelu", node("PRelu", "x s", "h"), s=_values(4, 1, 1))
    _hidden("silu", node("Sigmoid", "x", "s"), node("Mul", "s x", "h"))
    _hidden("mish_parts", node("Softplus", "x", "s"), node("Tanh", "s", "t"), node("Mul", "x t", "h"))
    erf = [node("Div", "x root", "d"), node("Erf", "d", "e"), node("Add", "e one", "p")]
    numbers = {"root": 2**0.5, "one": 1, "half": 0.5}
    constants: dict[str, Any] = {name: np.asarray(value, "f4") for name, value in numbers.items()}
    _hidden("gelu_parts", *erf, node("Mul", "x p", "m"), node("Mul", "m half", "h"), **constants)
    _hidden("gelu_halved", *erf, node("Mul", "x half", "m"), node("Mul", "m p", "h"), **constants)


def _hidden(name: str, *nodes: bytes, opset: int = 17, **constants: Any) -> None:
    """Something behind the activation "h", so that it is none of the output."""
    _add(name, *nodes, node("Mul", "h three", "y"), opset=opset, three=np.asarray(3, "f4"), **constants)


def _moves() -> None:
    _one("flatten", "Flatten")
    _one("flatten_last", "Flatten", shape=("N", 5), axis=-1)
    _one("reshape", "Reshape", "x to", to=_ints(0, 4, -1))
    _one("reshape_batch", "Reshape", "x to", to=_ints(-1, 168))
    _one("reshape_fixed_batch", "Reshape", "x to", shape=(1, 4, 7, 6), to=_ints(1, 7, 24))
    _one("transpose", "Transpose", perm=[0, 2, 3, 1])
    _one("squeeze", "Squeeze", "x axes", shape=("N", 1, 5, 1), axes=_ints(1))
    _one("squeeze_all", "Squeeze", shape=(3, 1, 5, 1))
    _one("unsqueeze", "Unsqueeze", "x axes", shape=("N", 5), axes=_ints(1, -1))
    _add("concat", node("Relu", "x", "h"), node("Concat", "x h x", "y", axis=1))
    _add("concat_last", node("Relu", "x", "h"), node("Concat", "h x", "y", axis=-1))
    _one("pad", "Pad", "x pads", pads=_ints(0, 0, 1, 2, 0, 0, 3, 0))
    _one("pad_channels", "Pad", "x pads", pads=_ints(0, 1, 1, 2, 0, 2, 0, 1))
    _one("pad_axes", "Pad", "x pads - axes", opset=18, pads=_ints(2, 1), axes=_ints(-1))
    _one("crop", "Pad", "x pads", pads=_ints(0, 0, -1, 0, 0, 0, 0, -2))
    _one("slice", "Slice", "x s e axes", s=_ints(1, -4), e=_ints(3, 2**62), axes=_ints(1, 3))
    _add("split", node("Split", "x", "a b", axis=1), node("Concat", "b a", "y", axis=1))
    _add(
        "split_sizes",
        node("Split", "x sizes", "a m b", axis=3),
        node("Concat", "b a", "y", axis=3),
        sizes=_ints(1, 3, 2),
    )
    _one("slice_row", "Slice", "x s e axes", shape=("N", 9), s=_ints(2), e=_ints(-3), axes=_ints(1))
    _one("resize", "Resize", "x - f", f=np.asarray([1, 1, 2, 3], "f4"), mode="nearest",
         coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    _one("resize_half_pixel", "Resize", "x - f", f=np.asarray([1, 1, 3, 2], "f4"), mode="nearest")
    _one("resize_sizes", "Resize", "x - - s", shape=(2, 4, 7, 6), s=_ints(2, 4, 14, 12), mode="nearest")
    _one("resize_1d", "Resize", "x - f", shape=("N", 3, 5), f=np.asarray([1, 1, 4], "f4"), mode="nearest")
    _one("identity", "Identity")
    _one("dropout", "Dropout")
    _one("cast", "Cast", to=1)


def _computed_shapes() -> None:
    """What exporters make of x.view(x.size(0), -1), and of weights that are computed."""
    one, minus = _ints(0), np.asarray([-1], "i8")
    shape = [
        node("Shape", "x", "s"),
        node("Constant", "", "zero", value=np.asarray(0, "i8")),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n front", "m"),
        node("Concat", "m rest", "to", axis=0),
        node("Reshape", "x to", "y"),
    ]
    _add("view", *shape, front=one, rest=minus)
    halved = [
        node("Shape", "x", "s"),
        node("Slice", "s one two", "c"),
        node("Div", "c half", "h"),
        node("Slice", "s zero one", "n"),
        node("Concat", "n h half rest", "to", axis=0),
        node("Reshape", "x to", "y"),
    ]
    _add("view_computed", *halved, zero=one, one=_ints(1), two=_ints(2), half=_ints(2), rest=minus)
    _add(
        "weights_computed",
        node("Transpose", "w", "t", perm=[1, 0]),
        node("Mul", "t two", "k"),
        node("MatMul", "x k", "y"),
        shape=("N", 5),
        w=_values(3, 5),
        two=np.asarray(2, "f4"),
    )
    _add("weights_cast", node("Cast", "w", "k", to=1), node("MatMul", "x k", "y"), shape=("N", 5),
         w=_values(5, 3).astype("f2"))  # fmt: skip
    _one("last_axis_dropped", "Squeeze", "x axes", shape=("N", 1), axes=_ints(1))


for _group in (_convolutions, _pools, _dense, _arithmetic, _activations, _moves, _computed_shapes):
    _group()
