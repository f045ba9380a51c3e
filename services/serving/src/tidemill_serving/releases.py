"""The release of a model version: load, verify, switch, and keep it so.

The bucket holds what is wanted. A reconciliation holds the model server to it, whoever restarts.
"""

import threading
from collections.abc import Callable
from datetime import datetime

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_contracts.serving_spec import Strategy
from tidemill_runtime.logs import get_logger
from tidemill_serving import announcing
from tidemill_serving.deployment import Deployed, Deployment, Origin, Untold, Withdrawal, deletion_of
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.holding import Holding
from tidemill_serving.switching import Switch, seconds_since, utc_now


class Releases:
    """Begins releases, and holds the model server to them."""

    def __init__(self, holding: Holding, switch: Switch, now: Callable[[], datetime] = utc_now) -> None:
        self._holding = holding
        self._switch = switch
        self._now = now

    def release(self, manifest: ModelManifest, at: datetime, origin: Origin | None = None) -> Deployment:
        """Begin the release of a version blessed at a moment, or withdraw it; return what says which.

        A version already decided on stays as decided. Raises ModelServerAway when the server does not answer.
        """
        pipeline = manifest.pipeline
        with self._holding.turn(pipeline):
            if not self._switch.get(pipeline).decided(manifest.version):
                self._switch.specs.refresh(pipeline)
                self._switch.specs.refresh_columns(pipeline)
                self._try_out(manifest, at, origin)
        self._holding.hold(self._switch.show)
        return self._switch.get(pipeline)

    def delete(self, pipeline: str, at: datetime) -> None:
        """Serve a pipeline no more that was deleted at a moment, unless it was deployed anew since."""
        why = deletion_of(pipeline)
        with self._switch.deciding(pipeline) as deployment:
            if not self._switch.specs.exists(pipeline):
                # A release may have begun since it was told.
                at = max(at, self._now())
            after = deployment.delete(at, why)
            if after != deployment:
                gone = [each for each in (deployment.candidate, deployment.stable) if each is not None]
                self._switch.put(after.saying([self._gone(deployment, each, why) for each in gone]))

    def is_over(self, pipeline: str, version: int, at: datetime) -> bool:
        """Say whether a version that was blessed at a moment must not serve, as its pipeline was deleted."""
        deployment = self._switch.get(pipeline)
        if version in deployment.versions():
            return False
        is_older = deployment.deleted is not None and at <= deployment.deleted
        return is_older or not self._switch.specs.exists(pipeline)

    def refuse(self, pipeline: str, version: int) -> Deployment:
        """Remember that a version of a deleted pipeline must not serve; return what says so."""
        with self._switch.deciding(pipeline) as deployment:
            if version not in deployment.withdrawn:
                self._switch.put(deployment.withdraw(version, deletion_of(pipeline)))
            return self._switch.get(pipeline)

    def first_share(self, pipeline: str, strategy: Strategy) -> float:
        """Return the share of requests with which a release begins."""
        steps = self._switch.specs.serving(pipeline).rollout.steps
        return {"all-at-once": 1.0, "shadow": 0.0, "bandit": 0.5}.get(strategy, steps[0])

    def reconcile(self) -> None:
        """Hold the model server to what is wanted, and tell gateways what can be asked."""
        try:
            self._holding.hold(self._switch.show)
        finally:
            # Model servers are looked after while the bucket is away, and it is read while they are.
            self._switch.refresh()

    def _try_out(self, manifest: ModelManifest, at: datetime, origin: Origin | None) -> None:
        newest = self._switch.get(manifest.pipeline).newest()
        if newest > manifest.version:
            old = Reason(code="superseded", message=f"version {newest} was released already")
            self._put(manifest, old, at, origin)
            return
        with self._holding.tried_out(manifest) as fault:
            self._put(manifest, fault, at, origin)

    def _put(
        self, manifest: ModelManifest, fault: Reason | None, at: datetime, origin: Origin | None
    ) -> None:
        with self._switch.deciding(manifest.pipeline) as deployment:
            # Its pipeline may have been deleted while it was tried out.
            if self.is_over(manifest.pipeline, manifest.version, at):
                self.refuse(manifest.pipeline, manifest.version)
            else:
                self._switch.put(self._decide(deployment, manifest, fault, origin))

    def _decide(
        self, deployment: Deployment, manifest: ModelManifest, fault: Reason | None, origin: Origin | None
    ) -> Deployment:
        now = self._now()
        deployment, entered = deployment.enter(manifest.version, manifest.model_id, now, origin)
        if fault is not None:
            return deployment.withdraw(entered.version, Withdrawal(code=fault.code, message=fault.message))
        reason = Reason(code="superseded", message=f"version {entered.version} is released instead")
        deployment = self._switch.without_candidate(deployment, reason, now)
        strategy = self._switch.specs.serving(manifest.pipeline).rollout.strategy
        if deployment.stable is None or strategy == "all-at-once":
            return deployment.promote(entered)
        return deployment.begin(entered, strategy, now)

    def _gone(self, deployment: Deployment, deployed: Deployed, reason: Withdrawal) -> Untold:
        why = self._switch.withdrawal(deployment, deployed, reason)
        seconds = seconds_since(deployed.began, self._now())
        return announcing.untold(announcing.withdrawn(deployment, deployed, why, seconds), deployed)


def keep_reconciled(
    releases: Releases, stop: threading.Event, every_seconds: float, changed: threading.Event
) -> None:
    """Reconcile after every change, and again and again, until `stop` is set; set `changed` to end the wait.

    A model server that is away is tried later.
    """
    while not stop.is_set():
        changed.clear()
        try:
            releases.reconcile()
        except ModelServerAway as error:
            get_logger().warning("model-server-away", error=str(error))
        except Exception:  # noqa: BLE001 - the thread's boundary: whatever it was, the next turn may do better
            get_logger().exception("reconcile-failed")
        changed.wait(every_seconds)
