"""What one pass over a dataset learned about it.

It serves as the validation baseline, as the parameters of preprocessing inside the model, and as the
reference for drift.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill_contracts.spec_model import Rule, SpecModel

ColumnType = Literal["int", "float", "bool", "string", "timestamp"]
FeatureKind = Literal["numeric", "categorical", "text", "timestamp"]
Task = Literal["binary", "multiclass", "regression"]
Scale = Literal["standard", "log", "none"]
TimePart = Literal["year", "month", "day", "weekday", "hour", "minute"]


class ProfileModel(BaseModel):
    """Base of everything stored beside data: frozen; NaN and infinities survive the round trip as strings."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class NumericProfile(ProfileModel):
    """Moments and quantiles of the finite values of a column; a point in time is seconds since 1970, UTC.

    `quantiles` holds the values at evenly spaced ranks from 0 to 1 inclusive, in a sample of rows;
    `histogram` the shares of that sample in bins of equal width from `minimum` to `maximum`. `infinities`
    counts values that are left out of all the others.
    """

    minimum: float
    maximum: float
    mean: float
    stddev: float
    quantiles: tuple[float, ...]
    histogram: tuple[float, ...] = ()
    zeros: int = 0
    infinities: int = 0


class CategoricalProfile(ProfileModel):
    """The most frequent values of a column and how often each occurs, most frequent first.

    Lengths are of the column's texts, in bytes of UTF-8; words are what spaces part. Where there are very
    many different values, the counts are estimates from a sample of rows.
    """

    vocabulary: tuple[tuple[str, int], ...]
    max_length_bytes: int
    min_length_bytes: int = 0
    mean_length_bytes: float = 0.0
    mean_words: float = 0.0


class ColumnProfile(ProfileModel):
    """One column. `numeric` is set for int, float, bool and timestamp columns, `categorical` for strings and
    bools, both only when there is a value.

    `repeated_share` is the share of distinct values that occur more than once.
    """

    name: str
    type: ColumnType
    rows: int
    nulls: int
    distinct_estimate: float
    repeated_share: float = 0.0
    numeric: NumericProfile | None = None
    categorical: CategoricalProfile | None = None


class LabelProfile(ProfileModel):
    """What is to be predicted: how many rows have each class, or how its numbers are spread.

    `classes` is in the order of class indices: false before true, texts in the order of their code points. It
    is empty for regression; `numeric` is set for regression alone.
    """

    task: Task
    classes: tuple[tuple[str, int], ...] = ()
    numeric: NumericProfile | None = None

    @property
    def base_rate(self) -> float:
        """Share of true labels of a binary task."""
        counts = dict(self.classes)
        return counts["true"] / sum(counts.values())


class SliceProfile(ProfileModel):
    """The rows in which some columns have certain values; a null is the value None."""

    columns: tuple[str, ...]
    values: tuple[str | None, ...]
    rows: int
    label: LabelProfile
    profiles: tuple[ColumnProfile, ...]


class Profile(ProfileModel):
    """Every column of some rows, `slices` those of their declared parts."""

    rows: int
    label: LabelProfile
    columns: tuple[ColumnProfile, ...]
    slices: tuple[SliceProfile, ...] = ()

    def column(self, name: str) -> ColumnProfile:
        """Return one column's profile; raise KeyError when there is no such column."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class FeatureOptions(SpecModel):
    """How a column becomes input of a model; what does not concern its kind is not used."""

    kind: FeatureKind | None = Field(
        default=None, description="What the column is read as; by default what its values suggest."
    )
    scale: Scale = Field(default="standard", description="Numbers: z-scores, of logarithms, or as they are.")
    clip: tuple[float, float] | None = Field(
        default=None, description="Numbers: the least and the greatest value; what lies beyond becomes them."
    )
    bins: int = Field(default=32, ge=0, le=256, description="Numbers: bins that share out the rows evenly.")
    missing_indicator: bool = Field(default=True, description="Numbers: whether one is missing is an input.")
    vocabulary: int = Field(
        default=256, ge=1, le=10_000, description="Categories: how many of the most frequent are told apart."
    )
    hash_buckets: int | None = Field(
        default=None, ge=2, le=1 << 20, description="Categories: hash into so many, without a vocabulary."
    )
    parts: tuple[TimePart, ...] = Field(
        default=("month", "weekday", "hour"),
        min_length=1,
        max_length=6,
        description="Points in time: what is read of them.",
    )

    rules = (
        Rule(
            expected="expected clip to rise",
            holds=lambda feature: feature.clip is None or feature.clip[0] < feature.clip[1],
            cel="!has(self.clip) || self.clip[0] < self.clip[1]",
        ),
    )


class Feature(ProfileModel):
    """A column that a model reads, and as what."""

    name: str
    kind: FeatureKind
    options: FeatureOptions = FeatureOptions()


class LeftOut(ProfileModel):
    """A column that no model reads, and why."""

    name: str
    reason: str
