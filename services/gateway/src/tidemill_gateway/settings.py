"""Everything about the gateway that a deployment decides."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from tidemill_runtime.settings import ServiceSettings, TracingSettings


class Settings(ServiceSettings, TracingSettings):
    """The gateway's settings, from `TIDEMILL_*`."""

    rest_port: int = Field(default=8080, ge=0, le=65535, description="Port of the REST API.")
    workers: int = Field(
        default=1, ge=1, description="Processes that share the ports; their metrics ports follow the first."
    )
    listening_socket: int | None = Field(
        default=None, description="Descriptor of the REST API's socket, in a worker; set by who starts it."
    )
    quota_file: int | None = Field(
        default=None, description="Descriptor of the file where workers count quotas; set by who starts them."
    )
    grpc_port: int = Field(default=8081, ge=0, le=65535, description="Port of the gRPC API.")
    serving_address: str = Field(default="127.0.0.1:8510", description="Where serving publishes routes.")
    predict_timeout_seconds: float = Field(default=5, gt=0, description="Time for a prediction, once read.")
    max_body_bytes: int = Field(default=16 * 2**20, gt=0, description="Largest request body, decompressed.")
    max_joined_rows: int = Field(
        default=1024, ge=0, description="Most rows of several requests in one call of a model; 0: never join."
    )
    cache_bytes: int = Field(
        default=16 * 2**20, ge=0, description="Most that is kept of answers, where a pipeline wants it."
    )
    max_in_flight: int = Field(
        default=1024, ge=0, description="Most predictions at once; adapted downwards. 0: never refuse."
    )
    good_seconds: float = Field(
        default=0.02, gt=0, description="Rather refuse than answer later than this, unless a model is slower."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins whose pages may call the API, separated by commas; `*`: any."
    )
    api_keys_file: Path | None = Field(
        default=None, description="File of API keys, followed as it changes. With it, callers need a key."
    )
    oidc_issuer: str = Field(
        default="", description="OpenID Connect issuer. With it, callers need one of its tokens, or a key."
    )
    oidc_audience: str = Field(default="tidemill", description="Audience that tokens must be for.")
    oidc_jwks_url: str = Field(default="", description="The issuer's keys; by default, as it says itself.")
    oidc_roles_claim: str = Field(
        default="roles", description="Where tokens name roles; dots lead into objects."
    )
    body_seconds: float = Field(default=30, gt=0, description="Time for a request's body to arrive.")
    tls_certificate_file: Path | None = Field(
        default=None, description="Certificate chain of REST and gRPC, followed as it changes; none: no TLS."
    )
    tls_key_file: Path | None = Field(default=None, description="Private key of the certificate.")
    tls_client_ca_file: Path | None = Field(
        default=None, description="Authorities whose certificates callers need; none: they need none."
    )
    alias_metrics: bool = Field(
        default=False, description="Also tell metrics by the names of TensorFlow Serving and Triton."
    )
    drain_seconds: float = Field(
        default=0, ge=0, description="Time to go on after SIGTERM, no longer ready, before no more is taken."
    )
    bucket_url: str | None = Field(
        default=None,
        pattern=r"^(gs://[^/]+|file:///.+)$",
        description="Where predictions are logged and feedback is stored; without it neither is.",
    )
    prediction_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="What prediction ids are signed with, the same for all gateways; without it there are "
        "none, no log and no feedback. Earlier keys may follow after commas: their ids are still taken.",
    )
    log_file_seconds: float = Field(
        default=5, gt=0, description="Longest time before logged predictions are in the bucket."
    )
    log_max_bytes: int = Field(
        default=8 * 2**20, gt=0, description="Most bytes of logged predictions that wait for the bucket."
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def inherited_environment() -> dict[str, str]:
    """Return what this process was given, for workers that it starts."""
    return dict(os.environ)
