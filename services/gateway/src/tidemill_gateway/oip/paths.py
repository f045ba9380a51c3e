"""What a path below /v2 asks for."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.paths import MAX_VERSION, NO_MODEL, ModelRef


class Verb(StrEnum):
    """What can be asked."""

    SERVER = "server"
    LIVE = "live"
    READY = "ready"
    MODEL = "model"
    MODEL_READY = "model ready"
    CONFIG = "config"
    STATS = "stats"
    INFER = "infer"
    EXPLAIN = "explain"
    INDEX = "index"
    LOAD = "load"
    UNLOAD = "unload"


POSTED = frozenset({Verb.INFER, Verb.EXPLAIN, Verb.INDEX, Verb.LOAD, Verb.UNLOAD})

_HEALTH = re.compile(r"/v2(?:/|/health/(live|ready))?")
_MODEL = re.compile(
    r"/v2/models/([^/]+)(?:/versions/([0-9]+))?(?:/(infer|explain|ready|config|stats))?", re.ASCII
)
_ALL_STATS = "/v2/models/stats"
_REPOSITORY = re.compile(r"/v2/repository(?:/[^/]+)?/(?:(index)|models/([^/]+)/(load|unload))")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, and of which model; its name is empty where it is of none."""

    verb: Verb
    ref: ModelRef = NO_MODEL

    @property
    def method(self) -> str:
        """Return the HTTP method that asks for it."""
        return "POST" if self.verb in POSTED else "GET"


def read_path(path: str) -> Asked:
    """Return what a percent-encoded path asks for; raises Refused when it is none of the protocol's."""
    if health := _HEALTH.fullmatch(path):
        return Asked(Verb(health[1] or Verb.SERVER))
    if path == _ALL_STATS:
        return Asked(Verb.STATS)
    if model := _MODEL.fullmatch(path):
        name, version, verb = model.groups()
        ref = ModelRef(unquote(name), read_version(version))
        return Asked(Verb.MODEL_READY if verb == "ready" else Verb(verb or Verb.MODEL), ref)
    if repository := _REPOSITORY.fullmatch(path):
        index, name, verb = repository.groups()
        return Asked(Verb(index or verb), ModelRef(unquote(name or "")))
    raise Refused(Code.NOT_FOUND, "Not Found")


def read_version(text: str | None) -> int | None:
    """Return the version that a request names, None when it names none; raises Refused for other texts."""
    if not text:
        return None
    if (
        not text.isascii()
        or not text.isdecimal()
        or len(text) > len(str(MAX_VERSION))
        or int(text) > MAX_VERSION
    ):
        raise invalid(f"expected a version from 1 to {MAX_VERSION}, received {text[:80]}")
    return int(text)
