"""`tidemill data versions`: the dataset versions of a pipeline, and the windows that became none."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts.manifest import DatasetManifest
from tidemill_local.cli.figures import age, span_ranges
from tidemill_local.cli.stored import StoredData, Version
from tidemill_local.cli.story import headline

# The model has a column of its own from here on, and a line of its own below.
WIDE_CHARACTERS = 120


def show_versions(data: StoredData, console: Console) -> None:
    """Print every version, the newest last, and below them what was refused."""
    versions, refusals = data.versions(), data.refusals()
    if not versions and not refusals:
        console.print(f"{data.pipeline} has no data yet; feed it with: tidemill drop FILE -p {data.pipeline}")
    if versions:
        is_wide = console.width >= WIDE_CHARACTERS
        console.print(_table(versions, is_wide=is_wide))
        for version in () if is_wide else versions:
            number = f"\nmodel of version {version.manifest.dataset}: "
            console.print(Text.assemble((number, "dim"), model_of(version)))
    for refusal in refusals:
        rejected = refusal.rejection
        console.print(Text(f"\n✗ refused {age(refusal.created)}, up to span {rejected.span}", style="red"))
        for reason in rejected.reasons:
            console.print(Text(f"    {reason.code}: {reason.message}"))


def model_of(version: Version) -> Text:
    """Say what was made of a version: a model and its verdict, a training, or nothing."""
    if version.model is None:
        if version.training is None:
            return Text("none", style="dim")
        if version.training.superseded:
            return Text("none: newer data came first", style="dim")
        return Text("training failed", style="red") if version.training.failed else Text("training")
    model = version.model
    first = next(iter(headline(model.metrics).items()), None)
    metric = f", {first[0]} {first[1]}" if first else ""
    verdict = ("blessed", "green") if model.blessed else ("rejected", "red")
    return Text.assemble(f"version {model.version}, {model.family}{metric}: ", verdict)


def verdict_of(manifest: DatasetManifest) -> Text:
    """Say how the checks of a version ended."""
    warnings = sum(anomaly.severity == "warn" for anomaly in manifest.anomalies)
    return Text(f"{warnings} warning{'s'[: warnings > 1]}", style="yellow") if warnings else Text("fine")


def _table(versions: list[Version], *, is_wide: bool) -> Table:
    table = Table(box=None, padding=(0, 2 if is_wide else 1, 0, 0), header_style="dim")
    table.add_column("version", justify="right")
    for name in ("created", "spans"):
        table.add_column(name)
    for name in ("train", "eval", "no label", "rejected", "features"):
        table.add_column(name, justify="right")
    for name in ("checks", "model") if is_wide else ("checks",):
        table.add_column(name, overflow="fold")
    for version in versions:
        manifest = version.manifest
        rows = (manifest.rows_train, manifest.rows_eval, manifest.rows_unlabelled, manifest.rows_rejected)
        table.add_row(
            str(manifest.dataset),
            age(version.created),
            span_ranges(manifest.spans),
            *(f"{count:,}" for count in rows),
            str(len(manifest.features) + len(manifest.crosses)),
            verdict_of(manifest),
            *((model_of(version),) if is_wide else ()),
        )
    return table
