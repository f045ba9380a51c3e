"""Linear models over the scores, bins, categories and words of encoded rows: what others have to beat."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tidemill_trainer.families import Examples, Params, Watch
from tidemill_trainer.families.head import Head, make_head
from tidemill_trainer.families.linear_design import Design, make_design
from tidemill_trainer.families.linear_loss import Floats, loss_and_slopes
from tidemill_trainer.families.on_encoded import Core, OnEncoded
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded

if TYPE_CHECKING:
    import optuna

LEAST_L2 = 1e-4
MAX_STEPS = 100
# More rows teach a model of so few parameters next to nothing.
MAX_ROWS = 200_000


@dataclass(frozen=True)
class Linear(OnEncoded):
    """A trained model: `weights` of the design's columns `[columns, outputs]`, and `bias` `[outputs]`."""

    design: Design
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    head: Head

    def answer_encoded(self, encoded: Encoded) -> NDArray[np.float32]:
        """Answer encoded rows; loads TensorFlow."""
        return self._runner(encoded)

    def core(self, _folder: Path) -> Core:
        """Return the model in TensorFlow."""
        from tidemill_trainer.families.linear_graph import LinearGraph  # noqa: PLC0415

        return LinearGraph(self.design, self.weights, self.bias, self.head)

    @cached_property
    def _runner(self) -> Callable[[Encoded], NDArray[np.float32]]:
        from tidemill_trainer.families.running import runner  # noqa: PLC0415

        return runner(self.core(Path()))


class LinearLearner:
    """Trains linear models; see `Learner`."""

    def supports(self, _objective: Objective) -> str | None:
        """Learn everything."""
        return None

    def defaults(self, examples: Examples) -> Params:
        """Return a good first choice for these rows: a few hundred of them are soon learned by heart."""
        return {"l2": max(LEAST_L2, 1 / len(examples))}

    def suggest(self, trial: "optuna.Trial", _examples: Examples) -> Params:
        """Choose from what is worth trying."""
        return {"l2": trial.suggest_float("l2", 1e-6, 1e-1, log=True)}

    def fit(self, learn: Examples, _check: Examples, params: Params, seed: int, watch: Watch) -> Linear:
        """Train; the rows kept aside are not looked at."""
        if len(learn) > MAX_ROWS:
            chosen = np.random.default_rng(seed).choice(len(learn), MAX_ROWS, replace=False)
            learn = learn.take(np.sort(chosen))
        design, head = make_design(learn.plan), make_head(learn)
        l2 = float(params.get("l2", LEAST_L2))
        problem = _Problem(design.matrix(learn.encoded), learn, head, l2)
        curve: list[float] = []
        # Vectors are short: threads would wait for one another, and add up in any order.
        with threadpool_limits(1, "blas"):
            solution = optimize.minimize(
                problem,
                np.append(np.zeros(problem.matrix.shape[1] * len(head.initial)), head.initial),
                jac=True,
                method="L-BFGS-B",
                callback=partial(_watched, watch, curve),
                options={"maxiter": MAX_STEPS, "ftol": 1e-6, "maxcor": 20},
            )
        weights = solution.x.reshape(-1, len(head.initial)).astype(np.float32)
        return Linear(
            family="linear",
            plan=learn.plan,
            objective=learn.objective,
            params={"l2": l2, **learn.objective.facts, "steps": len(curve), "rows": len(learn)},
            curves={"train_loss": tuple(curve)},
            design=design,
            weights=weights[:-1],
            bias=weights[-1],
            head=head,
        )


class _Problem:
    """The mean loss with its slopes, by weights and biases in one vector."""

    def __init__(self, matrix: Any, learn: Examples, head: Head, l2: float) -> None:
        self.matrix = matrix
        self._transposed = matrix.T.tocsr()
        self._labels, self._head, self._l2 = learn.labels.astype(np.float64), head, l2
        weights = np.ones(len(learn)) if learn.weights is None else learn.weights
        self._shares = weights / weights.sum()

    def __call__(self, flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(-1, len(self._head.initial))
        weights, bias = table[:-1], table[-1]
        outputs = self.matrix @ weights.astype(np.float32) + bias
        losses, slopes = loss_and_slopes(self._head, self._labels, outputs)
        slopes *= self._shares[:, None]
        by_weight = self._transposed @ slopes.astype(np.float32) + 2 * self._l2 * weights
        loss = float(losses @ self._shares) + self._l2 * float((weights**2).sum())
        return loss, np.append(by_weight.ravel(), slopes.sum(axis=0))


def _watched(watch: Watch, curve: list[float], intermediate_result: Any) -> None:
    curve.append(float(intermediate_result.fun))
    if time.monotonic() >= watch.stop_at:
        raise StopIteration
