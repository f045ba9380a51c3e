"""What one pass over a dataset learned about it.

It serves as the validation baseline, as the parameters of preprocessing inside the model, and as the
reference for drift.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

ColumnType = Literal["int", "float", "bool", "string", "timestamp"]
FeatureKind = Literal["numeric", "categorical"]


class ProfileModel(BaseModel):
    """Base of everything stored beside data: frozen; NaN and infinities survive the round trip as strings."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class NumericProfile(ProfileModel):
    """Moments and quantiles of the finite values of a column.

    `quantiles` holds the values at evenly spaced ranks from 0 to 1 inclusive, in a sample of rows.
    """

    minimum: float
    maximum: float
    mean: float
    stddev: float
    quantiles: tuple[float, ...]


class CategoricalProfile(ProfileModel):
    """The most frequent values of a column and how often each occurs, most frequent first."""

    vocabulary: tuple[tuple[str, int], ...]
    max_length_bytes: int


class ColumnProfile(ProfileModel):
    """One column. `numeric` is set for int, float and bool columns, `categorical` for strings and bools."""

    name: str
    type: ColumnType
    rows: int
    nulls: int
    distinct_estimate: float
    numeric: NumericProfile | None = None
    categorical: CategoricalProfile | None = None


class Profile(ProfileModel):
    """Every column of a dataset version, over its training rows."""

    rows: int
    positives: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile:
        """Return one column's profile; raise KeyError when there is no such column."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class Feature(ProfileModel):
    """A column that a model reads, and as what."""

    name: str
    kind: FeatureKind


class LeftOut(ProfileModel):
    """A column that no model reads, and why."""

    name: str
    reason: str
