"""The one pass over a window's rows, as an Apache Beam pipeline over Arrow record batches.

    parts -> read -> label -> split -+-> write shards ---------------+
                                     +-> profile of training rows ---+-> report

A part is one row group of one span. The result leaves the pipeline through a file, so that any Beam runner
will do. Every part carries its counts to the report, where each must come out once, with all its rows.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

import apache_beam as beam
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import Profile
from tidemill_transform.columns import conform, schema_of
from tidemill_transform.label import Labeller
from tidemill_transform.plan import PartReport, Plan, Report
from tidemill_transform.profiling import TableSketch
from tidemill_transform.split import Hashes, in_eval, row_keys

BINARY = "application/octet-stream"
Side = Literal["train", "eval"]


@dataclass(frozen=True)
class Part:
    """One row group of one span."""

    span: int
    uri: str
    row_group: int


@dataclass(frozen=True)
class PartRows:
    """The rows of a part on their way: as the span has them, and with the columns of the window."""

    part: Part
    rows_read: int
    native: pa.RecordBatch
    rows: pa.RecordBatch
    label_error: str | None = None


@dataclass(frozen=True)
class SplitRows:
    """The labelled rows of a part on their two sides."""

    part: Part
    rows_read: int
    train_keys: Hashes
    train: pa.RecordBatch
    eval: pa.RecordBatch
    label_error: str | None


def run_pass(plan: Plan) -> Report:
    """Run a plan to its end; blocks until the shards are written."""
    report_uri = f"{plan.folder}/.pass-{uuid.uuid4().hex}.json"
    with beam.Pipeline(options=PipelineOptions(list(plan.beam_options))) as pipeline:
        split = (
            pipeline
            | "Parts" >> beam.Create(list(_parts(plan.spans.items())))
            | "Read" >> beam.ParDo(ReadRows(plan.columns))
            | "Label" >> beam.ParDo(LabelRows(plan.label.expression))
            | "Split" >> beam.ParDo(SplitByHash(plan.never_features, plan.eval_share))
        )
        profile = (
            split
            | "TrainingRows" >> beam.Map(_training_rows)
            | "Profile" >> beam.CombineGlobally(ProfileRows(plan.columns))
        )
        written = split | "Write" >> beam.ParDo(WriteShards(plan.folder))
        profile | "Report" >> beam.ParDo(WriteReport(report_uri), beam.pvalue.AsList(written))
    with _open(report_uri) as file:
        report = Report.model_validate_json(file.read())
    FileSystems.delete([report_uri])
    return report


class ReadRows(beam.DoFn):
    """Part -> PartRows with the columns of the window; nothing for an empty row group."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)

    def process(self, part: Part) -> Iterator[PartRows]:
        with _open(part.uri) as file:
            table = pq.ParquetFile(file).read_row_group(part.row_group)
        for native in table.combine_chunks().to_batches():
            yield PartRows(part, native.num_rows, native, conform(native, schema_of(self._columns)))


class LabelRows(beam.DoFn):
    """PartRows -> PartRows that have a label, true or false, in a further column.

    Rows that make the expression fail are the author's to see, not ours to retry: they travel as unlabelled.
    """

    def __init__(self, expression: str) -> None:
        self._expression = expression

    def setup(self) -> None:
        self._labeller = Labeller(self._expression)

    def teardown(self) -> None:
        self._labeller.close()

    def process(self, part: PartRows) -> Iterator[PartRows]:
        error = None
        try:
            labels = self._labeller.labels(part.rows)
        except (duckdb.DataError, duckdb.ProgrammingError) as refused:
            error, labels = str(refused), pa.nulls(part.rows.num_rows, pa.bool_())
        has_label = labels.is_valid()
        rows = part.rows.append_column(LABEL_COLUMN, labels).filter(has_label)
        yield PartRows(part.part, part.rows_read, part.native.filter(has_label), rows, error)


