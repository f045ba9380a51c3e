"""Concurrent runs of a signature as one run of the model, by TensorFlow Serving's batching options.

The thread whose request opens a batch leads it: it waits until the batch is full or its time is up, and a
place to run is free, then runs it and hands out the answers. Unlike in TensorFlow Serving, requests of
different shapes go into batches of their own, and a batch that fails is run again one by one: no request
spoils another's.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from tidemill_local.modelserver.batching_options import BatchingOptions
from tidemill_local.modelserver.errors import StatusError, invalid
from tidemill_local.modelserver.saved_model import Arrays, Run, SavedModel

MAX_REQUEST_THREADS = 64

Key = tuple[Any, ...]


class Batching:
    """Batching of every model of a server: they share the places in which batches run."""

    def __init__(self, options: BatchingOptions) -> None:
        self._options = options
        self._places = threading.BoundedSemaphore(options.num_batch_threads)

    @property
    def request_threads(self) -> int:
        """Return how many requests of a version may be under way: each holds a thread while it waits."""
        return min(2 * self._options.max_batch_size, MAX_REQUEST_THREADS)

    def batched(self, model: SavedModel) -> SavedModel:
        """Return the model with its signatures joined."""
        signatures = {
            name: replace(each, run=BatchedRun(each.run, self._options, self._places))
            for name, each in model.signatures.items()
        }
        return replace(model, signatures=signatures)


@dataclass(eq=False)
class _Member:
    inputs: Arrays
    rows: int
    outputs: Arrays | None = None
    failure: StatusError | None = None


@dataclass(eq=False)
class _Batch:
    members: list[_Member] = field(default_factory=list)
    rows: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class BatchedRun:
    """A signature's run that joins those who call it at the same time, each from a thread of its own."""

    def __init__(self, run: Run, options: BatchingOptions, places: threading.BoundedSemaphore) -> None:
        self._run = run
        self._options = options
        self._places = places
        self._lock = threading.Lock()
        self._open: dict[Key, _Batch] = {}
        self._waiting = 0

    def __call__(self, inputs: Arrays) -> Arrays:
        """Return this caller's part of what its batch answered; raises StatusError. Blocks."""
        rows = _rows(inputs)
        most = self._options.max_batch_size
        if rows <= most:
            return self._join(_Member(inputs, rows))
        if not self._options.enable_large_batch_splitting:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {most}")
        parts = [
            self._join(_Member(_slice(inputs, begin, begin + most), min(most, rows - begin)))
            for begin in range(0, rows, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _join(self, member: _Member) -> Arrays:
        key = _key(member.inputs, padded=self._options.pad_variable_length_inputs)
        with self._lock:
            batch = self._open.get(key)
            if batch is not None and batch.rows + member.rows > self._options.max_batch_size:
                batch.closing.set()
                batch = None
            leads = batch is None
            if batch is None:
                batch = self._open[key] = self._new_batch()
            batch.members.append(member)
            batch.rows += member.rows
            if batch.rows == self._options.max_batch_size:
                batch.closing.set()
        if leads:
            self._lead(key, batch)
        else:
            batch.done.wait()
        if member.failure:
            raise member.failure
        if member.outputs is None:
            raise StatusError(
                grpc.StatusCode.INTERNAL, "expected the batch to be answered, its leader failed"
            )
        return member.outputs

    def _new_batch(self) -> _Batch:
        if self._waiting >= self._options.max_enqueued_batches:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; "
                f"max_enqueued_batches={self._options.max_enqueued_batches}",
            )
        self._waiting += 1
        return _Batch()

    def _lead(self, key: Key, batch: _Batch) -> None:
        batch.closing.wait(self._options.batch_timeout_micros / 1e6)
        try:
            with self._places:
                with self._lock:
                    self._waiting -= 1
                    if self._open.get(key) is batch:
                        del self._open[key]
                self._answer(batch.members)
        finally:
            batch.done.set()

    def _answer(self, members: Sequence[_Member]) -> None:
        try:
            outputs = self._run_together(members)
        except StatusError as failure:
            if len(members) == 1:
                members[0].failure = failure
                return
            for member in members:
                self._answer([member])
            return
        begin = 0
        for member in members:
            member.outputs = _slice(outputs, begin, begin + member.rows)
            begin += member.rows

    def _run_together(self, members: Sequence[_Member]) -> Arrays:
        names = members[0].inputs
        merged = {name: _concatenated([member.inputs[name] for member in members]) for name in names}
        rows = sum(member.rows for member in members)
        size = next((size for size in self._options.allowed_batch_sizes if size >= rows > 0), rows)
        outputs = self._run({name: _repeated_to(size, array) for name, array in merged.items()})
        for name, array in outputs.items():
            if array.shape[:1] != (size,):
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
                    f"sizes of the input tensors: {name} has shape {list(array.shape)} for {size} rows",
                )
        return outputs


def _rows(inputs: Arrays) -> int:
    shapes = {array.shape[:1] for array in inputs.values()}
    if () in shapes:
        raise invalid("Batching session Run() input tensors must have at least one dimension.")
    if len(shapes) != 1:
        raise invalid("Batching session Run() input tensors must have equal 0th-dimension size")
    return int(shapes.pop()[0])


def _key(inputs: Arrays, *, padded: bool) -> Key:
    return tuple(
        (name, array.dtype.str, array.ndim if padded else array.shape[1:])
        for name, array in sorted(inputs.items())
    )


def _slice(arrays: Arrays, begin: int, end: int) -> Arrays:
    return {name: array[begin:end] for name, array in arrays.items()}


def _concatenated(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if len(arrays) == 1:
        return arrays[0]
    shape = tuple(np.max([array.shape[1:] for array in arrays], axis=0).astype(int))
    return np.concatenate([_padded(array, shape) for array in arrays])


def _padded(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the rows in a larger shape, filled up with the first value as TensorFlow Serving does."""
    if array.shape[1:] == shape:
        return array
    if not array.size:
        return np.zeros((len(array), *shape), array.dtype)
    widths = [(0, 0), *((0, want - have) for want, have in zip(shape, array.shape[1:], strict=True))]
    return np.pad(array, widths, constant_values=array.flat[0])


def _repeated_to(size: int, array: NDArray[Any]) -> NDArray[Any]:
    if len(array) in (0, size):
        return array
    return np.concatenate([array, np.repeat(array[:1], size - len(array), axis=0)])
