"""What people ask of releases: to promote a version now, to go back, and how it stands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_contracts.pb.routes_pb2 import ReleaseState, VariantState
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_serving import announcing, metrics, verdict
from tidemill_serving.announcing import label_of
from tidemill_serving.deployment import Deployed, Deployment
from tidemill_serving.errors import NothingDeployed, NotNow
from tidemill_serving.holding import Holding
from tidemill_serving.judging import share_of_candidate, told_besides
from tidemill_serving.latencies import quantile
from tidemill_serving.loading import STABLE
from tidemill_serving.observations import Tally
from tidemill_serving.rewards import Rewards
from tidemill_serving.switching import Switch, seconds_since, utc_now
from tidemill_serving.verdict import Evidence


class ByHand:
    """Does at once what a person says.

    Raises NothingDeployed for unknown models, NotNow for what cannot be done as things are.
    """

    def __init__(
        self, store: ObjectStore, holding: Holding, switch: Switch, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._holding = holding
        self._switch = switch
        self._now = now

    def promote(self, pipeline: str, version: int, reason: str) -> ReleaseState:
        """Make a version the stable one, by default the one under release; one taken back may come again.

        What is not loaded is loaded and verified first. Of the version that serves already, nothing happens.
        """
        self._find(pipeline)
        with self._deciding(pipeline) as deployment:
            wanted = self._wanted(deployment, version)
            serves = deployment.stable is not None and deployment.stable.version == wanted.version
            is_loaded = self._switch.can_answer(pipeline, wanted.version)
            if not serves and is_loaded and wanted.version in deployment.versions():
                self._put_promoted(deployment, wanted, reason)
                serves = True
        if not serves:
            self._load_and_promote(pipeline, wanted, reason)
        return self.state(pipeline)

    def rollback(self, pipeline: str, version: int, reason: str) -> ReleaseState:
        """Take back the version under release, or else the stable one, for the version before it."""
        why = Reason(code="rolled-back", message=reason or "asked for by a person")
        self._find(pipeline)
        with self._deciding(pipeline) as deployment:
            self._switch.put(self._rolled_back(deployment, version, why))
        metrics.RELEASES.labels("rolled-back").inc()
        return self.state(pipeline)

    def state(self, pipeline: str) -> ReleaseState:
        """Return how the model's versions stand."""
        deployment = self._find(pipeline)
        rollout = self._switch.specs.serving(pipeline).rollout
        state = ReleaseState(
            model=pipeline,
            stable_version=deployment.stable.version if deployment.stable else 0,
            previous_version=deployment.previous.version if deployment.previous else 0,
        )
        release = deployment.release
        if release is None:
            return state
        with self._switch.evidence(deployment) as evidence:
            share = share_of_candidate(release, rollout, evidence)
            found = [*verdict.findings(evidence, rollout.limits), *told_besides(evidence)]
            state.variants.extend(_variants(evidence, label_of(release.strategy), share))
        state.candidate_version = release.candidate.version
        state.strategy = release.strategy
        state.candidate_share = share
        state.started_at = release.candidate.began.isoformat() if release.candidate.began else ""
        state.findings.extend(f"{finding.test}: {finding.text}" for finding in found)
        return state

    def _find(self, pipeline: str) -> Deployment:
        deployment = self._switch.get(pipeline)
        if deployment.stable is None:
            raise NothingDeployed(f"expected a deployed model, received {pipeline!r}")
        return deployment

    @contextmanager
    def _deciding(self, pipeline: str) -> Iterator[Deployment]:
        """Hold a deployment that is not of a pipeline deleted since it was found."""
        with self._switch.deciding(pipeline):
            if not self._switch.specs.exists(pipeline):
                raise NothingDeployed(f"expected a pipeline that is declared, received {pipeline!r}")
            yield self._find(pipeline)

    def _wanted(self, deployment: Deployment, version: int) -> Deployed:
        if version == 0:
            if deployment.candidate is None:
                raise NotNow(
                    f"expected a release of {deployment.pipeline} that goes on, or a version to promote"
                )
            return deployment.candidate
        found = deployment.find(version)
        if found is None:
            known = sorted({*deployment.known, *deployment.versions()})
            raise NotNow(f"expected one of the versions {known}, received {version}")
        return found

    def _load_and_promote(self, pipeline: str, wanted: Deployed, reason: str) -> None:
        try:
            document = self._store.read(layout.model_manifest(pipeline, wanted.model_id))
        except ObjectNotFound as error:
            raise NotNow(f"version {wanted.version} is no longer in the bucket: {error}") from error
        manifest = ModelManifest.model_validate_json(document)
        with self._holding.turn(pipeline), self._holding.tried_out(manifest) as fault:
            if fault is not None:
                raise NotNow(f"version {wanted.version} cannot serve: {fault.code}: {fault.message}")
            with self._deciding(pipeline) as deployment:
                if deployment.stable and deployment.stable.version != wanted.version:
                    self._put_promoted(deployment, wanted, reason)

    def _put_promoted(self, deployment: Deployment, wanted: Deployed, reason: str) -> None:
        self._switch.put(self._promoted(deployment, wanted))
        metrics.RELEASES.labels("promoted").inc()
        get_logger().info(
            "promoted-by-hand", pipeline=deployment.pipeline, version=wanted.version, reason=reason
        )

    def _promoted(self, deployment: Deployment, wanted: Deployed) -> Deployment:
        now = self._now()
        if deployment.candidate is None or deployment.candidate.version != wanted.version:
            reason = Reason(code="superseded", message=f"version {wanted.version} was promoted by hand")
            deployment = self._switch.without_candidate(deployment, reason, now)
            deployment, wanted = deployment.enter(wanted.version, wanted.model_id, now, wanted.origin)
        after = deployment.promote(wanted)
        event = announcing.stable(after, wanted, seconds_since(wanted.began, now))
        return after.saying([announcing.untold(event, wanted)])

    def _rolled_back(self, deployment: Deployment, version: int, reason: Reason) -> Deployment:
        now = self._now()
        stable, candidate = deployment.stable, deployment.candidate
        if candidate is not None and version in (0, candidate.version):
            return self._switch.without_candidate(deployment, reason, now)
        if stable is None or version not in (0, stable.version):
            raise NotNow(f"expected a version that serves, of {deployment.versions()}, received {version}")
        if deployment.previous is None:
            raise NotNow(f"expected a version before {stable.version} to go back to, there is none")
        if not self._switch.can_answer(deployment.pipeline, deployment.previous.version):
            raise NotNow(f"expected version {deployment.previous.version} to be loaded, it is not")
        why = self._switch.withdrawal(deployment, stable, reason)
        gone = announcing.withdrawn(deployment, stable, why, seconds_since(stable.began, now))
        after = deployment.roll_back(why, now)
        self._switch.sightings.renew(deployment.pipeline)
        assert after.stable is not None  # noqa: S101 - the version before is stable now
        back = announcing.stable(after, after.stable, 0)
        return after.saying([announcing.untold(gone, stable), announcing.untold(back, after.stable)])


def _variants(evidence: Evidence, label: str, share: float) -> list[VariantState]:
    one = _variant(label, evidence.version, share, evidence.candidate, evidence.rewards)
    stable = (evidence.stable_version, 1 - share, evidence.stable, evidence.stable_rewards)
    return [one, _variant(STABLE, *stable)]


def _variant(name: str, version: int, weight: float, tally: Tally, rewards: Rewards) -> VariantState:
    return VariantState(
        name=name,
        version=version,
        weight=weight,
        requests=tally.requests,
        errors=tally.errors,
        p50_seconds=quantile(tally.latencies, 0.5),
        p99_seconds=quantile(tally.latencies, 0.99),
        rewards=rewards.count,
        mean_reward=rewards.mean,
    )
