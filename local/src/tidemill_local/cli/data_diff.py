"""`tidemill data diff`: what is different between two dataset versions."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts.distances import between_columns, between_labels, missing
from tidemill_contracts.manifest import DatasetManifest
from tidemill_contracts.profile import ColumnProfile, Profile
from tidemill_local.cli.data_show import values_of
from tidemill_local.cli.figures import span_ranges
from tidemill_local.cli.stored import StoredData, Version

ROWS = ("rows_in", "rows_train", "rows_eval", "rows_unlabelled", "rows_rejected")


def show_diff(data: StoredData, one: Version, other: Version, console: Console) -> None:
    """Print what was added, removed and changed from one version to the other."""
    before, after = data.profile(one), data.profile(other)
    changes = [
        *_spans(one.manifest, other.manifest),
        *_rows(one.manifest, other.manifest),
        *_columns(before, after),
        *_features(one.manifest, other.manifest),
        *_spec(data, one.manifest, other.manifest),
    ]
    names = f"{data.pipeline} version {one.manifest.dataset} to {other.manifest.dataset}"
    console.print(Text(names, style="bold"))
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    for what, change in changes:
        table.add_row(what, Text(change))
    console.print(table if changes else "the same spans, rows, columns, features and spec", "")
    console.print(_distances(before, after))


def _spans(one: DatasetManifest, other: DatasetManifest) -> Iterator[tuple[str, str]]:
    if added := set(other.spans) - set(one.spans):
        yield "spans", f"+ {span_ranges(added)}"
    if removed := set(one.spans) - set(other.spans):
        yield "spans", f"- {span_ranges(removed)}"


def _rows(one: DatasetManifest, other: DatasetManifest) -> Iterator[tuple[str, str]]:
    for name in ROWS:
        before, after = getattr(one, name), getattr(other, name)
        if before != after:
            yield name.replace("_", " "), f"{before:,} became {after:,} ({after - before:+,})"


def _columns(before: Profile, after: Profile) -> Iterator[tuple[str, str]]:
    types = [{column.name: column.type for column in profile.columns} for profile in (before, after)]
    yield from _differences("column", *types)


def _features(one: DatasetManifest, other: DatasetManifest) -> Iterator[tuple[str, str]]:
    kinds = [{feature.name: str(feature.kind) for feature in each.features} for each in (one, other)]
    yield from _differences("feature", *kinds)
    crosses = [{" x ".join(cross): "cross" for cross in each.crosses} for each in (one, other)]
    yield from _differences("feature", *crosses)


def _spec(data: StoredData, one: DatasetManifest, other: DatasetManifest) -> Iterator[tuple[str, str]]:
    specs = [data.spec(each.spec_digest).model_dump(mode="json", by_alias=True) for each in (one, other)]
    yield from _differences("spec", *(dict(_leaves(spec["spec"])) for spec in specs))


def _differences(
    what: str, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            yield what, f"- {name} ({before[name]})"
        elif name not in before:
            yield what, f"+ {name} ({after[name]})"
        elif before[name] != after[name]:
            yield what, f"{name}: {before[name]} became {after[name]}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(child, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _distances(before: Profile, after: Profile) -> Table:
    """Lay columns out by how far their values moved, the farthest first."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("distance", justify="right")
    for name in ("column", "before", "after"):
        table.add_column(name, overflow="fold")
    label = between_labels(before.label, after.label)
    if label is not None:
        table.add_row(f"{label.value:.4f}", Text("label", style="bold"), "", "")
    known = {column.name: column for column in after.columns}
    pairs = [(column, known[column.name]) for column in before.columns if column.name in known]
    for one, other in sorted(pairs, key=lambda pair: -_distance(*pair)):
        table.add_row(f"{_distance(one, other):.4f}", Text(one.name), values_of(one), values_of(other))
    return table


def _distance(one: ColumnProfile, other: ColumnProfile) -> float:
    values = between_columns(one, other)
    return max(values.value if values else 0.0, missing(one, other))
