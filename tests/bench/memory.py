"""Peak memory of the two runs that would be large if memory grew with steps or batch.

python tests/bench/memory.py [--bench PROGRAM] [--data FOLDER] [--json build/bench-memory.json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

RUNS = (("mlp_784_128_10.u8", 100_000, 1), ("vgg16.t32", 1000, 64))  # case, steps, batch


def main() -> None:
    """Runs each in a process of its own and writes the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", type=Path, default=Path("build/release/tests/bench/spikeserve-bench"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-memory.json"))
    arguments = parser.parse_args()
    results = []
    for case, steps, batch in RUNS:
        command = [str(arguments.bench), "--alone", case, "--data", str(arguments.data)]
        command += ["--steps", str(steps), "--batch", str(batch), "--threads", "2"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results.append({**json.loads(out), "steps": steps, "batch": batch})
        print(f"{case} T={steps} batch {batch}: peak {results[-1]['peak_bytes'] / 1e6:.0f} MB", flush=True)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
