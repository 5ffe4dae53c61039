"""Restarts three servers in turn under load, again and again, and counts the calls that fail.

    python tools/rolling-restart.py                      # 10,000 calls with health checks, 10,000 without
    python tools/rolling-restart.py --calls 100000
    python tools/rolling-restart.py --kill               # SIGKILL instead of SIGTERM
    python tools/rolling-restart.py --output build/restarts.json

The clients are those of this repository, with their own policies: Go (client/go/examples/loadgen, built by
`make go`) and Python; single calls, streams, and sessions that move (replay). They connect to the servers
directly. Exits with 1 where a call failed, an answer was wrong, or a server ended a call with CANCELLED.
Where there is no Go, says so and goes on with Python.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from restarts import rolling


def main(argv: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10_000, help="of each run, at least; default 10,000")
    parser.add_argument("--lame-duck-seconds", type=int, default=2, help="of the servers; default 2")
    parser.add_argument("--settle-seconds", type=float, default=3.0, help="between two restarts; default 3")
    parser.add_argument("--health", choices=("both", "on", "off"), default="both", help="which runs to make")
    parser.add_argument("--kill", action="store_true", help="end servers with SIGKILL")
    parser.add_argument("--output", type=Path, help="where to write all figures as JSON")
    arguments = parser.parse_args(argv)
    settings = rolling.Settings(
        arguments.calls, arguments.lame_duck_seconds, arguments.settle_seconds, arguments.kill
    )
    healths = {"both": (True, False), "on": (True,), "off": (False,)}[arguments.health]
    runs = [rolling.run(settings, health=health) for health in healths]
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(runs, indent=2) + "\n")
    problems = [problem for run in runs for problem in rolling.problems(run)]
    for problem in problems:
        print(f"rolling-restart: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
