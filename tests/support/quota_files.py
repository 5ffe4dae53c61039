"""Quota files, written as an operator would, and tokens for them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def tenant(name: str, *tokens: str, admin: str = "", **members: Any) -> dict[str, Any]:
    """A tenant with these tokens, the one of `admin` may load networks; without any the default."""
    callers: Any = [{"token": token} for token in tokens]
    if admin:
        callers.append({"token": admin, "scope": "admin"})
    return {"name": name, "callers": callers or "default", **members}


def write(path: Path, *tenants: dict[str, Any]) -> Path:
    """A quota file with these tenants, at once under this name."""
    replace(path, json.dumps({"tenants": tenants}, indent=1))
    return path


def replace(path: Path, text: str) -> None:
    """The file with another text, at once."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(text)
    os.replace(unfinished, path)
