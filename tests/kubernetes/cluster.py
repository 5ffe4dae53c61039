"""A real API server of Kubernetes with its etcd, on loopback; nothing else of a cluster."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from charts import Manifest

TOKEN = "of-the-tests"
CHECKED = "dryRun=All&fieldValidation=Strict"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """Calls to an API server. Its methods raise AssertionError for answers that nobody asked for."""

    def __init__(self, address: str, certificates: Path) -> None:
        self.address = address
        self._folder = certificates
        self._places: dict[tuple[str, str], tuple[str, bool]] = {}

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, list[str]]:
        """Status, answer and warnings of a call."""
        request = urllib.request.Request(
            f"{self.address}{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        context = ssl.create_default_context(cafile=str(self._folder / "apiserver.crt"))
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                text = answer.read()
                warnings = answer.headers.get_all("Warning") or []
                return answer.status, json.loads(text) if text.startswith(b"{") else text.decode(), warnings
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text.startswith(b"{") else text.decode(), []

    def check(self, thing: Manifest, namespace: str) -> tuple[str | None, list[str]]:
        """What the server has against an object, None if nothing, and its warnings; nothing is kept."""
        status, answer, warnings = self.call("POST", f"{self._path(thing, namespace)}?{CHECKED}", thing)
        return (None if status == 201 else f"{status}: {answer['message']}"), warnings

    def create(self, thing: Manifest, namespace: str = "") -> None:
        """Makes an object."""
        status, answer, _ = self.call("POST", self._path(thing, namespace), thing)
        assert status == 201, answer

    def define(self, definitions: list[Manifest]) -> None:
        """Makes kinds, and waits until there are objects of them."""
        for definition in definitions:
            self.create(definition)
        for definition in definitions:
            spec = definition["spec"]
            versions = [version["name"] for version in spec["versions"] if version["served"]]
            for version in versions:
                path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
                _eventually(lambda path=path: self.call("GET", path)[0] == 200, f"objects at {path}")

    def kubeconfig(self, file: Path) -> Path:
        """A file with which helm calls this server."""
        server = {"server": self.address, "certificate-authority": str(self._folder / "apiserver.crt")}
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "tests",
                    "clusters": [{"name": "tests", "cluster": server}],
                    "users": [{"name": "tests", "user": {"token": TOKEN}}],
                    "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
                }
            )
        )
        file.chmod(0o600)
        return file

    def _path(self, thing: Manifest, namespace: str) -> str:
        version, kind = thing["apiVersion"], thing["kind"]
        if (version, kind) not in self._places:
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            status, answer, _ = self.call("GET", root)
            assert status == 200, f"{version}: {answer}"
            for each in answer["resources"]:
                if "/" not in each["name"]:
                    self._places[version, each["kind"]] = (f"{root}|{each['name']}", each["namespaced"])
        place, namespaced = self._places[version, kind]
        root, name = place.split("|")
        return f"{root}/namespaces/{namespace}/{name}" if namespaced else f"{root}/{name}"


def _eventually(condition: Any, what: str, timeout: float = 180) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _keys(folder: Path) -> None:
    for command in (
        ["genrsa", "-out", "sa.key", "2048"],
        ["rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"],
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,1,"system:masters"\n')


@contextmanager
def running(program: Path, folder: Path) -> Iterator[Cluster]:
    """Runs kube-apiserver and the etcd beside it until the end of the block; their logs are in the folder."""
    _keys(folder)
    store, peers, secure = _free_ports(3)
    etcd = [str(program.with_name("etcd")), "--data-dir", str(folder / "etcd")]
    for option in ("listen-client-urls", "advertise-client-urls"):
        etcd += [f"--{option}", f"http://127.0.0.1:{store}"]
    for option in ("listen-peer-urls", "initial-advertise-peer-urls"):
        etcd += [f"--{option}", f"http://127.0.0.1:{peers}"]
    etcd += ["--initial-cluster", f"default=http://127.0.0.1:{peers}"]
    server = [
        str(program), f"--etcd-servers=http://127.0.0.1:{store}",
        "--bind-address=127.0.0.1", f"--secure-port={secure}", "--advertise-address=127.0.0.1",
        "--cert-dir=certs", "--token-auth-file=tokens.csv", "--authorization-mode=RBAC",
        "--service-account-issuer=https://localhost", "--service-account-key-file=sa.pub",
        "--service-account-signing-key-file=sa.key", "--disable-admission-plugins=ServiceAccount",
        "--service-cluster-ip-range=10.99.0.0/24", "--endpoint-reconciler-type=none",
    ]  # fmt: skip
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in (("etcd", etcd), ("kube-apiserver", server)):
            with (folder / f"{name}.log").open("wb") as log:
                processes.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))
        cluster = Cluster(f"https://127.0.0.1:{secure}", folder / "certs")

        def ready() -> bool:
            for process, name in zip(processes, ("etcd", "kube-apiserver"), strict=True):
                assert process.poll() is None, (folder / f"{name}.log").read_text()[-2000:]
            try:
                return cluster.call("GET", "/readyz")[0] == 200
            except OSError:  # it does not listen yet, or has no certificate
                return False

        _eventually(ready, "the API server is ready")
        yield cluster
    finally:
        for process in reversed(processes):  # an API server whose etcd has gone does not end
            _stop(process)
