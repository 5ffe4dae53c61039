"""Fails on an include that breaks the layers.

A room is a folder, and may include the rooms that ROOMS names. docs/architecture.md says what each is for and
draws the arrows; this file is what enforces them.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import sources

CPP = (".h", ".cc", ".cu", ".cuh")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
MATH = frozenset({"kernels/math"})
BASE = frozenset({"server/base"})
CPU_KERNELS = MATH | {"kernels/cpu", "kernels/cpu/spikes"}
CUDA_KERNELS = MATH | {"kernels/cuda", "kernels/cuda/runtime"}
NETWORK = BASE | MATH | {"server/engine/network"}
PLAN = NETWORK | {"server/engine/plan"}
RUN = PLAN | {"server/engine/run"}
CONSTANTS = RUN | {"server/engine/run/constants"}
SAMPLES = CONSTANTS | {"server/engine/samples"}
# What the layers above the engine see of it: networks and runs.
ENGINE = BASE | {"server/engine/network", "server/engine/run"}
TENANTS = BASE | {"server/serving"}
NETWORKS = ENGINE | {"server/serving", "server/serving/tenants"}
REQUESTS = NETWORKS | {"server/serving/networks"}
ANSWERS = REQUESTS | {"server/serving/requests"}
SERVING = ANSWERS | {
    "server/http",
    "server/serving/answers",
    "server/serving/residency",
    "server/serving/store",
    "server/serving/metrics",
}
DECODE = SERVING | {"proto", "server/rpc/wire"}
ENCODE = DECODE | {"server/rpc/decode"}
CALLS = ENCODE | {
    "server/rpc/encode",
    "server/rpc/access",
    "server/rpc/context",
    "server/rpc/log",
    "server/rpc/trace",
}

# What each room may include of ours, itself apart. No other folder may hold a C++ file.
ROOMS: dict[str, frozenset[str]] = {
    "kernels/math": frozenset(),
    "kernels/cpu": MATH,
    "kernels/cpu/spikes": MATH | {"kernels/cpu"},
    "kernels/cuda": MATH,
    "kernels/cuda/runtime": MATH | {"kernels/cuda"},
    "server/base": frozenset(),
    "server/http": BASE,
    "server/transport": BASE,
    "server/engine/network": BASE | MATH,
    "server/engine/plan": NETWORK,
    "server/engine/run": PLAN,
    "server/engine/run/constants": RUN,
    "server/engine/samples": CONSTANTS,
    "server/engine/reference": SAMPLES,
    "server/engine/cpu/layout": SAMPLES | CPU_KERNELS,
    "server/engine/cpu": SAMPLES | CPU_KERNELS | {"server/engine/cpu/layout"},
    "server/engine/cuda/layout": CONSTANTS | CUDA_KERNELS,
    "server/engine/cuda": CONSTANTS | CUDA_KERNELS | {"server/engine/cuda/layout"},
    "server/engine": BASE | {"server/engine/run", "server/engine/cpu", "server/engine/cuda"},
    "server/serving": ENGINE,
    "server/serving/tenants": TENANTS,
    "server/serving/networks": NETWORKS,
    "server/serving/residency": REQUESTS,
    "server/serving/store": REQUESTS,
    "server/serving/requests": REQUESTS,
    "server/serving/answers": ANSWERS,
    "server/serving/metrics": ANSWERS | {"server/serving/answers", "server/serving/store", "server/http"},
    "server/rpc/log": BASE,
    "server/rpc/trace": BASE | {"proto"},
    "server/rpc/wire": SERVING | {"proto"},
    "server/rpc/decode": DECODE,
    "server/rpc/encode": ENCODE,
    "server/rpc/access": DECODE,
    "server/rpc/context": DECODE | {"server/rpc/access", "server/rpc/log", "server/rpc/trace"},
    "server/rpc/calls": CALLS,
    "server/rpc": CALLS | {"server/rpc/calls", "server/transport"},
    "server/rest/translate": BASE | {"proto"},
    "server/rest": SERVING | {"proto", "server/rest/translate"},
    "server/app": CALLS | {"server/rpc", "server/rest", "server/engine", "server/transport"},
}
# Single files that may include more: the CPU runs reference mode too.
FILES: dict[str, frozenset[str]] = {
    "server/engine/cpu/cpu_backend.cc": frozenset({"server/engine/reference"}),
}
TESTS = frozenset({*ROOMS, "proto", "tests"})
PROTO = ("spikeserve/v1/", "inference/", "google/rpc/", "grpc/health/", "grpc/reflection/", "opentelemetry/")
OURS = ("kernels/", "server/", "tests/", "proto/", "client/")


@dataclass(frozen=True)
class Library:
    """Headers of a library and where they may be seen: path prefixes of including files."""

    name: str
    headers: re.Pattern[str]
    seen_by: tuple[str, ...]


# In tests: what builds without the server (kernels, engine, serving) is tested without its libraries.
RPC = ("server/rpc/", "server/rest/", "server/app/")
RPC_TESTS = (
    "tests/rpc/",
    "tests/rest/",
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
        ("kernels/cuda/", "server/engine/cuda/", "tests/"),
    ),
    Library("Boost", re.compile(r"^boost/"), ("server/http/",)),
    Library(
        "JSON",
        re.compile(r"^nlohmann/"),
        ("server/rest/", "server/serving/metrics/", "server/serving/tenants/", "tests/"),
    ),
    Library("absl", re.compile(r"^absl/"), ("server/app/main.cc", "tests/bench/load_main.cc")),
    Library("CLI11", re.compile(r"^CLI/"), ("server/app/", "tests/")),
)


def room_of(path: str) -> str:
    """The room that a source file lies in: its folder, or "tests"."""
    return "tests" if path.startswith("tests/") else path.rpartition("/")[0]


def _target_room(include: str) -> str | None:
    """The room of an included file of ours, None for anybody else's."""
    if include.startswith(PROTO):
        return "proto"
    return room_of(include) if include.startswith(OURS) else None


def violations(path: str, text: str) -> list[str]:
    """Everything in one source file that breaks a rule."""
    room = room_of(path)
    if room != "tests" and room not in ROOMS:
        return [f"{path}: {room} is not a room; a source file belongs to one of {', '.join(ROOMS)}"]
    allowed = TESTS if room == "tests" else ROOMS[room] | FILES.get(path, frozenset()) | {room}
    found = []
    for match in INCLUDE.finditer(text):
        include = match[1] or match[2]
        where = f"{path}:{text.count(chr(10), 0, match.start(0)) + 1}"
        target = _target_room(include)
        if include.startswith(("./", "../")) or "/../" in include:
            found.append(f'{where}: "{include}": includes are written from the root of the repository')
        elif target is not None and target not in allowed:
            found.append(f'{where}: {room} may not include {target} ("{include}")')
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
