"""What a person writes of serving: how a new version takes over, and what surrounds its answers."""

from typing import Annotated, Literal

from pydantic import Field

from tidemill_contracts.spec_model import Rows, Rule, Share, SpecModel
from tidemill_contracts.spec_problems import HEADER_PATTERN

Strategy = Literal["all-at-once", "canary", "shadow", "ab", "bandit"]
Value = float | bool | str
Values = Annotated[tuple[Value, ...], Field(max_length=10_000)]


class ReleaseLimits(SpecModel):
    """When a version that is being released is taken back. A null, or a limit out of reach, is no test.

    All tests together take back a version that is as good as the stable one with at most `false_alarms`
    probability, over the whole release.
    """

    false_alarms: Share = Field(
        default=0.01, description="Probability of taking back a version that is as good as the stable one."
    )
    max_error_share: float | None = Field(
        default=0.01,
        ge=0,
        le=1,
        description="How much larger a share of its requests may fail than of the stable version's.",
    )
    max_latency_ratio: float | None = Field(
        default=2, ge=1, description="How many times the stable version's median latency is tolerated."
    )
    max_distance: float | None = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Jensen-Shannon divergence, in bits, of its answers from those of the stable version.",
    )
    max_reward_loss: float | None = Field(
        default=0.05, ge=0, le=1, description="How much lower its mean reward in feedback may be."
    )


class Rollout(SpecModel):
    """How a blessed version takes over."""

    strategy: Strategy = Field(
        default="all-at-once",
        description="all-at-once: as soon as it answered golden rows; canary: by steps, with a verdict; "
        "shadow: asked on the side first; ab: shares that stay until someone decides; bandit: shares by "
        "feedback.",
    )
    steps: tuple[Share, ...] = Field(
        default=(0.05, 0.25, 0.5),
        min_length=1,
        max_length=100,
        description="canary: shares of requests, rising, before all; ab: the first is the new version's.",
    )
    step_seconds: float = Field(default=300, gt=0, description="Least time of a step, or of a shadow.")
    min_requests: Rows = Field(
        default=100, ge=1, description="Fewest requests to the new version in a step before the next."
    )
    key: str = Field(
        default="tidemill-key",
        pattern=HEADER_PATTERN,
        max_length=100,
        description="ab and canary: request header whose value always meets the same version.",
    )
    limits: ReleaseLimits = ReleaseLimits()

    rules = (
        Rule(
            expected="expected rising steps",
            holds=lambda rollout: list(rollout.steps) == sorted(set(rollout.steps)),
            cel="self.steps.isSorted() && self.steps.all(x, self.steps.exists_one(y, y == x))",
        ),
    )


class Fallback(SpecModel):
    """What answers, marked as such, when a version fails or is too slow."""

    previous: bool = Field(
        default=True,
        description="The version that was stable before. Behind one that is being released the stable one "
        "always stands.",
    )
    answer: dict[str, Value | Values | tuple[Values, ...]] | None = Field(
        default=None,
        max_length=1000,
        description="Value of every output, for each row, when no version answers.",
    )


class PredictionLog(SpecModel):
    """Which predictions are kept, with their inputs, in the warehouse."""

    share: float = Field(default=0.1, ge=0, le=1, description="Share of requests that are kept.")


class Serving(SpecModel):
    """How models of the pipeline serve."""

    rollout: Rollout = Rollout()
    fallback: Fallback = Fallback()
    log: PredictionLog = PredictionLog()
    cache_seconds: float = Field(
        default=0, ge=0, le=86_400, description="How long an answer is given again to the same question."
    )
