"""The wheels and the source distribution, as pip gives them to people."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from installation import ROOT, Environment, new_environment

MODELS = ROOT / "tests" / "data" / "models"
VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
# A Linux on which Python packages with compiled parts run has these.
SYSTEM_LIBRARIES = {
    "ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0",
    "libresolv.so.2", "librt.so.1", "libstdc++.so.6",
}  # fmt: skip
# Debian has archives of these, so the server contains them.
LINKED = re.compile(r"lib(?:grpc|gpr|protobuf|absl|ssl|crypto|cares|re2|upb|z|address_sorting)\b.*")
NOTICES_OF = (
    "abseil", "c-ares", "cli11", "fmtlib", "grpc", "highway", "openssl", "prometheus-cpp",
    "protobuf", "re2", "spdlog", "zlib",
)  # fmt: skip


def metadata(wheel: Path, name: str) -> str:
    """A file of the wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        [path] = [path for path in archive.namelist() if path.endswith(f".dist-info/{name}")]
        return archive.read(path).decode()


def test_the_tag_is_what_auditwheel_proves(platform_wheel: Path) -> None:
    tag = platform_wheel.stem.rpartition("-")[2]
    assert re.fullmatch(r"manylinux_2_\d+_x86_64", tag)
    auditwheel = ROOT / "build" / "wheel-tools" / "bin" / "auditwheel"
    shown = subprocess.run([auditwheel, "show", platform_wheel], check=True, capture_output=True, text=True)
    assert f'"{tag}"' in " ".join(shown.stdout.split()), shown.stdout
    assert f"Tag: py3-none-{tag}" in metadata(platform_wheel, "WHEEL")


def test_the_server_finds_all_its_libraries_in_the_wheel(installed: Environment) -> None:
    site = installed.package.parent
    carried = [installed.package / "bin" / "spikeserve-server", *site.glob("spikeserve.libs/*")]
    assert not [file.name for file in carried if LINKED.fullmatch(file.name)]
    for file in carried:
        shown = subprocess.run(["ldd", file], check=True, capture_output=True, text=True, env={}).stdout
        for name, place in re.findall(r"^\s+(\S+)(?: => (.*?))?(?: \(0x\w+\))?$", shown, re.MULTILINE):
            library = Path(name).name
            if library not in SYSTEM_LIBRARIES and library != "linux-vdso.so.1":
                assert place, shown
                assert Path(place).resolve().is_relative_to(site.resolve()), shown


def test_the_licences_of_what_is_in_the_server_travel_with_it(platform_wheel: Path) -> None:
    notices = metadata(platform_wheel, "licenses/THIRD_PARTY_NOTICES.txt")
    for source in NOTICES_OF:
        assert re.search(rf"^=+\n{source} \S+\n=+$", notices, re.MULTILINE), source
    for licence in re.findall(r"/usr/share/common-licenses/([\w.+-]*\w)", notices):
        assert f"\n/usr/share/common-licenses/{licence}\n====" in notices
    fields = HeaderParser().parsestr(metadata(platform_wheel, "METADATA"))
    assert fields.get_all("License-File") == ["LICENSE", "THIRD_PARTY_NOTICES.txt"]


def test_serves_and_classifies_in_an_empty_environment(installed: Environment, tmp_path: Path) -> None:
    definition, digits = tmp_path / "digits.spk", MODELS / "digits.npz"
    installed.run("spikeserve", "convert", MODELS / "digits_mlp.keras", definition, "--uint8-scale", "1/16",
                  "--sample-data", f"{digits}:images")  # fmt: skip
    with installed.serving("--network-repository", tmp_path / "networks") as (address, metrics):
        server = ("--server", address)
        installed.run("spikeserve", "load", "digits", definition, *server)
        evaluated = installed.run("spikeserve", "evaluate", "digits", f"{digits}:images", f"{digits}:labels",
                                  "--steps", "16", "--json", *server)  # fmt: skip
        assert json.loads(evaluated.stdout)["accuracy"] > 0.95
        installed.run("spikeserve-server", "--healthcheck", address)
        with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=30) as answer:
            assert f'version="{VERSION}"' in answer.read().decode()


def test_the_server_is_on_the_path(installed: Environment) -> None:
    assert VERSION in installed.run("spikeserve-server", "--version").stdout
    assert "Usage: spikeserve-server" in installed.run("spikeserve-server", "--help").stdout
    assert installed.run("spikeserve-server", "--no-such-flag", check=False).returncode == 2


def test_what_the_server_is_tested_with_passes_with_the_one_of_the_wheel(installed: Environment) -> None:
    """TLS, tokens, health, metrics and every call, none of them through a shared library of this machine."""
    tests = [ROOT / "tests" / "e2e" / f"test_{name}.py" for name in ("operations", "requests")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", ROOT / "client/python/pyproject.toml", "-q", *tests],
        env={**os.environ, "SPIKESERVE_SERVER_BINARY": str(installed.package / "bin" / "spikeserve-server")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_environment_can_name_another_server(installed: Environment, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text('#!/bin/sh\necho "the other, with $1"\n')
    other.chmod(0o755)
    served = installed.run("spikeserve", "serve", "--backend", SPIKESERVE_SERVER_BINARY=str(other))
    assert served.stdout == "the other, with --backend\n"


def test_the_package_knows_its_version(installed: Environment) -> None:
    printed = installed.run("python", "-c", "import spikeserve; print(spikeserve.__version__)").stdout
    assert printed == f"{VERSION}\n"


def test_without_a_server_serve_says_where_one_comes_from(
    installed: Environment, platform_wheel: Path, pure_wheel: Path, tmp_path: Path
) -> None:
    [(major, minor)] = re.findall(r"manylinux_(\d+)_(\d+)_x86_64", platform_wheel.name)
    # Beside the libraries of the other environment, in place of its package.
    installed.pip("install", "--no-deps", "--target", tmp_path, pure_wheel)
    command = ("python", "-m", "spikeserve.cli", "serve")
    path = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    served = installed.run(*command, check=False, **path)
    assert served.returncode == 1
    assert f"wheels for Linux on x86-64 with glibc {major}.{minor} or newer do (this is" in served.stderr
    assert "SPIKESERVE_SERVER_BINARY" in served.stderr
    assert "Traceback" not in served.stderr


def test_pip_makes_the_pure_wheel_of_the_source_distribution(
    source_distribution: Path, pure_wheel: Path, tmp_path: Path
) -> None:
    environment = new_environment(tmp_path)
    environment.pip("wheel", "--no-deps", "--wheel-dir", tmp_path, source_distribution)
    with zipfile.ZipFile(tmp_path / pure_wheel.name) as made, zipfile.ZipFile(pure_wheel) as wanted:
        assert sorted(made.namelist()) == sorted(wanted.namelist())
        assert "spikeserve/v1/network_pb2.py" in made.namelist()
