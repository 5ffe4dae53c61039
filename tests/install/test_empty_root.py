"""First steps on a machine that has Python and nothing else: the README's, and those of a program in Go."""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path

import numpy as np
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


@pytest.fixture(scope="session")
def home(
    empty_root: EmptyRoot,
    installed: Environment,
    platform_wheel: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What a user brings along: the wheel, what it depends on, a trained network, images."""
    folder = tmp_path_factory.mktemp("home")
    for name in (f"build/wheels/{platform_wheel.name}", f"{DIGITS}_mlp.keras", f"{DIGITS}.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in _GLIBC]
    python = empty_root.python_version()
    installed.pip(
        "download", "--quiet", "--only-binary=:all:", f"--python-version={python}", *platforms,
        "--dest", folder / "wheelhouse", platform_wheel,
    )  # fmt: skip
    return folder


def first_steps(more: str) -> str:
    """What the README tells a reader to type first, with `more` before the server is ended."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```sh\n([^`]*pip install [^`]*)```", readme)
    steps, kill, end = str(block).partition("kill %1")
    assert kill, "the server is ended, so that the next one of the page finds its port free"
    return f"{steps}{more}\n{kill}{end}wait %1\n"


def printed_classes(said: str) -> list[tuple[str, str]]:
    """Sample and class of each line that `spikeserve classify` printed."""
    return re.findall(r"^ +(\d+) +(\d) ", said, re.MULTILINE)


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
    more = f"spikeserve evaluate digits {DIGITS}.npz:images {DIGITS}.npz:labels --json"
    said = empty_root.run(first_steps(more), home)
    assert [sample for sample, _ in printed_classes(said)] == list("01234")
    assert json.loads(said[said.index("{") :])["accuracy"] > 0.95


def test_the_go_example_classifies_on_the_server_of_the_wheel(empty_root: EmptyRoot, home: Path) -> None:
    program = ROOT / "build" / "go" / "classify"
    if not program.exists():
        pytest.skip(f"no {program.relative_to(ROOT)}, which is built of client/go")
    shutil.copy(program, home)
    with np.load(home / f"{DIGITS}.npz") as digits:
        images = digits["images"][:5]
    (home / "images.idx").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *images.shape) + images.tobytes())
    said = empty_root.run(first_steps("./classify -network digits -top 1 images.idx"), home)
    by_go = re.findall(r"^images.idx\[(\d)\]: class (\d) ", said, re.MULTILINE)
    assert len(by_go) == 5
    assert by_go == printed_classes(said)
