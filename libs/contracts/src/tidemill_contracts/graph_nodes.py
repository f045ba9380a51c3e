"""The nodes of an inference graph: what each takes, does and gives.

A reference is `request.INPUT`, `NODE.OUTPUT`, or `NODE` alone where it has one output. All values are rows:
arrays whose first dimension is that of the request.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from tidemill_contracts.pipeline import PipelineName
from tidemill_contracts.spec_model import Share, SpecModel
from tidemill_contracts.spec_problems import NAME_PATTERN, REFERENCE_PATTERN

REQUEST = "request"

NodeName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Reference = Annotated[str, StringConstraints(pattern=REFERENCE_PATTERN, max_length=200)]
Alias = Annotated[str, StringConstraints(min_length=1, max_length=150)]
# Strict, so that `true` stays a truth and `1` a number.
Scalar = (
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
    | Annotated[float, Field(strict=True)]
    | Annotated[str, Field(strict=True)]
)
ValueType = Literal["float32", "float64", "int32", "int64", "bool", "string"]


class Constant(SpecModel):
    """What stands for a node's answer when it gives none."""

    constant: dict[Alias, Scalar] = Field(
        min_length=1, description="Value of every output, the same for each row."
    )


class ModelNode(SpecModel):
    """Asks a pipeline's model; a release of the model applies here as it does to other callers."""

    kind: Literal["model"]
    model: PipelineName = Field(description="Pipeline whose model is asked.")
    version: int | None = Field(default=None, ge=1, description="This version only.")
    label: str | None = Field(default=None, min_length=1, description="The version with this label only.")
    signature: str = Field(default="serving_default", min_length=1, description="How it is asked.")
    inputs: dict[Alias, Reference] = Field(
        default={}, description="Where inputs come from; others are the request's, of the same name."
    )
    timeout_seconds: float | None = Field(
        default=None, gt=0, description="Longest time for an answer, within the caller's."
    )
    on_failure: Literal["skip"] | Constant | None = Field(
        default=None,
        description="Instead of failing the request: `skip` leaves it out where it is combined or decides; "
        "`constant` answers for it. A request that is wrong in itself fails all the same.",
    )

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if self.version is not None and self.label is not None:
            raise ValueError("expected a version or a label, received both")
        return self

    def references(self) -> tuple[str, ...]:
        """What it takes for all rows."""
        return tuple(self.inputs.values())


class Condition(SpecModel):
    """Holds for a row when all that is given holds; never for NaN."""

    input: Reference = Field(description="One value a row.")
    values: tuple[Scalar, ...] | None = Field(default=None, min_length=1, description="One of these.")
    minimum: float | None = Field(default=None, description="This number or a greater one.")
    maximum: float | None = Field(default=None, description="This number or a lesser one.")

    @model_validator(mode="after")
    def _check_some(self) -> Self:
        if self.values is None and self.minimum is None and self.maximum is None:
            raise ValueError("expected values, minimum or maximum, received none of them")
        return self


class GraphRoute(SpecModel):
    """One way that rows can take."""

    when: Condition | None = Field(default=None, description="Rows for which this holds.")
    share: Share | None = Field(default=None, description="This share of rows.")
    to: NodeName = Field(description="Node whose outputs these rows get.")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.when is None) == (self.share is None):
            raise ValueError("expected one of when and share")
        return self


class RouterNode(SpecModel):
    """Sends each row one way, the first that fits; asks every way for its rows at once; keeps their order.

    Its outputs are those that all ways have in common. A way for which there is no row is not asked.
    """

    kind: Literal["router"]
    routes: tuple[GraphRoute, ...] = Field(min_length=1, description="Looked at in this order.")
    otherwise: NodeName = Field(description="Node for all other rows.")
    key: Reference | None = Field(
        default=None, description="With shares: rows with the same value go the same way; else by chance."
    )

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        shares = [route.share for route in self.routes if route.share is not None]
        if shares and len(shares) != len(self.routes):
            raise ValueError("expected when in every route, or share in every one, received both")
        if sum(shares) >= 1:
            raise ValueError(f"expected shares of less than 1 together, received {shares}")
        if self.key and not shares:
            raise ValueError("expected shares with a key, received none")
        return self

    def references(self) -> tuple[str, ...]:
        """What it takes for all rows."""
        conditions = (route.when.input for route in self.routes if route.when)
        return (*conditions, *([self.key] if self.key else []))

    def ways(self) -> tuple[str, ...]:
        """Nodes that it takes for some rows."""
        return tuple(dict.fromkeys([*(route.to for route in self.routes), self.otherwise]))


class CombinerNode(SpecModel):
    """Makes one value of several, element by element; what was skipped is left out. Has one output."""

    kind: Literal["combiner"]
    method: Literal["mean", "median", "max", "min", "vote", "first"] = Field(
        description="vote: what most say, of equals the one said first; first: the first not skipped."
    )
    of: tuple[Reference, ...] = Field(min_length=2)
    weights: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        default=None, description="mean and vote: how much each counts."
    )
    output: Alias | None = Field(default=None, description="Name of its output; by default the node's own.")

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.weights is None:
            return self
        if self.method not in ("mean", "vote"):
            raise ValueError(f"expected weights with mean or vote, received them with {self.method}")
        if len(self.weights) != len(self.of):
            raise ValueError(f"expected {len(self.of)} weights, received {len(self.weights)}")
        return self

    def references(self) -> tuple[str, ...]:
        """What it takes for all rows."""
        return self.of


class Step(SpecModel):
    """One change of a value; exactly one of its fields is given."""

    cast: ValueType | None = Field(default=None, description="To another type.")
    scale: float | None = Field(default=None, description="Times this.")
    offset: float | None = Field(default=None, description="Plus this.")
    clip: tuple[float | None, float | None] | None = Field(
        default=None, description="Not below the first, not above the second; null: no limit."
    )
    log: Literal[True] | None = Field(default=None, description="Natural logarithm; of 0 or less, NaN.")
    threshold: float | None = Field(default=None, description="Whether it is this or greater.")
    pick: int | None = Field(default=None, ge=0, description="Of several values a row, the one here, from 0.")
    largest: Literal[True] | None = Field(default=None, description="Of several values a row, the largest.")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            names = sorted(self.model_fields_set)
            raise ValueError(f"expected one of {', '.join(type(self).model_fields)}, received {names}")
        return self


class Made(SpecModel):
    """One output of a transformer: a value as it is, after some steps, or the same for each row."""

    input: Reference | None = None
    constant: Scalar | None = None
    steps: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.input is None) == (self.constant is None):
            raise ValueError("expected one of input and constant")
        return self


class TransformerNode(SpecModel):
    """Makes new values of others. What it does not name is dropped; a value under another name is renamed."""

    kind: Literal["transformer"]
    outputs: dict[Alias, Made] = Field(min_length=1)

    def references(self) -> tuple[str, ...]:
        """What it takes for all rows."""
        return tuple(made.input for made in self.outputs.values() if made.input is not None)


Node = Annotated[
    ModelNode | RouterNode | CombinerNode | TransformerNode,
    Field(discriminator="kind"),
]
