"""`tidemill data show --span`: one span, as ingest stored it."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetIngested, SchemaChange
from tidemill_contracts.manifest import SpanManifest
from tidemill_local.cli.data_rows import reasons_of
from tidemill_local.cli.ledger import Ledger
from tidemill_local.cli.stored import StoredData

EVENTS_READ = 100_000


def show_span(data: StoredData, number: int, console: Console) -> None:
    """Print where a span came from, its columns, how they differ from earlier ones, and what was rejected."""
    span = data.span(number)
    console.print(_summary(number, span), "")
    console.print(_columns(span))
    for change in _changes(data, span):
        became = f": {change.before or 'nothing'} became {change.after or 'nothing'}"
        console.print(Text.assemble((f"\n{change.change} ", "yellow"), change.column, became))
    if span.rows_rejected:
        console.print(Text(f"\n{span.rows_rejected:,} rows rejected", style="red"))
        rejects = layout.span(span.pipeline, span.span_id, "rejects.parquet")
        for reason, count in reasons_of(data, [rejects], "reason"):
            console.print(Text(f"  {count:,} x {reason}"))


def _summary(number: int, span: SpanManifest) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    table.add_row("span", Text(f"{span.pipeline} span {number}", style="bold"))
    table.add_row("object", Text(f"{span.object_name}, generation {span.generation}"))
    for file in span.files:
        table.add_row("file", Text(file))
    table.add_row("stored", Text(layout.span(span.pipeline, span.span_id, "data.parquet")))
    table.add_row("rows", f"{span.rows:,} kept, {span.rows_rejected:,} rejected")
    return table


def _columns(span: SpanManifest) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("column", "type", "stored", "taken for"):
        table.add_column(name, overflow="fold")
    for column in span.columns:
        stored = Text("as it is") if column.privacy == "keep" else Text(column.privacy, style="yellow")
        table.add_row(Text(column.name), column.type, stored, column.pii or "")
    return table


def _changes(data: StoredData, span: SpanManifest) -> tuple[SchemaChange, ...]:
    entries = Ledger(data.bucket).events(pipeline=data.pipeline, limit=EVENTS_READ)
    for event in (entry.data for entry in entries):
        if isinstance(event, DatasetIngested) and event.span_id == span.span_id:
            return event.changes
    return ()
