"""SavedModels that a program of the user's own trains, in a process of its own."""

import os
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Profile
from tidemill_contracts.training_spec import Family
from tidemill_runtime.logs import get_logger
from tidemill_trainer.data import Columns
from tidemill_trainer.families import Curves, Examples, Graph, Params, Watch
from tidemill_trainer.families.custom import CustomFailed, check_answers, raw_rows
from tidemill_trainer.families.custom_files import write_files
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.plan import Plan

if TYPE_CHECKING:
    import optuna

ANSWERED_ROWS = 4096
TRIED_ROWS = 16
DATASET, OUTPUT = "dataset", "output"
# A program that was told to end has this long to do so.
GRACE_SECONDS = 5
LONGEST_SECONDS = 24 * 3600


class _Folder:
    """A folder that goes when nothing refers to it any more."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="tidemill-custom-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class Commanded:
    """A trained model; see `Trained`. `folder` has its SavedModel, and goes with it."""

    family: Family
    plan: Plan
    objective: Objective
    params: Params
    curves: Curves
    folder: "_Folder"

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them."""
        raw = {feature.name: tf.constant(columns[feature.name]) for feature in self.plan.features}
        answers: NDArray[np.float32] = self._graph(raw).numpy()
        return answers

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer the same rows as serving gets them."""
        return np.concatenate(
            [self.predict(columns) for columns in raw_rows(examples).batches(ANSWERED_ROWS)]
        )

    def graph(self, _folder: Path) -> Graph:
        """Return the SavedModel."""
        return self._graph

    @cached_property
    def _graph(self) -> "_LoadedGraph":
        return _load(self.folder.path / OUTPUT, self.plan, self.objective)


@dataclass(frozen=True)
class CommandLearner:
    """Trains by a program; see `Learner`."""

    command: Sequence[str]
    profile: Profile
    spec: PipelineSpec

    def supports(self, _objective: Objective) -> str | None:
        """Leave it to the program."""
        return None

    def defaults(self, _examples: Examples) -> Params:
        """Leave it to the program."""
        return {}

    def suggest(self, _trial: "optuna.Trial", _examples: Examples) -> Params:
        """Leave it to the program."""
        return {}

    def fit(self, learn: Examples, check: Examples, _params: Params, seed: int, watch: Watch) -> Commanded:
        """Run the program until it ends; CustomFailed when it leaves no model that answers in time."""
        folder = _Folder()
        dataset, output = folder.path / DATASET, folder.path / OUTPUT
        dataset.mkdir()
        write_files(dataset, learn, check, self.profile, self.spec, seed)
        seconds = min(watch.stop_at - time.monotonic(), LONGEST_SECONDS)
        command = [*self.command, "--dataset", str(dataset), "--output", str(output)]
        _run([*command, "--seconds", f"{max(seconds, 0):.0f}"], seconds)
        shutil.rmtree(dataset)
        trained = Commanded("custom", learn.plan, learn.objective, {}, {}, folder)
        few = raw_rows(check).take(np.arange(min(TRIED_ROWS, len(check))))
        check_answers(learn.objective, len(few), trained.predict(few.columns()))
        return trained


def _run(command: Sequence[str], seconds: float) -> None:
    """Run a program in a group of its own, its output in the job's log; raise CustomFailed when it fails."""
    get_logger().info("custom-command", command=list(command))
    try:
        process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - as the user says
    except OSError as error:
        raise CustomFailed(f"expected a program {command[0]} that runs, received {error}") from error
    try:
        code = process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired as error:
        raise CustomFailed(f"expected {command[0]} to end within {seconds:.0f} s, it did not") from error
    finally:
        _end(process)
    if code:
        raise CustomFailed(
            f"expected {command[0]} to end with 0, received {code}; the job's log has its words"
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program and all that it has started."""
    for end, grace_seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, end)
            process.wait(grace_seconds)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


@dataclass(frozen=True)
class _LoadedGraph:
    loaded: Any
    signature: Any
    inputs: Sequence[str]
    output: str

    @property
    def owners(self) -> Sequence[Any]:
        return (self.loaded,)

    def __call__(self, raw: Mapping[str, Any]) -> Any:
        return self.signature(**{name: raw[name] for name in self.inputs})[self.output]


def _load(folder: Path, plan: Plan, objective: Objective) -> _LoadedGraph:
    try:
        loaded = tf.saved_model.load(str(folder))
        signature = loaded.signatures["serving_default"]
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        message = f"expected a SavedModel with the signature serving_default in --output, received {error}"
        raise CustomFailed(message) from error
    inputs = list(signature.structured_input_signature[1])
    unknown = sorted(set(inputs).difference(feature.name for feature in plan.features))
    if unknown:
        raise CustomFailed(f"expected inputs named as features are, received {unknown}")
    outputs = set(signature.structured_outputs)
    wanted = answers_output(objective)
    if wanted not in outputs:
        raise CustomFailed(f"expected an output {wanted}, received {sorted(outputs)}")
    return _LoadedGraph(loaded, signature, inputs, wanted)


def answers_output(objective: Objective) -> str:
    """Return the output that has a model's answers."""
    if objective.task == "regression":
        return "quantiles" if objective.quantiles else "value"
    return "probability" if objective.task == "binary" else "probabilities"
