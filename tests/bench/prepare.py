"""Writes what the benchmark runs on: converted networks and the test images, as plain files.

    python tests/bench/prepare.py FOLDER

FOLDER/NAME.spk, FOLDER/NAME.nengo_dl.spk, FOLDER/fashion_test.images (bytes, row-major) and .labels (bytes).
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import accuracy_table  # noqa: E402
import numpy as np  # noqa: E402
import trained_models  # noqa: E402

IMAGES = 1000
NETWORKS = ("fashion_mlp", "fashion_cnn", "fashion_lenet")


def main() -> None:
    """Writes the files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for model in trained_models.ALL:
        if model.name not in NETWORKS:
            continue
        accuracy_table.convert(model, "spikeserve").save(folder / f"{model.name}.spk")
        # At the scale at which NengoDL's own neurons classify well in tens of steps.
        preset = accuracy_table.best_nengo_dl(model)
        accuracy_table.convert(model, preset).save(folder / f"{model.name}.nengo_dl.spk")
    data = trained_models.fashion_mnist()
    (folder / "fashion_test.images").write_bytes(data.test[:IMAGES].tobytes())
    (folder / "fashion_test.labels").write_bytes(data.test_labels[:IMAGES].astype(np.uint8).tobytes())
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()
