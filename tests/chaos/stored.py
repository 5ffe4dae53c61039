"""Loads and unloads at random, and what must be in a repository after those that were acknowledged."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import numpy as np
import servers

import spikeserve

WIDTH = 4
_NAMES = ("a", "b", "c")
_MOST = 8  # versions in all
_RATE_HZ = 1000.0  # of a neuron that gets 1: each step of 1 ms brings about one spike

Version = tuple[str, int]
Contents = dict[Version, str]  # SHA-256 of each


class Storekeeper:
    """Makes changes, and remembers what the server has acknowledged."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._made = 0
        self.acknowledged: Contents = {}
        self.count = 0  # of acknowledged changes
        self._doubtful: set[Version] = set()  # whose unload has failed: gone from the disk, or not
        # What the change under way would make of the repository, once or in part.
        self._pending: Callable[[Contents], bool] = lambda _: False

    def change(self, client: spikeserve.Client) -> None:
        """One load or unload; errors of the client are the caller's, who then looks what came of it."""
        if len(self.acknowledged) >= _MOST or (self.acknowledged and self._draw.random() < 0.3):
            self._unload(client, *self._draw.choice(sorted(self.acknowledged)))
        else:
            self._load(client, self._draw.choice(_NAMES))
        self.count += 1

    def require(self, client: spikeserve.Client) -> None:
        """The repository has all that was acknowledged, the change under way as a whole or not at all."""
        infos = client.list()
        found = {(info.name, info.version): info.sha256 for info in infos}
        self.acknowledged = {
            key: value
            for key, value in self.acknowledged.items()
            if key in found or key not in self._doubtful
        }
        assert found == self.acknowledged or self._pending(found), f"{found}, wanted {self.acknowledged}"
        assert all(info.state == "ready" for info in infos), infos
        self.acknowledged = found
        for name, version in found:
            answer = client.simulate(name, np.ones((1, WIDTH), np.float32), steps=20, version=version)
            np.testing.assert_allclose(answer.outputs, 1.0, atol=0.1)

    def _load(self, client: spikeserve.Client, name: str) -> None:
        self._made += 1
        network = servers.small_network(WIDTH, scale=_RATE_HZ + self._made)
        digest = hashlib.sha256(network.to_bytes()).hexdigest()
        before = dict(self.acknowledged)

        def stored(found: Contents) -> bool:
            new = {key: value for key, value in found.items() if key not in before}
            kept = {key: value for key, value in found.items() if key in before}
            return kept == before and [(key[0], value) for key, value in new.items()] == [(name, digest)]

        self._pending = stored
        version = client.load(name, network)
        self.acknowledged[name, version] = digest
        self._pending = lambda _: False

    def _unload(self, client: spikeserve.Client, name: str, version: int) -> None:
        after = {key: value for key, value in self.acknowledged.items() if key != (name, version)}
        self._pending = lambda found: found == after
        self._doubtful.add((name, version))
        assert client.unload(name, version) == [version]
        self._doubtful.remove((name, version))
        self.acknowledged = after
        self._pending = lambda _: False
