"""The outcome of a window: written once, by whoever is first, and told the same ever after."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetRejected, DatasetTransformed, Reason
from tidemill_contracts.manifest import DatasetManifest
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence as Numbers
from tidemill_transform import metrics
from tidemill_transform.findings import Findings
from tidemill_transform.picture.page import Picture, render
from tidemill_transform.plan import Report
from tidemill_transform.schema import infer_schema, to_yaml
from tidemill_transform.window import Window

MANIFEST_FILE = "manifest.json"
PROFILE_FILE = "profile.json"
EVAL_PROFILE_FILE = "eval-profile.json"
NEWEST_PROFILE_FILE = "newest-profile.json"
SCHEMA_FILE = "schema.yaml"
PICTURE_FILE = "report.html"
REJECTION_FILE = "rejection.json"


class CommittedDataset(DatasetManifest):
    """The manifest with what else its event says, so that telling it again says the same."""

    restricted_columns: tuple[str, ...] = ()
    seconds: float


@dataclass(frozen=True)
class Outcomes:
    """Finds and commits the outcome of one window; committing twice gives the first."""

    store: ObjectStore
    window: Window

    def find(self) -> DatasetTransformed | DatasetRejected | None:
        """Return what this window came to; None when it has not been settled."""
        try:
            return self._told()
        except ObjectNotFound:
            pass
        try:
            return DatasetRejected.model_validate_json(self.store.read(self._name(REJECTION_FILE)))
        except ObjectNotFound:
            return None

    def commit(self, findings: Findings, seconds: float) -> DatasetTransformed:
        """Commit a dataset version whose shards are written."""
        self._keep(findings)
        dataset = self._dataset(findings, seconds)
        self._draw(findings.reasons, findings, dataset.dataset)
        if self.store.create(self._name(MANIFEST_FILE), dataset.model_dump_json().encode()):
            metrics.DATASETS.labels("transformed").inc()
            for fate in ("train", "eval", "unlabelled", "rejected"):
                metrics.ROWS.labels(fate).inc(findings.report.total(f"rows_{fate}"))
        return self._told()

    def reject_findings(self, findings: Findings, seconds: float) -> DatasetRejected:
        """Commit that the window was read and cannot be trained on; what was found stays to be looked at."""
        self._keep(findings)
        self._draw(findings.reasons, findings)
        return self.reject(findings.reasons, seconds)

    def reject(self, reasons: Sequence[Reason], seconds: float) -> DatasetRejected:
        """Commit that the window cannot be trained on."""
        self._draw(reasons)
        rejection = DatasetRejected(
            pipeline=self.window.pipeline,
            span=self.window.newest,
            dataset_id=self.window.dataset_id,
            reasons=tuple(reasons),
            restricted_columns=self.window.restricted_columns,
            seconds=seconds,
        )
        if self.store.create(self._name(REJECTION_FILE), rejection.model_dump_json().encode()):
            metrics.DATASETS.labels("rejected").inc()
        return DatasetRejected.model_validate_json(self.store.read(self._name(REJECTION_FILE)))

    def _keep(self, findings: Findings) -> None:
        """Store profiles and schema; the first stay: means differ in their last digits from pass to pass."""
        report = findings.report
        for file, profile in (
            (PROFILE_FILE, report.train),
            (EVAL_PROFILE_FILE, report.eval),
            (NEWEST_PROFILE_FILE, report.newest),
        ):
            self.store.create(self._name(file), profile.model_dump_json().encode())
        self.store.create(self._name(SCHEMA_FILE), self._schema(report).encode())
        for anomaly in findings.anomalies:
            metrics.ANOMALIES.labels(anomaly.type, anomaly.severity).inc()

    def _schema(self, report: Report) -> str:
        """Return what the data suggests to write into the pipeline's spec."""
        stored = {column.name: column.privacy for column in self.window.columns}
        privacy = {name: stored.get(name, "drop") for name in self.window.restricted_columns}
        all_labelled = report.total("rows_unlabelled") == 0
        return to_yaml(infer_schema(report.train, report.eval, privacy=privacy, all_labelled=all_labelled))

    def _draw(
        self, reasons: Sequence[Reason], findings: Findings | None = None, dataset: int | None = None
    ) -> None:
        """Store the page for people; the first one stays."""
        page = Picture(
            pipeline=self.window.pipeline,
            dataset=dataset,
            dataset_id=self.window.dataset_id,
            spans=tuple(self.window.spans),
            reasons=tuple(reasons),
            findings=findings,
        )
        self.store.create(self._name(PICTURE_FILE), render(page).encode())

    def _told(self) -> DatasetTransformed:
        """Tell the committed dataset, and that its newest span is accepted: later data is held against it."""
        dataset = CommittedDataset.model_validate_json(self.store.read(self._name(MANIFEST_FILE)))
        entry = layout.sequence_entry(layout.ACCEPTED_SPANS, dataset.pipeline, self.window.newest)
        self.store.create(entry, dataset.dataset_id.encode())
        warnings = tuple(
            Reason(code=anomaly.type, message=anomaly.message)
            for anomaly in dataset.anomalies
            if anomaly.severity == "warn"
        )
        return DatasetTransformed.model_validate({**dataset.model_dump(), "warnings": warnings})

    def _dataset(self, findings: Findings, seconds: float) -> CommittedDataset:
        window, report = self.window, findings.report
        numbers = Numbers(self.store, layout.DATASET_SEQUENCE, window.pipeline)
        return CommittedDataset(
            pipeline=window.pipeline,
            dataset=numbers.allocate(window.dataset_id),
            dataset_id=window.dataset_id,
            spec_digest=window.spec_digest,
            spans=tuple(window.spans),
            span_ids=tuple(span.span_id for span in window.spans.values()),
            rows_in=report.total("rows_read"),
            rows_train=report.total("rows_train"),
            rows_eval=report.total("rows_eval"),
            rows_unlabelled=report.total("rows_unlabelled"),
            rows_rejected=report.total("rows_rejected"),
            task=findings.task,
            weighted=findings.weighted,
            train_files=tuple(part.train_file for part in report.parts if part.train_file),
            eval_files=tuple(part.eval_file for part in report.parts if part.eval_file),
            reject_files=tuple(part.reject_file for part in report.parts if part.reject_file),
            features=findings.choice.features,
            left_out=findings.choice.left_out,
            crosses=findings.crosses,
            baseline=findings.baseline,
            held_out_from=report.held_out_from,
            anomalies=findings.anomalies,
            restricted_columns=window.restricted_columns,
            data_classification="restricted" if window.restricted_columns else None,
            seconds=seconds,
        )

    def _name(self, file: str) -> str:
        return layout.dataset(self.window.pipeline, self.window.dataset_id, file)