class SplitByHash(beam.DoFn):
    """PartRows -> SplitRows."""

    def __init__(self, never_features: frozenset[str], eval_share: float) -> None:
        self._never_features = never_features
        self._eval_share = eval_share

    def process(self, part: PartRows) -> Iterator[SplitRows]:
        held_out = in_eval(part.native, self._never_features, self._eval_share)
        train, held_out_rows = part.rows.filter(pa.array(~held_out)), part.rows.filter(pa.array(held_out))
        keys = row_keys(part.part.span, part.part.row_group, part.rows.num_rows)[~held_out]
        yield SplitRows(part.part, part.rows_read, keys, train, held_out_rows, part.label_error)


class WriteShards(beam.DoFn):
    """SplitRows -> PartReport; a part that is tried again overwrites its own files."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, split: SplitRows) -> Iterator[PartReport]:
        yield PartReport(
            span=split.part.span,
            row_group=split.part.row_group,
            rows_read=split.rows_read,
            rows_unlabelled=split.rows_read - split.train.num_rows - split.eval.num_rows,
            rows_train=split.train.num_rows,
            rows_eval=split.eval.num_rows,
            positives_train=_positives(split.train),
            positives_eval=_positives(split.eval),
            train_file=self._write("train", split.part, split.train),
            eval_file=self._write("eval", split.part, split.eval),
            label_error=split.label_error,
        )

    def _write(self, side: Side, part: Part, rows: pa.RecordBatch) -> str | None:
        if rows.num_rows == 0:
            return None
        name = f"{side}/{part.span:010d}-{part.row_group:05d}.parquet"
        with _replacing(f"{self._folder}/{name}") as file:
            pq.write_table(pa.Table.from_batches([rows]), file, compression="zstd")
        return name


class ProfileRows(beam.CombineFn):
    """Training rows with their keys -> Profile."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)

    def create_accumulator(self) -> TableSketch:
        return TableSketch(self._columns)

    def add_input(self, sketch: TableSketch, rows: tuple[Hashes, pa.RecordBatch]) -> TableSketch:
        sketch.update(*rows)
        return sketch

    def merge_accumulators(self, sketches: Iterable[TableSketch]) -> TableSketch:
        merged = self.create_accumulator()
        for sketch in sketches:
            merged.merge(sketch)
        return merged

    def extract_output(self, sketch: TableSketch) -> Profile:
        return sketch.profile()


class WriteReport(beam.DoFn):
    """The profile, with the reports of all parts -> the report's file."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def process(self, profile: Profile, parts: Iterable[PartReport]) -> None:
        in_order = tuple(sorted(parts, key=lambda part: (part.span, part.row_group)))
        report = Report(profile=profile, parts=in_order)
        with _replacing(self._uri) as file:
            file.write(report.model_dump_json().encode())


def _parts(spans: Iterable[tuple[int, str]]) -> Iterator[Part]:
    for span, uri in spans:
        with _open(uri) as file:
            row_groups = pq.ParquetFile(file).num_row_groups
        yield from (Part(span, uri, row_group) for row_group in range(row_groups))


def _training_rows(split: SplitRows) -> tuple[Hashes, pa.RecordBatch]:
    return split.train_keys, split.train


def _positives(rows: pa.RecordBatch) -> int:
    return pc.sum(rows[LABEL_COLUMN]).as_py() or 0


@contextmanager
def _replacing(uri: str) -> Iterator[BinaryIO]:
    """Write a file beside its place, then put it there at once: a committed one may be being read."""
    folder, _, name = uri.rpartition("/")
    attempt = f"{folder}/.{name}.{uuid.uuid4().hex}"
    with FileSystems.create(attempt, BINARY, CompressionTypes.UNCOMPRESSED) as file:
        yield file
    FileSystems.rename([attempt], [uri])


def _open(uri: str) -> BinaryIO:
    file: BinaryIO = FileSystems.open(uri, BINARY, CompressionTypes.UNCOMPRESSED)
    return file
