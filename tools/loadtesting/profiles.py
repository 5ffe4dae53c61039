"""The files of deploy/ghz: configurations of ghz, with what spikeserve wants of them in their tags."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "ghz"
OPEN_LOOP = "open-loop"  # sent at rates that the sweep chooses
KINDS = ("simulate", "stream", "session", "infer")
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0}


class ProfileError(ValueError):
    """A file that is no profile, or an unknown name."""


@dataclass(frozen=True)
class Profile:
    """One file: `config` is what ghz gets, the rest what its tags say."""

    name: str
    config: dict[str, Any]
    about: str
    kind: str  # of the bodies, one of KINDS
    samples: int  # of one call
    expect: frozenset[str]  # status codes, all of which have to occur and no other
    optional: bool  # left out where the server does not have the service

    @property
    def method(self) -> str:
        """package.Service/Method."""
        return str(self.config["call"])

    @property
    def duration(self) -> float:
        """Seconds of load."""
        return seconds(str(self.config["duration"]))


def seconds(text: str) -> float:
    """A duration as ghz writes it: 500ms, 10s, 2m."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text)
    if not found:
        raise ProfileError(f"duration {text!r}, wanted such as 500ms, 10s or 2m")
    return float(found[1]) * _UNITS[found[2]]


def read(path: Path) -> Profile:
    """One profile; ProfileError where something is missing or unknown."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        tags = config["tags"]
        profile = Profile(
            name=config["name"],
            config=config,
            about=tags["about"],
            kind=tags["body"],
            samples=int(tags["samples"]),
            expect=frozenset(tags["expect"].split(",")),
            optional=tags.get("optional") == "true",
        )
        seconds(str(config["duration"]))
        str(config["call"])
    except (KeyError, TypeError, ValueError) as error:
        raise ProfileError(f"{path.name}: {error!r}") from error
    if profile.name != path.stem:
        raise ProfileError(f"{path.name}: its name is {profile.name!r}, wanted {path.stem!r}")
    if profile.kind not in KINDS:
        raise ProfileError(f"{path.name}: body {profile.kind!r}, wanted one of {', '.join(KINDS)}")
    return profile


def read_all(folder: Path = FOLDER) -> dict[str, Profile]:
    """All profiles of a folder, by name, in the order of a run: the small first, overload and sweep last."""
    order = ("unary-1", "unary-64", "stream", "session", "oip-infer", "overload", OPEN_LOOP)
    found = {path.stem: read(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise ProfileError(f"{folder}: no profiles in it")
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else -1))
