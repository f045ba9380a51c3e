"""The base of everything a person writes in a pipeline spec."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Share = Annotated[float, Field(gt=0, lt=1)]
SpanNumber = Annotated[int, Field(ge=1, le=1_000_000_000)]
Rows = Annotated[int, Field(le=1_000_000_000_000)]
Texts = Annotated[tuple[str, ...], Field(max_length=10_000)]
Combination = Annotated[tuple[str, ...], Field(max_length=16)]


@dataclass(frozen=True)
class Rule:
    """What several fields of a part have to fulfil together, for Python and for Kubernetes' API server.

    Either is asked only when each field is valid by itself, with defaults filled in. In CEL, a field that is
    null is one that `has` does not find.
    """

    expected: str
    holds: Callable[[Any], bool]
    cel: str


class SpecModel(BaseModel):
    """Base of every part of the spec: frozen, camelCase on the wire, and strict about unknown keys.

    Equal parts have equal JSON, whatever the order of keys and however a number was written.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @field_validator("*")
    @classmethod
    def _write_in_one_way(cls, value: Any) -> Any:
        return _in_one_way(value)

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        broken = [rule.expected for rule in self.rules if not rule.holds(self)]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema)
        if cls.rules:
            rules = [{"rule": each.cel, "message": each.expected} for each in cls.rules]
            handler.resolve_ref_schema(described)["x-kubernetes-validations"] = rules
        return described


def _in_one_way(value: Any) -> Any:
    match value:
        case float():
            return value + 0.0  # the negative zero is zero
        case dict():
            return {key: _in_one_way(value[key]) for key in sorted(value)}
        case tuple():
            return tuple(map(_in_one_way, value))
    return value
