"""Runs one attacker, whose class is named on the command line; options come as JSON on stdin.

Prints "started" once it is about to begin, and its counts as JSON at the end. Needs h2, and nothing of ours.
"""

from __future__ import annotations

import json
import sys

import calls
import connections
import frames
from attacker import Attacker


def attackers() -> dict[str, type[Attacker]]:
    """All of them by name."""
    found: dict[str, type[Attacker]] = {}
    for module in (calls, connections, frames):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, Attacker) and value is not Attacker:
                found[name] = value
    return found


def main() -> None:
    """One attack."""
    attacker = attackers()[sys.argv[1]](json.load(sys.stdin))
    print("started", flush=True)
    print(json.dumps(attacker.run()))


if __name__ == "__main__":
    main()
