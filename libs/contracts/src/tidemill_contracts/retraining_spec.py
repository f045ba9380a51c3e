"""What a person writes of retraining: when a new model is made without new data."""

from datetime import UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from tidemill_contracts.spec_model import SpecModel


class Retraining(SpecModel):
    """When a pipeline is retrained on the newest data there is; by default only as data comes."""

    schedule: str | None = Field(
        default=None,
        min_length=9,
        max_length=200,
        description="Times in the five fields of cron: minute, hour, day of month, month, day of week.",
    )
    time_zone: str = Field(
        default="Etc/UTC", max_length=100, description="Time zone of the schedule, such as Europe/Berlin."
    )

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("expected the name of a time zone, such as Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        self.next_after(datetime(2026, 1, 1, tzinfo=UTC))
        return self

    def next_after(self, moment: datetime) -> datetime | None:
        """Tell the first time of the schedule after a moment, in UTC; None without a schedule."""
        if self.schedule is None:
            return None
        try:
            times = CronSim(self.schedule, moment.astimezone(ZoneInfo(self.time_zone)))
            # In the hour that comes twice, these begin with times of its first pass.
            return next(utc for time in times if (utc := time.astimezone(UTC)) > moment)
        except CronSimError as error:
            expected = "expected minute, hour, day of month, month and day of week as in cron"
            raise ValueError(f"{expected}: {error}") from error
        except StopIteration:
            raise ValueError("expected a schedule with a time to come, received one without") from None
