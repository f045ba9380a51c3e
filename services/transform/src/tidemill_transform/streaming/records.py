"""A record on its way, and when it happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tidemill_transform.streaming.rows import Misfit, moment, read_json


class Record(NamedTuple):
    """One Pub/Sub message. Times are seconds since 1970; `refusal` says why it is no row, if it is none."""

    data: bytes
    message_id: str
    published: float
    event_time: float
    refusal: str = ""


@dataclass(frozen=True)
class EventTime:
    """Where the time of an event is found: an attribute, a field, or else when it was published.

    Times are ISO 8601 texts, UTC where they do not say, or whole milliseconds since 1970, as in Beam.
    """

    attribute: str | None = None
    field: str | None = None

    def record(
        self, data: bytes, attributes: Mapping[str, str], message_id: str, published: datetime
    ) -> Record:
        """Make a record of a message; one without the time it should have is refused, not lost."""
        at = published.timestamp()
        try:
            return Record(data, message_id, at, self._of(data, attributes, at))
        except (Misfit, ValueError, OverflowError) as error:
            return Record(data, message_id, at, at, str(error))

    def _of(self, data: bytes, attributes: Mapping[str, str], published: float) -> float:
        if self.attribute is not None:
            return seconds(attributes.get(self.attribute), f"attribute {self.attribute}")
        if self.field is not None:
            return seconds(read_json(data).get(self.field), f"field {self.field}")
        return published


def seconds(value: object, of: str) -> float:
    """Read a point in time as seconds since 1970; raise ValueError naming what it was read of."""
    match value:
        case bool() | float():
            pass
        case int():
            return value / 1000
        case str() if value.lstrip("-").isdigit():
            return int(value) / 1000
        case str():
            try:
                return moment(value).timestamp()
            except ValueError:
                pass
    raise ValueError(f"{of}: expected ISO 8601 or milliseconds since 1970, received {value!r:.100}")
