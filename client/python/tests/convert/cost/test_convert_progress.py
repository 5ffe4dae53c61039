"""What a conversion says while it works, and to whom."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras_files import input_layer, keras_file, quiet, random_dense

import spikeserve

SAMPLES = np.random.default_rng(3).uniform(size=(120, 4)).astype("f4")
LABELS = ["a", "b", "c"]


def model(folder: Path) -> Path:
    hidden = random_dense(4, 6, "relu", name="hidden"), random_dense(6, 5, "relu", seed=1, name="second")
    return keras_file(folder, input_layer(4), *hidden, random_dense(5, 3, seed=2))


def stages(folder: Path, **options: object) -> list[tuple[str, int, int]]:
    heard: list[tuple[str, int, int]] = []
    quiet(model(folder), progress=lambda *said: heard.append(said), **options)
    return heard


def test_a_function_is_told_the_stages_in_their_order(tmp_path: Path) -> None:
    heard = stages(tmp_path, sample_data=SAMPLES, class_labels=LABELS)
    names = [name for name, _ in itertools.groupby(stage for stage, _, _ in heard)]
    assert names == [
        "reading the model", "measuring activations", "checking", "setting scales", "correcting for rounding",
        "writing weights",
    ]  # fmt: skip


def test_what_is_done_grows_to_all_there_is(tmp_path: Path) -> None:
    heard = stages(tmp_path, sample_data=SAMPLES, class_labels=LABELS)
    measured = [(done, total) for stage, done, total in heard if stage == "measuring activations"]
    assert measured == [(0, 120), (50, 120), (100, 120), (120, 120)]
    corrected = [(done, total) for stage, done, total in heard if stage == "correcting for rounding"]
    assert corrected == [(index, corrected[-1][1]) for index in range(len(corrected))]


def test_the_search_says_that_it_searches(tmp_path: Path) -> None:
    samples = np.tile(SAMPLES, (3, 1))
    heard = stages(tmp_path, sample_data=samples, class_labels=LABELS, preset="sparse")
    assert "searching for the fewest spikes" in [stage for stage, _, _ in heard]


def test_nothing_is_drawn_where_stderr_is_no_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quiet(model(tmp_path), progress=True, sample_data=SAMPLES)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_the_command_draws_a_bar_on_a_terminal(tmp_path: Path) -> None:
    """Where stderr is one; what it prints stays on stdout. Only the last stage is sure to be drawn."""
    np.save(tmp_path / "samples.npy", SAMPLES)
    ours, theirs = os.openpty()
    files = [str(model(tmp_path)), str(tmp_path / "a.spk"), "--sample-data", str(tmp_path / "samples.npy")]
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with os.fdopen(theirs, "wb") as stderr:
            done = subprocess.run(
                [sys.executable, "-m", "spikeserve.cli", "convert", *files, "--class-labels", "a,b,c"],
                stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, "TERM": "xterm"}, check=True,
            )  # fmt: skip
        drawn = terminal.read(1 << 16).decode()
    assert "writing weights" in drawn
    assert done.stdout.decode().endswith(f"wrote {tmp_path / 'a.spk'}\n")
    assert spikeserve.load_network(tmp_path / "a.spk").definition.operations
