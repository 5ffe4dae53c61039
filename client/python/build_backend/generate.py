"""Generates spikeserve/v1/*_pb2.py, *_pb2_grpc.py and their .pyi files from the repository's proto folder."""

from __future__ import annotations

from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = PACKAGE_ROOT.parent.parent / "proto"
SOURCE_ROOT = PACKAGE_ROOT / "src"


def generate() -> None:
    """Runs the protobuf compiler; without the proto folder the modules must be there already."""
    sources = sorted((PROTO_ROOT / "spikeserve").rglob("*.proto"))
    if not sources:
        if not (SOURCE_ROOT / "spikeserve" / "v1" / "network_pb2.py").is_file():
            raise RuntimeError(f"neither {PROTO_ROOT} nor generated protobuf modules under {SOURCE_ROOT}")
        return
    _compile(sources)


def _compile(sources: list[Path]) -> None:
    import grpc_tools
    from grpc_tools import protoc

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTO_ROOT}",
            f"--proto_path={well_known}",
            f"--python_out={SOURCE_ROOT}",
            f"--pyi_out={SOURCE_ROOT}",
            f"--grpc_python_out={SOURCE_ROOT}",
            f"--mypy_grpc_out={SOURCE_ROOT}",
            *map(str, sources),
        ]
    )
    if status != 0:
        raise RuntimeError(f"the protobuf compiler failed with status {status}")


if __name__ == "__main__":
    generate()
