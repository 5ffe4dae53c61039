"""What the documents tell a reader to type works, as it stands there."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import servers

import spikeserve

ROOT = Path(__file__).resolve().parents[2]


def snippets(document: str, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


@pytest.fixture
def in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder in which the repository's relative paths work."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", ["README.md", "docs/exploring.md"])
def test_python_snippets_run(document: str, server: spikeserve.LocalServer, in_a_copy: Path) -> None:
    code = "\n".join(snippets(document, "python"))
    assert code
    names: dict[str, Any] = {"__name__": document}
    exec(compile(code.replace("127.0.0.1:8001", server.address), document, "exec"), names)
    if "activations" in names:  # what the page says that they are
        expected = hidden_outputs("tests/data/models/fashion_mlp.keras", names["images"] / 255)
        assert np.abs(names["activations"] - expected).max() < 0.05 * expected.max()


def hidden_outputs(keras_file: str, images: np.ndarray) -> np.ndarray:
    """What the first dense layer of a Keras file gives, by its own weights (called `dense` there)."""
    with zipfile.ZipFile(keras_file) as archive:
        content = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as weights:
        kernel, bias = (weights[f"layers/dense/vars/{number}"][:] for number in (0, 1))
    outputs: np.ndarray = np.maximum(images.reshape(len(images), -1) @ kernel + bias, 0)
    return outputs


def run_in_shell(script: str, folder: Path) -> str:
    """What the script says, with `spikeserve` on the PATH; any command that fails ends it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-m", "-euc", f"trap 'kill $(jobs -p) 2>&- || :' EXIT\n{script}"],
        cwd=folder,
        env={**os.environ, "PATH": path, "TMPDIR": str(folder), "SPIKESERVE_SERVER": f"unix:{folder}/s"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_requests_over_http_are_answered(in_a_copy: Path) -> None:
    scripts = snippets("docs/protocol.md", "bash")
    assert len(scripts) == 2
    with (
        spikeserve.serve(backend="cpu", http_listen="127.0.0.1:0") as server,
        spikeserve.Client(server.address) as client,
    ):
        client.load("tiny", servers.small_network(width=2))
        said = [run_in_shell(s.replace("localhost:8000", server.http_address), in_a_copy) for s in scripts]
    assert '"datatype":"FP32","shape":[-1,2]' in said[0]
    assert '"name":"classes"' in said[0]
    assert '{"predictions":[[' in said[0]
    (as_json,) = re.findall(r'"name":"output".*?"data":(\[.*?\])', said[0])
    assert f'"data":{as_json}' in said[1]  # of the same values, sent as bytes


def test_the_shell_tours_run(in_a_copy: Path) -> None:
    (tour,) = [text for text in snippets("README.md", "sh") if "spikeserve evaluate" in text]
    (more,) = [text for text in snippets("docs/exploring.md", "sh") if "spikeserve simulate" in text]
    before, end = tour.split("kill %1")
    local = f"spikeserve serve --listen unix:{in_a_copy}/s --metrics-listen none --http-listen none"
    before = before.replace("spikeserve serve", local)
    x = "python -c 'import numpy; numpy.save(\"x.npy\", numpy.full((2, 28, 28), 0.5, numpy.float32))'\n"
    said = run_in_shell(f"{before}cp $tmp/fashion.spk .\n{x}{more}kill %1{end}", in_a_copy)
    assert "accuracy  " in said
    assert "recorded dense_2.spikes: 2x100x" in said
    assert "input operations" in said
