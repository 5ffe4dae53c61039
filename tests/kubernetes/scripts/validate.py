"""Checks objects by the schemas of Kubernetes and of definitions; unknown fields are mistakes.

For a Python that has the package kubernetes-validate. Reads {"objects": [...], "definitions": [...]} from
stdin and prints a list with what is wrong with each object: null, or a message.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema
import kubernetes_validate

VERSION = "1.37"


def closed(schema: Any) -> Any:
    """The schema of a definition as JSON Schema, in which only what is named is allowed."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(part) for name, part in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
    is_open = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not is_open:
        result["additionalProperties"] = False
    return result


def schemas(definitions: list[Any]) -> dict[tuple[str, str], Any]:
    """Schemas by apiVersion and kind."""
    found = {}
    for definition in definitions:
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            for name in ("apiVersion", "kind", "metadata"):
                schema["properties"].setdefault(name, {})
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def mistake(thing: Any, known: dict[tuple[str, str], Any]) -> str | None:
    """What is wrong with an object, None if nothing is."""
    schema = known.get((thing.get("apiVersion"), thing.get("kind")))
    try:
        if schema is not None:
            jsonschema.Draft7Validator(schema).validate(thing)
        else:
            kubernetes_validate.validate(thing, VERSION, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        return f"{'.'.join(str(part) for part in error.path)}: {error.message}"
    except Exception as error:  # a kind or version that it does not have
        return f"{type(error).__name__}: {error}"
    return None


def main() -> None:
    given = json.load(sys.stdin)
    known = schemas(given["definitions"])
    json.dump([mistake(thing, known) for thing in given["objects"]], sys.stdout)


if __name__ == "__main__":
    main()
