"""The processes of one training job: the first leads, the others follow. Alone, nothing is loaded for it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tidemill_contracts.training_spec import Family
from tidemill_trainer.families import Learner, Params
from tidemill_trainer.launcher import START_UP_SECONDS
from tidemill_trainer.trainings import Training, Trainings

if TYPE_CHECKING:
    from tidemill_trainer.data_parallel.learner import Part
    from tidemill_trainer.data_parallel.loop import Checkpoints


@contextmanager
def leading(
    peers: Sequence[str], trainings: Trainings, training: Training
) -> Iterator[Mapping[Family, Learner]]:
    """Join the others, at `host:port` each, this process first; yield what trains with them.

    They are kept until all is done, so that no process begins anew without them.
    """
    if not peers:
        yield {}
        return
    from tidemill_trainer.data_parallel.checkpoints import StoredCheckpoints, fit_key  # noqa: PLC0415
    from tidemill_trainer.data_parallel.cluster import PeerLost, join  # noqa: PLC0415
    from tidemill_trainer.data_parallel.learner import TogetherLearner  # noqa: PLC0415

    def checkpoints_of(part: "Part", params: Params, seed: int) -> "Checkpoints":
        name = training.beside("checkpoint.npz")
        return StoredCheckpoints(trainings.store, name, fit_key(part, params, seed))

    cluster = join(peers, 0, seconds=START_UP_SECONDS)
    yield {"deep": TogetherLearner(cluster, checkpoints_of)}
    with suppress(PeerLost):
        cluster.tell(None)


def follow(peers: Sequence[str], index: int) -> None:
    """Join the others as `peers[index]`, and take part until the first is done."""
    from tidemill_trainer.data_parallel.cluster import join  # noqa: PLC0415
    from tidemill_trainer.data_parallel.learner import take_part  # noqa: PLC0415

    take_part(join(peers, index, seconds=START_UP_SECONDS))
