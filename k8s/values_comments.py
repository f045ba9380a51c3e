"""What is said of the chart's values, by the comments of values.yaml: nowhere else are they explained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

VALUES = Path(__file__).parent.parent / "helm" / "tidemill" / "values.yaml"
# A commented-out key is a value that has no default.
KEY = re.compile(r"^( *)(?:# (?=\w+: \S+$))?(\w+):( .*)?$")
# What is the same wherever it stands.
ALIKE = {
    "requests": "What is reserved.",
    "limits": "The most that it may use.",
    "pod": "Of its pods alone: as `pods`, whose labels and annotations these are added to.",
    "serviceAccount": "Its service account.",
    "annotations": "Annotations: `iam.gke.io/gcp-service-account: NAME@PROJECT.iam.gserviceaccount.com`.",
    "name": "Name of the Secret.",
    "key": "The key in it.",
}


def described(schema: Schema) -> Schema:
    """Copy a schema, with what is said of every value in it; raise ValueError where nothing is."""
    # What is the same object in two places is explained for each on its own.
    copy: Schema = json.loads(json.dumps(schema))
    _describe(copy, explained(VALUES.read_text()), ())
    return copy


def explained(text: str) -> dict[tuple[str, ...], str]:
    """Map the path of every value that has a comment right above it to what the comment says."""
    return {path: " ".join(comment) for path, comment in _keys(text.splitlines()) if comment}


def _keys(lines: list[str]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    comment: list[str] = []
    path: tuple[str, ...] = ()
    for line in lines:
        if found := KEY.match(line):
            path = (*path[: len(found[1]) // 2], found[2])
            yield path, comment
            comment = []
        elif line.strip().startswith("# "):
            comment.append(line.strip().removeprefix("# "))
        else:
            comment = []


def _describe(schema: Schema, said: dict[tuple[str, ...], str], path: tuple[str, ...]) -> None:
    for key, child in schema.get("properties", {}).items():
        whole = (*path, key)
        if not child.get("description"):
            child["description"] = _description(whole, said)
        _describe(child, said, whole)


def _description(path: tuple[str, ...], said: dict[tuple[str, ...], str]) -> str:
    of_any_pod = ("pods", *path[path.index("pod") + 1 :]) if "pod" in path else path
    others = [
        text for other, text in said.items() if other[0] == path[0] == "services" and other[2:] == path[2:]
    ]
    found = said.get(path) or said.get(of_any_pod) or next(iter(others), "") or ALIKE.get(path[-1])
    if not found:
        raise ValueError(f"expected a comment above {'.'.join(path)} in values.yaml, found none")
    return found
