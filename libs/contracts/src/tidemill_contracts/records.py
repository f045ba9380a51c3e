"""JSON records as rows: what lies in objects is named by the way to it, wherever records come in."""

from typing import Any

MAX_DEPTH = 8


def flat(value: Any) -> dict[str, Any]:
    """Flatten an object; raise ValueError saying what else it is, or holds."""
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise ValueError(f"expected a JSON object, received {kind}")  # noqa: TRY004 - of the content
    row: dict[str, Any] = {}
    _add(row, "", value, 1)
    return row


def _add(row: dict[str, Any], prefix: str, members: dict[str, Any], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"expected at most {MAX_DEPTH} objects in one another, received more at {prefix}")
    for key, value in members.items():
        name = prefix + key
        if isinstance(value, dict):
            _add(row, f"{name}.", value, depth + 1)
        elif isinstance(value, list):
            raise ValueError(f"column {name}: expected a single value, received a list")  # noqa: TRY004
        elif name in row:
            raise ValueError(f"column {name}: expected one value, received two by different paths")
        else:
            row[name] = value
