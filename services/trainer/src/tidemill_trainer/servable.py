"""A SavedModel as the model server runs it: restored in a session of its own, asked by its signatures."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import ydf_tf  # type: ignore[import-untyped] # noqa: F401 - registers the operations that forests are made of
from numpy.typing import NDArray

from tidemill_trainer.data import NUMBER, TEXT, Columns
from tidemill_trainer.export.answers import ANSWERS
from tidemill_trainer.export.signatures import DEFAULT


class NotServable(Exception):
    """The SavedModel cannot be loaded, or does not have the signature that is expected of it."""


class Servable:
    """A loaded model. `dtypes` says what it takes."""

    def __init__(self, folder: Path) -> None:
        """Load a SavedModel; raise NotServable when that fails."""
        self._folder = folder
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            with self._session.graph.as_default():
                model = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(folder))
            self._signatures = {
                name: (_names(definition.inputs), _names(definition.outputs))
                for name, definition in model.signature_def.items()
            }
            inputs, outputs = model.signature_def[DEFAULT].inputs, self._signatures[DEFAULT][1]
            self._answers = outputs[next(name for name in ANSWERS if name in outputs)]
        except (tf.errors.OpError, OSError, KeyError, ValueError, RuntimeError, StopIteration) as error:
            message = f"expected a SavedModel that loads, received {type(error).__name__}: {error}"
            raise NotServable(message) from error
        self.dtypes: dict[str, np.dtype[Any]] = {
            name: NUMBER if tensor.dtype == tf.float32.as_datatype_enum else TEXT
            for name, tensor in inputs.items()
        }

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Return the answer to each row, `[rows]` or `[rows, width]`; raise NotServable when that fails."""
        answers: NDArray[np.float32] = self._run(self._answers, self._signatures[DEFAULT][0], columns)
        return answers

    def outputs(self, inputs: Columns, signature: str = DEFAULT) -> dict[str, NDArray[Any]]:
        """Return all outputs of a signature by name; raise NotServable when the model fails."""
        taken, given = self._signatures[signature]
        outputs: dict[str, NDArray[Any]] = self._run(given, taken, inputs)
        return outputs

    def weights(self) -> list[NDArray[Any]]:
        """Return all variables that hold numbers; those of forests are not variables."""
        checkpoint = tf.train.load_checkpoint(str(self._folder / "variables" / "variables"))
        types = checkpoint.get_variable_to_dtype_map()
        return [checkpoint.get_tensor(name) for name, dtype in types.items() if dtype.is_floating]

    def _run(self, fetched: Any, taken: dict[str, str], inputs: Columns) -> Any:
        feed: dict[Any, Any] = {tensor: inputs[name] for name, tensor in taken.items()}
        try:
            return self._session.run(fetched, feed)
        except tf.errors.OpError as error:
            raise NotServable(f"expected predictions, received {error.message}") from error

    def close(self) -> None:
        """Free the model."""
        self._session.close()


def _names(tensors: Any) -> dict[str, str]:
    return {name: tensor.name for name, tensor in tensors.items()}
