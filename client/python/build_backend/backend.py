"""The setuptools build backend, with the protobuf modules generated, version number and licence copied first.

In a checkout they come from the repository's `proto` folder and its files VERSION and LICENSE. A source
distribution carries them ready-made, so building from one needs no protobuf compiler.
"""

from __future__ import annotations

from typing import Any

from generate import PROTO_ROOT, copy_files, generate
from setuptools import build_meta
from setuptools.build_meta import (
    get_requires_for_build_sdist as _sdist_requires,
)
from setuptools.build_meta import (
    get_requires_for_build_wheel as _wheel_requires,
)
from setuptools.build_meta import (  # noqa: F401 - part of the backend's interface
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

# Every hook below reads pyproject.toml, which takes the version from the copy.
copy_files()
# Generated code needs the protobuf and grpcio of its compiler, or newer: keep the dependencies in step.
_COMPILER = ["grpcio-tools>=1.71,<1.72", "mypy-protobuf>=3.6,<3.7"] if PROTO_ROOT.is_dir() else []


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return [*_wheel_requires(config_settings), *_COMPILER]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    return get_requires_for_build_wheel(config_settings)


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    return [*_sdist_requires(config_settings), *_COMPILER]


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    generate()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    generate()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    generate()
    return build_meta.build_sdist(sdist_directory, config_settings)
