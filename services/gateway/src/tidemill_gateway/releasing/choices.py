"""Who answers a call, and who in turn when that fails."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tidemill_gateway.calls import Part
from tidemill_gateway.releasing.breaking import Breaker
from tidemill_gateway.routes import Target

PREVIOUS = "previous"
ANSWER = "answer"


class Subject(NamedTuple):
    """What is observed: a version under a release, 0 without one."""

    model: str
    version: int
    release: int
    variant: str


class Mirror(Protocol):
    """Asks a shadow version what a live one answered."""

    def reflect(self, signature: str, part: Part) -> None:
        """Take a call that was answered; must not block. Requests of one call are taken once."""


@dataclass(frozen=True, slots=True)
class Spare:
    """Who answers instead. `name` is what the answer is labelled with: `PREVIOUS` or `ANSWER`."""

    target: Target
    name: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which version answers a call, and which spares are asked in turn when it fails.

    `is_trial`: it is being released, so even what looks like a fault of the caller may be its own.
    `subject` is None where nothing is observed. `breaker` is there where there are spares. `instead_of` is
    the choice that was passed over, as its breaker said. `version` is what metrics and headers say.
    """

    target: Target
    variant: str = ""
    spares: tuple[Spare, ...] = ()
    is_trial: bool = False
    subject: Subject | None = None
    breaker: Breaker | None = None
    mirrors: tuple[Mirror, ...] = ()
    instead_of: "Choice | None" = None
    version: str = ""
