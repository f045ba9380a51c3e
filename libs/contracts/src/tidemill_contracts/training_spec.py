"""What a person writes of training: what is tried, at what cost, and when the result may serve."""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tidemill_contracts.spec_model import Combination, Rows, Rule, Share, SpecModel, Texts
from tidemill_contracts.spec_problems import BUDGET_PATTERN, CPU_PATTERN, FUNCTION_PATTERN, MEMORY_PATTERN

Family = Literal["linear", "deep", "random-forest", "boosted-trees", "ensemble", "custom"]
# Trained whatever the spec says: the simple model that every other one has to beat.
BASELINE: Family = "linear"
Metric = Literal[
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "mcc",
    "calibration_error",
    "macro_f1",
    "roc_auc_ovr",
    "top_2_accuracy",
    "rmse",
    "mae",
    "median_absolute_error",
    "r2",
    "mape",
    "rmsle",
    "mean_poisson_deviance",
    "pinball_loss",
]
Gap = Literal[
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "false_positive_rate_difference",
    "predictive_parity_difference",
    "calibration_difference",
    "equalized_odds_difference",
]
SECONDS = {"s": 1, "m": 60, "h": 3600}
BYTES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}

Budget = Annotated[str, StringConstraints(pattern=BUDGET_PATTERN)]
Memory = Annotated[str, StringConstraints(pattern=MEMORY_PATTERN)]
Cpu = Annotated[str, StringConstraints(pattern=CPU_PATTERN)]
BuildFunction = Annotated[str, StringConstraints(pattern=FUNCTION_PATTERN)]


class Resources(SpecModel):
    """What one worker of a training may take. On Kubernetes they are the Job's requests and limits."""

    cpu: Cpu | None = Field(
        default=None, description="Processors, such as 4 or 500m; by default the template's."
    )
    memory: Memory = Field(
        default="4Gi",
        description="Memory, which training keeps to wherever it runs: it samples rows if it must.",
    )
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs.")
    gpu_type: str | None = Field(
        default=None, description="Kind of GPU, as GKE calls it (cloud.google.com/gke-accelerator)."
    )
    spot: bool = Field(
        default=False, description="Whether spot nodes will do: cheaper, and taken away at times."
    )

    @property
    def memory_bytes(self) -> int:
        """The memory in bytes."""
        return int(self.memory[:-2]) * BYTES[self.memory[-2:]]


class Custom(SpecModel):
    """A family of the user's own: a function that builds a Keras model, or a program that trains a model."""

    build: BuildFunction | None = Field(
        default=None,
        description="`module:function` that takes a profile and a spec and returns a keras.Model.",
    )
    command: Texts = Field(
        default=(), description="A program that reads a dataset from a folder and writes a SavedModel to one."
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        description="Image of the training Job, where the trainer's own will not do.",
    )

    rules = (
        Rule(
            expected="expected either build or command",
            holds=lambda custom: (custom.build is None) == bool(custom.command),
            cel="has(self.build) != (size(self.command) > 0)",
        ),
    )


class Training(SpecModel):
    """What is trained."""

    families: tuple[Family, ...] = Field(
        default=("deep", "boosted-trees", "random-forest", "ensemble"),
        min_length=1,
        max_length=100,
        description="Model families that compete; a linear one always takes part.",
    )
    budget: Budget = Field(
        default="fast",
        description="Time for everything up to the verdict, such as 10m; `fast`: each family once, as it is "
        "usually best.",
    )
    trials: int | None = Field(
        default=None, ge=1, le=10_000, description="Most trials of the search, whatever the budget leaves."
    )
    loss: Literal["squared", "poisson"] = Field(
        default="squared", description="Regression: what is minimised; poisson for counts."
    )
    quantiles: tuple[Share, ...] = Field(
        default=(),
        max_length=99,
        description="Regression: quantiles to answer with, rising, instead of the mean.",
    )
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="How much rows of a class count; balanced: every class the same in sum."
    )
    custom: Custom | None = Field(default=None, description="The family `custom`, of the user's own.")
    workers: int = Field(default=1, ge=1, le=64, description="Processes that train networks together.")
    resources: Resources = Resources()
    seed: int = Field(default=7, ge=0, le=(1 << 32) - 1, description="Seed of everything random.")

    @property
    def budget_seconds(self) -> float | None:
        """The budget in seconds; None for `fast`, which has no limit but its few trials."""
        found = re.fullmatch(r"(\d+)([smh])", self.budget)
        return int(found[1]) * SECONDS[found[2]] if found else None

    @property
    def is_searched(self) -> bool:
        """Whether more is tried than every family once."""
        return self.budget_seconds is not None or self.trials is not None

    rules = (
        Rule(
            expected="expected rising quantiles",
            holds=lambda training: list(training.quantiles) == sorted(set(training.quantiles)),
            cel="self.quantiles.isSorted() && self.quantiles.all(x, self.quantiles.exists_one(y, y == x))",
        ),
        Rule(
            expected="expected quantiles or the loss poisson, received both",
            holds=lambda training: not training.quantiles or training.loss == "squared",
            cel="size(self.quantiles) == 0 || self.loss == 'squared'",
        ),
        Rule(
            expected="expected the family custom to be listed and described, received one of both",
            holds=lambda training: ("custom" in training.families) == (training.custom is not None),
            cel="('custom' in self.families) == has(self.custom)",
        ),
    )


class SliceLimits(SpecModel):
    """What must hold in every declared slice of enough rows."""

    min_metrics: dict[Metric, float] = Field(
        default={}, description="Lowest acceptable value per metric; of losses and errors the highest."
    )
    max_regression: float | None = Field(
        default=None,
        ge=0,
        description="How much worse than the champion, in the deciding metric, is tolerated; what may be "
        "chance always is.",
    )
    min_rows: Rows = Field(default=200, ge=2, description="Fewest held-out rows of a slice that is judged.")


class FairnessLimits(SpecModel):
    """How far groups of people may be treated differently (binary tasks)."""

    groups: Combination = Field(min_length=1, description="Columns whose values make the groups.")
    max_gaps: dict[Gap, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, description="Largest difference between two groups, per measure; none: only shown."
    )
    threshold: Share = Field(default=0.5, description="Probability from which the answer counts as yes.")
    min_rows: Rows = Field(default=100, ge=2, description="Fewest held-out rows of a group that is judged.")


class Blessing(SpecModel):
    """When a model may serve."""

    metric: Metric | None = Field(
        default=None,
        description="The metric that decides between models; by default roc_auc, log_loss or rmse, by task.",
    )
    min_metrics: dict[Metric, float] | None = Field(
        default=None,
        description="Lowest acceptable value per metric, of losses and errors the highest; by default a "
        "roc_auc of 0.6 for binary tasks. Every model must beat the best constant too.",
    )
    max_regression: float = Field(
        default=0.01,
        ge=0,
        description="How much worse than the champion, on the same rows, is tolerated; of errors in "
        "the label's units as a share of the champion's.",
    )
    min_gain_over_baseline: float = Field(
        default=0.0,
        ge=0,
        description="How much better than the linear model, in the deciding metric, another family has to be "
        "to be preferred.",
    )
    slices: SliceLimits = SliceLimits()
    fairness: FairnessLimits | None = Field(default=None, description="Groups that must be treated alike.")
    max_size_mib: float = Field(default=512, gt=0, description="Largest SavedModel.")
    max_latency_ms: float = Field(
        default=100, gt=0, description="Longest answer to one row, at the 95th percentile, in a model server."
    )
