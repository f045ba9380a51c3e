"""What the spec of each pipeline says of serving now; people change it while a release goes on."""

from dataclasses import dataclass, field

from tidemill_contracts import layout
from tidemill_contracts.manifest import SpanManifest
from tidemill_contracts.pipeline import InvalidSpec, PipelineSpec, parse_pipeline
from tidemill_contracts.serving_spec import Serving
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence


@dataclass
class CurrentSpecs:
    """The specs in the bucket; one that cannot be read leaves the last that could, or else the defaults."""

    store: ObjectStore
    _texts: dict[str, bytes] = field(default_factory=dict)
    _specs: dict[str, PipelineSpec] = field(default_factory=dict)
    _looked: set[str] = field(default_factory=set)
    _restricted: dict[str, frozenset[str]] = field(default_factory=dict)

    def refresh(self, pipeline: str) -> None:
        """Read a pipeline's spec from the bucket, and the first time its newest data's columns."""
        if pipeline not in self._restricted:
            self.refresh_columns(pipeline)
        try:
            text = self.store.read(layout.pipeline_spec(pipeline))
        except ObjectNotFound:
            self._looked.add(pipeline)
            return
        if text != self._texts.get(pipeline):
            self._take(pipeline, text)
            self._texts[pipeline] = text
        self._looked.add(pipeline)

    def exists(self, pipeline: str) -> bool:
        """Say whether a pipeline is specified at this moment."""
        try:
            self.store.stat(layout.pipeline_spec(pipeline))
        except ObjectNotFound:
            return False
        return True

    def refresh_columns(self, pipeline: str) -> None:
        """Read which columns of the newest span are not stored in clear."""
        spans = Sequence(self.store, layout.SPAN_SEQUENCE, pipeline)
        newest = spans.newest()
        columns = self._span(pipeline, spans.key(newest)).columns if newest else ()
        self._restricted[pipeline] = frozenset(each.name for each in columns if each.privacy != "keep")

    def serving(self, pipeline: str) -> Serving:
        """Return what the spec says of serving, as it was last read."""
        if pipeline not in self._looked:
            # A release that went on before a restart must not be judged by defaults.
            self.refresh(pipeline)
        return self._specs[pipeline].serving if pipeline in self._specs else Serving()

    def restricted_columns(self, pipeline: str) -> list[str]:
        """Name the columns that data or spec say are not to be stored in clear, in order.

        None is a feature of a model when it is trained; one may have been restricted since.
        """
        spec = self._specs.get(pipeline)
        columns = spec.columns.items() if spec else ()
        by_spec = {name for name, column in columns if column.privacy not in (None, "keep")}
        return sorted(by_spec | self._restricted.get(pipeline, frozenset()))

    def _span(self, pipeline: str, span_id: str) -> SpanManifest:
        return SpanManifest.model_validate_json(
            self.store.read(layout.span(pipeline, span_id, "manifest.json"))
        )

    def _take(self, pipeline: str, text: bytes) -> None:
        try:
            self._specs[pipeline] = parse_pipeline(text).spec
        except InvalidSpec as error:
            get_logger().warning("invalid-spec", pipeline=pipeline, error=str(error))
