"""What becomes of a running release by what was seen of it: nothing, a step, promotion, or its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidemill_contracts.events import Reason
from tidemill_contracts.serving_spec import Rollout
from tidemill_serving import verdict
from tidemill_serving.deployment import Release
from tidemill_serving.rewards import probability_of_being_best
from tidemill_serving.verdict import Evidence, Finding

# A bandit's posterior of being best, from which on it need not go on trying.
CERTAIN = 0.99

Action = Literal["stay", "renew", "step", "promote", "take-back"]


@dataclass(frozen=True)
class Judgement:
    """What to do now. `renew`: go on with the step, and forget what was seen in it; `reason` is of an end."""

    action: Action
    findings: tuple[Finding, ...] = ()
    reason: Reason | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """What the tests say, a sentence for each."""
        return tuple(f"{finding.test}: {finding.text}" for finding in self.findings)


def share_of_candidate(release: Release, rollout: Rollout, evidence: Evidence) -> float:
    """Return the share of requests that the version under release should answer."""
    match release.strategy:
        case "canary":
            return rollout.steps[min(release.step, len(rollout.steps) - 1)]
        case "ab":
            return rollout.steps[0]
        case "bandit":
            # Thompson sampling asks each version as often as it is probably the best.
            return probability_of_being_best(evidence.rewards, evidence.stable_rewards)
    return 0.0


def judge(release: Release, rollout: Rollout, evidence: Evidence, now: datetime) -> Judgement:
    """Decide by the limits and steps of now; a look is taken when enough more is known, and before each step.

    Counts the look in the observations.
    """
    if now < release.step_began:
        # The clock was set back: the step would take as much longer.
        return Judgement("renew")
    is_over = _is_over(release, rollout, evidence, now)
    is_best = release.strategy == "bandit" and _is_best(rollout, evidence)
    if not (is_over or is_best or evidence.calls_for_a_look):
        return Judgement("stay")
    observations = evidence.observations
    found = verdict.findings(evidence, rollout.limits)
    level = verdict.level(rollout.limits.false_alarms, observations.looks + 1, len(found))
    guilty = [finding for finding in found if finding.condemns(level)]
    if guilty:
        # Should it not be possible to store that, the next turn looks again.
        return Judgement("take-back", tuple(found), _reason(guilty, evidence.version))
    observations.looks += 1
    observations.looked_at = evidence.amount
    action: Action = "promote" if is_best else _next(release, rollout) if is_over else "stay"
    return Judgement(action, (*found, *told_besides(evidence)))


def told_besides(evidence: Evidence) -> list[Finding]:
    """Return what is worth knowing, and no fault by itself: how many answers of a shadow differ."""
    one = evidence.candidate
    if not one.compared:
        return []
    whose = f"those of version {evidence.stable_version}"
    text = f"{one.differing:,} of {one.compared:,} answers differ from {whose}"
    return [Finding("comparison", text, exceeds=False, probability=1.0)]


def _is_over(release: Release, rollout: Rollout, evidence: Evidence, now: datetime) -> bool:
    long_enough = (now - release.step_began).total_seconds() >= rollout.step_seconds
    return long_enough and evidence.candidate.requests >= rollout.min_requests


def _next(release: Release, rollout: Rollout) -> Action:
    if release.strategy == "shadow":
        return "promote"
    if release.strategy == "canary":
        return "step" if release.step + 1 < len(rollout.steps) else "promote"
    # What has no steps is judged anew from time to time: what turns bad late must not drown in what was good.
    return "renew"


def _is_best(rollout: Rollout, evidence: Evidence) -> bool:
    enough = min(evidence.rewards.count, evidence.stable_rewards.count) >= rollout.min_requests
    return enough and probability_of_being_best(evidence.rewards, evidence.stable_rewards) > CERTAIN


def _reason(guilty: Sequence[Finding], version: int) -> Reason:
    worst = min(guilty, key=lambda finding: finding.probability)
    message = f"version {version}, {worst.text}; by chance with probability {worst.probability:.1g}"
    return Reason(code=worst.test, message=message)
