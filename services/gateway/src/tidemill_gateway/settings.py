"""Everything about the gateway that a deployment decides."""

from pydantic import Field

from tidemill_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """The gateway's settings, from `TIDEMILL_*`."""

    rest_port: int = Field(default=8080, ge=0, le=65535, description="Port of the REST API.")
    serving_address: str = Field(default="127.0.0.1:8510", description="Where serving publishes routes.")
    predict_timeout_seconds: float = Field(default=5, gt=0, description="Time for a prediction, once read.")
    max_body_bytes: int = Field(default=16 * 2**20, gt=0, description="Largest request body, decompressed.")
    max_joined_rows: int = Field(
        default=256, ge=0, description="Most rows of several requests in one call of a model; 0: never join."
    )
    cors: bool = Field(default=False, description="Let pages of any origin call the API.")
