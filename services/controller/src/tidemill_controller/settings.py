"""Settings of the controller."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill_runtime.settings import StorageSettings


class Settings(StorageSettings):
    """Read once, in `main`."""

    pipelines: Literal["bucket", "kubernetes"] = Field(
        default="bucket",
        description="Where pipelines are declared: as specs in the bucket, or as custom resources.",
    )
    namespace: str = Field(default="", description="Kubernetes namespace of the custom resources.")
    look_seconds: float = Field(
        default=5, gt=0, description="How often what is declared is held against what should be."
    )

    @model_validator(mode="after")
    def _has_a_namespace(self) -> Self:
        if self.pipelines == "kubernetes" and not self.namespace:
            raise ValueError("expected namespace with pipelines kubernetes, received none")
        return self
