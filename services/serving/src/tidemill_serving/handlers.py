"""What happens when a model was blessed, or its pipeline deleted: what serves changes. Idempotent."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import ModelBlessed, PipelineDeleted
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.objects import ObjectStore
from tidemill_runtime.telling import EventHandler
from tidemill_serving import announcing, metrics
from tidemill_serving.deployment import Deployed, Deployment, Origin
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.releases import Releases


@dataclass(frozen=True)
class Deploy:
    """Releases blessed models."""

    store: ObjectStore
    releases: Releases

    def __call__(self, event: Event) -> Iterator[EventData]:
        """Handle `model.blessed`."""
        assert isinstance(event.data, ModelBlessed)  # noqa: S101 - the table below says so
        began = time.monotonic()
        blessed = event.data
        if self.releases.is_over(blessed.pipeline, blessed.version, event.time):
            yield self._told(self.releases.refuse(blessed.pipeline, blessed.version), blessed, 0)
            return
        manifest = ModelManifest.model_validate_json(
            self.store.read(layout.model_manifest(blessed.pipeline, blessed.model_id))
        )
        origin = Origin(
            correlation_id=event.correlation_id,
            causation_id=event.id,
            data_classification=event.data_classification,
        )
        try:
            deployment = self.releases.release(manifest, event.time, origin)
        except ModelServerAway as error:
            raise RetryLater(str(error)) from error
        yield self._told(deployment, blessed, round(time.monotonic() - began, 3))

    def _told(self, deployment: Deployment, blessed: ModelBlessed, seconds: float) -> EventData:
        of_old = Deployed(version=blessed.version, model_id=blessed.model_id)
        entered = deployment.known.get(blessed.version, of_old)
        why = deployment.withdrawn.get(blessed.version)
        metrics.RELEASES.labels("withdrawn" if why else "deployed").inc()
        if why is not None:
            return announcing.withdrawn(deployment, entered, why, seconds)
        if deployment.release and deployment.release.candidate.version == blessed.version:
            share = self.releases.first_share(deployment.pipeline, deployment.release.strategy)
            return announcing.begun(deployment, deployment.release, share, seconds)
        return announcing.stable(deployment, entered, seconds)


@dataclass(frozen=True)
class Delete:
    """Takes the models of deleted pipelines back; what was made of them stays in the bucket."""

    releases: Releases

    def __call__(self, event: Event) -> Iterable[EventData]:
        """Handle `pipeline.deleted`; what is to be told of it is stored with the decision."""
        assert isinstance(event.data, PipelineDeleted)  # noqa: S101 - the table below says so
        self.releases.delete(event.data.pipeline, event.time)
        return ()


def handlers(deploy: Deploy, delete: Delete) -> dict[type[EventData], EventHandler]:
    """Which event is handled by what."""
    return {ModelBlessed: deploy, PipelineDeleted: delete}
