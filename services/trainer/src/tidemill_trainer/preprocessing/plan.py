"""What preprocessing computes: decided from the features, the profile and the training rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.profile import ColumnProfile, Feature, FeatureOptions, NumericProfile, TimePart
from tidemill_trainer.preprocessing.knots import find_knots

if TYPE_CHECKING:
    from tidemill_trainer.data import TrainingData

# Ids that are no category's; theirs follow. (YDF's -1 for missing breaks its memory where most rows are.)
UNKNOWN, MISSING, FIRST = 0, 1, 2
# Between the texts of a cross. A text that has it in itself may be taken for another combination, no more.
SEPARATOR = "\x1f"
# A category that fewer rows have is learned by heart. Frequent ones are a share of all rows.
FREQUENT_SHARE = 0.005
MIN_CATEGORY_ROWS = (5, 30)
CROSS_VOCABULARY = 256
# Of a text, this many words are read, and hashed to ids from 1 to this.
MAX_WORDS = 32
WORD_BUCKETS = 4096


@dataclass(frozen=True)
class Number:
    """A column of numbers: `gaps` says whether one is missing in training, `knots` where bins end."""

    name: str
    options: FeatureOptions
    profile: NumericProfile | None
    gaps: bool
    knots: tuple[float, ...] = ()


@dataclass(frozen=True)
class Moment:
    """A column of points in time, of which `parts` are read."""

    name: str
    parts: tuple[TimePart, ...]
    profile: NumericProfile | None


@dataclass(frozen=True)
class Category:
    """A column of texts, or the combinations of several.

    Ids follow the order of the vocabulary, from FIRST; so many of its texts as `frequent` says are frequent.
    """

    columns: tuple[str, ...]
    vocabulary: tuple[str, ...]
    frequent: int

    @property
    def missing(self) -> str:
        """The text of a row in which all columns are missing."""
        return SEPARATOR * (len(self.columns) - 1)


@dataclass(frozen=True)
class Hashed:
    """A column of texts that is hashed to as many ids as there are buckets, from FIRST."""

    name: str
    buckets: int


@dataclass(frozen=True)
class Plan:
    """The columns that models read: numbers, then parts of moments; ids of categories, then hashed ones."""

    features: tuple[Feature, ...]
    numbers: tuple[Number, ...]
    moments: tuple[Moment, ...]
    categories: tuple[Category, ...]
    hashed: tuple[Hashed, ...]
    texts: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Say whether every column is read as it comes, so that no graph is needed to read the rows."""
        is_cut = any(number.options.clip for number in self.numbers)
        is_crossed = any(len(category.columns) > 1 for category in self.categories)
        return not (is_cut or is_crossed or self.moments or self.hashed or self.texts)

    @property
    def number_titles(self) -> tuple[str, ...]:
        """What each column of numbers is of."""
        parts = (f"{moment.name} {part}" for moment in self.moments for part in moment.parts)
        return (*(number.name for number in self.numbers), *parts)

    @property
    def id_titles(self) -> tuple[str, ...]:
        """What each column of ids is of."""
        return (
            *(" x ".join(category.columns) for category in self.categories),
            *(hashed.name for hashed in self.hashed),
        )

    @property
    def id_sizes(self) -> tuple[int, ...]:
        """How many ids each column of ids may have, from 0."""
        told_apart = [len(category.vocabulary) for category in self.categories]
        return tuple(FIRST + ids for ids in (*told_apart, *(hashed.buckets for hashed in self.hashed)))

    @property
    def frequent_sizes(self) -> tuple[int, ...]:
        """How many ids each column of ids has, from 0, if only frequent categories are told apart."""
        frequent = [category.frequent for category in self.categories]
        return tuple(FIRST + ids for ids in (*frequent, *(hashed.buckets for hashed in self.hashed)))


def make_plan(data: "TrainingData") -> Plan:
    """Decide how a dataset version's features and crosses are read; ValueError for crosses of others."""
    numeric, moments, categorical, texts = (
        [feature for feature in data.features if feature.kind == kind]
        for kind in ("numeric", "timestamp", "categorical", "text")
    )
    names = {feature.name for feature in categorical}
    for cross in data.crosses:
        if not names.issuperset(cross):
            raise ValueError(f"expected crosses of categorical features {sorted(names)}, received {cross}")
    hashed = [(feature.name, feature.options.hash_buckets) for feature in categorical]
    told_apart = [
        *(
            ((feature.name,), feature.options.vocabulary)
            for feature in categorical
            if feature.options.hash_buckets is None
        ),
        *((cross, CROSS_VOCABULARY) for cross in data.crosses),
    ]
    return Plan(
        features=data.features,
        numbers=tuple(
            _number(feature, data.profile.column(feature.name), data.train.table[feature.name])
            for feature in numeric
        ),
        moments=tuple(
            Moment(feature.name, feature.options.parts, data.profile.column(feature.name).numeric)
            for feature in moments
        ),
        categories=tuple(_category(data.train.table, columns, most) for columns, most in told_apart),
        hashed=tuple(Hashed(name, buckets) for name, buckets in hashed if buckets),
        texts=tuple(feature.name for feature in texts),
    )


def _number(feature: Feature, column: ColumnProfile, values: pa.ChunkedArray) -> Number:
    infinities = column.numeric.infinities if column.numeric else 0
    return Number(
        feature.name,
        feature.options,
        column.numeric,
        gaps=column.nulls + infinities > 0,
        knots=find_knots(values.to_numpy(), feature.options.bins),
    )


def _category(table: pa.Table, columns: tuple[str, ...], most: int) -> Category:
    texts = [table[column].cast(pa.string()) for column in columns]
    joined = pc.binary_join_element_wise(*texts, SEPARATOR) if len(texts) > 1 else texts[0]
    share = FREQUENT_SHARE * len(table)
    needed = np.clip(share, *MIN_CATEGORY_ROWS)
    missing = Category(columns, (), 0).missing
    counted = (pair.values() for pair in pc.value_counts(joined).to_pylist())
    known = [(text, rows) for text, rows in counted if rows >= needed and text != missing]
    known = sorted(known, key=lambda pair: (-pair[1], pair[0]))[:most]
    frequent = sum(rows >= max(share, needed) for _, rows in known)
    return Category(columns, tuple(text for text, _ in known), frequent)
