"""Validation: what is unusual about a dataset version, by the names of TensorFlow Data Validation."""

from collections.abc import Collection, Iterator

from tidemill_contracts.anomaly import Anomaly, AnomalyType
from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.distances import MIN_VALUES
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import ColumnProfile, Profile
from tidemill_transform.anomalies import TOLD_CHARACTERS, TOLD_VALUES, found, settled
from tidemill_transform.drift import Comparator
from tidemill_transform.plan import Report
from tidemill_transform.rules import RuleCount
from tidemill_transform.schema_checks import against_earlier, beyond_type, check_column

MIN_ROWS_OF_CLASS = 2
# How many times fewer, or more, rows than wanted may be held out.
LOPSIDED = 2


def validate(
    report: Report, baseline: Profile | None, spec: PipelineSpec, restricted: Collection[str] = ()
) -> tuple[Anomaly, ...]:
    """Find what is unusual in what a pass learned.

    The pipeline's own schema is held against all rows, the baseline against those of the newest span, and the
    rows held out for evaluation against those for training.

    Args:
        report: What the pass learned.
        baseline: The profile of earlier data; None when there is none.
        spec: The schema, the limits and the severities.
        restricted: Columns that are not stored in clear: their values are neither judged nor told.
    """
    limits = spec.validation
    anomalies = [
        *_broken_rules(report, limits.max_rejected_share),
        *_against_schema(report, spec, restricted),
        *_of_newest(report.newest, baseline),
        *_of_sides(report, spec.split.eval_share),
        *_rare_classes(report, is_told=LABEL_COLUMN not in restricted),
        *Comparator("skew", limits.skew, spec, restricted)(report.eval, report.train),
    ]
    if baseline is not None:
        anomalies += against_earlier(report.newest, baseline, restricted)
        anomalies += Comparator("drift", limits.drift, spec, restricted)(report.newest, baseline)
    return tuple(settled(anomalies, limits.severities))


def _broken_rules(report: Report, max_share: float) -> Iterator[Anomaly]:
    """Yield which rules rows break: they were set aside, so that only many of them stop the others."""
    read = report.total("rows_read")
    columns = {column.name: column for column in report.train.columns}
    for broken in report.broken():
        share = broken.rows / read
        message = (
            f"expected rows to keep the rule {broken.rule} of {broken.column}, received {broken.rows} of "
            f"{read} ({share:.2%}) that do not; they are set aside"
        )
        kind = _kind_of_rule(broken, columns[broken.column])
        anomaly = found(kind, broken.column, message, "schema", share, max_share)
        yield anomaly if share > max_share else anomaly.model_copy(update={"severity": "warn"})


def _kind_of_rule(broken: RuleCount, column: ColumnProfile) -> AnomalyType:
    if broken.rule == "required":
        return "FEATURE_TYPE_LOW_FRACTION_PRESENT"
    if broken.rule == "values":
        return "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
    return beyond_type(column, is_big=broken.rule == "maximum")


def _against_schema(report: Report, spec: PipelineSpec, restricted: Collection[str]) -> Iterator[Anomaly]:
    stored = {column.name for column in report.train.columns}
    for name, known in spec.columns.items():
        if name in stored:
            # A hash tells equal values as well as they would themselves.
            judged = ColumnSpec(unique=known.unique and known.privacy != "mask")
            for profile in (report.newest, report.train, report.eval):
                column = profile.column(name)
                yield from check_column(column, judged if name in restricted else known, "schema")
        elif name not in restricted:
            yield found("SCHEMA_MISSING_COLUMN", name, f"expected a column {name}, received none")


def _of_newest(newest: Profile, baseline: Profile | None) -> Iterator[Anomaly]:
    """Yield what is unusual in the newest span by itself."""
    if newest.rows == 0:
        yield found(
            "NO_DATA_IN_SPAN", None, "expected labelled rows in the newest span, received none", "drift"
        )
    elif newest.rows < MIN_VALUES and baseline is not None:
        message = (
            f"expected {MIN_VALUES} labelled rows in the newest span to hold against earlier data, received "
            f"{newest.rows}"
        )
        yield found("DATASET_LOW_NUM_EXAMPLES", None, message, "drift", newest.rows, MIN_VALUES)
    for column in newest.columns:
        infinities = column.numeric.infinities if column.numeric else 0
        if infinities and not _had_infinities(baseline, column.name):
            message = f"expected finite numbers in {column.name}, received {infinities} that are infinite"
            yield found("FLOAT_TYPE_HAS_INF", column.name, message, "schema" if baseline is None else "drift")


def _had_infinities(baseline: Profile | None, name: str) -> bool:
    earlier = baseline.columns if baseline else ()
    return any(column.name == name and column.numeric and column.numeric.infinities for column in earlier)


def _of_sides(report: Report, eval_share: float) -> Iterator[Anomaly]:
    """Yield where a side of the split is too small to train on, or to evaluate by."""
    train, held_out = report.train.rows, report.eval.rows
    share = held_out / max(1, train + held_out)
    message = f"expected {eval_share:.0%} of the rows to be held out, received {share:.0%}: {held_out} rows"
    least, most = eval_share / LOPSIDED, min(eval_share * LOPSIDED, (1 + eval_share) / 2)
    if share < least:
        yield found("COMPARATOR_LOW_NUM_EXAMPLES", None, message, "skew", share, least)
    if share > most:
        yield found("COMPARATOR_HIGH_NUM_EXAMPLES", None, message, "skew", share, most)


def _rare_classes(report: Report, *, is_told: bool) -> Iterator[Anomaly]:
    """Yield that some classes are hardly there on one side."""
    rows = {"training": dict(report.train.label.classes), "evaluation": dict(report.eval.label.classes)}
    classes = sorted(rows["training"].keys() | rows["evaluation"].keys())
    for side, counted in rows.items():
        rare = [name for name in classes if counted.get(name, 0) < MIN_ROWS_OF_CLASS]
        if rare:
            names = ", ".join(repr(name[:TOLD_CHARACTERS]) for name in rare[:TOLD_VALUES] if is_told)
            message = (
                f"expected at least {MIN_ROWS_OF_CLASS} {side} rows of every class, received fewer of "
                f"{len(rare)}{': ' * is_told}{names}"
            )
            least = min(counted.get(name, 0) for name in rare)
            yield found(
                "FEATURE_TYPE_LOW_NUMBER_PRESENT", LABEL_COLUMN, message, "skew", least, MIN_ROWS_OF_CLASS
            )
