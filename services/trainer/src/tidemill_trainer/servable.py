"""A SavedModel as the model server runs it: restored in a session of its own, asked through its signature."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import ydf_tf  # type: ignore[import-untyped] # noqa: F401 - registers the operations that forests are made of
from numpy.typing import NDArray

from tidemill_trainer.data import NUMBER, TEXT, Columns
from tidemill_trainer.export import OUTPUT, SIGNATURE


class NotServable(Exception):
    """The SavedModel cannot be loaded, or does not have the signature that is expected of it."""


class Servable:
    """A loaded model. `dtypes` says what it takes."""

    def __init__(self, folder: Path) -> None:
        """Load a SavedModel; raise NotServable when that fails."""
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            with self._session.graph.as_default():
                model = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(folder))
            signature = model.signature_def[SIGNATURE]
            self._output = signature.outputs[OUTPUT].name
        except (tf.errors.OpError, OSError, KeyError, ValueError, RuntimeError) as error:
            raise NotServable(f"expected a SavedModel that loads, received {error!r}") from error
        self._inputs = {name: tensor.name for name, tensor in signature.inputs.items()}
        self.dtypes: dict[str, np.dtype[Any]] = {
            name: NUMBER if tensor.dtype == tf.float32.as_datatype_enum else TEXT
            for name, tensor in signature.inputs.items()
        }

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Return P(true) of each row, `[rows]`; raise NotServable when the model fails on them."""
        feed: dict[Any, Any] = {tensor: columns[name] for name, tensor in self._inputs.items()}
        try:
            probabilities: NDArray[np.float32] = self._session.run(self._output, feed)
        except tf.errors.OpError as error:
            raise NotServable(f"expected predictions, received {error!r}") from error
        return probabilities

    def close(self) -> None:
        """Free the model."""
        self._session.close()
