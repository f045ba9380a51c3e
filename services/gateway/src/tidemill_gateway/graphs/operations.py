"""What transformers, combiners and routers do with values: numpy in, numpy out, row by row."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.graph_nodes import CombinerNode, Condition, Made, Scalar, Step
from tidemill_gateway.errors import invalid

Array = NDArray[Any]

TYPES: Mapping[str, np.dtype[Any]] = {
    **{name: np.dtype(name) for name in ("float32", "float64", "int32", "int64", "bool")},
    "string": np.dtype(object),
}
TRUTHS = (b"false", b"true")


def as_bytes(values: Array) -> Array:
    """Return texts as `bytes`, other values as they are."""
    if values.dtype.kind not in "OSU":
        return values
    whole = np.empty(values.shape, object)
    whole.ravel()[:] = [item.encode() if isinstance(item, str) else item for item in values.ravel().tolist()]
    return whole


def constant(value: Scalar, rows: int) -> Array:
    """Return a value for each row: int64, float32, bool or text, as it is written."""
    if isinstance(value, str):
        return np.full(rows, value.encode(), object)
    kind = bool if isinstance(value, bool) else np.int64 if isinstance(value, int) else np.float32
    return np.full(rows, value, kind)


def made(what: Made, value: Array) -> Array:
    """Return a value after the steps; raises Refused when one does not apply to it."""
    return reduce(_after, what.steps, value)


def cast(values: Array, kind: np.dtype[Any]) -> Array:
    """Return values as another type; raises Refused where one has no such value."""
    if values.dtype == kind:
        return values
    if kind.hasobject:
        return _texts(values)
    try:
        with np.errstate(invalid="raise", over="ignore"):
            number = _read(values, kind) if values.dtype.hasobject else values.astype(kind)
    except (ValueError, UnicodeDecodeError, FloatingPointError, OverflowError) as error:
        raise invalid(f"expected values that can be {kind}, received another: {error}") from error
    if kind.kind in "iu" and values.dtype.kind in "iu" and (number != values).any():
        raise invalid(f"expected values that can be {kind}, received a greater one")
    return number


def combined(how: CombinerNode, values: Sequence[Array | None]) -> Array:
    """Return one value of several, None for those that are left out; at least one is there."""
    there = [value for value in values if value is not None]
    if how.method == "first":
        return there[0]
    weights = how.weights or (1.0,) * len(values)
    counting = [weight for weight, value in zip(weights, values, strict=True) if value is not None]
    shapes = {value.shape for value in there}
    if len(shapes) > 1:
        raise invalid(f"expected values of one shape, received {sorted(shapes)}")
    if how.method == "vote":
        return _voted(np.stack(there), counting)
    for value in there:
        _check_number(value, how.method)
    return _COMBINED[how.method](np.stack(there), counting)


def holds(condition: Condition, values: Array) -> NDArray[np.bool_]:
    """Say for each row whether the condition holds; raises Refused unless there is one value a row."""
    flat = one_a_row(values)
    truth = np.ones(len(flat), np.bool_)
    if condition.values is not None:
        wanted = {_comparable(value) for value in condition.values}
        truth &= np.fromiter((item in wanted for item in flat.tolist()), np.bool_, len(flat))
    if condition.minimum is not None or condition.maximum is not None:
        _check_number(flat, "minimum and maximum")
    if condition.minimum is not None:
        truth &= flat >= condition.minimum
    if condition.maximum is not None:
        truth &= flat <= condition.maximum
    return truth


def one_a_row(values: Array) -> Array:
    """Return values as `[rows]`; raises Refused unless there is one a row."""
    rows = values.shape[0]
    if values.size != rows:
        raise invalid(f"expected one value a row, received the shape {list(values.shape)}")
    return values.reshape(rows)


def _after(value: Array, step: Step) -> Array:
    (name,) = step.model_fields_set
    if name == "cast":
        return cast(value, TYPES[str(step.cast)])
    _check_number(value, name)
    return _STEPS[name](value, step)


def _scaled(value: Array, step: Step) -> Array:
    return np.asarray(_floating(value) * step.scale)


def _moved(value: Array, step: Step) -> Array:
    return np.asarray(_floating(value) + step.offset)


def _clipped(value: Array, step: Step) -> Array:
    lower, upper = step.clip or (None, None)
    if lower is None and upper is None:
        return value
    return np.asarray(np.clip(_floating(value), lower, upper))


def _logarithm(value: Array, _step: Step) -> Array:
    number = _floating(value)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(number > 0, np.log(number), number.dtype.type(np.nan))


def _reached(value: Array, step: Step) -> Array:
    return np.asarray(value >= step.threshold)


def _picked(value: Array, step: Step) -> Array:
    if value.ndim < 2 or value.shape[-1] <= (step.pick or 0):
        what = f"expected more than {step.pick} values a row"
        raise invalid(f"{what}, received the shape {list(value.shape)}")
    return np.asarray(value[..., step.pick])


def _largest(value: Array, _step: Step) -> Array:
    if value.ndim < 2 or not value.shape[-1]:
        raise invalid(f"expected several values a row, received the shape {list(value.shape)}")
    return np.asarray(value.max(axis=-1))


_STEPS: Mapping[str, Callable[[Array, Step], Array]] = {
    "scale": _scaled,
    "offset": _moved,
    "clip": _clipped,
    "log": _logarithm,
    "threshold": _reached,
    "pick": _picked,
    "largest": _largest,
}


def _mean(stacked: Array, weights: Sequence[float]) -> Array:
    kind = _floating(stacked).dtype
    return np.asarray(np.average(stacked, axis=0, weights=weights), kind)


def _median(stacked: Array, _weights: Sequence[float]) -> Array:
    return np.asarray(np.median(_floating(stacked), axis=0))


_COMBINED: Mapping[str, Callable[[Array, Sequence[float]], Array]] = {
    "mean": _mean,
    "median": _median,
    "max": lambda stacked, _: np.asarray(stacked.max(axis=0)),
    "min": lambda stacked, _: np.asarray(stacked.min(axis=0)),
}


def _voted(stacked: Array, weights: Sequence[float]) -> Array:
    """Take, element by element, what has the most weight; of equals the one that was said first."""
    said = list(zip(stacked, weights, strict=True))
    agreeing = [sum(weight * (mine == other) for other, weight in said) for mine in stacked]
    best = np.argmax(np.array(agreeing, np.float64).reshape(stacked.shape), axis=0)
    return np.asarray(np.take_along_axis(stacked, best[np.newaxis], axis=0)[0])


def _floating(value: Array) -> Array:
    """Return numbers as floats: float32 stays, all else is float64."""
    return value if value.dtype.kind == "f" else value.astype(np.float64)


def _read(values: Array, kind: np.dtype[Any]) -> Array:
    items = values.ravel().tolist()
    read = [TRUTHS.index(item) if kind.kind == "b" else item.decode() for item in items]
    return np.array(read, dtype=None if read else kind).astype(kind).reshape(values.shape)


def _texts(values: Array) -> Array:
    whole = np.empty(values.shape, object)
    whole.ravel()[:] = [
        TRUTHS[item] if isinstance(item, bool) else str(item).encode() for item in values.ravel().tolist()
    ]
    return whole


def _comparable(value: Scalar) -> object:
    return value.encode() if isinstance(value, str) else value


def _check_number(value: Array, what: str) -> None:
    if value.dtype.kind not in "fiub":
        raise invalid(f"expected numbers for {what}, received texts")
