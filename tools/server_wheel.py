"""Makes the wheel that carries a server of the one for any platform.

    tools/server_wheel.py build/wheels/spikeserve-*-py3-none-any.whl SERVER NOTICES build/wheels

SERVER goes into the package as bin/spikeserve-server, where spikeserve.local_server finds it, and a script of
that name onto the PATH. auditwheel puts the shared libraries beside it that not every Linux has, and proves
the platform tag. NOTICES, the licences of what is in SERVER, go where the licence of the package is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "spikeserve"
NOTICES_NAME = "THIRD_PARTY_NOTICES.txt"
SCRIPT = '''\
#!python
"""Becomes the server that the package carries."""

import os
import sys
from importlib.util import find_spec

[package] = find_spec("spikeserve").submodule_search_locations  # without importing it
os.execv(os.path.join(package, "bin", "spikeserve-server"), ["spikeserve-server", *sys.argv[1:]])
'''


def _run(*module_and_arguments: str) -> None:
    subprocess.run([sys.executable, "-m", *module_and_arguments], check=True)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise RuntimeError(f"{file.name}: got {text.count(old)} times {old!r}, wanted it once")
    file.write_text(text.replace(old, new), encoding="utf-8")


def fill(wheel: Path, server: Path, notices: Path) -> None:
    """Puts the server into an unpacked wheel, and says for which platform it is then."""
    [info] = wheel.glob("*.dist-info")
    carried = wheel / PACKAGE / "bin" / "spikeserve-server"
    script = wheel / f"{info.stem}.data" / "scripts" / "spikeserve-server"
    for file in (carried, script):
        file.parent.mkdir(parents=True)
    shutil.copyfile(server, carried)
    script.write_text(SCRIPT, encoding="utf-8")
    for file in (carried, script):
        file.chmod(0o755)
    shutil.copyfile(notices, info / "licenses" / NOTICES_NAME)
    licence = "License-File: LICENSE\n"
    _replace(info / "METADATA", licence, f"{licence}License-File: {NOTICES_NAME}\n")
    _replace(info / "WHEEL", "Root-Is-Purelib: true", "Root-Is-Purelib: false")
    _replace(info / "WHEEL", "Tag: py3-none-any", "Tag: py3-none-linux_x86_64")


def main() -> int:
    """Writes the wheel that carries the server into the folder that is named last."""
    pure, server, notices, out = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _run("wheel", "unpack", "--dest", str(scratch / "unpacked"), str(pure))
        [unpacked] = (scratch / "unpacked").iterdir()
        fill(unpacked, server, notices)
        _run("wheel", "pack", "--dest-dir", str(scratch), str(unpacked))
        [packed] = scratch.glob("*.whl")
        _run("auditwheel", "repair", "--wheel-dir", str(out), str(packed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
