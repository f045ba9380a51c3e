"""Keras models that a function of the user's own builds, over raw columns."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Profile
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns, Rows
from tidemill_trainer.families import Curves, Examples, Graph, Params, Watch
from tidemill_trainer.families.answer_loss import answer_loss
from tidemill_trainer.families.custom import CustomFailed, check_answers, raw_rows
from tidemill_trainer.families.watched import Watched, curves_of
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.plan import Plan

if TYPE_CHECKING:
    import optuna

DEFAULTS: Params = {"learning_rate": 1e-3, "batch_rows": 256, "max_epochs": 40, "patience_epochs": 3}
ANSWERED_ROWS = 4096
# Rows that a model is tried with before it is trained.
TRIED_ROWS = 2


@dataclass(frozen=True)
class Built:
    """A trained model; see `Trained`. `model` takes a tensor per feature, and answers."""

    family: Family
    plan: Plan
    objective: Objective
    params: Params
    curves: Curves
    model: Any

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them."""
        graph = self.graph(Path())
        tensors = {feature.name: tf.constant(columns[feature.name]) for feature in self.plan.features}
        answers: NDArray[np.float32] = graph(tensors).numpy()
        return answers

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer the same rows as serving gets them."""
        return np.concatenate(
            [self.predict(columns) for columns in raw_rows(examples).batches(ANSWERED_ROWS)]
        )

    def graph(self, _folder: Path) -> Graph:
        """Return the model."""
        return _BuiltGraph(self.model, self.objective)


@dataclass(frozen=True)
class _BuiltGraph:
    model: Any
    objective: Objective

    @property
    def owners(self) -> Sequence[Any]:
        return (self.model,)

    def __call__(self, raw: Mapping[str, Any]) -> Any:
        answers = tf.cast(self.model(dict(raw), training=False), tf.float32)
        return answers if self.objective.width else tf.reshape(answers, [-1])


@dataclass(frozen=True)
class BuildLearner:
    """Trains what a function builds; see `Learner`."""

    function: str
    profile: Profile
    spec: PipelineSpec

    def supports(self, _objective: Objective) -> str | None:
        """Leave it to the function."""
        return None

    def defaults(self, _examples: Examples) -> Params:
        """Return a good first choice for these rows."""
        return DEFAULTS

    def suggest(self, trial: "optuna.Trial", _examples: Examples) -> Params:
        """Choose from what is worth trying of any model."""
        return {"learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)}

    def fit(self, learn: Examples, check: Examples, params: Params, seed: int, watch: Watch) -> Built:
        """Build a model, and train it until the rows kept aside say that more epochs do not help.

        A model that was compiled keeps its optimizer. Raises CustomFailed for one that does not answer as it
        should.
        """
        chosen = {name: params.get(name, value) for name, value in DEFAULTS.items()}
        keras.utils.set_random_seed(seed)
        model = _load(self.function)(self.profile, self.spec)
        if not isinstance(model, keras.Model):
            raise CustomFailed(f"expected a keras.Model of {self.function}, received {type(model).__name__}")
        built = Built("custom", learn.plan, learn.objective, chosen, {}, model)
        _try(built, raw_rows(learn))
        model.compile(
            model.optimizer if model.compiled else keras.optimizers.AdamW(float(chosen["learning_rate"])),
            partial(answer_loss, learn.objective),
            jit_compile=False,
        )
        stopping = keras.callbacks.EarlyStopping(
            patience=int(chosen["patience_epochs"]), restore_best_weights=True
        )
        history = model.fit(
            _dataset(learn).shuffle(len(learn), seed=seed).batch(int(chosen["batch_rows"])),
            validation_data=_dataset(check).batch(ANSWERED_ROWS),
            epochs=int(chosen["max_epochs"]),
            shuffle=False,
            callbacks=[stopping, Watched(watch)],
            verbose=0,
        )
        curves = curves_of(history)
        return replace(built, params={**chosen, "epochs": len(curves["train_loss"])}, curves=curves)


def _load(function: str) -> Callable[[Profile, PipelineSpec], Any]:
    module, _, name = function.partition(":")
    try:
        found: Callable[[Profile, PipelineSpec], Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CustomFailed(
            f"expected a function {function} that can be imported, received {error}"
        ) from error
    return found


def _try(built: Built, rows: Rows) -> None:
    few = rows.take(np.arange(min(TRIED_ROWS, len(rows))))
    check_answers(built.objective, len(few), built.predict(few.columns()))


def _dataset(examples: Examples) -> Any:
    columns = {name: tf.constant(values) for name, values in raw_rows(examples).columns().items()}
    weights = () if examples.weights is None else (examples.weights,)
    return tf.data.Dataset.from_tensor_slices((columns, examples.labels, *weights))
