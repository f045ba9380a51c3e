"""Families of the user's own: which of the two ways it is, and what is asked of their answers."""

from typing import Any

import numpy as np

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_trainer.data import Rows, TrainingData
from tidemill_trainer.families import Examples, Learner
from tidemill_trainer.objective import Objective


class CustomFailed(Exception):
    """What the user wrote did not give a model that answers as it should."""


def custom_learner(data: TrainingData | None, spec: PipelineSpec | None) -> Learner:
    """Return the learner that a spec describes; ValueError when it describes none."""
    if data is None or spec is None or spec.training.custom is None:
        raise ValueError("expected data and a spec that describes the family custom, received none")
    if spec.training.custom.build is not None:
        from tidemill_trainer.families.custom_build import BuildLearner  # noqa: PLC0415

        return BuildLearner(spec.training.custom.build, data.profile, spec)
    from tidemill_trainer.families.custom_command import CommandLearner  # noqa: PLC0415

    return CommandLearner(spec.training.custom.command, data.profile, spec)


def raw_rows(examples: Examples) -> Rows:
    """Return the rows as serving gets them; ValueError where they are not there any more."""
    if examples.raw is None:
        raise ValueError("expected examples with raw rows for the family custom, received encoded ones alone")
    return examples.raw()


def check_answers(objective: Objective, rows: int, answers: Any) -> None:
    """Raise CustomFailed for answers, an array or tensors, of another shape than the objective's, or NaN."""
    expected = (rows, objective.width) if objective.width else (rows,)
    received = tuple(answers.shape)
    if received != expected:
        raise CustomFailed(f"expected answers of shape {expected} for {rows} rows, received {received}")
    if not np.isfinite(np.asarray(answers)).all():
        raise CustomFailed("expected finite answers, received NaN or infinity")
