"""What a person knows of a column: the curated part of a schema; the rest is inferred."""

from typing import Literal

from pydantic import Field

from tidemill_contracts.profile import ColumnType, FeatureOptions
from tidemill_contracts.spec_model import Rule, SpecModel, Texts

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
    values: Texts | None = Field(default=None, min_length=1, description="The only texts it may hold.")
    max_drift: float | None = Field(
        default=None, ge=0, le=1, description="Limit of this column's drift, instead of the general one."
    )
    feature: FeatureOptions = FeatureOptions()

    rules = (
        Rule(
            expected="expected minimum <= maximum",
            holds=lambda column: None in (column.minimum, column.maximum) or column.minimum <= column.maximum,
            cel="!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum",
        ),
    )
