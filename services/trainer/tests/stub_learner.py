"""A family whose quality is a hyper-parameter, and that takes the time it is told to."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.families import Curves, Examples, Graph, Params, Watch
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.plan import Plan

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class StubTrained:
    """Answers with the label, blurred by as much as its quality lacks."""

    family: Family
    params: Params
    plan: Plan
    objective: Objective
    curves: Curves = field(default_factory=dict)

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        rows = len(examples)
        blur = np.random.default_rng(rows).random(rows)
        quality = float(self.params.get("quality", 0.9))
        return (quality * examples.labels + (1 - quality) * blur).astype(np.float32)

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Read one feature alone."""
        return (np.nan_to_num(columns["Sched. dep (h)"]) / 24).astype(np.float32)

    def graph(self, folder: Path) -> Graph:
        raise NotImplementedError


@dataclass
class StubLearner:
    """Learns in `seconds`, or until it has to stop; remembers what it was asked to learn."""

    family: Family
    defaults_: Mapping[str, bool | int | float | str]
    seconds: float = 0.0
    steps: int = 1
    error: Exception | None = None
    unsupported: str | None = None
    fits: list[tuple[Params, int]] = field(default_factory=list)

    def supports(self, objective: Objective) -> str | None:  # noqa: ARG002
        return self.unsupported

    def defaults(self, examples: Examples) -> Params:  # noqa: ARG002
        return self.defaults_

    def suggest(self, trial: "optuna.Trial", examples: Examples) -> Params:  # noqa: ARG002
        return {"quality": trial.suggest_float("quality", 0, 0.9)}

    def fit(self, learn: Examples, check: Examples, params: Params, seed: int, watch: Watch) -> StubTrained:  # noqa: ARG002
        self.fits.append((params, len(learn)))
        if self.error:
            raise self.error
        for step in range(self.steps):
            time.sleep(max(0.0, min(self.seconds / self.steps, watch.stop_at - time.monotonic())))
            watch.report(step, 1 - float(params.get("quality", 0.9)))
        return StubTrained(self.family, params, learn.plan, learn.objective, {"validation_loss": (0.5, 0.4)})


PROPOSALS: tuple[Params, ...] = ({"quality": 0.31}, {"quality": 0.42})
QUICK: Params = {"quality": 0.2}


class Proposing(StubLearner):
    """Knows more first choices than one."""

    def quick(self, examples: Examples) -> Params:  # noqa: ARG002
        return QUICK

    def proposals(self, examples: Examples) -> Sequence[Params]:  # noqa: ARG002
        return PROPOSALS


class OneChoice(StubLearner):
    """Has nothing to be searched."""

    def suggest(self, trial: "optuna.Trial", examples: Examples) -> Params:  # noqa: ARG002
        return dict(self.defaults_)


def stubs(**learners: Any) -> dict[Family, StubLearner]:
    """Stub learners of families by name, with `_` for `-`; those not named learn badly, at once."""
    families: tuple[Family, ...] = ("linear", "deep", "random-forest", "boosted-trees")
    usual = {family: StubLearner(family, {"quality": 0.01}) for family in families}
    for name, options in learners.items():
        family = next(one for one in families if one == name.replace("_", "-"))
        kind = options.pop("kind", StubLearner)
        usual[family] = kind(family, {"quality": options.pop("quality", 0.01)}, **options)
    return usual
