"""Brings what the package takes from the rest of the repository into its folder.

That is spikeserve/v1/*_pb2.py, *_pb2_grpc.py and their .pyi files, made from the proto folder, and copies of
the files VERSION and LICENSE. A source distribution has none of these, but carries what was made from them.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = PACKAGE_ROOT.parent.parent / "proto"
COPIED = ("VERSION", "LICENSE")
SOURCE_ROOT = PACKAGE_ROOT / "src"


def copy_files() -> None:
    """Copies COPIED from the repository: setuptools reads inside of the package's folder only."""
    for name in COPIED:
        original, copy = PACKAGE_ROOT.parent.parent / name, PACKAGE_ROOT / name
        if PROTO_ROOT.is_dir():
            copy.write_text(original.read_text(encoding="utf-8"), encoding="utf-8")
        elif not copy.is_file():
            raise RuntimeError(f"neither {original} nor {copy}")


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
