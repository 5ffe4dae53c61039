"""The layering tests fail on every arrow that is not drawn, C++ and Python."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import layering
import python_layering

# The arrows of docs/architecture.md, drawn by hand once more: each room and the rooms it may not include.
# A room that is not named here and not allowed by layering.py, or the other way round, fails the test below.
ENGINE_INSIDE = "plan run/constants samples reference cpu cpu/layout cuda cuda/layout"
ABOVE = {
    "kernels/math": "kernels/cpu kernels/cpu/spikes kernels/cuda kernels/cuda/runtime server/base",
    "kernels/cpu": "kernels/cpu/spikes kernels/cuda kernels/cuda/runtime server/base",
    "kernels/cpu/spikes": "kernels/cuda kernels/cuda/runtime server/base",
    "kernels/cuda": "kernels/cpu kernels/cpu/spikes kernels/cuda/runtime server/base",
    "kernels/cuda/runtime": "kernels/cpu kernels/cpu/spikes server/base",
    "server/base": "kernels/math kernels/cpu kernels/cpu/spikes kernels/cuda kernels/cuda/runtime",
}
ALL_KERNELS = "kernels/math kernels/cpu kernels/cpu/spikes kernels/cuda kernels/cuda/runtime"
DEVICE_KERNELS = "kernels/cpu kernels/cpu/spikes kernels/cuda kernels/cuda/runtime"


def rooms(names: str, under: str = "") -> set[str]:
    return {under + name for name in names.split()}


def engine(names: str) -> set[str]:
    return rooms(names, "server/engine/")


EVERY_ENGINE_ROOM = engine("network run " + ENGINE_INSIDE) | {"server/engine"}
EVERY_SERVING_ROOM = rooms("tenants networks store residency requests answers metrics", "server/serving/") | {
    "server/serving",
    "server/http",
}
EVERY_RPC_ROOM = rooms("log trace wire decode encode access context calls", "server/rpc/") | {"server/rpc"}
EVERY_REST_ROOM = {"server/rest", "server/rest/translate"}
OVER_RPC = EVERY_REST_ROOM | {"server/app"}
TRANSPORT = {"server/transport"}
OVER_ENGINE = EVERY_SERVING_ROOM | EVERY_RPC_ROOM | OVER_RPC | TRANSPORT | {"proto"}
OVER_SERVING = EVERY_RPC_ROOM | OVER_RPC | TRANSPORT | {"proto"}
HIDDEN_ENGINE = engine(ENGINE_INSIDE)
FORBIDDEN: dict[str, set[str]] = {
    **{room: rooms(names) | EVERY_ENGINE_ROOM | OVER_ENGINE for room, names in ABOVE.items()},
    "server/engine/network": rooms(DEVICE_KERNELS)
    | OVER_ENGINE
    | engine("plan run run/constants samples reference cpu cpu/layout cuda cuda/layout")
    | {"server/engine"},
    "server/engine/plan": rooms(DEVICE_KERNELS)
    | OVER_ENGINE
    | engine("run run/constants samples reference cpu cpu/layout cuda cuda/layout")
    | {"server/engine"},
    "server/engine/run": rooms(DEVICE_KERNELS)
    | OVER_ENGINE
    | engine("run/constants samples reference cpu cpu/layout cuda cuda/layout")
    | {"server/engine"},
    "server/engine/run/constants": rooms(DEVICE_KERNELS)
    | OVER_ENGINE
    | engine("samples reference cpu cpu/layout cuda cuda/layout")
    | {"server/engine"},
    "server/engine/samples": rooms(DEVICE_KERNELS)
    | OVER_ENGINE
    | engine("reference cpu cpu/layout cuda cuda/layout")
    | {"server/engine"},
    "server/engine/reference": rooms(DEVICE_KERNELS)
    | OVER_ENGINE
    | engine("cpu cpu/layout cuda cuda/layout")
    | {"server/engine"},
    "server/engine/cpu/layout": rooms("kernels/cuda kernels/cuda/runtime")
    | OVER_ENGINE
    | engine("reference cpu cuda cuda/layout")
    | {"server/engine"},
    "server/engine/cpu": rooms("kernels/cuda kernels/cuda/runtime")
    | OVER_ENGINE
    | engine("reference cuda cuda/layout")
    | {"server/engine"},
    "server/engine/cuda/layout": rooms("kernels/cpu kernels/cpu/spikes")
    | OVER_ENGINE
    | engine("samples reference cpu cpu/layout cuda")
    | {"server/engine"},
    "server/engine/cuda": rooms("kernels/cpu kernels/cpu/spikes")
    | OVER_ENGINE
    | engine("samples reference cpu cpu/layout")
    | {"server/engine"},
    "server/engine": rooms(ALL_KERNELS)
    | OVER_ENGINE
    | engine("network plan run/constants samples reference cpu/layout cuda/layout"),
    "server/transport": rooms(ALL_KERNELS)
    | EVERY_ENGINE_ROOM
    | EVERY_SERVING_ROOM
    | EVERY_RPC_ROOM
    | OVER_RPC
    | {"proto"},
    "server/http": rooms(ALL_KERNELS)
    | EVERY_ENGINE_ROOM
    | OVER_SERVING
    | rooms("tenants networks store residency requests answers metrics", "server/serving/")
    | {"server/serving"},
    "server/serving": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_SERVING
    | rooms("tenants networks store residency requests answers metrics", "server/serving/")
    | {"server/engine", "server/http"},
    "server/serving/tenants": rooms(ALL_KERNELS)
    | EVERY_ENGINE_ROOM
    | OVER_SERVING
    | rooms("networks store residency requests answers metrics", "server/serving/")
    | {"server/http"},
    "server/serving/networks": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_SERVING
    | rooms("store residency requests answers metrics", "server/serving/")
    | {"server/engine", "server/http"},
    "server/serving/requests": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_SERVING
    | rooms("store residency answers metrics", "server/serving/")
    | {"server/engine", "server/http"},
    "server/serving/store": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_SERVING
    | rooms("residency requests answers metrics", "server/serving/")
    | {"server/engine", "server/http"},
    "server/serving/residency": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_SERVING
    | rooms("store requests answers metrics", "server/serving/")
    | {"server/engine", "server/http"},
    "server/serving/answers": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_SERVING
    | rooms("store residency metrics", "server/serving/")
    | {"server/engine", "server/http"},
    "server/serving/metrics": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_SERVING
    | {"server/engine", "server/serving/residency"},
    "server/rpc/log": rooms(ALL_KERNELS)
    | EVERY_ENGINE_ROOM
    | EVERY_SERVING_ROOM
    | OVER_RPC
    | TRANSPORT
    | rooms("trace wire decode encode access context calls", "server/rpc/")
    | {"server/rpc", "proto"},
    "server/rpc/trace": rooms(ALL_KERNELS)
    | EVERY_ENGINE_ROOM
    | EVERY_SERVING_ROOM
    | OVER_RPC
    | TRANSPORT
    | rooms("log wire decode encode access context calls", "server/rpc/")
    | {"server/rpc"},
    "server/rpc/wire": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | rooms("log trace decode encode access context calls", "server/rpc/")
    | OVER_RPC
    | TRANSPORT
    | {"server/engine", "server/rpc"},
    "server/rpc/decode": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | rooms("log trace encode access context calls", "server/rpc/")
    | OVER_RPC
    | TRANSPORT
    | {"server/engine", "server/rpc"},
    "server/rpc/encode": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | rooms("log trace access context calls", "server/rpc/")
    | OVER_RPC
    | TRANSPORT
    | {"server/engine", "server/rpc"},
    "server/rpc/access": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | rooms("log trace decode encode context calls", "server/rpc/")
    | OVER_RPC
    | TRANSPORT
    | {"server/engine", "server/rpc"},
    "server/rpc/context": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | rooms("decode encode calls", "server/rpc/")
    | OVER_RPC
    | TRANSPORT
    | {"server/engine", "server/rpc"},
    "server/rpc/calls": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | OVER_RPC
    | TRANSPORT
    | {"server/engine", "server/rpc"},
    "server/rpc": rooms(ALL_KERNELS) | HIDDEN_ENGINE | OVER_RPC | {"server/engine"},
    "server/rest/translate": rooms(ALL_KERNELS)
    | EVERY_ENGINE_ROOM
    | EVERY_SERVING_ROOM
    | EVERY_RPC_ROOM
    | TRANSPORT
    | {"server/app", "server/rest"},
    "server/rest": rooms(ALL_KERNELS)
    | HIDDEN_ENGINE
    | EVERY_RPC_ROOM
    | TRANSPORT
    | {"server/engine", "server/app"},
    "server/app": rooms(ALL_KERNELS) | HIDDEN_ENGINE | {"server/rpc/calls", "server/rest/translate"},
}


def forbidden(path: str, include: str) -> list[str]:
    return layering.violations(path, f"#pragma once\n\n#include {include}\n")


def arrow(room: str, target: str) -> list[str]:
    """What the layering test says of a file of `room` that includes one of `target`."""
    return forbidden(f"{room}/a.h", f'"{"spikeserve/v1" if target == "proto" else target}/b.h"')


class Layering(unittest.TestCase):
    def test_every_forbidden_arrow_fails_and_every_other_passes(self) -> None:
        everywhere = set(layering.ROOMS) | {"proto"}
        assert set(FORBIDDEN) == set(layering.ROOMS)
        for room, closed in FORBIDDEN.items():
            assert closed <= everywhere, closed - everywhere
            for target in everywhere - {room}:
                with self.subTest(room=room, target=target):
                    found = [line for line in arrow(room, target) if "may not include" in line]
                    assert len(found) == (1 if target in closed else 0), (found, target in closed)

    def test_tests_are_included_by_tests_alone(self) -> None:
        for room in layering.ROOMS:
            with self.subTest(room=room):
                assert len(arrow(room, "tests/support")) == 1
                assert forbidden("tests/unit/a_test.cc", f'"{room}/b.h"') == []

    def test_reference_mode_is_seen_by_one_file_of_the_cpu(self) -> None:
        reference = '"server/engine/reference/reference_network.h"'
        assert forbidden("server/engine/cpu/cpu_backend.cc", reference) == []
        assert len(forbidden("server/engine/cpu/cpu_backend.h", reference)) == 1

    def test_angle_brackets_are_no_way_around(self) -> None:
        assert len(forbidden("server/engine/plan/plan.cc", "<server/rpc/wire/wire.h>")) == 1

    def test_libraries_outside_their_layers_are_caught(self) -> None:
        for path, include in (
            ("server/serving/requests/batcher.h", "<grpcpp/grpcpp.h>"),
            ("server/serving/requests/batcher.h", "<google/protobuf/message.h>"),
            ("server/serving/requests/request.cc", '"spikeserve/v1/network.pb.h"'),
            ("server/engine/plan/plan.h", "<spdlog/spdlog.h>"),
            ("server/engine/cpu/cpu_backend.cc", "<cuda_runtime.h>"),
            ("server/engine/cuda/backend.cc", "<cuda_runtime.h>"),
            ("kernels/cpu/product.h", '"kernels/cuda/product.h"'),
            ("server/engine/cpu/cpu_backend.cc", '"kernels/cuda/product.h"'),
            ("server/rpc/decode/convert.cc", "<CLI/CLI.hpp>"),
            ("server/rpc/decode/convert.cc", "<nlohmann/json.hpp>"),
            ("server/app/main.cc", "<boost/asio.hpp>"),
            ("tests/unit/engine/plan/plan_test.cc", "<grpcpp/grpcpp.h>"),
        ):
            with self.subTest(path=path, include=include):
                assert forbidden(path, include) != []

    def test_what_the_layers_allow_passes(self) -> None:
        for path, include in (
            ("kernels/cpu/product.h", '"kernels/math/neuron.h"'),
            ("server/engine/cpu/cpu_run.h", '"kernels/cpu/product.h"'),
            ("kernels/cuda/runtime/cuda_device.cc", "<cuda_runtime_api.h>"),
            ("server/engine/cuda/backend.cc", '"kernels/cuda/runtime/device.h"'),
            ("server/serving/requests/batcher.cc", '"server/engine/run/simulation.h"'),
            ("server/serving/requests/batcher.cc", "<spdlog/spdlog.h>"),
            ("server/rpc/decode/convert.cc", '"spikeserve/v1/network.pb.h"'),
            ("server/app/main.cc", '"server/rpc/rpc_server.h"'),
            ("server/engine/plan/plan.cc", "<vector>"),
            ("tests/rpc/server_test.cc", "<grpcpp/grpcpp.h>"),
        ):
            with self.subTest(path=path, include=include):
                assert forbidden(path, include) == []

    def test_a_source_file_outside_the_layers_is_caught(self) -> None:
        assert "is not a room" in layering.violations("server/extra/thing.h", "")[0]

    def test_a_relative_include_is_caught(self) -> None:
        assert len(forbidden("server/engine/plan/plan.cc", '"../rpc/convert.h"')) == 1

    def test_a_tree_is_read_from_disk(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "server/engine/plan").mkdir(parents=True)
            (root / "server/engine/plan/good.h").write_text("#include <vector>\n")
            assert layering.check(root) == (1, [])
            (root / "server/engine/plan/bad.h").write_text('#include "server/rpc/wire/wire.h"\n')
            count, found = layering.check(root)
            assert (count, len(found)) == (2, 1)


# The same for the Python package, from the bottom up.
ABOVE_CONVERT = "answers requests client analysis outside package cli"
INSIDE_CONVERT = "basics models draft read definition lower nir calibrate memory convert"
ABOVE_DEFINITION = f"network lower nir calibrate memory convert {ABOVE_CONVERT}"
PYTHON_FORBIDDEN: dict[str, set[str]] = {
    "common": rooms(f"outputs v1 network {INSIDE_CONVERT} {ABOVE_CONVERT}"),
    "v1": rooms(f"outputs network {INSIDE_CONVERT} {ABOVE_CONVERT}"),
    "basics": rooms(f"outputs v1 models draft read definition {ABOVE_DEFINITION}"),
    "models": rooms(f"outputs draft read definition {ABOVE_DEFINITION}"),
    "draft": rooms(f"outputs models read definition {ABOVE_DEFINITION}"),
    "read": rooms(f"outputs v1 models draft definition {ABOVE_DEFINITION}"),
    "outputs": rooms(f"network {INSIDE_CONVERT} {ABOVE_CONVERT}"),
    "definition": rooms(f"draft read {ABOVE_DEFINITION}"),
    "network": rooms(f"outputs models draft read lower calibrate memory convert {ABOVE_CONVERT}"),
    "lower": rooms(f"outputs definition network nir calibrate memory convert {ABOVE_CONVERT}"),
    "nir": rooms(f"outputs network calibrate memory convert {ABOVE_CONVERT}"),
    "calibrate": rooms(f"outputs nir memory convert {ABOVE_CONVERT}"),
    "memory": rooms(f"outputs nir calibrate convert {ABOVE_CONVERT}"),
    "convert": rooms(f"outputs {ABOVE_CONVERT}"),
    "answers": rooms(f"{INSIDE_CONVERT} requests client analysis outside package cli"),
    "requests": rooms(f"{INSIDE_CONVERT} client analysis outside package cli"),
    "client": rooms(f"{INSIDE_CONVERT} analysis outside package cli"),
    "analysis": rooms("basics draft read lower nir calibrate memory convert outside package cli"),
    "outside": rooms(f"outputs v1 network {INSIDE_CONVERT} answers requests client analysis package cli"),
    "package": rooms("draft read lower nir calibrate memory cli"),
    "cli": set(),
}


def python_forbidden(module: str, line: str) -> list[str]:
    path = python_layering.PACKAGE + module.replace(".", "/") + ".py"
    return python_layering.violations(path, f'"""A module."""\n\n{line}\n')


class PythonLayering(unittest.TestCase):
    def test_every_forbidden_arrow_fails_and_every_other_passes(self) -> None:
        assert set(PYTHON_FORBIDDEN) == set(python_layering.ROOMS)
        for name, closed in PYTHON_FORBIDDEN.items():
            for target, room in python_layering.ROOMS.items():
                for module in room.modules:
                    with self.subTest(room=name, target=module):
                        imported = "spikeserve" if target == "package" else f"spikeserve.{module}"
                        found = python_forbidden(
                            python_layering.ROOMS[name].modules[0], f"from {imported} import x"
                        )
                        assert len(found) == (1 if target in closed else 0), found

    def test_every_way_to_import_is_seen(self) -> None:
        for line in (
            "import spikeserve.convert",
            "import numpy, spikeserve.convert.lower.lower as lower",
            "from spikeserve import convert",
            "from spikeserve.convert import convert",
            "from spikeserve.convert.models.neurons import *",
            "def f():\n    from spikeserve.convert.read import source",
            "if TYPE_CHECKING:\n    from spikeserve.convert import options",
            "from .convert import options",
            "from . import convert",
        ):
            with self.subTest(line=line):
                assert len(python_forbidden("session", line)) == 1

    def test_what_the_layers_allow_passes(self) -> None:
        for module, line in (
            ("convert.models.rates", "from spikeserve.convert.models import curves"),
            ("convert.lower.lower", "import spikeserve.convert.lower.linear"),
            ("convert.converter", "from spikeserve.convert.read.source import read_model"),
            ("client", "from spikeserve import _messages, encodings"),
            ("client", "import numpy, grpc, spikeserve_elsewhere"),
            ("cli.convert_command", "from spikeserve.convert.calibrate.delays import MAX_DELAY_STEPS"),
        ):
            with self.subTest(module=module, line=line):
                assert python_forbidden(module, line) == []

    def test_libraries_outside_their_rooms_are_caught(self) -> None:
        for module, line in (
            ("client", "import click"),
            ("convert.converter", "import h5py"),
            ("convert.lower.lower", "from google.protobuf import message"),
            ("evaluation", "import grpc"),
            ("session", "from matplotlib import pyplot"),
        ):
            with self.subTest(module=module, line=line):
                assert len(python_forbidden(module, line)) == 1

    def test_a_module_outside_the_rooms_is_caught(self) -> None:
        for module in ("new_thing", "folder.thing"):
            assert "is in no room" in python_forbidden(module, "")[0]

    def test_a_tree_is_read_from_disk(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            package = root / python_layering.PACKAGE
            package.mkdir(parents=True)
            (package / "client.py").write_text("import numpy\n")
            assert python_layering.check(root) == (1, [])
            (package / "errors.py").write_text("from spikeserve.client import Client\n")
            count, found = python_layering.check(root)
            assert (count, len(found)) == (2, 1)


if __name__ == "__main__":
    unittest.main()
