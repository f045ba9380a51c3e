"""What feedback says of versions, as far as releases go by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

STEPS = 4000


class Rewarded(Protocol):
    """Rewards, from 0 to 1 each: how many, and their sum."""

    @property
    def count(self) -> int: ...

    @property
    def total(self) -> float: ...


class RewardBook(Protocol):
    """Knows the rewards of every version."""

    def rewards(self, pipeline: str, since: datetime | None = None) -> Mapping[tuple[int, str], Rewarded]:
        """Return rewards by version and variant, of predictions made since then."""


@dataclass(frozen=True)
class Rewards:
    """The rewards of one version, under whatever variant it answered."""

    count: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @property
    def successes(self) -> float:
        """What a Beta posterior adds on the side of success; a reward of 0.7 is seven tenths of one."""
        return self.total

    @property
    def failures(self) -> float:
        return self.count - self.total


def of_version(rewards: Mapping[tuple[int, str], Rewarded], version: int) -> Rewards:
    """Add up what a version has under all its variants."""
    own = [rewarded for (each, _), rewarded in rewards.items() if each == version]
    return Rewards(sum(each.count for each in own), sum(each.total for each in own))


def probability_of_being_best(one: Rewards, other: Rewards) -> float:
    """Return how probable it is that the first one's mean reward is the higher, by Beta posteriors."""
    points = (np.arange(STEPS) + 0.5) / STEPS
    density, other_density = (
        _normalised(rewards.successes * np.log(points) + rewards.failures * np.log1p(-points))
        for rewards in (one, other)
    )
    below = np.cumsum(other_density) - other_density / 2
    return float((density * below).sum())


def _normalised(log_density: np.ndarray) -> np.ndarray:
    density = np.exp(log_density - log_density.max())
    normalised: np.ndarray = density / density.sum()
    return normalised
