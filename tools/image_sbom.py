"""Writes what an image of the server is made of, as SPDX and as CycloneDX.

    tools/image_sbom.py ARCHIVE OUT

ARCHIVE is a docker-archive of the image (`buildah push IMAGE docker-archive:FILE`, `docker save`), OUT a
folder for NAME.spdx.json and NAME.cdx.json. syft, on the PATH or of tools/fetch-tool.sh, finds the Debian
packages by their records in the image. The server is of no package, so it is added here, with its checksum,
its version and the packages that it is linked with.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = "spikeserve-server"
LICENCE = "Apache-2.0"
BINARY = f"usr/bin/{NAME}"
SPDX_ID = f"SPDXRef-Package-{NAME}"

Json = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """The server of an image: its version, and the SHA-256 of its file in hexadecimal digits."""

    version: str
    sha256: str


def server_of(archive: Path) -> Server:
    """The server in an image; ValueError where it has none, or no label of its version."""
    with tarfile.open(archive) as image:

        def member(name: str) -> bytes:
            file = image.extractfile(name)
            assert file is not None, name
            return file.read()

        [manifest] = json.loads(member("manifest.json"))
        labels = json.loads(member(manifest["Config"])).get("config", {}).get("Labels") or {}
        version = labels.get("org.opencontainers.image.version", "unknown")
        if version == "unknown":
            raise ValueError(f"{archive}: the image was built without VERSION, so its version is unknown")
        for name in reversed(manifest["Layers"]):
            layer = image.extractfile(name)
            assert layer is not None, name
            with tarfile.open(fileobj=layer) as files:
                for file in files:
                    if file.isfile() and file.name.removeprefix("./") == BINARY:
                        content = files.extractfile(file)
                        assert content is not None
                        return Server(version, hashlib.sha256(content.read()).hexdigest())
    raise ValueError(f"{archive}: got an image without {BINARY}, wanted one of the server")


def add_to_spdx(document: Json, server: Server) -> None:
    """The server as a package of the image, which depends on all others of it."""
    [image] = (
        relation["relatedSpdxElement"]
        for relation in document["relationships"]
        if relation["relationshipType"] == "DESCRIBES"
    )
    packages = [package["SPDXID"] for package in document["packages"] if package["SPDXID"] != image]
    document["packages"].append(
        {
            "SPDXID": SPDX_ID,
            "name": NAME,
            "versionInfo": server.version,
            "primaryPackagePurpose": "APPLICATION",
            "supplier": "NOASSERTION",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "checksums": [{"algorithm": "SHA256", "checksumValue": server.sha256}],
            "licenseConcluded": LICENCE,
            "licenseDeclared": LICENCE,
            "copyrightText": "NOASSERTION",
        }
    )

    def relate(source: str, kind: str, target: str) -> None:
        document["relationships"].append(
            {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}
        )

    relate(image, "CONTAINS", SPDX_ID)
    for package in packages:
        relate(SPDX_ID, "DEPENDS_ON", package)


def add_to_cyclonedx(document: Json, server: Server) -> None:
    """The server as a component, which depends on all libraries."""
    libraries = [part["bom-ref"] for part in document["components"] if part["type"] == "library"]
    document["components"].append(
        {
            "bom-ref": NAME,
            "type": "application",
            "name": NAME,
            "version": server.version,
            "hashes": [{"alg": "SHA-256", "content": server.sha256}],
            "licenses": [{"license": {"id": LICENCE}}],
        }
    )
    document.setdefault("dependencies", []).append({"ref": NAME, "dependsOn": libraries})


def find_syft() -> str:
    """The program; RuntimeError with the reason where there is none."""
    syft = shutil.which("syft")
    if syft is not None:
        return syft
    done = subprocess.run(
        [ROOT / "tools" / "fetch-tool.sh", "syft"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout.strip().splitlines()[-1]


def main() -> int:
    """Writes both documents."""
    archive, out = map(Path, sys.argv[1:])
    server = server_of(archive)
    out.mkdir(parents=True, exist_ok=True)
    spdx, cyclonedx = (out / f"{archive.stem}.{kind}.json" for kind in ("spdx", "cdx"))
    with tempfile.TemporaryDirectory() as home:  # for its cache
        subprocess.run(
            [find_syft(), "scan", "--quiet", f"docker-archive:{archive}", "--source-name", archive.stem,
             "--source-version", server.version, "-o", f"spdx-json={spdx}",
             "-o", f"cyclonedx-json={cyclonedx}"],
            env={"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": home},
            check=True,
        )  # fmt: skip
    for file, add in ((spdx, add_to_spdx), (cyclonedx, add_to_cyclonedx)):
        document = json.loads(file.read_text(encoding="utf-8"))
        add(document, server)
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
