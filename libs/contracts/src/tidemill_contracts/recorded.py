"""What gateways write down: predictions, and what is said of them later. JSON Lines, predictions gzipped.

Times are milliseconds since 1970. A log's name says which predictions are in it, so that one can be found by
what its id tells; a file of either kind never has entries of two hours of UTC.
"""

import gzip
import re
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote

from tidemill_contracts import layout
from tidemill_contracts.profile import ProfileModel

Label = bool | int | float | str
UNREADABLE = (ValueError, EOFError, OSError, zlib.error)


class LoggedPrediction(ProfileModel):
    """One request that a version was asked, a line of a log.

    `inputs` and `outputs` are columns by name, each with a value for every row unless the request did not ask
    row by row; restricted inputs are left out. Failures have neither, and count as one row. `seconds` is the
    model server's time.
    """

    prediction_id: str
    predicted_at_ms: int
    version: int
    variant: str
    signature: str
    protocol: str
    code: str
    seconds: float
    rows: int
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None

    def row_of(self, columns: dict[str, Any] | None, row: int) -> dict[str, Any] | None:
        """Return one row's values; those that are not by row are every row's. None when there are none."""
        if columns is None:
            return None
        return {
            name: values[row] if isinstance(values, list) and len(values) == self.rows else values
            for name, values in columns.items()
        }


class Feedback(ProfileModel):
    """What someone says of one row of a prediction; `label` is what was true, `reward` from 0 (bad) to 1.

    Of several about the same row the one with the latest `said_at_ms` counts, then the latest received.
    What follows `received_at_ms` is what the prediction's id tells: `gateway` wrote the log that it is in, if
    it `is_logged`.
    """

    prediction_id: str
    row: int = 0
    label: Label | None = None
    reward: float | None = None
    said_at_ms: int
    received_at_ms: int
    predicted_at_ms: int
    version: int
    variant: str
    gateway: str
    is_logged: bool


@dataclass(frozen=True)
class LogFile:
    """The name of a log: whose predictions it holds, from when to when, both included."""

    begin_ms: int
    end_ms: int
    gateway: str
    number: int

    @property
    def name(self) -> str:
        """The name, without folders."""
        return f"{self.begin_ms:013d}-{self.end_ms:013d}-{self.gateway}-{self.number}.jsonl.gz"

    @classmethod
    def parse(cls, object_name: str) -> Self | None:
        """Read an object's name; None when it is no log's."""
        found = re.fullmatch(r"(\d{13})-(\d{13})-(\w+)-(\d+)\.jsonl\.gz", object_name.rpartition("/")[2])
        return cls(int(found[1]), int(found[2]), found[3], int(found[4])) if found else None

    def may_hold(self, gateway: str, at_ms: int) -> bool:
        """Say whether a prediction of this gateway and time would be in it."""
        return gateway == self.gateway and self.begin_ms <= at_ms <= self.end_ms


def pipeline_of(object_name: str) -> str:
    """Name the model that an object with predictions or feedback is about."""
    return unquote(object_name.split("/")[1])


def is_feedback(object_name: str) -> bool:
    """Say whether an object holds feedback."""
    return object_name.startswith(layout.FEEDBACK)


def read_predictions(content: bytes, wanted: Container[str] | None = None) -> Iterator[LoggedPrediction]:
    """Read the wanted predictions of a log, None for all; raises one of UNREADABLE where it is none."""
    for line in gzip.decompress(content).splitlines():
        if wanted is None or _id_of(line) in wanted:
            yield LoggedPrediction.model_validate_json(line)


def read_feedback(content: bytes) -> Iterator[Feedback]:
    """Read a file of feedback; raises one of UNREADABLE where it is none."""
    for line in content.splitlines():
        yield Feedback.model_validate_json(line)


def _id_of(line: bytes) -> str:
    # The first member: to parse whole lines would take thirty times as long.
    found = re.search(rb'"prediction_id":\s*"([^"]*)"', line)
    return found[1].decode() if found else ""
