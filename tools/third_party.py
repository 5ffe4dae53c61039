"""Writes the notices that a binary has to travel with: the copyright files of all that was built into it.

    tools/third_party.py build/wheel server/app/spikeserve-server notices.txt

What is built in is taken from the build itself: the headers that ninja has recorded, the archives of the link
command, and the shared libraries that the binary asks for. Debian says which package each is of, and has its
copyright file. C and C++ libraries and the kernel's headers are left out: their licences ask nothing of a
program that is compiled with them, and the binary does not carry them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

LICENCES = Path("/usr/share/common-licenses")
TOOLCHAIN = re.compile(r"(?:gcc-\d+|glibc|linux)")  # source packages
RULE = "=" * 78


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def built_in(build: Path, target: str) -> set[Path]:
    """Files of the system that `target` of a ninja build folder was made from."""
    link = _output("ninja", "-C", str(build), "-t", "commands", target).splitlines()[-1]
    names = [word for word in re.split(r"[\s,]+", link) if word.endswith(".a")]
    recorded = _output("ninja", "-C", str(build), "-t", "deps").splitlines()
    names += [line.strip() for line in recorded if line.startswith("    ")]
    names += re.findall(r"=> (/\S+)", _output("ldd", str(build / target)))
    files = {(build / shlex.split(name)[0]).resolve() for name in names}
    return {file for file in files if file.is_relative_to("/usr")}


def packages(files: Iterable[Path]) -> set[str]:
    """The Debian packages that `files` are of; RuntimeError for one that is of none."""
    spellings = {str(file): file for file in files}
    # Before /usr was merged, packages named /lib/...; dpkg still knows their files by these names.
    spellings |= {str(file).removeprefix("/usr"): file for file in spellings.values()}
    answer = subprocess.run(
        ["dpkg-query", "--search", *spellings], capture_output=True, text=True, check=False
    ).stdout
    found: dict[Path, str] = {}
    for line in answer.splitlines():
        owners, _, path = line.rpartition(": ")
        if path in spellings:
            found[spellings[path]] = owners.split(",")[0].strip()
    lost = sorted(str(file) for file in spellings.values() if file not in found)
    if lost:
        raise RuntimeError(f"of no Debian package, so that nothing says its licence: {', '.join(lost)}")
    return set(found.values())


def notices(names: Iterable[str]) -> str:
    """The copyright files of the packages, once for each source package, and the licences they refer to."""
    query = _output("dpkg-query", "--show", "-f", "${source:Package} ${source:Version} ${Package}\n", *names)
    texts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in query.splitlines():
        source, version, package = line.split()
        if not TOOLCHAIN.fullmatch(source):
            copyright_file = Path("/usr/share/doc") / package / "copyright"
            texts[source, version].add(copyright_file.read_text(encoding="utf-8"))
    parts = ["spikeserve-server contains or comes with this software, as Debian has it, under these terms."]
    for (source, version), copies in sorted(texts.items()):
        parts += [f"{RULE}\n{source} {version}\n{RULE}", *sorted(copies)]
    body = "\n\n".join(parts)
    for name in sorted(set(re.findall(rf"{LICENCES}/([\w.+-]*\w)", body))):
        parts.append(f"{RULE}\n{LICENCES}/{name}\n{RULE}\n\n{(LICENCES / name).read_text(encoding='utf-8')}")
    return "\n\n".join(parts)


def main() -> int:
    """Writes the notices of one target."""
    build, target, out = sys.argv[1:]
    Path(out).write_text(notices(packages(built_in(Path(build), target))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
