"""Fails on an include that breaks the layers.

An arrow may point only to the left:
kernels/math <- kernels/cpu, kernels/cuda <- server/engine <- server/serving <- server/rpc <- server/app,
with server/base under everything but the kernels. CONTRIBUTING.md says what each layer is for.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import sources

CPP = (".h", ".cc", ".cu", ".cuh")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
KERNELS = frozenset({"kernels/math", "kernels/cpu", "kernels/cuda"})
# What each layer may include of ours, itself apart. No other folder may hold a C++ file.
ALLOWED: dict[str, frozenset[str]] = {
    "kernels/math": frozenset(),
    "kernels/cpu": frozenset({"kernels/math"}),
    "kernels/cuda": frozenset({"kernels/math"}),
    "server/base": frozenset(),
    "server/engine": KERNELS | {"server/base"},
    "server/serving": KERNELS | {"server/base", "server/engine"},
    "server/rpc": KERNELS | {"server/base", "server/engine", "server/serving", "proto"},
    "server/app": KERNELS | {"server/base", "server/engine", "server/serving", "server/rpc", "proto"},
}
TESTS = frozenset({*ALLOWED, "proto", "tests"})
OURS = ("kernels/", "server/", "tests/", "proto/", "client/")


@dataclass(frozen=True)
class Library:
    """Headers of a library and where they may be seen: path prefixes of including files."""

    name: str
    headers: re.Pattern[str]
    seen_by: tuple[str, ...]


# In tests: what builds without the server (kernels, engine, serving) is tested without its libraries.
RPC = ("server/rpc/", "server/app/")
RPC_TESTS = (
    "tests/rpc/",
    "tests/unit/rpc/",
    "tests/unit/app/",
    "tests/conformance/",
    "tests/fuzz/",
    "tests/bench/",
    "tests/support/",
)
LIBRARIES = (
    Library("gRPC", re.compile(r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$"), RPC + RPC_TESTS),
    Library("protobuf", re.compile(r"^google/(protobuf|rpc)/|\.pb\.h$"), RPC + RPC_TESTS),
    Library(
        "spdlog", re.compile(r"^(spdlog|fmt)/"), ("server/serving/", "server/rpc/", "server/app/", "tests/")
    ),
    Library(
        "CUDA",
        re.compile(r"^(cuda|cublas|cusparse|curand|cub/|thrust/|cooperative_groups|nvtx|nvml|device_launch)"),
        ("kernels/cuda/", "tests/bench/"),
    ),
    Library(
        "the CUDA kernels",
        re.compile(r"^kernels/cuda/"),
        ("kernels/cuda/", "server/engine/cuda_", "tests/"),
    ),
    Library("CLI11", re.compile(r"^CLI/"), ("server/app/", "tests/")),
)


def layer_of(path: str) -> str:
    """The layer that a source file belongs to: its first two folders, or "tests"."""
    parts = path.split("/")
    return "tests" if parts[0] == "tests" else "/".join(parts[:2])


def _target_layer(include: str) -> str | None:
    """The layer of an included file of ours, None for anybody else's."""
    if include.startswith("spikeserve/v1/") or include.startswith("inference/"):
        return "proto"
    return layer_of(include) if include.startswith(OURS) else None


def violations(path: str, text: str) -> list[str]:
    """Everything in one source file that breaks a rule."""
    layer = layer_of(path)
    if layer != "tests" and layer not in ALLOWED:
        return [f"{path}: {layer} is not a layer; a source file belongs to one of {', '.join(ALLOWED)}"]
    allowed = TESTS if layer == "tests" else ALLOWED[layer] | {layer}
    found = []
    for match in INCLUDE.finditer(text):
        include = match[1] or match[2]
        where = f"{path}:{text.count(chr(10), 0, match.start(0)) + 1}"
        target = _target_layer(include)
        if include.startswith(("./", "../")) or "/../" in include:
            found.append(f'{where}: "{include}": includes are written from the root of the repository')
        elif target is not None and target not in allowed:
            found.append(f'{where}: {layer} may not include {target} ("{include}")')
        for library in LIBRARIES:
            if library.headers.search(include) and not path.startswith(library.seen_by):
                seen_by = ", ".join(library.seen_by)
                found.append(f'{where}: {library.name} ("{include}") is seen only by {seen_by}')
    return found


def check(root: Path) -> tuple[int, list[str]]:
    """Number of files read, and all violations in them."""
    names = sources.files(root, CPP)
    found = []
    for name in names:
        found += violations(name, (root / name).read_text(encoding="utf-8"))
    return len(names), found


def main() -> int:
    count, found = check(sources.ROOT)
    print("\n".join(found) if found else f"layering: {count} files keep to the layers")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
