"""Settings of `tidemill-stream`."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from tidemill_contracts.pipeline import PipelineName
from tidemill_runtime.settings import StorageSettings
from tidemill_transform.streaming.records import EventTime

# Beam's own runner of this process that streams; `DirectRunner` would try a binary first that it downloads.
IN_PROCESS_RUNNER = "BundleBasedDirectRunner"
IN_PROCESS = (f"--runner={IN_PROCESS_RUNNER}", "--streaming")


class StreamSettings(StorageSettings):
    """Read once, in `main`."""

    pipeline: PipelineName = Field(description="The pipeline that the records are for.")
    subscription: Annotated[str, StringConstraints(pattern=r"^[^/]+$")] = Field(
        description="Pub/Sub subscription to read, by its short name; nothing else may read it."
    )
    window_seconds: int = Field(default=300, ge=1, description="Length of the windows of event time.")
    max_rows: int = Field(
        default=50_000, ge=1, description="Records that are landed before the end of their window."
    )
    lateness_seconds: int = Field(
        default=86_400, ge=0, description="Age from which on a record is set aside as too late."
    )
    out_of_order_seconds: int = Field(
        default=10, ge=0, description="How long a window waits for records that were overtaken."
    )
    event_time_attribute: str | None = Field(
        default=None, description="Message attribute with the time of the event; else when it was published."
    )
    event_time_field: str | None = Field(
        default=None, description="Field of the record with the time of the event, in place of an attribute."
    )
    beam_options: tuple[str, ...] = Field(
        default=IN_PROCESS, description="Apache Beam pipeline options: runner, project, region, workers."
    )

    @model_validator(mode="after")
    def _check_one_event_time(self) -> Self:
        if self.event_time_attribute and self.event_time_field:
            raise ValueError("expected event_time_attribute or event_time_field, received both")
        return self

    def event_time(self) -> EventTime:
        """Say where the time of an event is found."""
        return EventTime(self.event_time_attribute, self.event_time_field)
