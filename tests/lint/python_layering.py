"""Fails on an import that breaks the layers of the Python package.

A room is a folder, or some of the modules of one, and may import the rooms that ROOMS names. Imports inside
of functions and for type checks count as well: they are arrows too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sources

PACKAGE = "client/python/src/spikeserve/"


@dataclass(frozen=True)
class Room:
    """Modules and folders of the package, and the rooms that they may import."""

    modules: tuple[str, ...]  # without "spikeserve."; a folder stands for all in it that no other room names
    may_import: frozenset[str] = frozenset()


def _room(modules: str, *may_import: str) -> Room:
    return Room(tuple(modules.split()), frozenset(may_import))


MODELS = ("v1", "basics", "models")
DEFINITION = (*MODELS, "definition")
NETWORK = ("v1", "network", "outputs")
ANSWERS = (*NETWORK, "answers")
REQUESTS = (*ANSWERS, "requests")
LOWER = (*MODELS, "read", "draft")
CALIBRATE = (*LOWER, "definition", "network", "lower")
CONVERT = (*CALIBRATE, "calibrate", "memory", "nir")
ANALYSIS = (*REQUESTS, "client", "models", "definition")

COMMON = "common"  # every room may import it
ROOMS: dict[str, Room] = {
    COMMON: _room("_keywords _show"),
    "v1": _room("v1"),  # generated
    "basics": _room("_version convert.arrays convert.errors"),
    "models": _room("convert.models", "v1", "basics"),
    "draft": _room("convert.draft", "v1", "basics"),
    "read": _room("convert.read", "basics"),
    "outputs": _room("outputs", "v1"),
    "definition": _room("convert.definition", "outputs", *MODELS),
    "network": _room("network _probes _report", "v1", "basics", "definition", "nir"),
    "lower": _room("convert.lower", *LOWER),
    "nir": _room("convert.nir", *LOWER, "definition", "lower"),
    "calibrate": _room("convert.calibrate", *CALIBRATE),
    "memory": _room("convert.memory", *CALIBRATE),
    "convert": _room("convert", *CONVERT),
    "answers": _room("encodings errors results", *NETWORK),
    "requests": _room("_arrays _address _channel _messages _requests _runs _upload recording", *ANSWERS),
    "client": _room("_client_async _client_base _replay client session", *REQUESTS),
    "analysis": _room("_tasks calibration energy evaluation input_events outputs.scores plot", *ANALYSIS),
    "outside": _room("local_server samples"),  # processes and files
    "package": _room("__init__", "basics", *ANALYSIS, "analysis", "convert", "outside"),
    "cli": _room("cli", *ANALYSIS, *CONVERT, "analysis", "convert", "outside", "package"),
}
# Libraries that only some rooms may see; numpy is everywhere.
LIBRARIES: dict[str, frozenset[str]] = {
    "click": frozenset({"cli"}),
    "google": frozenset({"v1", "network", "cli"}),
    "grpc": frozenset({"v1", "answers", "requests", "client"}),
    "h5py": frozenset({"read", "nir"}),
    "matplotlib": frozenset({"analysis"}),
    "rich": frozenset({"cli", "convert"}),
    "torch": frozenset({"read"}),
}
_ROOM_OF = {module: name for name, room in ROOMS.items() for module in room.modules}


def room_of(module: str) -> str | None:
    """The room of a module of the package, e.g. "convert.read.graph"; None for one that has none."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((_ROOM_OF[name] for name in names if name in _ROOM_OF), None)


def _module_of(path: str) -> str:
    """The module of a file: a folder's own for its __init__.py."""
    module = path.removeprefix(PACKAGE).removesuffix(".py").replace("/", ".")
    return module.removesuffix(".__init__")


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that is imported; a leading dot for relative imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, item.name) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{item.name}") for item in node.names)


def _target_room(name: str) -> str | None:
    """The room of an imported name of ours, None for anybody else's."""
    package, _, module = name.partition(".")
    if package != "spikeserve":
        return None
    return room_of(module) or "package"


def violations(path: str, text: str) -> list[str]:
    """Everything in one module that breaks a rule."""
    room = room_of(_module_of(path))
    if room is None:
        return [f"{path}: is in no room; name it in ROOMS of tests/lint/python_layering.py"]
    allowed = ROOMS[room].may_import | {room, COMMON}
    found = []
    for line, name in _imports(ast.parse(text, path)):
        where = f"{path}:{line}"
        target = _target_room(name)
        library = name.partition(".")[0]
        if name.startswith("."):
            found.append(f"{where}: {name}: imports are written from spikeserve")
        elif target is not None and target not in allowed:
            found.append(f"{where}: {room} may not import {target} ({name})")
        elif room not in LIBRARIES.get(library, {room}):
            found.append(f"{where}: {library} is seen only by {', '.join(sorted(LIBRARIES[library]))}")
    return found


def check(root: Path) -> tuple[int, list[str]]:
    """Number of modules read, and all violations in them."""
    names = [name for name in sources.files(root, (".py",)) if name.startswith(PACKAGE)]
    found = []
    for name in names:
        found += violations(name, (root / name).read_text(encoding="utf-8"))
    return len(names), found


def main() -> int:
    count, found = check(sources.ROOT)
    print("\n".join(found) if found else f"python_layering: {count} modules keep to the layers")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
