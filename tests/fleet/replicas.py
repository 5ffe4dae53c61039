"""Three servers with the same networks, each behind a cable of its own that can be pulled."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import servers
from restarts.cluster import NETWORK, WIDTH

import spikeserve
from spikeserve.local_server import find_binary

COUNT = 3
OWN_NAMESPACE = "SPIKESERVE_FLEET_NAMESPACE"  # set by tools/fleet.sh where it could make one
NETWORKS = tuple(f"network-{letter}" for letter in "abcdefghijkl")  # for routing by name
_METHODS = ("Simulate", "SimulateStream", "Session")
_START_S = 120.0
_STOP_S = 120.0


@dataclass(frozen=True)
class Host:
    """Where a replica runs: a network namespace with an end of a cable, or an address of loopback."""

    address: str
    namespace: str = ""
    cable: str = ""  # the end of the cable in the namespace of the tests

    @property
    def prefix(self) -> list[str]:
        """What runs a program there."""
        return ["ip", "netns", "exec", self.namespace] if self.namespace else []


def lay_cables() -> list[Host]:
    """A namespace for each replica, joined to that of the tests; of a range that is for examples."""
    hosts = []
    for index in range(COUNT):
        namespace, here, there = f"replica{index}-{os.getpid()}", f"replica{index}a", f"replica{index}b"
        address = f"198.51.100.{4 * index + 2}"
        _ip("netns", "add", namespace)
        _ip("link", "add", here, "type", "veth", "peer", there, "netns", namespace)
        _ip("address", "add", f"198.51.100.{4 * index + 1}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", namespace, "address", "add", f"{address}/30", "dev", there)
        _ip("-n", namespace, "link", "set", there, "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        hosts.append(Host(address, namespace, here))
    return hosts


def loopback() -> list[Host]:
    """Where no namespace can be made: replicas that nothing can cut off."""
    return [Host(f"127.0.0.{11 + index}") for index in range(COUNT)]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Fleet:
    """The replicas, with the load's network and those of `NETWORKS` on each. `close` ends all."""

    def __init__(self, folder: Path, hosts: list[Host], lame_duck_seconds: int) -> None:
        self._folder = folder
        self._lame_duck_seconds = lame_duck_seconds
        self.hosts = hosts
        self.servers: list[spikeserve.LocalServer] = []
        self.cancelled: list[str] = []  # lines of the log about calls that a server has ended with CANCELLED
        self._before: list[Counter[str]] = [Counter() for _ in hosts]  # counted by servers that are gone
        try:
            for index in range(len(hosts)):
                self.servers.append(self._start(index, f"{hosts[index].address}:0"))
            for server in self.servers:
                with spikeserve.Client(server.address) as client:
                    client.load(NETWORK, servers.small_network(WIDTH, scale=100.0))
                    for name in NETWORKS:
                        client.load(name, servers.small_network())
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of each."""
        return [server.address for server in self.servers]

    def calls(self, network: str = NETWORK) -> list[int]:
        """Calls of simulations of a network that each replica has counted, servers before it included."""
        return [
            self._before[index][network] + self._counted(index, network) for index in range(len(self.hosts))
        ]

    def in_flight(self, index: int) -> int:
        """Simulations and sessions that a replica has not ended."""
        values = servers.metrics(self.servers[index])
        return int(
            sum(servers.counter(values, "spikeserve_requests_in_flight", method=name) for name in _METHODS)
        )

    def answers(self, index: int) -> bool:
        """Whether a replica can be reached."""
        try:
            return servers.http_get(self.servers[index], "/readyz") != ""
        except OSError:
            return False

    def stop(self, index: int, *, kill: bool = False) -> None:
        """SIGTERM (or SIGKILL), until the server is gone; AssertionError where it ends badly."""
        server = self.servers[index]
        for network in (NETWORK, *NETWORKS):
            self._before[index][network] += self._counted(index, network)
        if kill:
            server.process.kill()
        else:
            server.process.terminate()
        status = server.process.wait(timeout=_STOP_S)
        self.cancelled += [line for line in server.log.splitlines() if "CANCELLED" in line]
        server.stop()
        assert kill or status == 0, f"replica {index} ended with status {status}"

    def start(self, index: int) -> None:
        """A server again where one was stopped, with its networks; returns once it listens."""
        self.servers[index] = self._start(index, self.servers[index].address)

    def pull(self, index: int) -> None:
        """Cuts a replica off: what is on its way is lost, and nobody is told."""
        _ip("-n", self.hosts[index].namespace, "link", "set", f"replica{index}b", "down")

    def plug(self, index: int) -> None:
        """Joins it again."""
        _ip("-n", self.hosts[index].namespace, "link", "set", f"replica{index}b", "up")

    def close(self) -> None:
        """Ends all servers and removes what was made for them."""
        for server in self.servers:
            server.process.kill()
            server.stop()
        for host in self.hosts:
            if host.namespace:
                _ip("link", "delete", host.cable)
                _ip("netns", "delete", host.namespace)

    def _counted(self, index: int, network: str) -> int:
        values = servers.metrics(self.servers[index])
        return int(servers.counter(values, "spikeserve_network_requests_total", network=network))

    def _start(self, index: int, address: str) -> spikeserve.LocalServer:
        host = self.hosts[index]
        begin = time.monotonic()
        server = spikeserve.serve(
            backend="cpu",
            listen=address,
            metrics_listen=f"{host.address}:0",
            network_repository=self._folder / str(index),
            binary=self._program(host),
            start_timeout=_START_S,
            lame_duck_seconds=self._lame_duck_seconds,
            max_sessions=256,
            threads=1,
            guard="off",  # balancers are one address for all clients
            grpc_connections_per_address=1000,
        )
        print(f"replica {index} at {server.address} after {time.monotonic() - begin:.1f} s")
        return server

    def _program(self, host: Host) -> Path:
        """A program that becomes the server, where it is to run."""
        path = self._folder / f"server-{host.address}.sh"
        path.write_text(f'#!/bin/sh\nexec {shlex.join([*host.prefix, str(find_binary())])} "$@"\n')
        path.chmod(0o755)
        return path
