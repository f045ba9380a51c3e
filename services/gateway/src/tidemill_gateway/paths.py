"""What a path below /v1/ asks for, by the rules of TensorFlow Serving's REST API."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
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
    EXPLAIN = "explain"


_SERVABLE = r"(?:(?:/versions/(?P<version>[0-9]+))|(?:/labels/(?P<label>[^/:]+)))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_SERVABLE}:(?P<verb>classify|regress|predict|explain)", re.IGNORECASE
)
_GET = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_SERVABLE}(?:/(?P<verb>metadata))?", re.IGNORECASE)
_PATTERNS = {"POST": _POST, "GET": _GET}
MAX_VERSION = 2**63 - 1
# Callers ask the same few paths again and again; what others guess must not take memory.
MAX_KNOWN_PATHS = 256
MAX_KNOWN_LENGTH = 256


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
    return _read_again(method, path) if len(path) <= MAX_KNOWN_LENGTH else _read(method, path)


def _read(method: str, path: str) -> tuple[Verb, ModelRef]:
    match = _PATTERNS[method].fullmatch(path) if method in _PATTERNS else None
    if match is None:
        raise invalid(f"Malformed request: {method} {path}")
    name, version, label, verb = match.group("name", "version", "label", "verb")
    if version is not None and (len(version) > 19 or int(version) > MAX_VERSION):
        raise invalid(f"Failed to convert version: {version} to numeric.")
    if name is None and (version or label or verb):
        raise invalid("Missing model name in request.")
    # OpenVINO's client writes 0 for the latest; versions begin at 1.
    ref = ModelRef(unquote(name or ""), int(version or 0) or None, label and unquote(label))
    if verb:
        return Verb(verb.lower()), ref
    return (Verb.STATUS if name else Verb.MODELS), ref


_read_again = lru_cache(MAX_KNOWN_PATHS)(_read)
