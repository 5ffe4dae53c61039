"""Live modules of torch, where it is installed: traced, read, and left as they were."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from keras_files import MODELS, kinds, outputs, quiet

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.read.source import read_model

torch = pytest.importorskip("torch", reason="torch is not installed")
torch_models = pytest.importorskip("torch_models")
nn, functional = torch.nn, torch.nn.functional


def check(module: Any, *shape: int) -> spikeserve.Network:
    torch.manual_seed(3)
    network = quiet(module, input_shape=shape, keep_softmax=True)
    x = torch.randn(3, *shape)
    with torch.no_grad():
        wanted = module.eval()(x).numpy()
    (got,) = outputs(network, x.numpy())
    got = got.reshape(wanted.shape)
    assert np.abs(got - wanted).max() <= 1e-5 * max(float(np.abs(wanted).max()), 1)
    return network


@pytest.mark.parametrize(
    ("name", "shape"), [("DigitsCnn", (1, 8, 8)), ("Residual", (3, 12, 12)), ("UNet", (3, 8, 8))]
)
def test_networks(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    network = check(getattr(torch_models, name)(), *shape)
    assert network.definition.provenance.source_format == "live torch module"


def _slopes() -> Any:
    module = nn.PReLU(2)
    module.weight.data[0] = 0.5
    return module


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=2, dilation=2), (3, 9)),
        (lambda: nn.Conv1d(4, 8, 4, padding="same", groups=2, bias=False), (4, 9)),
        (lambda: nn.Conv2d(2, 4, (3, 2), padding="valid"), (2, 6, 5)),
        (lambda: nn.Linear(5, 3, bias=False), (5,)),
        (lambda: nn.Linear(5, 3), (2, 5)),
        (lambda: nn.AvgPool2d(3, 2, padding=1), (2, 7, 6)),
        (lambda: nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), (2, 7, 6)),
        (lambda: nn.AvgPool2d(2, ceil_mode=True), (2, 7, 5)),
        (lambda: nn.AvgPool1d(3), (2, 9)),
        (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 4, 6)),
        (lambda: nn.AdaptiveAvgPool2d((None, 6)), (2, 4, 6)),
        (lambda: nn.AdaptiveAvgPool1d(1), (2, 4)),
        (lambda: nn.BatchNorm1d(5), (5,)),
        (lambda: nn.BatchNorm2d(3, affine=False), (3, 4, 5)),
        (lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Identity(), nn.Dropout2d()), (3, 4, 5)),
        (lambda: nn.LeakyReLU(0.2), (4,)),
        (lambda: nn.PReLU(), (4,)),
        (_slopes, (2, 3, 4)),
        (lambda: nn.ReLU6(), (4,)),
        (lambda: nn.Hardtanh(0, 4), (4,)),
        (lambda: nn.Threshold(0, 0), (4,)),
        (lambda: nn.Upsample(scale_factor=(2, 3)), (2, 3, 4)),
        (lambda: nn.Upsample(size=8), (2, 4)),
        (lambda: nn.ZeroPad2d((1, 2, 0, 3)), (2, 3, 4)),
        (lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 6))), (2, 3, 4)),
        (lambda: nn.Softmax(dim=-1), (5,)),
        (lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), (4,)),
    ],
)
def test_layers(module: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    check(module(), *shape)


@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: x * self.scale + self.shift,
        lambda self, x: 1 - x / 4,
        lambda self, x: self.scale - x * 2,
        lambda self, x: torch.sub(x, self.shift, alpha=2),
        lambda self, x: torch.relu(x) + x,
        lambda self, x: torch.relu(x) - x,
        lambda self, x: x + x,
        lambda self, x: -x,
        lambda self, x: x.clamp(min=0),
        lambda self, x: x.clamp(0, 3),
        lambda self, x: x.view(x.size(0), -1),
        lambda self, x: x.reshape(-1, 12).unsqueeze(1).squeeze(1),
        lambda self, x: x.flatten(1),
        lambda self, x: x.transpose(1, 2).contiguous(),
        lambda self, x: x.permute(0, 2, 1)[:, 1:-1],
        lambda self, x: torch.cat([x, torch.relu(x)], dim=1),
        lambda self, x: torch.stack([x, torch.relu(x)], dim=1),
        lambda self, x: torch.cat(x.chunk(3, dim=2)[::-1], dim=2),
        lambda self, x: x.split([1, 2], dim=1)[1],
        lambda self, x: torch.cat(x.split(3, dim=2)[::-1], dim=2),
        lambda self, x: x.mean(dim=2),
        lambda self, x: x.mean(dim=-1, keepdim=True),
        lambda self, x: functional.pad(x, (1, -1)),
        lambda self, x: functional.linear(x, self.scale[:2].repeat(2, 4)),
        lambda self, x: torch.matmul(x, self.scale[:2].repeat(2, 1).reshape(4, 1)),
        lambda self, x: x.to(torch.float32).float().clone(),
        lambda self, x: x.mean(2)[:, :1].squeeze(-1),
    ],
)
def test_functions(function: Any) -> None:
    check(torch_models.Function(function), 3, 4)


def test_several_inputs_and_outputs() -> None:
    network = quiet(torch_models.Two(), input_shape={"right": (3,), "left": (3,)})
    x = np.random.default_rng(0).normal(size=(2, 2, 3)).astype("f4")
    first, second = outputs(network, *x)
    assert first == pytest.approx(2 * x[0] + x[1], abs=1e-6)
    assert second == pytest.approx(np.maximum(x[1], 0), abs=1e-6)


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.MaxPool2d(2), "MaxPooling2D"), (nn.AdaptiveMaxPool2d(1), "GlobalMaxPooling2D"),
        (nn.SiLU(), "silu"), (nn.GELU(), "gelu"), (nn.Mish(), "mish"), (nn.Hardswish(), "hard_silu"),
        (nn.Hardsigmoid(), "hard_sigmoid"), (nn.Sigmoid(), "sigmoid"), (nn.Tanh(), "tanh"),
        (nn.Softplus(), "softplus"), (nn.SELU(), "selu"), (nn.ELU(0.5), "ELU"),
        (nn.LogSoftmax(-1), "log_softmax"), (nn.LayerNorm(4), "LayerNormalization"),
    ],
)  # fmt: skip
def test_layers_that_need_not_have_a_spiking_form(module: Any, kind: str) -> None:
    layer = read_model(module, (2, 4, 4)).graph.nodes[-1].layer
    assert kind in (layer.class_name, layer.config.get("activation"))


def test_layers_are_called_as_in_the_module() -> None:
    network = quiet(torch_models.DigitsCnn(), input_shape=(1, 8, 8), scale_firing_rates=7)
    assert [layer.name for layer in network.report.layers] == ["features.2", "features.5", "classes.3"]


def test_the_module_stays_as_it_is() -> None:
    module = torch_models.DigitsCnn()
    module.train()
    module.features.eval()
    before = {name: values.clone() for name, values in module.state_dict().items()}
    quiet(module, input_shape=(1, 8, 8))
    assert (module.training, module.features.training, module.classes.training) == (True, False, True)
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())


def test_half_precision_and_inner_nodes() -> None:
    module = nn.Linear(4, 2).to(torch.bfloat16)
    (layer,) = (node.layer for node in read_model(module, (4,)).graph.nodes if node.layer.weights)
    assert np.array_equal(layer.weights[1], module.bias.detach().float().numpy())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda self, x: torch.sort(x)[0], "(torch sort): this operator is not supported"),
        (lambda self, x: x @ x.transpose(1, 2), "multiplies two signals"),
        (lambda self, x: x / (1 + x), "divides by a signal"),
        (lambda self, x: x.mean(), "reduces the batch"),
        (lambda self, x: x.transpose(0, 1), "moves the batch"),
        (lambda self, x: x[:, ::2], "slice without steps"),
        (lambda self, x: self.scale, "does not depend on its inputs"),
        (lambda self, x: x if x.sum() > 0 else -x, "torch.export cannot trace it for {'x': (3, 4)}"),
        (lambda self, x: functional.conv_transpose1d(x, torch.ones(3, 2, 2)), "conv_transpose1d"),
    ],
)
def test_what_cannot_be_read(function: Any, message: str) -> None:
    with pytest.raises(ConversionError) as caught:
        spikeserve.convert(torch_models.Function(function), input_shape=(3, 4))
    assert message in str(caught.value)


def test_input_shapes() -> None:
    module = nn.Linear(4, 2)
    for given, message in [
        (None, "give input_shape=(...), without the batch"),
        ({"x": (4,)}, "input_shape is for ['x'], forward takes ['input']"),
        ((0,), "is (0,), wanted sizes from 1"),
        ((5,), "torch.export cannot trace it for {'input': (5,)}"),
    ]:
        with pytest.raises(ConversionError) as caught:
            spikeserve.convert(module, input_shape=given)
        assert message in str(caught.value)


def test_a_module_gives_the_operations_of_its_export() -> None:
    from_file = quiet(MODELS / "onnx" / "digits_cnn.onnx")
    live = quiet(torch_models.DigitsCnn(), input_shape=(1, 8, 8))
    assert kinds(live) == kinds(from_file)


def test_torch_is_not_imported_for_files() -> None:
    path = MODELS / "onnx" / "digits_cnn.onnx"
    code = (
        "import sys, spikeserve, warnings; warnings.simplefilter('ignore'); "
        f"spikeserve.convert({str(path)!r}); sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
