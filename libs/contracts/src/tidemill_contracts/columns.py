"""What a person knows of a column: the curated part of a schema; the rest is inferred."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill_contracts.profile import ColumnType, FeatureOptions
from tidemill_contracts.spec_model import SpecModel

Privacy = Literal["keep", "drop", "hash", "mask"]


class ColumnSpec(SpecModel):
    """One column. Rows that break `required`, `minimum`, `maximum` or `values` are set aside."""

    type: ColumnType | None = Field(default=None, description="Read as this, whatever the values suggest.")
    privacy: Privacy | None = Field(
        default=None,
        description="What is stored of it; by default `keep`, unless it looks personal. Only a column that "
        "is kept can be a feature.",
    )
    required: bool = Field(default=False, description="No value may be missing.")
    unique: bool = Field(default=False, description="No value may occur twice.")
    minimum: float | None = Field(default=None, description="Least number.")
    maximum: float | None = Field(default=None, description="Greatest number.")
    values: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The only texts it may hold."
    )
    max_drift: float | None = Field(
        default=None, ge=0, le=1, description="Limit of this column's drift, instead of the general one."
    )
    feature: FeatureOptions = FeatureOptions()

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"expected minimum <= maximum, received {self.minimum} > {self.maximum}")
        return self
