"""Which versions of a model should be served, and the next step towards that."""

from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Literal, NamedTuple

from tidemill_local.modelserver.model_config import Every, Latest, ModelConfig, Specific

MAX_VERSION = 2**63 - 1


class State(IntEnum):
    """Life of a version; the numbers are those of ModelVersionStatus.State."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class Step(NamedTuple):
    """One thing to do to one version."""

    action: Literal["load", "unload"]
    number: int


def aspired_versions(config: ModelConfig) -> dict[int, Path]:
    """Return the folders of the versions that the policy selects among those on disk.

    Raises OSError when the base path cannot be listed, so that a folder away for a moment unloads nothing.
    """
    present = {
        int(folder.name): folder
        for folder in config.base_path.iterdir()
        if folder.name.isascii() and folder.name.isdigit() and int(folder.name) <= MAX_VERSION
    }
    match config.policy:
        case Latest(count):
            numbers = set(sorted(present)[-count:])
        case Specific(chosen):
            numbers = present.keys() & chosen
        case Every():
            numbers = set(present)
    return {number: present[number] for number in numbers}


def next_step(aspired: set[int], managed: Mapping[int, State]) -> Step | None:
    """Return what to do next so that a model keeps answering while its versions change, or None.

    A version no longer aspired leaves once an aspired one answers, or when another such version still does;
    new versions come highest first. This is TensorFlow Serving's availability-preserving policy.
    """
    available = {number for number, state in managed.items() if state is State.AVAILABLE}
    leaving = available - aspired
    if leaving and (not aspired or available & aspired or len(leaving) > 1):
        return Step("unload", min(leaving))
    new = aspired - managed.keys()
    return Step("load", max(new)) if new else None
