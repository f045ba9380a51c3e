"""What a path below /v1/ asks for, by the rules of TensorFlow Serving's REST API."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from tidemill_gateway.errors import invalid


class Verb(StrEnum):
    """What can be asked."""

    MODELS = "models"
    STATUS = "status"
    METADATA = "metadata"
    PREDICT = "predict"
    CLASSIFY = "classify"
    REGRESS = "regress"


_SERVABLE = r"(?:(?:/versions/(?P<version>[0-9]+))|(?:/labels/(?P<label>[^/:]+)))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_SERVABLE}:(?P<verb>classify|regress|predict)", re.IGNORECASE
)
_GET = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_SERVABLE}(?:/(?P<verb>metadata))?", re.IGNORECASE)
_PATTERNS = {"POST": _POST, "GET": _GET}
_MAX_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as a request names it: by version, by label, or neither."""

    name: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        return f"Latest({self.name})" if self.version is None else f"Specific({self.name}, {self.version})"


NO_MODEL = ModelRef("")


def read_path(method: str, path: str) -> tuple[Verb, ModelRef]:
    """Return what is asked, and of which model (name empty for the list of models).

    `path` is percent-encoded, without the query. Raises Refused when it is malformed for the method.
    """
    match = _PATTERNS[method].fullmatch(path) if method in _PATTERNS else None
    if match is None:
        raise invalid(f"Malformed request: {method} {path}")
    name, version, label, verb = match.group("name", "version", "label", "verb")
    if version is not None and (len(version) > 19 or int(version) > _MAX_VERSION):
        raise invalid(f"Failed to convert version: {version} to numeric.")
    if name is None and (version or label or verb):
        raise invalid("Missing model name in request.")
    ref = ModelRef(unquote(name or ""), None if version is None else int(version), label and unquote(label))
    if verb:
        return Verb(verb.lower()), ref
    return (Verb.STATUS if name else Verb.MODELS), ref
