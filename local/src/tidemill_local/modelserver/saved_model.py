"""A SavedModel, ready to run: raw arrays in, arrays out, by the fastest route that takes the model.

Measured on one core with a small tabular model, one row: `signatures[...]` 1,050 us, `Session.make_callable`
765 us, and 50 us by the first route here. Each route is tried in turn:

    caller's thread   a Session whose operations run in the calling thread, one after the other
    session           a Session as TensorFlow Serving uses it, for graphs with low-level control flow
    function          `tf.saved_model.load`, for what a Session cannot restore
"""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2, saved_model_pb2

from tidemill_contracts import tensors, tfserving
from tidemill_local.modelserver.errors import StatusError, from_tensorflow

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], dict[str, NDArray[Any]]]

TAGS = ["serve"]
# Operations of other packages: the prefix of their names, and the import that registers them.
OP_PACKAGES = {"SimpleML": "ydf_tf"}
# What the loaders raise for a model that one route cannot take and another may.
UNSUITABLE = (tf.errors.OpError, ValueError, TypeError, KeyError, AttributeError, RuntimeError)


@dataclass(frozen=True)
class TensorSpec:
    """What the signature declares of an input: a DataType number and a shape with -1 or None for unknown."""

    dtype: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """One entry point. `run` takes every input by name and returns every output; it raises StatusError."""

    inputs: Mapping[str, TensorSpec]
    outputs: frozenset[str]
    defaults: Arrays
    definition: Any
    run: Run


@dataclass(frozen=True)
class SavedModel:
    """A loaded model; `close` frees its memory and must come after the last run."""

    route: str
    signatures: Mapping[str, Signature]
    close: Callable[[], None]


def load_saved_model(folder: Path, threads: int) -> SavedModel:
    """Load the model of one version folder, with variables and lookup tables restored.

    Blocks. Raises StatusError with the reasons when no route can load it.
    """
    if not (folder / "saved_model.pb").is_file():
        raise StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find SavedModel .pb at {folder}")
    reasons: list[str] = []
    for route, load in ROUTES.items():
        try:
            return _with_registered_ops(partial(load, folder, threads))
        except UNSUITABLE as error:
            reasons.append(f"{route}: {error}")
        except OSError as error:
            raise StatusError(grpc.StatusCode.DATA_LOSS, f"Could not read SavedModel: {error}") from error
    raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(reasons))
