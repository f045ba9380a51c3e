"""What serving did with the models it was given, as it keeps it in the bucket."""

from pydantic import Field

from tidemill_contracts import layout
from tidemill_contracts.profile import ProfileModel
from tidemill_runtime.objects import ObjectNotFound, ObjectStore


class _Version(ProfileModel):
    version: int


class Deployment(ProfileModel):
    """As much of serving's state as matters here; `stable` is what answers requests."""

    stable: _Version | None = None
    withdrawn: dict[int, object] = Field(default_factory=dict)

    @property
    def serves(self) -> int:
        """The version that answers requests, 0 when none does."""
        return self.stable.version if self.stable else 0


def read_deployment(store: ObjectStore, pipeline: str) -> Deployment:
    """Return what is deployed of a pipeline; nothing is until serving says so."""
    try:
        return Deployment.model_validate_json(store.read(layout.deployment(pipeline)))
    except ObjectNotFound:
        return Deployment()
