"""The one pass over a window's rows, as an Apache Beam pipeline over Arrow record batches.

    spans -> parts -> read -> check -> label -> split -+-> write shards -+
                                                       +-> profile ------+-> report

A part is one row group of one span. The result leaves the pipeline through a file, so that any Beam runner
will do. Every part carries its counts to the report, where each must come out once, with all its rows.
"""

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders.typecoders import registry
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.worker.statecache import CacheAware
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from tidemill_contracts.manifest import LABEL_COLUMN, WEIGHT_COLUMN, Column
from tidemill_contracts.profile import Profile
from tidemill_transform.columns import schema_of
from tidemill_transform.cutoff import with_cutoff
from tidemill_transform.files import open_file, replacing
from tidemill_transform.label import Label, Labeller
from tidemill_transform.parts import (
    Part,
    PartRows,
    SideRows,
    SplitRows,
    parts_of,
    read_part,
    repetitive,
    write_shard,
)
from tidemill_transform.plan import PartReport, Plan, Report
from tidemill_transform.profiling import TableSketch
from tidemill_transform.rules import Rule, check_rows
from tidemill_transform.split import SplitRule, row_keys
from tidemill_transform.travel import SizedCoder

PARTS_BEING_WRITTEN = 2

NewSketch = Callable[[], TableSketch]
# By whether the rows are of the newest span or an earlier one, and by their side.
Sketches = dict[tuple[str, str], TableSketch]


@dataclass(frozen=True)
class Profiles(CacheAware):
    """Of the rows on both sides, and of those of the newest span."""

    train: Profile
    eval: Profile
    newest: Profile

    def get_referents_for_cache(self) -> list[object]:
        """Tell Beam, which would look at every number in them, that there is nothing to weigh."""
        return []


def run_pass(plan: Plan) -> Report:
    """Run a plan to its end; blocks until the shards are written."""
    plan = with_cutoff(plan)
    report_uri = f"{plan.folder}/.pass-{uuid.uuid4().hex}.json"
    with beam.Pipeline(options=PipelineOptions(list(plan.beam_options))) as pipeline:
        build_pass(pipeline, plan, report_uri)
    return take_report(report_uri)


def take_report(uri: str) -> Report:
    """Read what a pass left behind, and delete it."""
    with open_file(uri) as file:
        report = Report.model_validate_json(file.read())
    FileSystems.delete([uri])
    return report


def build_pass(pipeline: beam.Pipeline, plan: Plan, report_uri: str) -> None:
    """Lay out the steps of a plan, the last of which writes the report as JSON."""
    new_sketch = partial(TableSketch, plan.columns, plan.label.task, plan.slices)
    for large in (PartRows, SplitRows):
        registry.register_coder(large, SizedCoder)
    split = (
        pipeline
        | "Spans" >> beam.Create(list(plan.spans.items()))
        | "Parts" >> beam.FlatMap(parts_of)
        | "Spread" >> beam.Reshuffle()
        | "Read" >> beam.ParDo(ReadRows(plan.columns))
        | "Check" >> beam.ParDo(CheckRows(plan.rules, plan.folder))
        | "Label" >> beam.ParDo(LabelRows(plan.label))
        | "Split" >> beam.ParDo(SplitSides(plan.split))
    )
    profiles = split | "Profile" >> beam.CombineGlobally(ProfileRows(new_sketch, plan.newest))
    written = split | "Write" >> beam.ParDo(WriteShards(plan.folder))
    report = WriteReport(plan.split.held_out_from)
    learned = beam.pvalue.AsSingleton(profiles), beam.pvalue.AsList(written)
    _ = pipeline | "Once" >> beam.Create([report_uri]) | "Report" >> beam.ParDo(report, *learned)


