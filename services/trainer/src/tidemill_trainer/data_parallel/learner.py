"""The family of networks, trained by all processes of a cluster: the chief's side, and that of the others."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tidemill_runtime.logs import get_logger
from tidemill_trainer.data_parallel.cluster import Cluster
from tidemill_trainer.data_parallel.loop import NO_CHECKPOINTS, Checkpoints, train_together
from tidemill_trainer.families import Examples, Params, Watch
from tidemill_trainer.families.deep import Deep, DeepLearner

# All processes keep rows for the next fit that learns from the same: the newest, and older ones in so much.
KEPT_BYTES = 64 << 20


@dataclass(frozen=True)
class Part:
    """Rows to learn from, and to check on."""

    learn: Examples
    check: Examples

    @property
    def size_bytes(self) -> int:
        """How much memory they need."""
        return sum(values.nbytes for rows in (self.learn, self.check) for values in rows.encoded)


@dataclass(frozen=True)
class Announcement:
    """A fit that begins. `part` is None where it was told before: it is the one at `place` then."""

    params: Params
    seed: int
    place: int
    part: Part | None


class TogetherLearner(DeepLearner):
    """Trains networks with all of a cluster; see `Learner`. The chief's side: one fit at a time."""

    def __init__(
        self,
        cluster: Cluster,
        checkpoints_of: Callable[[Part, Params, int], Checkpoints] = lambda *_: NO_CHECKPOINTS,
    ) -> None:
        """Take the processes, and what finds the checkpoints of a fit."""
        super().__init__()
        self._cluster, self._checkpoints_of = cluster, checkpoints_of
        self._told: list[Part] = []

    def fit(self, learn: Examples, check: Examples, params: Params, seed: int, watch: Watch) -> Deep:
        """Train until the rows kept aside say that more epochs do not help."""
        part = Part(learn, check)
        self._cluster.tell(self._announce(part, params, seed))
        train = partial(train_together, self._cluster, checkpoints=self._checkpoints_of(part, params, seed))
        return DeepLearner(train).fit(learn, check, params, seed, watch)

    def _announce(self, part: Part, params: Params, seed: int) -> Announcement:
        for place, told in enumerate(self._told):
            if told.learn is part.learn and told.check is part.check:
                return Announcement(params, seed, place, None)
        self._told = keep(self._told, part)
        bare = Part(replace(part.learn, raw=None), replace(part.check, raw=None))
        return Announcement(params, seed, len(self._told) - 1, bare)


def take_part(cluster: Cluster) -> None:
    """Take part in every fit of the chief's, until it is done."""
    told: list[Part] = []
    while (announced := cluster.tell()) is not None:
        if not isinstance(announced, Announcement):
            raise TypeError(f"expected the announcement of a fit, received {type(announced).__name__}")
        if announced.part is not None:
            told = keep(told, announced.part)
        part = told[announced.place]
        # Of its own, so that dropout leaves out other units here; the weights are the chief's all the same.
        seed = announced.seed + cluster.index
        learner = DeepLearner(partial(train_together, cluster))
        try:
            learner.fit(part.learn, part.check, announced.params, seed, Watch(math.inf))
        except Exception:  # noqa: BLE001 - the chief's fit fails in the same way, and is told of as its trial
            get_logger().exception("fit-failed", worker_index=cluster.index)


def keep(told: list[Part], part: Part) -> list[Part]:
    """Return what all processes keep, now that a part is told."""
    kept = [*told, part]
    while len(kept) > 1 and sum(each.size_bytes for each in kept) > KEPT_BYTES:
        kept = kept[1:]
    return kept
