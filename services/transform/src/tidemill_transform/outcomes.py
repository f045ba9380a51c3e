"""The outcome of a window: written once, by whoever is first, and told the same ever after."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetRejected, DatasetTransformed, Reason
from tidemill_contracts.manifest import DatasetManifest
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_transform import metrics
from tidemill_transform.features import Choice
from tidemill_transform.plan import Report
from tidemill_transform.window import Window

MANIFEST_FILE = "manifest.json"
PROFILE_FILE = "profile.json"
REJECTION_FILE = "rejection.json"


class CommittedDataset(DatasetManifest):
    """The manifest with the time the work took, so that telling it again says the same."""

    seconds: float


@dataclass(frozen=True)
class Outcomes:
    """Finds and commits the outcome of one window; committing twice gives the first."""

    store: ObjectStore
    window: Window

    def find(self) -> DatasetTransformed | DatasetRejected | None:
        """Return what this window came to; None when it has not been settled."""
        try:
            return self._numbered()
        except ObjectNotFound:
            pass
        try:
            return DatasetRejected.model_validate_json(self.store.read(self._name(REJECTION_FILE)))
        except ObjectNotFound:
            return None

    def commit(self, report: Report, choice: Choice, seconds: float) -> DatasetTransformed:
        """Commit a dataset version whose shards are written."""
        # Means differ in their last digits when rows are added in another order: the first profile stays.
        self.store.create(self._name(PROFILE_FILE), report.profile.model_dump_json().encode())
        dataset = self._dataset(report, choice, seconds)
        if self.store.create(self._name(MANIFEST_FILE), dataset.model_dump_json().encode()):
            metrics.DATASETS.labels("transformed").inc()
            for fate in ("train", "eval", "unlabelled"):
                metrics.ROWS.labels(fate).inc(report.total(f"rows_{fate}"))
        return self._numbered()

    def reject(self, reasons: Sequence[Reason], seconds: float) -> DatasetRejected:
        """Commit that the window cannot be trained on."""
        rejection = DatasetRejected(
            pipeline=self.window.pipeline,
            span=self.window.newest,
            reasons=tuple(reasons),
            seconds=seconds,
        )
        if self.store.create(self._name(REJECTION_FILE), rejection.model_dump_json().encode()):
            metrics.DATASETS.labels("rejected").inc()
        return DatasetRejected.model_validate_json(self.store.read(self._name(REJECTION_FILE)))

    def _numbered(self) -> DatasetTransformed:
        """Tell the committed dataset, and that its number is taken: later files are held against it."""
        told = _told(CommittedDataset.model_validate_json(self.store.read(self._name(MANIFEST_FILE))))
        entry = layout.sequence_entry(layout.DATASET_SEQUENCE, told.pipeline, told.dataset)
        self.store.create(entry, told.dataset_id.encode())
        return told

    def _dataset(self, report: Report, choice: Choice, seconds: float) -> CommittedDataset:
        return CommittedDataset(
            pipeline=self.window.pipeline,
            dataset=self.window.newest,
            dataset_id=self.window.dataset_id,
            spec_digest=self.window.spec_digest,
            spans=tuple(self.window.spans),
            span_ids=tuple(span.span_id for span in self.window.spans.values()),
            rows_in=report.total("rows_read"),
            rows_train=report.total("rows_train"),
            rows_eval=report.total("rows_eval"),
            rows_unlabelled=report.total("rows_unlabelled"),
            train_files=tuple(part.train_file for part in report.parts if part.train_file),
            eval_files=tuple(part.eval_file for part in report.parts if part.eval_file),
            features=choice.features,
            left_out=choice.left_out,
            seconds=seconds,
        )

    def _name(self, file: str) -> str:
        return layout.dataset(self.window.pipeline, self.window.dataset_id, file)


def _told(dataset: CommittedDataset) -> DatasetTransformed:
    return DatasetTransformed.model_validate(dataset.model_dump())
