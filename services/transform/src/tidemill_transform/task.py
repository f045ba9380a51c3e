"""What is learned follows from the type of the label, unless the pipeline says it: the rules of both."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import Task
from tidemill_transform.errors import Unfit

LABEL_TYPES: Mapping[Task, pa.DataType] = {
    "binary": pa.bool_(),
    "multiclass": pa.string(),
    "regression": pa.float64(),
}
KINDS: Mapping[str, tuple[Task, ...]] = {
    "true or false": ("binary", "multiclass"),
    "a text": ("multiclass",),
    "a whole number": ("regression", "multiclass", "binary"),
    "a number": ("regression", "binary"),
}


class WrongLabel(ValueError):
    """A label's value is none that its task can have."""


def task_of(labels: pa.DataType, wanted: Task | None) -> Task:
    """Return the task that labels of a type are for; raise Unfit when it is none, or not the wanted one."""
    kind = _kind(labels)
    if kind is None:
        expected = "true or false, a text or a number"
        raise Unfit(_refused(f"expected a label that is {expected}, received {labels}; cast it"))
    tasks = KINDS[kind]
    if wanted is not None and wanted not in tasks:
        expected = " or ".join(name for name, usable in KINDS.items() if wanted in usable)
        raise Unfit(_refused(f"expected {expected} as label of a {wanted} task, received {kind}; cast it"))
    return wanted or tasks[0]


def as_labels(values: pa.Array, task: Task) -> pa.Array:
    """Give what the expression returned the type of its task; raise WrongLabel when a value does not fit.

    What is not a finite number is no label: it becomes null.
    """
    if pa.types.is_boolean(values.type) or task == "multiclass":
        return pc.cast(values, LABEL_TYPES[task])
    numbers = pc.cast(values, pa.float64(), safe=False)
    numbers = pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
    return _as_bools(numbers) if task == "binary" else numbers


def _as_bools(numbers: pa.Array) -> pa.Array:
    is_true = pc.equal(numbers, 1.0)
    other = pc.and_(pc.invert(is_true), pc.not_equal(numbers, 0.0))
    if pc.any(other).as_py():
        wrong = numbers.filter(other)[0].as_py()
        raise WrongLabel(f"expected 0 or 1 as label of a binary task, received {wrong:g}")
    return is_true


def _kind(labels: pa.DataType) -> str | None:
    if pa.types.is_boolean(labels):
        return "true or false"
    if pa.types.is_string(labels) or pa.types.is_dictionary(labels):
        return "a text"
    if pa.types.is_integer(labels):
        return "a whole number"
    return "a number" if pa.types.is_floating(labels) or pa.types.is_decimal(labels) else None


def _refused(message: str) -> Reason:
    return Reason(code="label-type", message=message)
