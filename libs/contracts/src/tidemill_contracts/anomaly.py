"""What can be wrong with data, by the names that TensorFlow Data Validation gives it.

Source: `AnomalyInfo.Type` of tensorflow/metadata, `anomalies.proto`, as far as it is about tables.
"""

from typing import Literal

from tidemill_contracts.profile import ProfileModel

AnomalyType = Literal[
    "BOOL_TYPE_UNEXPECTED_STRING",
    "BOOL_TYPE_UNEXPECTED_FLOAT",
    "BOOL_TYPE_INT_NOT_STRING",
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
    "ENUM_TYPE_INT_NOT_STRING",
    "ENUM_TYPE_FLOAT_NOT_STRING",
    "FEATURE_TYPE_LOW_FRACTION_PRESENT",
    "FEATURE_TYPE_LOW_NUMBER_PRESENT",
    "FEATURE_TYPE_NOT_PRESENT",
    "FEATURE_TYPE_HIGH_UNIQUE",
    "FEATURE_TYPE_LOW_UNIQUE",
    "FLOAT_TYPE_BIG_FLOAT",
    "FLOAT_TYPE_SMALL_FLOAT",
    "FLOAT_TYPE_NOT_FLOAT",
    "FLOAT_TYPE_STRING_NOT_FLOAT",
    "FLOAT_TYPE_HAS_INF",
    "INT_TYPE_BIG_INT",
    "INT_TYPE_SMALL_INT",
    "INT_TYPE_INT_EXPECTED",
    "INT_TYPE_NOT_INT_STRING",
    "STRING_TYPE_NOW_FLOAT",
    "STRING_TYPE_NOW_INT",
    "UNEXPECTED_DATA_TYPE",
    "SCHEMA_MISSING_COLUMN",
    "SCHEMA_NEW_COLUMN",
    "COMPARATOR_CONTROL_DATA_MISSING",
    "COMPARATOR_TREATMENT_DATA_MISSING",
    "COMPARATOR_L_INFTY_HIGH",
    "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
    "COMPARATOR_LOW_NUM_EXAMPLES",
    "COMPARATOR_HIGH_NUM_EXAMPLES",
    "DATASET_LOW_NUM_EXAMPLES",
    "NO_DATA_IN_SPAN",
]
Severity = Literal["ignore", "warn", "block"]
Comparison = Literal["schema", "drift", "skew"]


class Anomaly(ProfileModel):
    """One finding about a dataset version.

    `column` is None when it is about all of it. `measured` and `limit` are set where numbers were compared.
    `against` says what the data was held against: the schema, earlier data (drift), or the other side of the
    split (skew).
    """

    type: AnomalyType
    column: str | None
    severity: Severity
    message: str
    against: Comparison = "schema"
    measured: float | None = None
    limit: float | None = None