class ReadRows(beam.DoFn):
    """Part -> PartRows with the columns of the window; nothing for an empty row group."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)

    def process(self, part: Part) -> Iterator[PartRows]:
        for native, rows in read_part(part, schema_of(self._columns)):
            report = PartReport(span=part.span, row_group=part.row_group, rows_read=rows.num_rows)
            keys = row_keys(part.span, part.row_group, rows.num_rows)
            yield PartRows(part, report, keys, native, rows)


class CheckRows(beam.DoFn):
    """PartRows -> PartRows that keep the rules; the others are written with their reasons."""

    def __init__(self, rules: Sequence[Rule], folder: str) -> None:
        self._rules = tuple(rules)
        self._folder = folder

    def process(self, part: PartRows) -> Iterator[PartRows]:
        checked = check_rows(part.rows, self._rules)
        if checked is None:
            yield part
            return
        facts = {
            "rows_rejected": checked.rejected.num_rows,
            "reject_file": write_shard(
                self._folder, "rejects", part.part, checked.rejected, repetitive(checked.rejected)
            ),
            "broken": checked.counts,
        }
        yield PartRows(
            part=part.part,
            report=part.report.model_copy(update=facts),
            keys=part.keys[checked.kept.to_numpy(zero_copy_only=False)],
            native=part.native.filter(checked.kept),
            rows=part.rows.filter(checked.kept),
        )


class LabelRows(beam.DoFn):
    """PartRows -> PartRows with a label in a further column, null where there is none, and a weight.

    Rows that make the expression fail are the author's to see, not ours to retry: they have no label.
    """

    def __init__(self, label: Label) -> None:
        self._label = label

    def setup(self) -> None:
        self._labeller = Labeller(self._label)

    def teardown(self) -> None:
        self._labeller.close()

    def process(self, part: PartRows) -> Iterator[PartRows]:
        found = self._labeller.labels(part.rows)
        facts = {"rows_unlabelled": found.labels.null_count, "label_error": found.error}
        rows = part.rows.append_column(LABEL_COLUMN, found.labels)
        if found.weights is not None:
            rows = rows.append_column(WEIGHT_COLUMN, found.weights)
        yield replace(part, rows=rows, report=part.report.model_copy(update=facts))


class SplitSides(beam.DoFn):
    """PartRows with labels -> SplitRows."""

    def __init__(self, rule: SplitRule) -> None:
        self._rule = rule

    def process(self, part: PartRows) -> Iterator[SplitRows]:
        held_out = self._rule.in_eval(part.native, part.rows)
        has_label = part.rows[LABEL_COLUMN].is_valid().to_numpy(zero_copy_only=False)
        train, held_out_rows = (
            SideRows(part.keys[side], part.rows.filter(pa.array(side)))
            for side in (has_label & ~held_out, has_label & held_out)
        )
        facts = {"rows_train": train.rows.num_rows, "rows_eval": held_out_rows.rows.num_rows}
        yield SplitRows(part.part, part.report.model_copy(update=facts), train, held_out_rows)


class WriteShards(beam.DoFn):
    """SplitRows -> PartReport, by a thread that writes while the next parts are prepared."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def setup(self) -> None:
        self._with_dictionary: list[str] | None = None
        self._thread = ThreadPoolExecutor(1)

    def start_bundle(self) -> None:
        self._writing = deque[Future[PartReport]]()

    def process(self, split: SplitRows) -> Iterator[PartReport]:
        self._writing.append(self._thread.submit(self._write, split))
        while len(self._writing) > PARTS_BEING_WRITTEN:
            yield self._writing.popleft().result()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        while self._writing:
            yield GlobalWindows.windowed_value(self._writing.popleft().result())

    def teardown(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _write(self, split: SplitRows) -> PartReport:
        if self._with_dictionary is None:
            self._with_dictionary = repetitive(split.train.rows)
        files = {
            f"{fate}_file": write_shard(self._folder, fate, split.part, side.rows, self._with_dictionary)
            for fate, side in split.sides
        }
        return split.report.model_copy(update=files)


class ProfileRows(beam.CombineFn):
    """SplitRows -> Profiles.

    Rows of the newest span are sketched apart from all earlier ones, so that each row is sketched once.
    """

    def __init__(self, new_sketch: NewSketch, newest: int) -> None:
        self._new_sketch = new_sketch
        self._newest = newest

    def get_accumulator_coder(self) -> SizedCoder:
        return SizedCoder()

    def create_accumulator(self) -> Sketches:
        return {}

    def add_input(self, sketches: Sketches, split: SplitRows) -> Sketches:
        age = "newest" if split.part.span == self._newest else "earlier"
        for side, rows in split.sides:
            if rows.rows.num_rows:
                if (age, side) not in sketches:
                    sketches[age, side] = self._new_sketch()
                sketches[age, side].update(rows.keys, rows.rows)
        return sketches

    def merge_accumulators(self, accumulators: Iterable[Sketches]) -> Sketches:
        merged: Sketches = {}
        for sketches in accumulators:
            for kind, sketch in sketches.items():
                if kind in merged:
                    merged[kind].merge(sketch)
                else:
                    merged[kind] = sketch
        return merged

    def extract_output(self, sketches: Sketches) -> Profiles:
        return Profiles(*(self._profile(word, sketches) for word in ("train", "eval", "newest")))

    def _profile(self, word: str, sketches: Sketches) -> Profile:
        merged = self._new_sketch()
        for kind, sketch in sketches.items():
            if word in kind:
                merged.merge(sketch)
        return merged.profile()


class WriteReport(beam.DoFn):
    """The report's URI, with what all rows and all parts came to -> its file."""

    def __init__(self, held_out_from: pa.Scalar | None) -> None:
        self._held_out_from = None if held_out_from is None else held_out_from.cast(pa.string()).as_py()

    def process(self, uri: str, profiles: Profiles, parts: Iterable[PartReport]) -> None:
        report = Report(
            train=profiles.train,
            eval=profiles.eval,
            newest=profiles.newest,
            parts=tuple(sorted(parts, key=lambda part: (part.span, part.row_group))),
            held_out_from=self._held_out_from,
        )
        with replacing(uri) as file:
            file.write(report.model_dump_json().encode())
