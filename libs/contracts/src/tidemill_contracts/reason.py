"""Why something was refused, and how long things took, as events tell it."""

from typing import Annotated

from pydantic import Field

from tidemill_contracts.event import EventData

Seconds = Annotated[float, Field(ge=0)]


class Reason(EventData):
    """Why something was refused: a stable code for machines, and a sentence a person can act on."""

    code: str
    message: str
