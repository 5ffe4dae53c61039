"""Takes out of an image what is of the run that built it, so that two builds of the same are the same.

    tools/image_settle.py FOLDER

FOLDER is an image as `buildah push IMAGE dir:FOLDER` writes it. In Docker's format buildah and podman note
the number and the host name of the container that they built in; no option keeps them out.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def settle(folder: Path) -> None:
    """Rewrites the settings of the image, and the manifest that names them by their digest."""
    manifest_file = folder / "manifest.json"
    manifest = json.loads(manifest_file.read_bytes())
    before = folder / manifest["config"]["digest"].removeprefix("sha256:")
    settings = json.loads(before.read_bytes())
    settings.pop("container", None)
    for part in ("config", "container_config"):
        settings.get(part, {}).pop("Hostname", None)
    content = json.dumps(settings, separators=(",", ":")).encode()
    digest = hashlib.sha256(content).hexdigest()
    before.unlink()
    (folder / digest).write_bytes(content)
    manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(content)}
    manifest_file.write_text(json.dumps(manifest, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    settle(Path(sys.argv[1]))
