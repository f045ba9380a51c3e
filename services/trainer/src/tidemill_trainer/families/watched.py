"""Training of Keras models that is watched from outside, and ends when it does not help any more."""

import time
from typing import Any

import keras

from tidemill_trainer.families import Curves, Watch


class Watched(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports every epoch, and ends training when time is over."""

    def __init__(self, watch: Watch) -> None:
        """Fix who watches."""
        super().__init__()
        self._watch = watch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._watch.report(epoch, float(logs["val_loss"]))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - by their names
        if time.monotonic() >= self._watch.stop_at:
            self.model.stop_training = True


def curves_of(history: Any) -> Curves:
    """Return the curves of a training."""
    return {
        "train_loss": tuple(map(float, history.history["loss"])),
        "validation_loss": tuple(map(float, history.history["val_loss"])),
    }
