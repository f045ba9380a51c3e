"""A neural network, by Keras, over encoded rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.families import Curves, Examples, Params, Watch
from tidemill_trainer.families.head import Head, make_head
from tidemill_trainer.families.heads import answers_of, loss_of
from tidemill_trainer.families.lesson import Lesson, Train
from tidemill_trainer.families.network import Network
from tidemill_trainer.families.on_encoded import Core, OnEncoded
from tidemill_trainer.families.running import runner
from tidemill_trainer.families.watched import Watched, curves_of
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded

if TYPE_CHECKING:
    import optuna

DEFAULTS: Params = {
    "width": 64,
    "blocks": 0,
    "category_units": 8,
    "dropout": 0.1,
    "learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "patience_epochs": 3,
    "max_epochs": 40,
}
STEPS_PER_EPOCH = 64
BATCH_ROWS = (16, 256)
# Steps that TensorFlow takes before Python has its say.
STEPS_AT_ONCE = 16
EVALUATION_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Deep(OnEncoded):
    """A trained network. `network` takes encoded rows and returns what `head` makes answers of."""

    network: Any
    head: Head

    def answer_encoded(self, encoded: Encoded) -> NDArray[np.float32]:
        """Answer encoded rows."""
        return self._runner(encoded)

    def core(self, _folder: Path) -> Core:
        """Return the network and its head."""
        return _Answers(self.network, self.head)

    @cached_property
    def _runner(self) -> Callable[[Encoded], NDArray[np.float32]]:
        return runner(self.core(Path()))


@dataclass(frozen=True)
class _Answers:
    network: Any
    head: Head

    @property
    def owners(self) -> Sequence[Any]:
        return (self.network,)

    def __call__(self, encoded: Encoded) -> Any:
        return self.finish(self.total(encoded))

    def total(self, encoded: Encoded) -> Any:
        """Return what the columns add up to, `[rows, width]`."""
        return self.network.total(tuple(encoded))

    def finish(self, total: Any) -> Any:
        """Return answers of what columns add up to."""
        return answers_of(self.head, self.network.finish(total))


class DeepLearner:
    """Trains networks; see `Learner`."""

    def __init__(self, train: Train | None = None) -> None:
        """Choose who trains the networks: this process alone, by default."""
        self._train = train or train_alone

    def supports(self, _objective: Objective) -> str | None:
        """Learn everything."""
        return None

    def defaults(self, _examples: Examples) -> Params:
        """Return a good first choice for these rows."""
        return DEFAULTS

    def suggest(self, trial: "optuna.Trial", _examples: Examples) -> Params:
        """Choose from what is worth trying."""
        return {
            "width": trial.suggest_categorical("width", [64, 128, 256]),
            "blocks": trial.suggest_int("blocks", 0, 2),
            "category_units": trial.suggest_categorical("category_units", [4, 8, 16]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.4),
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1e-1, log=True),
        }

    def fit(self, learn: Examples, check: Examples, params: Params, seed: int, watch: Watch) -> Deep:
        """Train until the rows kept aside say that more epochs do not help."""
        chosen = {name: params.get(name, value) for name, value in DEFAULTS.items()}
        keras.utils.set_random_seed(seed)
        head = make_head(learn)
        network = Network(learn.plan, head.initial, chosen)
        lesson = Lesson(
            network=network,
            optimizer=keras.optimizers.AdamW(
                float(chosen["learning_rate"]), weight_decay=float(chosen["weight_decay"])
            ),
            loss=partial(loss_of, head),
            learn=learn,
            check=check,
            batch_rows=int(np.clip(len(learn) // STEPS_PER_EPOCH, *BATCH_ROWS)),
            max_epochs=int(chosen["max_epochs"]),
            patience_epochs=int(chosen["patience_epochs"]),
            seed=seed,
        )
        curves = self._train(lesson, watch)
        facts = {
            **learn.objective.facts,
            "batch_rows": lesson.batch_rows,
            "epochs": len(curves["train_loss"]),
        }
        return Deep("deep", learn.plan, learn.objective, {**chosen, **facts}, curves, network, head)


def train_alone(lesson: Lesson, watch: Watch) -> Curves:
    """Train in this process; see `Train`."""
    network = lesson.network
    network.compile(lesson.optimizer, lesson.loss, steps_per_execution=STEPS_AT_ONCE, jit_compile=False)
    early_stopping = keras.callbacks.EarlyStopping(patience=lesson.patience_epochs, restore_best_weights=True)
    history = network.fit(
        tuple(lesson.learn.encoded),
        lesson.learn.labels,
        sample_weight=lesson.learn.weights,
        batch_size=lesson.batch_rows,
        validation_data=_checked(lesson.check),
        validation_batch_size=EVALUATION_BATCH_ROWS,
        epochs=lesson.max_epochs,
        callbacks=[early_stopping, Watched(watch)],
        verbose=0,
    )
    return curves_of(history)


def _checked(examples: Examples) -> tuple[Any, ...]:
    weights = () if examples.weights is None else (examples.weights,)
    return tuple(examples.encoded), examples.labels, *weights
