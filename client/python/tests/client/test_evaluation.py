"""What a network is judged by: classes, one of two, or values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_server import FakeServer

import spikeserve
from spikeserve._tasks import explained, read_labels
from spikeserve.v1 import network_pb2 as pb

X = np.array([[1, 2], [-3, 1], [0.25, 0.25], [-0.5, 0.25]], np.float32)  # sums 3, -2, 0.5, -0.25


@pytest.fixture
def client(fake: FakeServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(fake.address, timeout=20) as client:
        yield client


def test_a_logit_is_above_0_and_a_probability_above_one_half(
    fake: FakeServer, client: spikeserve.Client
) -> None:
    fake.outputs = (1,)
    labels = [1, 0, 1, 0]
    for kind, threshold, accuracy in (("LOGIT", 0.0, 1.0), ("PROBABILITY", 0.5, 0.75)):
        fake.output_kind = getattr(pb, f"OUTPUT_KIND_{kind}")
        found = spikeserve.evaluate(client, "net", X, labels, float_classes=labels)
        assert (found.task, found.threshold, found.accuracy) == ("binary", threshold, accuracy)
        assert (found.float_accuracy, found.agreement) == (1.0, accuracy)
        assert found.rmse is None
    assert spikeserve.evaluate(client, "net", X, labels, threshold=2.9).accuracy == 0.75


def test_where_nobody_says_what_the_output_is_its_values_do(
    fake: FakeServer, client: spikeserve.Client
) -> None:
    fake.outputs = (1,)
    assert spikeserve.evaluate(client, "net", X, [1, 0, 1, 0]).threshold == 0
    between = np.abs(X[2:])
    assert spikeserve.evaluate(client, "net", between, [True, False]).threshold == 0.5


@pytest.mark.parametrize("labels", [[1.0, 0.0, 1.0, 0.0], [[1], [0], [1], [0]], [1, -1, 1, -1]])
def test_binary_labels_as_people_have_them(
    fake: FakeServer, client: spikeserve.Client, labels: list[Any]
) -> None:
    fake.outputs = (1,)
    found = spikeserve.evaluate(client, "net", X, labels)
    assert (found.task, found.accuracy) == ("binary", 1.0)


def test_fractions_are_a_regression(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.outputs = (1,)
    labels = np.array([3.5, -2.5, 0.5, 0.25])  # errors -0.5, 0.5, 0, -0.5
    found = spikeserve.evaluate(client, "net", X, labels, float_outputs=labels[:, None])
    assert (found.task, found.accuracy, found.agreement, found.threshold) == ("regression", None, None, None)
    assert found.rmse == pytest.approx(np.sqrt(0.75 / 4))
    assert found.r2 == pytest.approx(1 - 0.75 / np.square(labels - labels.mean()).sum())
    assert (found.float_rmse, found.float_r2) == (0, 1)
    assert found.rmse_to_float == found.rmse
    assert "RMSE 0.433" in repr(found)
    with pytest.raises(ValueError, match="give float_outputs, not float_classes"):
        spikeserve.evaluate(client, "net", X, labels, float_classes=[0, 0, 0, 0])


def test_values_stay_values_where_the_network_says_so(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.outputs, fake.output_kind = (1,), pb.OUTPUT_KIND_VALUE
    assert spikeserve.evaluate(client, "net", X, [1, 0, 1, 0]).task == "regression"
    fake.outputs = (2,)
    assert spikeserve.evaluate(client, "net", X, np.eye(2)[[1, 0, 1, 0]]).task == "regression"


def test_several_outputs_are_classes_or_values(client: spikeserve.Client) -> None:
    classes = [1, 0, 1, 0]
    for labels in (classes, [1.0, 0.0, 1.0, 0.0], np.eye(2)[classes]):
        found = spikeserve.evaluate(client, "net", X, labels, float_outputs=np.eye(2)[classes])
        assert (found.task, found.accuracy, found.float_accuracy) == ("classes", 1.0, 1.0)
    values = spikeserve.evaluate(client, "net", X, np.full((4, 2), 0.5))
    assert (values.task, values.r2) == ("regression", None)  # labels that are all the same


@pytest.mark.parametrize(
    ("outputs", "kind", "labels", "message"),
    [
        (2, 0, [0.37, 1.2, 0, 1], r"labels such as 0\.37 are no classes, and the network has 2 outputs"),
        (2, 0, [0, 1, 2, 0], "labels from 0 to 2, wanted 0 to 1"),
        (2, 0, [-1, 1, 0, 0], "labels from -1 to 1, wanted 0 to 1"),
        (2, 0, [0, 1], r"4 samples, but labels of shape \[2\]"),
        (2, 0, np.zeros((4, 3)), r"labels of shape \[4, 3\]: wanted a class for each, or 2 values"),
        (2, 0, ["cat"] * 4, "labels of type <U3, wanted finite numbers"),
        (1, 0, [0.5, np.nan, 1, 0], "wanted finite numbers"),
        (1, pb.OUTPUT_KIND_LOGIT, [0.5, 1, 1, 0], "wanted 0 and 1: the output is the logit of class 1"),
        (1, pb.OUTPUT_KIND_PROBABILITY, [0, 1, 2, 0], "the output is the probability of class 1"),
    ],
)
def test_labels_that_fit_no_answer_are_refused(
    fake: FakeServer, client: spikeserve.Client, outputs: int, kind: Any, labels: Any, message: str
) -> None:
    fake.outputs, fake.output_kind = (outputs,), kind
    with pytest.raises(ValueError, match=message):
        spikeserve.evaluate(client, "net", X, labels)


@pytest.mark.parametrize("floats", [{"float_classes": [1, 0]}, {"float_outputs": np.zeros((4, 3))}])
def test_answers_of_the_float_network_are_one_for_each(client: spikeserve.Client, floats: Any) -> None:
    with pytest.raises(ValueError, match="4 samples, but float"):
        spikeserve.evaluate(client, "net", X, [1, 0, 1, 0], **floats)


def test_several_inputs_by_name_or_in_order(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.inputs = {"imu": (2,), "audio": (4, 1)}
    audio = np.ones((4, 4), np.float32)
    for samples in ({"imu": X, "audio": audio}, [X, audio]):
        assert spikeserve.evaluate(client, "net", samples, [1, 0, 1, 0]).accuracy == 1
        found = spikeserve.calibrate_early_exit(
            client, "net", samples, np.eye(2)[[1, 0, 1, 0]], readout="mean"
        )
        assert found.full_accuracy == 1
        assert {item.name for item in fake.requests[-1].inputs} == {"imu", "audio"}
        with pytest.raises(ValueError, match="4 samples, but labels"):
            spikeserve.evaluate(client, "net", samples, [1, 0])


def test_an_exit_is_not_calibrated_on_what_has_no_margin(fake: FakeServer, client: spikeserve.Client) -> None:
    with pytest.raises(ValueError, match="are values, calibration wants classes"):
        spikeserve.calibrate_early_exit(client, "net", X, np.full((4, 2), 0.5), readout="mean")
    fake.outputs = (1,)
    with pytest.raises(ValueError, match="network 'net' has one output: the margin"):
        spikeserve.calibrate_early_exit(client, "net", X, [1, 0, 1, 0], readout="mean")


def test_an_asyncio_client_is_refused() -> None:
    async def body() -> None:
        async with spikeserve.AsyncClient("127.0.0.1:1") as client:
            with pytest.raises(TypeError, match="client is an AsyncClient"):
                spikeserve.evaluate(client, "net", X, [1, 0, 1, 0])  # type: ignore[arg-type]

    asyncio.run(body())


def two_inputs(outputs: int, kind: Any = pb.OUTPUT_KIND_UNSPECIFIED) -> spikeserve.Network:
    """Inputs [2] and [2, 1] -> Concat -> Affine: the sum of each, or of both."""
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="a").input.shape.extend([2])
    definition.operations.add(name="b").input.MergeFrom(pb.InputOperation(shape=[2, 1], uint8_scale=0.5))
    definition.operations.add(name="flat").reshape.shape.extend([2])
    definition.operations.add(name="both").concat.axis = 0
    definition.operations.add(name="sums").affine.weight = "w"
    for source, target in (("a", "both"), ("b", "flat"), ("flat", "both"), ("both", "sums")):
        definition.connections.add(source=source, target=target)
    weights = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] if outputs == 2 else [[1, 1, 1, 1]], "<f4")
    definition.tensors.add(
        id="w", shape=weights.shape, data_type=pb.DATA_TYPE_FLOAT32, data=weights.tobytes()
    )
    definition.probes.add(name="output", target="sums", quantity=pb.PROBE_QUANTITY_OUTPUT)
    definition.defaults.output_kind = kind
    return spikeserve.Network(definition)


def test_float_outputs_of_several_inputs() -> None:
    b = np.array([[4, 0], [0, 2], [0, 0], [2, 2]], np.uint8)  # scaled: sums 2, 1, 0, 2
    for samples in ([X, b], {"b": b, "a": X}, (X, b[:, :, None])):
        outputs = spikeserve.float_outputs(two_inputs(2), samples)
        np.testing.assert_array_equal(outputs, np.stack([X.sum(axis=1), [2, 1, 0, 2]], axis=1))
        np.testing.assert_array_equal(spikeserve.classify_float(two_inputs(2), samples), [0, 1, 0, 1])
    for wrong, message in ((X, "has the inputs a, b, got one"), ({"a": X}, "got a"), ([X], "a list of 1")):
        with pytest.raises(ValueError, match=message):
            spikeserve.float_outputs(two_inputs(2), wrong)
    with pytest.raises(ValueError, match=r"input 'a' has shape \[4, 3\], wanted \[n, 2\]"):
        spikeserve.float_outputs(two_inputs(2), [np.ones((4, 3)), b])


def test_float_classes_of_one_output() -> None:
    zeros = np.zeros((4, 2), np.float32)
    for kind, classes in ((pb.OUTPUT_KIND_LOGIT, [1, 0, 1, 0]), (pb.OUTPUT_KIND_PROBABILITY, [1, 0, 0, 0])):
        np.testing.assert_array_equal(spikeserve.classify_float(two_inputs(1, kind), [X, zeros]), classes)
    value = two_inputs(1, pb.OUTPUT_KIND_VALUE)
    with pytest.raises(ValueError, match="gives values, which have no classes: use float_outputs"):
        spikeserve.classify_float(value, [X, zeros])
    np.testing.assert_array_equal(spikeserve.classify_float(value, [X, zeros], threshold=2.5), [1, 0, 0, 0])


def test_constant_labels_are_explained_by_nothing() -> None:
    assert explained(np.ones(3), np.ones(3)) is None
    assert read_labels(np.array([2, 3]), (1,), "").task == "regression"
