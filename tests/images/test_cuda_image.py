"""The image for GPUs, on a machine without one: it is whole, and serves by the CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import DIGITS, kernels_bytes
from containers import ROOT, Engine
from test_container_page import BARE
from test_cpu_image import FREE_PORTS, LOCKED, mount

import spikeserve

TOOLKIT = ROOT / "build" / "cuda-toolkit" / "wheels"
LIBRARIES = ("libcublas.so.13", "libcublasLt.so.13")

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def cuda_image(engine: Engine, server_binary: Path, tmp_path: Path) -> str:
    if not BARE:
        pytest.skip("SPIKESERVE_BARE_MACHINE=1 builds it: 2 GB")
    if not kernels_bytes(server_binary):
        pytest.skip("the server was built without the CUDA kernels")
    if not TOOLKIT.is_dir():
        pytest.skip(f"no {TOOLKIT.relative_to(ROOT)}: tools/cuda-toolkit.sh fetches it")
    folder = tmp_path / "cublas"
    folder.mkdir()
    [terms] = TOOLKIT.glob("nvidia_cublas-*.dist-info/**/License.txt")
    for file in (*(TOOLKIT / "nvidia/cu13/lib" / name for name in LIBRARIES), terms):
        shutil.copy(file, folder)
    engine.build("cuda", SERVER=str(server_binary), CUBLAS=str(folder))
    return "spikeserve:cuda"


def test_its_libraries_are_found_and_it_serves_by_the_cpu(
    engine: Engine, cuda_image: str, volume: Path, network: spikeserve.Network
) -> None:
    environment = engine.inspect(cuda_image)["Config"]["Env"]
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} <= set(environment)
    with engine.mounted(cuda_image) as root:
        library = next(path for path in root.rglob(LIBRARIES[0]))
        inside = f"/{library.relative_to(root)}"
        assert (root / "usr/share/doc/cublas/License.txt").is_file()
    loader = ("--entrypoint", "/lib64/ld-linux-x86-64.so.2", cuda_image, "--list", inside)
    said = engine.run("podman", "run", "--rm", *loader).stdout
    assert f"{LIBRARIES[1]} => /" in said
    assert "not found" not in said
    images, labels = DIGITS.test_samples(100, (8, 8))
    with (
        engine.container(cuda_image, *LOCKED, *mount(volume), flags=FREE_PORTS) as one,
        spikeserve.Client(one.address(), timeout=120) as client,
    ):
        client.load("digits", network)
        assert (client.simulate("digits", images, steps=32).classes == labels).mean() > 0.9
        assert client.get("digits").backend == "cpu"
