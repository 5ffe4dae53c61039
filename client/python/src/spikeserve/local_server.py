"""A spikeserve-server on this machine, started and stopped by the program that uses it."""

from __future__ import annotations

import atexit
import inspect
import os
import platform
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from spikeserve._keywords import check

BINARY = "spikeserve-server"
BINARY_VARIABLE = "SPIKESERVE_SERVER_BINARY"

_CARRIED = Path(__file__).parent / "bin" / BINARY  # `make wheel` puts it there
_CARRIED_FOR = "Linux on x86-64 with glibc 2.35 or newer"  # a test compares it with the wheel's tag
_WRONG_USE = 2  # exit status for flags that are wrong
# No balancer is to hear of the end of a server whose clients are this program's. By the environment, as a
# server that is older does not know the flag.
_LAME_DUCK = "SPIKESERVE_LAME_DUCK_SECONDS"
_LISTENING = "listening on "
_METRICS = "metrics on "
_HTTP = "http on "
_LOG_LINES_IN_ERROR = 20

Flag = str | int | float | bool | os.PathLike[str]


class ServerStartError(RuntimeError):
    """The server could not be found or did not start; the message has the end of its log."""


def find_binary(binary: str | os.PathLike[str] | None = None) -> Path:
    """The server: the first that there is of these.

    `binary`, $SPIKESERVE_SERVER_BINARY, the one that the installed wheel carries, the PATH, the newest build
    of a checkout. ServerStartError where there is none, or what is found may not be run.
    """
    given = binary or os.environ.get(BINARY_VARIABLE) or (_CARRIED if _CARRIED.is_file() else None)
    if given:
        if not os.access(given, os.X_OK) or Path(given).is_dir():
            raise ServerStartError(f"{given} is not an executable file")
        return Path(given)
    on_path = shutil.which(BINARY)
    if on_path:
        return Path(on_path)
    built = _built_binaries()
    if built:
        return max(built, key=lambda path: path.stat().st_mtime)
    raise ServerStartError(
        f"{BINARY} was not found: not on the PATH, and this installation of spikeserve carries none, as its "
        f"wheels for {_CARRIED_FOR} do (this is {_this_platform()}). Install such a wheel, or build the "
        f"server from the source of spikeserve (`make server`) and name it by {BINARY_VARIABLE}. "
        "A client needs no server on its own machine: it connects to HOST:PORT of any"
    )


def _this_platform() -> str:
    libc = " ".join(platform.libc_ver()).strip()
    return f"{platform.system()} on {platform.machine()}" + (f" with {libc}" if libc else "")


def _built_binaries() -> list[Path]:
    here = Path(__file__).resolve()
    roots = [root for root in here.parents if (root / "CMakePresets.json").is_file()]
    return [
        path
        for root in roots
        for pattern in (f"build/*/{BINARY}", f"build/*/bin/{BINARY}", f"build/*/server/app/{BINARY}")
        for path in root.glob(pattern)
        if os.access(path, os.X_OK)
    ]


