"""The base of everything a person writes in a pipeline spec."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Share = Annotated[float, Field(gt=0, lt=1)]


class SpecModel(BaseModel):
    """Base of every part of the spec: frozen, camelCase on the wire, and strict about unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )
