"""Settings of the serving service."""

from pydantic import Field

from tidemill_runtime.settings import StorageSettings


class Settings(StorageSettings):
    """Read once, in `main`."""

    control_port: int = Field(default=8510, ge=0, le=65535, description="Port of the Routes gRPC service.")
    model_server_address: str = Field(
        default="127.0.0.1:8500",
        description="host:port of TF Serving's gRPC API, as gateways reach it too; `dns:///host:port` means "
        "each of the servers behind the name.",
    )
    load_timeout_seconds: float = Field(
        default=120, gt=0, description="Time a model has to become available."
    )
    reconcile_seconds: float = Field(
        default=2, gt=0, description="How often what is loaded is held against what should be."
    )
