"""What one pass over a window is to do, and what it did. Neither knows the engine that runs it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import Profile, ProfileModel
from tidemill_transform.errors import RowsLost
from tidemill_transform.label import Label


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One pass. `spans` maps a span's number to the URI of its rows, `folder` is the URI to write below."""

    spans: Mapping[int, str]
    columns: tuple[Column, ...]
    label: Label
    never_features: frozenset[str]
    eval_share: float
    folder: str
    beam_options: tuple[str, ...]


class PartReport(ProfileModel):
    """What became of one row group of one span; a side without rows has no file.

    `label_error` says why the label could not be computed of these rows; None when it could.
    """

    span: int
    row_group: int
    rows_read: int
    rows_unlabelled: int
    rows_train: int = 0
    rows_eval: int = 0
    positives_train: int = 0
    positives_eval: int = 0
    train_file: str | None = None
    eval_file: str | None = None
    label_error: str | None = None


class Report(ProfileModel):
    """What one pass did: the profile of the training rows, and every part in order."""

    profile: Profile
    parts: tuple[PartReport, ...]

    def total(self, count: str) -> int:
        """Add up one of the parts' counts, `rows_read` for example."""
        return sum(getattr(part, count) for part in self.parts)


def reconcile(report: Report, rows_of_span: Mapping[int, int]) -> None:
    """Raise RowsLost unless every row of every span came out of every stage exactly once."""
    read: Counter[int] = Counter()
    for part in report.parts:
        read[part.span] += part.rows_read
        _agree(f"span {part.span} row group {part.row_group}", part.rows_read, _rows_out(part))
    for span in rows_of_span.keys() | read.keys():
        _agree(f"span {span}", rows_of_span.get(span, 0), read[span])
    parts = {(part.span, part.row_group) for part in report.parts}
    _agree("parts", len(report.parts), len(parts))
    _agree("profile", report.total("rows_train"), report.profile.rows)


def _rows_out(part: PartReport) -> int:
    return part.rows_train + part.rows_eval + part.rows_unlabelled


def _agree(stage: str, expected: int, received: int) -> None:
    if expected != received:
        raise RowsLost(f"{stage}: expected {expected}, received {received}")
