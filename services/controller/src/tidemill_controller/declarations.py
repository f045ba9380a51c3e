"""Where pipelines are declared: a port with two adapters, objects of the bucket and custom resources."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tidemill_controller.facts import Facts


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A pipeline as a person declares it.

    Attributes:
        identity: Tells this life of the name from those before and after it; empty where that is not known
            yet, and the controller gives one.
        text: The document, as `tidemill apply` takes it.
        generation: Counts changes of the document, where the place does.
        is_deleted: A person wants it gone; what that takes is not done yet.
    """

    name: str
    identity: str
    text: bytes
    generation: int = 0
    is_deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a person is told of a declaration. `refusal` says why its spec is not in force, empty if it is."""

    refusal: str
    facts: Facts
    next_retraining: datetime | None


class Declarations(Protocol):
    """Every declared pipeline. What cannot be done now raises, and is tried again later."""

    def watch(self, changed: Callable[[], None], stop: threading.Event) -> None:
        """Begin to call `changed` when there is something to look at, until `stop` is set; return at once."""

    def all(self) -> Sequence[Declaration]:
        """Return every pipeline, with those that are to be deleted."""

    def enforce(self, declaration: Declaration) -> None:
        """Have a valid spec in the bucket, and its deletion noticed."""

    def retract(self, declaration: Declaration) -> None:
        """Have no spec in the bucket any more."""

    def forget(self, declaration: Declaration) -> None:
        """Let go of a pipeline whose deletion was told."""

    def show(self, declaration: Declaration, report: Report) -> None:
        """Tell a person how the pipeline stands; nothing happens when that was told."""

    def show_held_up(self, declaration: Declaration, why: str) -> None:
        """Tell a person why a deletion is not done yet."""

    def is_closing(self) -> bool:
        """Say whether the place itself is going, so that nobody will look after its declarations."""

    def check_ready(self) -> None:
        """Raise when the place does not answer."""
