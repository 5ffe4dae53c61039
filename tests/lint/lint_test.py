"""The lint tests catch what they are there for, in a small repository made for the purpose."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import layering
import repository


def forbidden(path: str, include: str) -> list[str]:
    return layering.violations(path, f"#pragma once\n\n#include {include}\n")


class Layering(unittest.TestCase):
    def test_upward_includes_are_caught(self) -> None:
        for path, include in (
            ("kernels/math/neuron.h", '"kernels/cpu/product.h"'),
            ("kernels/cpu/product.cc", '"server/base/status.h"'),
            ("server/base/status.h", '"server/engine/plan.h"'),
            ("server/engine/plan.h", '"server/serving/batcher.h"'),
            ("server/serving/batcher.h", '"server/rpc/convert.h"'),
            ("kernels/cuda/product.cu", '"kernels/cpu/product.h"'),
            ("server/rpc/convert.cc", '"server/app/config.h"'),
            ("server/engine/plan.cc", '"tests/support/definitions.h"'),
            ("server/engine/plan.cc", '<server/rpc/convert.h>'),
        ):
            with self.subTest(path=path, include=include):
                found = forbidden(path, include)
                assert len(found) == 1, found
                assert found[0].startswith(f"{path}:3: "), found

    def test_libraries_outside_their_layers_are_caught(self) -> None:
        for path, include in (
            ("server/serving/batcher.h", "<grpcpp/grpcpp.h>"),
            ("server/serving/batcher.h", "<google/protobuf/message.h>"),
            ("server/serving/request.cc", '"spikeserve/v1/network.pb.h"'),
            ("server/engine/plan.h", "<spdlog/spdlog.h>"),
            ("server/engine/cpu_backend.cc", "<cuda_runtime.h>"),
            ("server/engine/cuda_backend.cc", "<cuda_runtime.h>"),
            ("kernels/cpu/product.h", '"kernels/cuda/product.h"'),
            ("server/engine/cpu_backend.cc", '"kernels/cuda/product.h"'),
            ("server/rpc/convert.cc", "<CLI/CLI.hpp>"),
            ("tests/unit/engine/plan_test.cc", "<grpcpp/grpcpp.h>"),
        ):
            with self.subTest(path=path, include=include):
                assert forbidden(path, include) != []

    def test_what_the_layers_allow_passes(self) -> None:
        for path, include in (
            ("kernels/cpu/product.h", '"kernels/math/neuron.h"'),
            ("server/engine/plan.h", '"kernels/cpu/product.h"'),
            ("kernels/cuda/runtime/cuda_device.cc", "<cuda_runtime_api.h>"),
            ("server/engine/cuda_backend.cc", '"kernels/cuda/runtime/device.h"'),
            ("server/serving/batcher.cc", '"server/engine/simulation.h"'),
            ("server/serving/batcher.cc", "<spdlog/spdlog.h>"),
            ("server/rpc/convert.cc", '"spikeserve/v1/network.pb.h"'),
            ("server/app/main.cc", '"server/rpc/server.h"'),
            ("server/engine/plan.cc", "<vector>"),
            ("tests/rpc/server_test.cc", "<grpcpp/grpcpp.h>"),
        ):
            with self.subTest(path=path, include=include):
                assert forbidden(path, include) == []

    def test_a_source_file_outside_the_layers_is_caught(self) -> None:
        assert "is not a layer" in layering.violations("server/extra/thing.h", "")[0]

    def test_a_relative_include_is_caught(self) -> None:
        assert len(forbidden("server/engine/plan.cc", '"../rpc/convert.h"')) == 1

    def test_a_tree_is_read_from_disk(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "server/engine").mkdir(parents=True)
            (root / "server/engine/good.h").write_text("#include <vector>\n")
            assert layering.check(root) == (1, [])
            (root / "server/engine/bad.h").write_text('#include "server/rpc/convert.h"\n')
            count, found = layering.check(root)
            assert (count, len(found)) == (2, 1)


class Repository(unittest.TestCase):
    def test_long_code_files_are_caught(self) -> None:
        assert repository.text_violations("server/a.cc", "\n" * 400) == []
        assert len(repository.text_violations("server/a.cc", "\n" * 401)) == 1
        assert repository.text_violations("docs/a.md", "\n" * 401) == []

    def test_private_paths_are_caught(self) -> None:
        for path in ("/".join(("", "work", "main")), "/".join(("", "home", "me", "x")), "../" + "shared/x"):
            with self.subTest(path=path):
                assert len(repository.text_violations("docs/a.md", f"see\n{path}\n")) == 1
        assert repository.text_violations("docs/a.md", "framework/main, a/work/b, ../docs") == []

    def test_conflict_marks_are_caught(self) -> None:
        assert len(repository.text_violations("a.py", "x\n" + "<" * 7 + " HEAD\n")) == 1

    def test_big_files_are_caught(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "fine.bin").write_bytes(bytes(repository.MAX_BYTES))
            assert repository.check(root) == (1, [])
            (root / "big.bin").write_bytes(bytes(repository.MAX_BYTES + 1))
            assert len(repository.check(root)[1]) == 1


if __name__ == "__main__":
    unittest.main()
