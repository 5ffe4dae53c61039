"""Real servers, each started in a scene of its own: limits, preloaded libraries, a network namespace."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import spikeserve
from spikeserve.local_server import find_binary

# What a machine with little memory leaves a server: an attack that takes more ends it, not the machine.
ADDRESS_SPACE = "ulimit -v 3000000"
# What a scenario does not say otherwise, of a server that has the flags: a guard, which is off on loopback
# unless it is asked for, and a stop that waits for nobody.
_USUAL = {"guard": "on", "lame_duck_seconds": 0}


@functools.cache
def known_flags() -> frozenset[str]:
    """Names of the server's flags, as keywords of `serve`."""
    asked = subprocess.run([find_binary(), "--help"], capture_output=True, text=True, check=True, timeout=30)
    return frozenset(name.replace("-", "_") for name in re.findall(r"--([a-z][a-z0-9-]+)", asked.stdout))


def usual_flags() -> dict[str, Any]:
    """Flags of all servers here, as keywords of `serve`."""
    return {name: value for name, value in _USUAL.items() if name in known_flags()}


class Stage:
    """Starts servers on one repository; `close` stops all that still run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "networks"
        self._servers: list[spikeserve.LocalServer] = []
        self._scripts = 0

    def start(self, *scene: str, **flags: Any) -> spikeserve.LocalServer:
        """A server that listens. `scene`: lines of shell that come before it; `flags`: its own."""
        settings = {"network_repository": self.repository, **usual_flags(), **flags}
        server = spikeserve.serve(backend="cpu", binary=self.script(*scene), **settings)
        self._servers.append(server)
        return server

    def script(self, *scene: str) -> Path:
        """A program that sets the scene and becomes the server."""
        self._scripts += 1
        path = self.folder / f"server{self._scripts}.sh"
        path.write_text("\n".join(["#!/bin/sh", *scene, f'exec {shlex.quote(str(find_binary()))} "$@"', ""]))
        path.chmod(0o755)
        return path

    def close(self) -> None:
        """Stops what still runs."""
        for server in self._servers:
            server.stop()
