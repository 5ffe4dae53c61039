"""The logic of tools/gpu-check.sh, with programs that only say what the real ones would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

TESTS = """#!/bin/bash
echo "$(basename $0) $*${{GTEST_TOTAL_SHARDS:+ shard $GTEST_SHARD_INDEX of $GTEST_TOTAL_SHARDS}}" >>"{calls}"
filter=${{*##*--gtest_filter=}}
if [ "$(cat {state}/no-gpu 2>/dev/null)" ]; then
  echo "cuda_devices.h:52: Skipped"
  echo "look for GPUs: none"
  echo "[  SKIPPED ] On/Device/Gpu (0 ms)"
  echo "[  PASSED  ] 0 tests."
  exit 0
fi
if [ -e "{state}/skip-$(basename $0)" ]; then echo "[  SKIPPED ] Gpu/One/Gpu1 (0 ms)"; fi
if [ -e "{state}/hang-$(basename $0)" ]; then sleep 100; fi
if [ -e "{state}/fail-$(basename $0)" ] && [ "${{GTEST_SHARD_INDEX:-0}}" = 0 ]; then
  echo "[  FAILED  ] Gpu/One/Gpu1"
  exit 1
fi
count=7
[ "$filter" != 'On/Device.ReplaysWhatItCaptured/Gpu' ] || count=1
echo "[  PASSED  ] $count tests."
"""
BENCH = """#!/bin/bash
echo "gpu_bench $*" >>"{calls}"
if [ -e "{state}/stop-gpu_bench" ]; then echo '{{"rows": [{{"case": "a"}}]}}' >"$2"; exit 124; fi
echo '{{"rows": [{{"case": "a"}}, {{"case": "b"}}]}}' >"$2"
"""
SERVER = """#!/bin/bash
echo "server $*" >>"{calls}"
[ "$1" != --healthcheck ] || exit 0
trap 'exit 0' TERM
echo "listening on 127.0.0.1:1"
for _ in $(seq 300); do sleep 0.1; done
"""
SANITIZER = """#!/bin/bash
if [ "$1" = --version ]; then
  echo "NVIDIA (R) Compute Sanitizer"
  echo "Version $(cat {state}/sanitizer-version 2>/dev/null || echo 2025.4.1.0) (build 1) (public-release)"
  exit 0
fi
echo "sanitizer $*" >>"{calls}"
if [ -e "{state}/refuse-sanitizer" ]; then
  echo "========= COMPUTE-SANITIZER"
  echo "========= Error: Device not supported."
  exit 1
fi
while [ "${{1#--}}" != "$1" ]; do shift 2; done
exec "$@"
"""
PARTS = [
    "build", "device", "unit", "parity", "conformance", "memcheck", "racecheck", "synccheck", "initcheck",
    "leaks", "server", "bench",
]  # fmt: skip


class Machine:
    """A pretended machine: programs, a sanitizer on the PATH, switches that make programs fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls_file = folder / "calls"
        self.programs = folder / "programs"
        for path in (self.programs / "bin", self.programs / "lib", folder / "state", folder / "path"):
            path.mkdir(parents=True)
        for name in ("cuda_tests", "cuda_parity_tests", "conformance_tests"):
            self._write(self.programs / "bin" / name, TESTS)
        self._write(self.programs / "bin" / "gpu_bench", BENCH)
        self._write(self.programs / "bin" / "spikeserve-server", SERVER)
        self._write(folder / "path" / "compute-sanitizer", SANITIZER)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text.format(calls=self.calls_file, state=self.folder / "state"))
        path.chmod(0o755)

    def switch(self, name: str, on: bool = True, text: str = "on") -> None:
        path = self.folder / "state" / name
        if on:
            path.write_text(text)
        else:
            path.unlink()

    def name_gpu(self, name: str) -> None:
        self._write(self.folder / "path" / "nvidia-smi", f"#!/bin/bash\necho '{name}'\n")

    def check(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit status, and the report."""
        out = self.folder / "out"
        environment = {**os.environ, "PATH": f"{self.folder / 'path'}:{os.environ['PATH']}"}
        ended = subprocess.run(
            [ROOT / "tools/gpu-check.sh", "--programs", self.programs, "--out", out, *arguments],
            env=environment, timeout=120, check=False, capture_output=True, text=True,
        )  # fmt: skip
        report = json.loads((out / "report.json").read_text()) if (out / "report.json").exists() else {}
        return ended.returncode, report

    def calls(self) -> list[str]:
        """What was started since the last call."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return lines


def notes(report: dict[str, Any]) -> dict[str, str]:
    return {part["part"]: part["note"] for part in report["parts"]}


def states(report: dict[str, Any]) -> dict[str, str]:
    return {part["part"]: part["status"] for part in report["parts"]}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_all_parts_ok_and_none_runs_twice(machine: Machine) -> None:
    status, report = machine.check()
    assert states(report) == dict.fromkeys(PARTS, "ok")
    assert status == 0
    assert len(report["bench"]["rows"]) == 2
    assert sum("--tool racecheck" in call for call in machine.calls()) == 2
    status, report = machine.check()
    assert (status, states(report)) == (0, dict.fromkeys(PARTS, "ok"))
    assert all("ReplaysWhatItCaptured" in call for call in machine.calls())  # the device is looked at again
    machine.check("--fresh", "parity")
    assert any(call.startswith("cuda_parity_tests") for call in machine.calls())


@pytest.mark.parametrize("name", ["cuda_tests", "spikeserve-server"])
def test_other_programs_are_checked_anew(machine: Machine, name: str) -> None:
    machine.check("unit")
    machine.calls()
    with (machine.programs / "bin" / name).open("a") as program:
        program.write("# another build\n")
    machine.check("unit")
    assert any("NetworksComeAndGo" in call for call in machine.calls())


def test_another_gpu_is_checked_anew(machine: Machine) -> None:
    machine.name_gpu("one")
    machine.check("unit", "bench")
    machine.calls()
    machine.check("unit", "bench")
    assert not any("NetworksComeAndGo" in call for call in machine.calls())
    machine.name_gpu("another")
    _, report = machine.check("unit")
    assert any("NetworksComeAndGo" in call for call in machine.calls())
    assert report["bench"] is None


def test_parity_runs_in_several_processes(machine: Machine) -> None:
    _, report = machine.check("parity")
    shards = [call.split(" shard ")[1] for call in machine.calls() if " shard " in call]
    count = min(8, len(os.sched_getaffinity(0)))
    assert sorted(shards) == [f"{i} of {count}" for i in range(count)]
    assert notes(report)["parity"] == f"{7 * count} tests passed"
    machine.switch("fail-cuda_parity_tests")  # in one of them
    status, report = machine.check("--fresh", "parity")
    assert (status, states(report)["parity"]) == (1, "failed")


def test_sanitizers_look_at_our_kernels_where_others_would_mislead(machine: Machine) -> None:
    machine.check("memcheck", "racecheck", "synccheck", "initcheck")
    calls = [call for call in machine.calls() if call.startswith("sanitizer")]
    filtered = {call.split()[2] for call in calls if "--kernel-name kns=spikeserve" in call}
    assert filtered == {"racecheck", "synccheck"}
    assert len(calls) == 8


def test_initcheck_leaves_out_cublas_before_it_sees_its_stores(machine: Machine) -> None:
    machine.switch("sanitizer-version", text="2025.3.1.0")
    status, report = machine.check("initcheck")
    [call] = [call for call in machine.calls() if call.startswith("sanitizer")]
    assert "cuda_tests" in call
    left_out = call.split(":-On/Device.", 1)[1].split(":")
    assert {"On/DigitProduct.*", "On/MemoryLayer.*", "On/SelfTest.*"} <= set(left_out)
    assert status == 0
    assert notes(report)["initcheck"] == (
        "7 tests passed, none with cuBLAS: compute-sanitizer is 2025.3.1.0, not 2025.4"
    )


def test_says_why_the_sanitizer_does_not_work(machine: Machine) -> None:
    machine.switch("refuse-sanitizer")
    status, report = machine.check("memcheck")
    assert status == 1
    assert notes(report)["memcheck"] == "Error: Device not supported.; see memcheck.log"


def test_a_benchmark_that_is_stopped_keeps_its_rows(machine: Machine) -> None:
    machine.switch("stop-gpu_bench")  # as timeout does
    status, report = machine.check("bench")
    assert status == 1
    assert notes(report)["bench"] == "stopped after 240 s: 1 rows in bench.json; see bench.log"
    assert len(report["bench"]["rows"]) == 1


def test_a_skipped_test_did_not_run(machine: Machine) -> None:
    machine.switch("skip-cuda_parity_tests")
    status, report = machine.check("parity", "leaks")
    assert status == 1
    assert states(report) == {"device": "ok", "parity": "failed", "leaks": "ok"}
    machine.switch("skip-cuda_parity_tests", False)
    status, report = machine.check("parity", "leaks")
    assert status == 0


def test_a_failed_part_does_not_stop_the_others(machine: Machine) -> None:
    machine.switch("fail-conformance_tests")
    status, report = machine.check("conformance", "bench")
    assert status == 1
    assert states(report) == {"device": "ok", "conformance": "failed", "bench": "ok"}


def test_what_has_no_time_left_is_not_run(machine: Machine) -> None:
    status, report = machine.check("--minutes", "0", "unit")
    assert status == 1
    assert states(report)["unit"] == "not run"


def test_without_a_gpu_it_says_so(machine: Machine) -> None:
    machine.switch("no-gpu")
    status, report = machine.check()
    assert status == 1
    assert states(report) == dict.fromkeys(PARTS, "not run") | {"build": "ok", "device": "failed"}
    assert "look for GPUs: none" in report["device"]
    assert report["bench"] is None


def test_programs_come_in_one_archive(machine: Machine) -> None:
    archive = machine.folder / "pack.tar.gz"
    subprocess.run(["tar", "-C", machine.programs, "-czf", archive, "bin", "lib"], check=True)
    shutil.rmtree(machine.programs)
    machine.programs = archive
    status, report = machine.check("unit", "server")
    assert (status, states(report)) == (0, {"device": "ok", "unit": "ok", "server": "ok"})
    assert (machine.folder / "out/pack/bin/cuda_tests").exists()
    machine.calls()
    assert machine.check("unit")[0] == 0
    assert not any("NetworksComeAndGo" in call for call in machine.calls())  # the same programs
    archive.write_bytes(archive.read_bytes()[:200])
    assert machine.check("unit")[0] == 1
    assert machine.calls() == []


def test_what_is_carried_is_one_archive_that_may_not_be_too_large(tmp_path: Path) -> None:
    script = (ROOT / "tools/gpu-pack.sh").read_text()
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/gpu-pack.sh", tmp_path / "tools")
    (tmp_path / "tools/cuda-env.sh").write_text("cuda=ON cmake=true\n")  # everything is built already
    programs = re.search(r"programs=\(([^)]*)\)", script)
    assert programs
    for program in programs[1].split():
        (tmp_path / "build/cuda-static" / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(shutil.which("git")), tmp_path / "build/cuda-static" / program)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    def pack() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tmp_path / "tools/gpu-pack.sh"], cwd=tmp_path, check=False, capture_output=True, text=True
        )

    packed = pack()
    assert packed.returncode == 0, packed.stderr
    archive = tmp_path / "build/gpu-pack.tar.gz"
    listed = subprocess.run(["tar", "-tzf", archive], check=True, capture_output=True, text=True)
    names = listed.stdout.split()
    assert {f"bin/{Path(program).name}" for program in programs[1].split()} <= set(names)
    assert any(name.startswith("lib/lib") for name in names)
    with (tmp_path / "large").open("wb") as large:
        large.truncate(50 << 20)
    subprocess.run(["git", "-C", tmp_path, "add", "large"], check=True)
    packed = pack()
    assert (packed.returncode, packed.stderr) == (1, "gpu-pack: that is more than 50 MiB\n")


def test_wrong_arguments(machine: Machine) -> None:
    assert machine.check("no-such-part")[0] == 2
    assert machine.check("--no-such-option")[0] == 2


def test_the_filters_name_tests_that_there_are() -> None:
    sources = "".join(path.read_text() for path in sorted((ROOT / "tests/unit/cuda").glob("*.cc")))
    named = re.findall(r"On/(\w+)\.(\w+)", (ROOT / "tools/gpu-check.sh").read_text())
    assert len(named) >= 4
    for suite, test in named:
        assert f"TEST_P({suite}, {test}" in sources, f"{suite}.{test}"
