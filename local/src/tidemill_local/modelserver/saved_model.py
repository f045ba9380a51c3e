"""A SavedModel, ready to run: arrays in, arrays out, by the fastest route that takes the model."""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_local.modelserver.errors import StatusError

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]

# Operations of other packages: the prefix of their names, and the import that registers them.
OP_PACKAGES = {"SimpleML": "ydf_tf"}


@dataclass(frozen=True)
class TensorSpec:
    """What a signature declares of an input: a DataType number, and a shape with -1 for any size or None."""

    dtype: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """One entry point of a model. `run` takes all inputs, returns all outputs, and raises StatusError."""

    inputs: Mapping[str, TensorSpec]
    outputs: frozenset[str]
    defaults: Arrays
    run: Run


@dataclass(frozen=True)
class SavedModel:
    """A loaded model: every signature's definition, and those that can be run.

    `close` frees its memory and must come after the last run.
    """

    definitions: Mapping[str, tfserving.SignatureDef]
    signatures: Mapping[str, Signature]
    close: Callable[[], None]


def signature(definition: tfserving.SignatureDef, run: Run) -> Signature:
    """Combine what a SavedModel says of an entry point with a way to run it."""
    return Signature(
        inputs={alias: _spec(info) for alias, info in definition.inputs.items()},
        outputs=frozenset(definition.outputs),
        defaults={alias: tensors.to_array(value) for alias, value in definition.defaults.items()},
        run=run,
    )


def runnable(definition: tfserving.SignatureDef) -> bool:
    """Say whether all inputs and outputs are plain tensors; the initialisation entry has none, for one."""
    infos = (*definition.inputs.values(), *definition.outputs.values())
    return bool(definition.outputs) and all(":" in info.name for info in infos)


def with_registered_ops(load: Callable[[Path, int], SavedModel], folder: Path, threads: int) -> SavedModel:
    """Load a model; if it uses operations of a package we know, import that package and load again."""
    try:
        return load(folder, threads)
    except tf.errors.NotFoundError as error:
        missing = re.search(r"Op type not registered '(\w+)'", error.message)
        if missing is None:
            raise
        _register_op(missing[1])
        return load(folder, threads)


def _register_op(op: str) -> None:
    package = next((package for prefix, package in OP_PACKAGES.items() if op.startswith(prefix)), None)
    if package is None:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION, f"expected only known operations, received {op}"
        )
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"operation {op} needs the Python package {package}, which cannot be imported: {error}",
        ) from error


def _spec(info: tfserving.TensorInfo) -> TensorSpec:
    shape = None if info.tensor_shape.unknown_rank else tuple(dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(info.dtype, shape)
