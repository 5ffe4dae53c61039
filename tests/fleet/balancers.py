"""nginx and HAProxy, run with the configurations of deploy/balancers on addresses of the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import servers

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "deploy" / "balancers"
_SPREAD, _BY_NETWORK = 8001, 8003  # ports of the configurations


def free_port() -> int:
    """A port of loopback that nobody has, for a moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """A configuration with other names; AssertionError where one of them does not stand in it."""
    for old, new in changes:
        assert old in text, f"the configuration lacks {old!r}"
        text = text.replace(old, new)
    return text


class Balancer:
    """One that runs. `address` spreads calls, `by_network` routes them by the header.

    `more`: what its configuration has to say otherwise, beside addresses and files.
    """

    program = ""
    file = ""

    def __init__(self, folder: Path, replicas: list[str], *more: tuple[str, str]) -> None:
        if not self.installed():
            pytest.skip(f"{self.program} is not installed")
        self.folder = folder
        self._replicas = replicas
        spread, by_network = free_port(), free_port()
        self.address, self.by_network = f"127.0.0.1:{spread}", f"127.0.0.1:{by_network}"
        names = [(f"replica-{index + 1}:8001", address) for index, address in enumerate(replicas)]
        self.text = replaced((CONFIGURATIONS / self.file).read_text(), *names, *self.changes(), *more)
        self._write(self.text)
        self._log = (folder / f"{self.program}.log").open("ab")
        self._process = subprocess.Popen(self.command(), stdout=self._log, stderr=self._log)
        servers.eventually(self._listens, f"{self.program} listens: {folder}/{self.program}.log")

    @classmethod
    def installed(cls) -> bool:
        """Whether this machine has it."""
        return shutil.which(cls.program) is not None

    def changes(self) -> list[tuple[str, str]]:
        """What the configuration has to say otherwise here."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Runs it in the foreground."""
        raise NotImplementedError

    def drain(self, index: int) -> None:
        """No new calls for this replica, as README.md of the configurations says."""
        raise NotImplementedError

    def restore(self, index: int) -> None:
        """New calls for it again."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def configuration(self) -> Path:
        """Its file here."""
        return self.folder / self.file

    def port(self, address: str) -> str:
        """The port alone."""
        return address.rpartition(":")[2]

    def _write(self, text: str) -> None:
        self.configuration.write_text(text)

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self.folder / f"{self.program}.log").read_text()
        for address in (self.address, self.by_network):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self.port(address)))) != 0:
                    return False
        return True


class Nginx(Balancer):
    """nginx: a replica is drained by marking it `down` and loading the configuration anew."""

    program = "nginx"
    file = "nginx.conf"

    def changes(self) -> list[tuple[str, str]]:
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in _TEMPORARY)
        return [
            (f"listen {_SPREAD}", f"listen {self.address}"),
            (f"listen {_BY_NETWORK}", f"listen {self.by_network}"),
            (f"^{_BY_NETWORK}:", f"^{self.port(self.by_network)}:"),
            ("/run/nginx.pid", f"{self.folder}/nginx.pid"),
            ("/var/log/nginx/", f"{self.folder}/"),
            ("worker_processes auto;", "worker_processes 2;\ndaemon off;"),
            ("http {", f"http {{\n{temporary}"),
        ]

    def command(self) -> list[str]:
        errors = f"{self.folder}/error.log"
        return ["nginx", "-c", str(self.configuration), "-p", str(self.folder), "-e", errors]

    def drain(self, index: int) -> None:
        address = self._replicas[index]
        self._reload(replaced(self.text, (f"server {address} ", f"server {address} down ")))

    def restore(self, index: int) -> None:
        self._reload(self.text)

    def _reload(self, text: str) -> None:
        """Returns once new workers take connections; the old ones finish what they have."""
        before = self._workers()
        self._write(text)
        self._process.send_signal(signal.SIGHUP)
        servers.eventually(lambda: len(self._workers() - before) >= 2, "nginx has new workers")

    def _workers(self) -> set[int]:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
            return {int(child) for child in children.split()}
        return set()


_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Haproxy(Balancer):
    """HAProxy: a replica is drained by a word to its admin socket."""

    program = "haproxy"
    file = "haproxy.cfg"

    def changes(self) -> list[tuple[str, str]]:
        return [
            (f"bind :{_SPREAD}", f"bind {self.address}"),
            (f"bind :{_BY_NETWORK}", f"bind {self.by_network}"),
            (f"dst_port {_BY_NETWORK}", f"dst_port {self.port(self.by_network)}"),
            ("/run/haproxy/admin.sock", str(self.socket)),
            ("maxconn 16384", "maxconn 1000"),
        ]

    @property
    def socket(self) -> Path:
        """Its admin socket; a path of a unix socket may not be long."""
        return Path(f"/tmp/fleet-{os.getpid()}-{self.port(self.address)}.sock")

    def command(self) -> list[str]:
        return ["haproxy", "-db", "-f", str(self.configuration)]

    def ask(self, command: str) -> str:
        """A word to the admin socket, and its answer."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(10)
            admin.connect(str(self.socket))
            admin.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: admin.recv(65536), b"")).decode().strip()

    def drain(self, index: int) -> None:
        assert self.ask(f"set server spread/replica-{index + 1} state drain") == ""

    def restore(self, index: int) -> None:
        assert self.ask(f"set server spread/replica-{index + 1} state ready") == ""
        servers.eventually(lambda: self.state(index).startswith("UP"), "HAProxy's check succeeds")

    def state(self, index: int) -> str:
        """Of a replica, as HAProxy sees it: UP, DOWN, DRAIN ..."""
        head, *rows = self.ask("show stat").splitlines()
        names = head.removeprefix("# ").split(",")
        for row in rows:
            cells = dict(zip(names, row.split(","), strict=False))
            if (cells["pxname"], cells["svname"]) == ("spread", f"replica-{index + 1}"):
                return cells["status"]
        raise KeyError(index)

    def stop(self) -> None:
        super().stop()
        self.socket.unlink(missing_ok=True)
