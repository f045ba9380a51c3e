"""What one pass over a window is to do, and what it did. Neither knows the engine that runs it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import Profile, ProfileModel
from tidemill_transform.errors import RowsLost
from tidemill_transform.label import Label
from tidemill_transform.rules import Rule, RuleCount
from tidemill_transform.split import SplitRule


@dataclass(frozen=True)
class SpanRows:
    """The rows of one span: the URI of their file, and which of its columns may be read."""

    uri: str
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One pass over some spans. `folder` is the URI to write below."""

    spans: Mapping[int, SpanRows]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    label: Label
    split: SplitRule
    slices: tuple[tuple[str, ...], ...]
    folder: str
    beam_options: tuple[str, ...]

    @property
    def newest(self) -> int:
        """Number of the newest span."""
        return max(self.spans)


class PartReport(ProfileModel):
    """What became of one row group of one span; a fate that no row had has no file.

    `broken` counts the rows that break each rule, a row once for every rule. `label_error` says why the label
    could not be computed of these rows; None when it could.
    """

    span: int
    row_group: int
    rows_read: int
    rows_rejected: int = 0
    rows_unlabelled: int = 0
    rows_train: int = 0
    rows_eval: int = 0
    reject_file: str | None = None
    train_file: str | None = None
    eval_file: str | None = None
    broken: tuple[RuleCount, ...] = ()
    label_error: str | None = None


class Report(ProfileModel):
    """What one pass did: profiles of both sides and of the newest span's rows, and every part in order.

    `held_out_from` is where the evaluation side begins, for a split by time.
    """

    train: Profile
    eval: Profile
    newest: Profile
    parts: tuple[PartReport, ...]
    held_out_from: str | None = None

    def total(self, count: str) -> int:
        """Add up one of the parts' counts, `rows_read` for example."""
        return sum(getattr(part, count) for part in self.parts)

    def broken(self) -> tuple[RuleCount, ...]:
        """Return how many rows break each rule, for rules that any row breaks."""
        counts: Counter[tuple[str, str]] = Counter()
        for part in self.parts:
            counts.update({(count.column, count.rule): count.rows for count in part.broken})
        return tuple(
            RuleCount.model_validate({"column": column, "rule": rule, "rows": rows})
            for (column, rule), rows in sorted(counts.items())
        )


def reconcile(report: Report, rows_of_span: Mapping[int, int]) -> None:
    """Raise RowsLost unless every row of every span came out of every stage exactly once."""
    read: Counter[int] = Counter()
    labelled: Counter[int] = Counter()
    for part in report.parts:
        read[part.span] += part.rows_read
        labelled[part.span] += part.rows_train + part.rows_eval
        rows_out = part.rows_train + part.rows_eval + part.rows_unlabelled + part.rows_rejected
        _agree(f"span {part.span} row group {part.row_group}", part.rows_read, rows_out)
    for span in rows_of_span.keys() | read.keys():
        _agree(f"span {span}", rows_of_span.get(span, 0), read[span])
    parts = {(part.span, part.row_group) for part in report.parts}
    _agree("parts", len(report.parts), len(parts))
    for name, rows, profile in _profiles(report, labelled[max(rows_of_span)]):
        _agree(f"{name} profile", rows, profile.rows)


def _profiles(report: Report, rows_newest: int) -> Iterator[tuple[str, int, Profile]]:
    yield "training", report.total("rows_train"), report.train
    yield "evaluation", report.total("rows_eval"), report.eval
    yield "newest", rows_newest, report.newest


def _agree(stage: str, expected: int, received: int) -> None:
    if expected != received:
        raise RowsLost(f"{stage}: expected {expected}, received {received}")