class LocalServer:
    """A running server. Stopped by `stop`, at the end of a `with`, and when the program exits."""

    def __init__(self, process: subprocess.Popen[str], log: Path, scratch: Path) -> None:
        self.process = process
        self.address = ""  # HOST:PORT or unix:PATH, once it listens
        self.metrics_address = ""  # HOST:PORT of /metrics, /healthz and /readyz; empty where they are off
        self.http_address = ""  # HOST:PORT of the Open Inference Protocol over HTTP; empty where it is off
        self.log_path = log  # gone once the server is stopped
        self._scratch = scratch
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        atexit.register(self.stop)

    def __repr__(self) -> str:
        state = "running" if self.process.poll() is None else f"exited with {self.process.returncode}"
        return f"<LocalServer: {self.address or 'not listening yet'}, process {self.process.pid}, {state}>"

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return self.log_path.read_text(errors="replace")

    def wait_until_listening(self, timeout: float) -> None:
        """Returns once the server takes calls; ServerStartError where it exits or takes longer."""
        try:
            while not self.address:
                line = self._lines.get(timeout=timeout)
                if line is None:
                    status = self.process.wait()
                    raise ServerStartError(f"{BINARY} exited with status {status}:\n{self._last_lines()}")
                if line.startswith(_METRICS):
                    self.metrics_address = line.removeprefix(_METRICS)
                if line.startswith(_HTTP):
                    self.http_address = line.removeprefix(_HTTP)
                if line.startswith(_LISTENING):
                    self.address = line.removeprefix(_LISTENING)
        except queue.Empty:
            raise ServerStartError(
                f"{BINARY} did not listen within {timeout:g} s:\n{self._last_lines()}"
            ) from None

    def stop(self, timeout: float = 30.0) -> int:
        """Ends the server (SIGTERM: it finishes what runs), kills it after `timeout` s; its exit status."""
        atexit.unregister(self.stop)
        self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._reader.join()
        shutil.rmtree(self._scratch, ignore_errors=True)
        return status

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _read(self) -> None:
        """Keeps the pipe empty, so that the server never blocks on it."""
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _last_lines(self) -> str:
        return "\n".join(self.log.splitlines()[-_LOG_LINES_IN_ERROR:])


def serve(
    *,
    backend: str = "auto",
    listen: str = "127.0.0.1:0",
    metrics_listen: str = "127.0.0.1:0",
    http_listen: str = "none",
    network_repository: str | os.PathLike[str] | None = None,
    binary: str | os.PathLike[str] | None = None,
    start_timeout: float = 30.0,
    **flags: Flag,
) -> LocalServer:
    """Starts a local server and returns it once it listens; use it in a `with`, which stops it.

    `backend`: "auto", "cpu" or "cuda". `listen`, `metrics_listen`: HOST:PORT (port 0 picks one), unix:PATH.
    `http_listen`: HOST:PORT of the Open Inference Protocol over HTTP, or "none".
    `network_repository`: where loaded networks are kept; by default a temporary folder that goes with the
    server. Further keywords are flags of the server, `max_batch=64` for `--max-batch 64`. ServerStartError;
    TypeError for a keyword that is no flag.
    """
    scratch = Path(tempfile.mkdtemp(prefix="spikeserve-"))
    try:
        settings: dict[str, Flag] = {
            "listen": listen,
            "metrics_listen": metrics_listen,
            "http_listen": http_listen,
            "backend": backend,
            "network_repository": network_repository or scratch / "networks",
            **flags,
        }
        server = _start(find_binary(binary), settings, scratch)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    try:
        server.wait_until_listening(start_timeout)
    except BaseException as error:
        if server.stop() == _WRONG_USE and isinstance(error, ServerStartError):
            _check_flags(find_binary(binary), flags)
        raise
    return server


def _check_flags(binary: Path, flags: Iterable[str]) -> None:
    """TypeError for a keyword that is no flag of the server."""
    asked = subprocess.run([binary, "--help"], capture_output=True, text=True, check=False, timeout=30)
    known = {name.replace("-", "_") for name in re.findall(r"--([a-z][a-z0-9-]+)", asked.stdout)}
    if known:
        check("serve", flags, {*known, *inspect.signature(serve).parameters} - {"flags", "help"})


def _start(binary: Path, settings: dict[str, Flag], scratch: Path) -> LocalServer:
    command = [str(binary)]
    for name, value in settings.items():
        command += _flag("--" + name.replace("_", "-"), value)
    log = scratch / "server.log"
    with log.open("wb") as stream:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                env={_LAME_DUCK: "0", **os.environ},
            )
        except OSError as error:
            raise ServerStartError(f"{binary} cannot be started: {error}") from error
    return LocalServer(process, log, scratch)


def _flag(name: str, value: Flag) -> list[str]:
    if isinstance(value, bool):
        return [name] if value else []
    return [name, os.fspath(value) if isinstance(value, os.PathLike) else str(value)]
