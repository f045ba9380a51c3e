"""One decision about one pipeline: stored, then shown to gateways; nothing else can be decided meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tidemill_contracts.events import Reason
from tidemill_contracts.pb.routes_pb2 import Route
from tidemill_runtime.logs import get_logger
from tidemill_runtime.telling import Teller
from tidemill_serving import announcing
from tidemill_serving.current_specs import CurrentSpecs
from tidemill_serving.deployment import Deployed, Deployment, Withdrawal
from tidemill_serving.deployments import Deployments
from tidemill_serving.holding import Holding
from tidemill_serving.judging import share_of_candidate
from tidemill_serving.rewards import RewardBook, of_version
from tidemill_serving.route_table import add_release, stable_route
from tidemill_serving.routes import RouteBoard
from tidemill_serving.sightings import Sightings
from tidemill_serving.verdict import Evidence


class Switch:
    """Deployments as they are stored, and the board that shows them. No model server can stall it.

    `changed` is set by every decision: the model server is to be told then.
    """

    def __init__(
        self,
        deployments: Deployments,
        board: RouteBoard,
        holding: Holding,
        specs: CurrentSpecs,
        sightings: Sightings,
        rewards: RewardBook,
    ) -> None:
        self.specs = specs
        self.sightings = sightings
        self.changed = threading.Event()
        self._deployments = deployments
        self._board = board
        self._holding = holding
        self._rewards = rewards
        self._lock = threading.RLock()

    def refresh(self) -> None:
        """Read what people say of serving now, and what another process may have decided, and show it."""
        for pipeline in self._deployments.of_others():
            with self._lock:
                if self._deployments.take_over(pipeline):
                    self.changed.set()
        for deployment in self.wanted():
            self.specs.refresh(deployment.pipeline)
        self.show()

    def wanted(self) -> list[Deployment]:
        """Return the deployments that have something to serve."""
        return self._deployments.wanted()

    def can_answer(self, pipeline: str, version: int) -> bool:
        """Say whether the model server held a version when it was last looked at."""
        return version in self._holding.held(pipeline)[1]

    def get(self, pipeline: str) -> Deployment:
        """Return a deployment as it is now."""
        return self._deployments.get(pipeline)

    @contextmanager
    def deciding(self, pipeline: str) -> Iterator[Deployment]:
        """Hold a deployment while it is decided on; nobody else changes one meanwhile."""
        with self._lock:
            yield self._deployments.get(pipeline)

    def put(self, deployment: Deployment) -> None:
        """Store a decision, and show it; from here on a restart knows it."""
        with self._lock:
            self._deployments.put(deployment)
            with self.sightings.of(deployment.pipeline) as observations:
                observations.forget_all_but(deployment.versions())
            self.show()
        self.changed.set()

    def show(self) -> None:
        """Put up the routes of what can answer; while that is not known, gateways keep what they have."""
        with self._lock:
            if not self._holding.is_known:
                return
            routes = [self._route(deployment) for deployment in self.wanted()]
            self._board.show(route for route in routes if route is not None)

    @contextmanager
    def evidence(self, deployment: Deployment) -> Iterator[Evidence]:
        """Hold what is known of the running release while it is looked at."""
        assert deployment.release is not None  # noqa: S101 - only a release is judged
        assert deployment.stable is not None  # noqa: S101 - a release is beside a stable version
        candidate, stable = deployment.release.candidate, deployment.stable
        rewards = self._rewards.rewards(deployment.pipeline, candidate.began)
        with self.sightings.of(deployment.pipeline) as observations:
            yield Evidence(
                version=candidate.version,
                stable_version=stable.version,
                observations=observations,
                rewards=of_version(rewards, candidate.version),
                stable_rewards=of_version(rewards, stable.version),
            )

    def without_candidate(self, deployment: Deployment, reason: Reason, now: datetime) -> Deployment:
        """End the running release, if there is one, and say so."""
        candidate = deployment.candidate
        if candidate is None:
            return deployment
        why = self.withdrawal(deployment, candidate, reason)
        event = announcing.withdrawn(deployment, candidate, why, seconds_since(candidate.began, now))
        get_logger().info(
            "taken-back", pipeline=deployment.pipeline, version=candidate.version, why=why.message
        )
        return deployment.withdraw(candidate.version, why).saying([announcing.untold(event, candidate)])

    def withdrawal(self, deployment: Deployment, deployed: Deployed, reason: Reason) -> Withdrawal:
        """Say why a version goes, with what it was asked until now."""
        with self.sightings.of(deployment.pipeline) as observations:
            answers = observations.answered.get(deployed.version, 0)
            failures = observations.failed.get(deployed.version, 0)
        return Withdrawal(code=reason.code, message=reason.message, answers=answers, failures=failures)

    def tell(self, teller: Teller) -> None:
        """Tell what decisions have to say and was not told; what cannot be told now waits."""
        for deployment in self._deployments.all():
            for event in announcing.tell(deployment.untold, teller):
                with self._lock:
                    self._deployments.put(self._deployments.get(deployment.pipeline).having_told(event))

    def _route(self, deployment: Deployment) -> Route | None:
        serving = self.specs.serving(deployment.pipeline)
        address, loaded = self._holding.held(deployment.pipeline)
        route = stable_route(deployment, address, loaded, serving)
        if route is None:
            return None
        route.unlogged_columns.extend(self.specs.restricted_columns(deployment.pipeline))
        if deployment.release and deployment.release.candidate.version in loaded:
            with self.evidence(deployment) as evidence:
                share = share_of_candidate(deployment.release, serving.rollout, evidence)
            rewards = (evidence.rewards, evidence.stable_rewards)
            add_release(route, deployment.release, share, serving, *rewards)
        return route


def utc_now() -> datetime:
    """Return the time that releases go by."""
    return datetime.now(UTC)


def seconds_since(began: datetime | None, now: datetime) -> float:
    """Return how long something has taken; 0 where it is not known when it began."""
    return round(max(0.0, (now - began).total_seconds()), 3) if began else 0.0
