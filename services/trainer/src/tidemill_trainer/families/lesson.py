"""How a network is to be trained, by this process or together with others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidemill_trainer.families import Curves, Examples, Watch


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A network, what it is to learn, and how.

    Args:
        network: Keras model of encoded rows.
        optimizer: Of Keras.
        loss: Takes labels `[rows]` and outputs; returns what every row adds to the loss, `[rows]`.
        learn: Rows to learn from.
        check: Rows kept aside.
        batch_rows: Rows of a step.
        max_epochs: How long to train.
        patience_epochs: How many epochs without a gain end it.
        seed: Decides the order of rows.
    """

    network: Any
    optimizer: Any
    loss: Callable[[Any, Any], Any]
    learn: Examples
    check: Examples
    batch_rows: int
    max_epochs: int
    patience_epochs: int
    seed: int


# Trains the network, and leaves it as it was best on the rows kept aside.
Train = Callable[[Lesson, Watch], Curves]
