"""What should be deployed, as the bucket remembers it. Written by one serving process at a time."""

from dataclasses import dataclass

from pydantic import Field

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.profile import ProfileModel
from tidemill_runtime.objects import ObjectNotFound, ObjectStore


class Deployed(ProfileModel):
    """A model version that was found good."""

    version: int
    model_id: str


class Deployment(ProfileModel):
    """The wanted state of one pipeline's model. `previous` stays loaded for a fast way back.

    `replaced` has every version ever deployed, with the one it replaced (None for the first): an event that
    comes again, however late, is told as it was.
    """

    pipeline: str
    stable: Deployed | None = None
    previous: Deployed | None = None
    replaced: dict[int, int | None] = Field(default_factory=dict)
    withdrawn: dict[int, Reason] = Field(default_factory=dict)

    def versions(self) -> list[int]:
        """Every version that should be loaded, in order."""
        return sorted(deployed.version for deployed in (self.stable, self.previous) if deployed)

    def decided(self, version: int) -> bool:
        """Say whether this version was deployed or withdrawn before."""
        return version in self.replaced or version in self.withdrawn

    def promote(self, version: int, model_id: str) -> "Deployment":
        """Make a version the stable one."""
        replaced = {**self.replaced, version: self.stable.version if self.stable else None}
        stable = Deployed(version=version, model_id=model_id)
        return self.model_copy(update={"stable": stable, "previous": self.stable, "replaced": replaced})

    def withdraw(self, version: int, reason: Reason) -> "Deployment":
        """Remember that a version must not serve, and why."""
        return self.model_copy(update={"withdrawn": {**self.withdrawn, version: reason}})


@dataclass(frozen=True)
class Deployments:
    """Every pipeline's deployment, in the bucket."""

    store: ObjectStore

    def all(self) -> list[Deployment]:
        """Read all deployments."""
        return [
            Deployment.model_validate_json(self.store.read(name)) for name in self.store.list("deployments/")
        ]

    def get(self, pipeline: str) -> Deployment:
        """Read one deployment; one that was never written has nothing deployed."""
        try:
            return Deployment.model_validate_json(self.store.read(layout.deployment(pipeline)))
        except ObjectNotFound:
            return Deployment(pipeline=pipeline)

    def put(self, deployment: Deployment) -> None:
        """Replace a deployment; from here on a restart knows it."""
        self.store.write(layout.deployment(deployment.pipeline), deployment.model_dump_json().encode())
