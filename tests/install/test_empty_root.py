"""The README's first steps on a machine that has Python and nothing else, where only the wheel is brought."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from empty_root import EmptyRoot, make_empty_root
from installation import ROOT, Environment

# A download for another Python has to name all tags that its system can use; these are of Debian 12.
_GLIBC = (36, 35, 34, 31, 28, 27, 24, 17, 12, 5)
DIGITS = "tests/data/models/digits"

pytestmark = pytest.mark.timeout(900)  # the first test to ask for the root waits until it is made


@pytest.fixture(scope="session")
def empty_root() -> EmptyRoot:
    """A Debian with nothing but Python, kept in the build folder."""
    return make_empty_root(ROOT / "build" / "empty-root")


@pytest.fixture
def home(empty_root: EmptyRoot, installed: Environment, platform_wheel: Path, tmp_path: Path) -> Path:
    """What a user brings along: the wheel, what it depends on, a trained network, images."""
    for name in (f"build/wheels/{platform_wheel.name}", f"{DIGITS}_mlp.keras", f"{DIGITS}.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in _GLIBC]
    python = empty_root.python_version()
    installed.pip(
        "download", "--quiet", "--only-binary=:all:", f"--python-version={python}", *platforms,
        "--dest", tmp_path / "wheelhouse", platform_wheel,
    )  # fmt: skip
    return tmp_path


def first_steps() -> str:
    """What the README tells a reader to type first."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```sh\n([^`]*pip install [^`]*)```", readme)
    return str(block)


def test_the_root_is_empty(empty_root: EmptyRoot, tmp_path: Path) -> None:
    said = empty_root.run(
        """
        command -v cc gcc protoc pip spikeserve spikeserve-server || true
        python3 -c 'import numpy' 2>&- && echo 'numpy is there' || true
        ls /usr/lib/x86_64-linux-gnu | grep -E '^lib(grpc|protobuf|spdlog|prometheus|hwy)' || true
        ls -A /sys/class/net 2>&- || true
        touch /written 2>&- && echo 'the root can be written' || true
        """,
        tmp_path,
    )
    assert said == ""


def test_the_first_steps_of_the_readme_work(empty_root: EmptyRoot, home: Path) -> None:
    more = f"""
        spikeserve evaluate digits {DIGITS}.npz:images {DIGITS}.npz:labels --json
        kill %1
        wait %1
        """
    said = empty_root.run(first_steps() + more, home)
    predicted = re.findall(r"^ +(\d+) +(\d) ", said, re.MULTILINE)
    assert [int(sample) for sample, _ in predicted] == [0, 1, 2, 3, 4]
    assert json.loads(said[said.index("{") :])["accuracy"] > 0.95
