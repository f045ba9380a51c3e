"""What is to be learned of each row, and how often it counts: SQL expressions of the pipeline's author."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import Task
from tidemill_transform.errors import Unfit
from tidemill_transform.expression import RowExpression, check_expression
from tidemill_transform.task import LABEL_TYPES, WrongLabel, as_labels, task_of


class WrongWeight(ValueError):
    """Rows have weights that cannot be; the message shows one."""


@dataclass(frozen=True)
class Label:
    """Checked expressions, each with the columns it names; `weight` is None where every row counts once."""

    expression: str
    columns: frozenset[str]
    task: Task
    weight: str | None = None
    weight_columns: frozenset[str] = frozenset()

    @property
    def named_columns(self) -> frozenset[str]:
        """The columns that can be no features."""
        return self.columns | self.weight_columns


@dataclass(frozen=True)
class Labels:
    """A label, or null, for each row, and a weight (float64) where there are weights.

    All are null where there is an error, and a row whose weight is null has no label either.
    """

    labels: pa.Array
    weights: pa.Array | None = None
    error: str | None = None


def check_label(
    expression: str, schema: pa.Schema, wanted: Task | None = None, weight: str | None = None
) -> Label:
    """Read a label expression; raise Unfit when it cannot label rows that have these columns.

    Args:
        wanted: What is to be learned; None for what the expression's type suggests.
        weight: The expression of the rows' weights, None for none.
    """
    labelled = check_expression(expression, schema, "label")
    task = task_of(labelled.type, wanted)
    if weight is None:
        return Label(expression, labelled.columns, task)
    weighed = check_expression(weight, schema, "weight")
    if not _is_number(weighed.type):
        message = f"expected a number as weight, received {weighed.type}; cast it"
        raise Unfit(Reason(code="weight-type", message=message))
    return Label(expression, labelled.columns, task, weight, weighed.columns)


class Labeller:
    """Evaluates a label over batches of rows; owns connections to DuckDB."""

    def __init__(self, label: Label) -> None:
        self._task = label.task
        self._label = RowExpression(label.expression)
        self._weight = RowExpression(label.weight) if label.weight else None

    def close(self) -> None:
        """Let the connections go."""
        self._label.close()
        if self._weight:
            self._weight.close()

    def labels(self, rows: pa.RecordBatch) -> Labels:
        """Return labels and weights; what makes an expression fail is told in them, for the author to see."""
        try:
            labels = as_labels(self._label.values(rows), self._task)
            if self._weight is None:
                return Labels(labels)
            weights = _as_weights(self._weight.values(rows))
            return Labels(pc.if_else(weights.is_valid(), labels, None), weights)
        except (duckdb.DataError, duckdb.ProgrammingError, WrongLabel, WrongWeight) as error:
            nothing = pa.nulls(rows.num_rows, LABEL_TYPES[self._task])
            weights = None if self._weight is None else pa.nulls(rows.num_rows, pa.float64())
            return Labels(nothing, weights, str(error))


def _as_weights(values: pa.Array) -> pa.Array:
    weights = values.cast(pa.float64(), safe=False)
    wrong = weights.filter(
        pc.invert(pc.and_(pc.is_finite(weights), pc.greater_equal(weights, 0)))
    ).drop_null()
    if len(wrong):
        raise WrongWeight(f"expected weights of at least 0, received {wrong[0].as_py():g}")
    return weights


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
