"""What happens when a model was blessed: it is deployed, or withdrawn with the reason. Idempotent."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import ModelBlessed, ModelDeployed, ModelWithdrawn
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.objects import ObjectStore
from tidemill_serving import metrics
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
        manifest = ModelManifest.model_validate_json(
            self.store.read(layout.model_manifest(blessed.pipeline, blessed.model_id))
        )
        try:
            deployment = self.releases.release(manifest)
        except ModelServerAway as error:
            raise RetryLater(str(error)) from error
        seconds = round(time.monotonic() - began, 3)
        reason = deployment.withdrawn.get(blessed.version)
        metrics.RELEASES.labels("withdrawn" if reason else "deployed").inc()
        if reason is not None:
            yield ModelWithdrawn(
                pipeline=blessed.pipeline,
                version=blessed.version,
                model_id=blessed.model_id,
                reason=reason,
                seconds=seconds,
            )
            return
        yield ModelDeployed(
            pipeline=blessed.pipeline,
            version=blessed.version,
            model_id=blessed.model_id,
            label="stable",
            replaces=deployment.replaced[blessed.version],
            seconds=seconds,
        )
