"""`tidemill data show`: one dataset version, column by column."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts import layout
from tidemill_contracts.manifest import DatasetManifest
from tidemill_contracts.profile import ColumnProfile, LabelProfile, Profile
from tidemill_local.cli.data_rows import reasons_of
from tidemill_local.cli.data_versions import model_of, verdict_of
from tidemill_local.cli.figures import age, number, share, span_ranges
from tidemill_local.cli.stored import StoredData, Version

SEVERITY_STYLES = {"block": "red", "warn": "yellow", "ignore": "dim"}
REASON_COLUMN = "__reason__"
VALUES_SHOWN = 3
VALUE_CHARACTERS = 20


def show_version(data: StoredData, version: Version, console: Console) -> None:
    """Print what a version is made of, its columns as the training rows have them, and what is odd."""
    manifest, profile = version.manifest, data.profile(version)
    console.print(_summary(version, profile), "")
    console.print(_columns(manifest, profile))
    console.print()
    for reason, names in _left_out(manifest):
        console.print(Text.assemble(("not read: ", "dim"), ", ".join(names), (f". {reason}", "dim")))
    if manifest.reject_files:
        files = [layout.dataset(data.pipeline, manifest.dataset_id, file) for file in manifest.reject_files]
        for reason, count in reasons_of(data, files, REASON_COLUMN):
            console.print(Text.assemble((f"{count:,} rows rejected: ", "red"), reason))
    for anomaly in manifest.anomalies:
        where = f"{anomaly.column}: " if anomaly.column else ""
        against = "" if anomaly.against == "schema" else f" ({anomaly.against})"
        style = SEVERITY_STYLES[anomaly.severity]
        console.print(Text.assemble((f"! {anomaly.type}{against}  ", style), where, anomaly.message))


def _summary(version: Version, profile: Profile) -> Table:
    manifest = version.manifest
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    rows = (
        f"{manifest.rows_train:,} to train, {manifest.rows_eval:,} to evaluate, "
        f"{manifest.rows_unlabelled:,} without label, {manifest.rows_rejected:,} rejected"
    )
    against = f", against version {manifest.baseline}" if manifest.baseline is not None else ""
    table.add_row("dataset", Text(f"{manifest.pipeline} version {manifest.dataset}", style="bold"))
    table.add_row("created", f"{age(version.created)}, as {manifest.dataset_id}")
    table.add_row("spans", span_ranges(manifest.spans))
    table.add_row("rows", rows)
    table.add_row("label", Text(f"{manifest.task}: {_label(profile.label)}"))
    table.add_row("checks", verdict_of(manifest) + against)
    if manifest.data_classification:
        table.add_row("data", Text(manifest.data_classification, style="yellow"))
    table.add_row("model", model_of(version))
    return table


def _columns(manifest: DatasetManifest, profile: Profile) -> Table:
    kinds = {feature.name: str(feature.kind) for feature in manifest.features}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("column", "type", "read as"):
        table.add_column(name, overflow="fold")
    for name in ("missing", "distinct"):
        table.add_column(name, justify="right")
    table.add_column("values in the training rows", overflow="fold")
    for column in profile.columns:
        is_read = column.name in kinds
        table.add_row(
            Text(column.name),
            column.type,
            kinds.get(column.name, "-"),
            share(column.nulls, column.rows),
            f"{column.distinct_estimate:,.0f}",
            Text(values_of(column)),
            style="" if is_read else "dim",
        )
    for cross in manifest.crosses:
        table.add_row(Text(" x ".join(cross)), "", "cross", "", "", "")
    return table


def values_of(column: ColumnProfile) -> str:
    """Write the range of a column's numbers, or its most frequent texts."""
    numeric, categorical = column.numeric, column.categorical
    if categorical is not None and column.type == "string":
        values = column.rows - column.nulls
        return ", ".join(
            f"{_short(text)} {share(count, values)}" for text, count in categorical.vocabulary[:VALUES_SHOWN]
        )
    if numeric is None:
        return ""
    if column.type == "timestamp":
        return f"{_day(numeric.minimum)} to {_day(numeric.maximum)}"
    if column.type == "bool":
        return f"true {share(numeric.mean, 1) or '0%'}"
    return f"{number(numeric.minimum)} .. {number(numeric.mean)} .. {number(numeric.maximum)}"


def _label(label: LabelProfile) -> str:
    if label.numeric is not None:
        numeric = label.numeric
        return f"{number(numeric.minimum)} .. {number(numeric.mean)} .. {number(numeric.maximum)}"
    rows = sum(count for _, count in label.classes)
    return ", ".join(f"{_short(name)} {share(count, rows) or '0%'}" for name, count in label.classes)


def _left_out(manifest: DatasetManifest) -> Iterator[tuple[str, list[str]]]:
    by_reason = sorted(manifest.left_out, key=lambda left_out: left_out.reason)
    for reason, columns in groupby(by_reason, key=lambda left_out: left_out.reason):
        yield reason, [column.name for column in columns]


def _short(text: str) -> str:
    return text if len(text) <= VALUE_CHARACTERS else f"{text[: VALUE_CHARACTERS - 1]}…"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
