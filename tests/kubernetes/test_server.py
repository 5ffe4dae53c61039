"""Real servers with the flags of the chart's variants: they start, get ready, serve and end."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path

import charts
import pytest
import quota_files
import servers
import yaml
from charts import CHART, VARIANTS
from started import BINARY, Started, started

import spikeserve

pytestmark = pytest.mark.timeout(900)
METRIC = re.compile(r"\bspikeserve_[a-z0-9_]+")


def files(folder: Path) -> dict[str, Path]:
    """The files that secrets bring to the pods of the variants."""
    certificates = servers.make_certificates(folder)
    secrets = folder / "etc"
    wanted = {
        "tls/tls.crt": certificates["server"].read_text(),
        "tls/tls.key": certificates["server-key"].read_text(),
        "clients/ca.crt": certificates["ca"].read_text(),
        "auth/use": "looks-and-simulates\n",
        "auth/admin": "may-load\n",
    }
    for name, text in wanted.items():
        (secrets / name).parent.mkdir(parents=True, exist_ok=True)
        (secrets / name).write_text(text)
    quota_files.write(secrets / "auth" / "quotas.json", quota_files.tenant("vision", admin="may-load"))
    (folder / "networks").mkdir()
    return certificates


def get(server: Started, path: str) -> str:
    with urllib.request.urlopen(f"http://{server.metrics}{path}", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("variant", VARIANTS)
def test_starts_as_the_chart_says(variant: str, tmp_path: Path) -> None:
    certificates = files(tmp_path)
    for container in charts.servers(charts.render(variant)):
        flags = charts.flags(container)
        folders = {"/var/lib/spikeserve": tmp_path / "networks", "/etc/spikeserve": tmp_path / "etc"}
        with started(container["args"], folders, {"SPIKESERVE_THREADS": "2"}) as server:
            assert get(server, "/readyz")
            answers_the_probe(container, server)
            secure = {"root_cert": certificates["ca"]} if "tls-cert" in flags else {}
            if "tls-client-ca" in flags:
                secure |= {"client_cert": certificates["client"], "client_key": certificates["client-key"]}
            tokens = {"token": "may-load"} if {"auth-token-file", "quota-file"} & set(flags) else {}
            with spikeserve.Client(server.grpc, timeout=60, **secure, **tokens) as client:  # type: ignore[arg-type]
                assert list(client.list()) == []


def answers_the_probe(container: charts.Manifest, server: Started) -> None:
    """What the kubelet would do for readiness, with the server's own client where it is by gRPC."""
    probe = container["readinessProbe"]
    assert probe == {
        **container["livenessProbe"],
        **{k: probe[k] for k in ("periodSeconds", "timeoutSeconds", "failureThreshold")},
    }
    if "grpc" in probe:
        assert probe["grpc"] == {"port": 8001}
        done = subprocess.run(
            [BINARY, "--healthcheck", server.grpc], capture_output=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
    else:
        assert probe["httpGet"]["port"] == "metrics"
        assert get(server, probe["httpGet"]["path"])


def test_metrics_that_are_named_exist(tmp_path: Path) -> None:
    with started(["--listen=x", "--metrics-listen=x", "--http-listen=none"], {}) as server:
        known = set(METRIC.findall(get(server, "/metrics")))
    manifests = [each for variant in VARIANTS for each in charts.render(variant)]
    named = set(
        METRIC.findall(yaml.safe_dump(charts.of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject")))
    )
    named |= set(METRIC.findall((CHART / "README.md").read_text(encoding="utf-8")))
    assert named == {"spikeserve_queue_work_seconds"}
    assert named <= known
