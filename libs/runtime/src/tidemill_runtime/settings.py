"""The settings every service has. Each adds its own, reads them once and passes them down."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Read from `TIDEMILL_*` environment variables; a missing required one stops the start with its name."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    project: str = Field(default="tidemill", description="Google Cloud project of topics and subscriptions.")
    host: str = Field(default="127.0.0.1", description="Address that servers of this process bind to.")
    metrics_port: int = Field(default=9090, ge=0, le=65535, description="Port of /metrics, /livez, /readyz.")
    log_format: Literal["json", "text"] = Field(default="json", description="`json` is for Cloud Logging.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level."
    )
    shutdown_seconds: float = Field(default=10, gt=0, description="Time that work in hand has to finish.")


class TracingSettings(BaseSettings):
    """The settings of a process that requests go through."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^ ]+$",
        description="Where traces go, by OTLP over HTTP: http://collector:4318; unset: there are none.",
    )
    trace_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of requests traced, where the caller does not decide."
    )


class StorageSettings(ServiceSettings):
    """The settings of a service that works on the bucket."""

    bucket_url: str = Field(
        pattern=r"^(gs://[^/]+|file:///.+)$", description="The bucket, `gs://NAME` or `file:///FOLDER`."
    )
