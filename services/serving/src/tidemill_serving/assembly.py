"""The parts that releases are made of, put together over one bucket and its model servers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tidemill_runtime.objects import ObjectStore
from tidemill_serving.by_hand import ByHand
from tidemill_serving.current_specs import CurrentSpecs
from tidemill_serving.deployments import Deployments
from tidemill_serving.holding import Holding
from tidemill_serving.model_servers import ModelServers
from tidemill_serving.overseeing import Overseer
from tidemill_serving.releases import Releases
from tidemill_serving.rewards import RewardBook
from tidemill_serving.routes import RouteBoard
from tidemill_serving.sightings import Sightings
from tidemill_serving.switching import Switch, utc_now


@dataclass(frozen=True)
class Parts:
    """What the process hands to its threads and services."""

    releases: Releases
    switch: Switch
    overseer: Overseer
    by_hand: ByHand


def assemble(
    store: ObjectStore,
    model_servers: ModelServers,
    board: RouteBoard,
    rewards: RewardBook,
    now: Callable[[], datetime] = utc_now,
) -> Parts:
    """Put the parts together; nothing is read or started yet."""
    deployments = Deployments(store)
    holding = Holding(store, deployments, model_servers.members)
    sightings = Sightings(store, deployments.get)
    switch = Switch(deployments, board, holding, CurrentSpecs(store), sightings, rewards)
    return Parts(
        Releases(holding, switch, now),
        switch,
        Overseer(switch, now),
        ByHand(store, holding, switch, now),
    )
