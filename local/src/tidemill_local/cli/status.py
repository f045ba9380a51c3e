"""What runs, what it serves, and what went wrong lately."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts import layout
from tidemill_contracts.events import DropQuarantined, TrialFinished
from tidemill_contracts.pipeline import InvalidSpec, parse_pipeline
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.ledger import Entry, Ledger
from tidemill_local.cli.predicting import served_version
from tidemill_local.cli.progress import MARKS
from tidemill_local.cli.running import Running
from tidemill_local.cli.story import tell
from tidemill_local.supervisor.home import ProcessState
from tidemill_local.supervisor.probe import why_not_ready
from tidemill_runtime.objects import ObjectNotFound

SHOWN = 5


def show_status(running: Running, console: Console) -> bool:
    """Print everything; return whether every process is ready now."""
    processes = running.state.processes
    with ThreadPoolExecutor(max_workers=len(processes)) as pool:
        reasons = dict(zip(processes, pool.map(_why_not_ready, processes), strict=True))
    ledger = Ledger(running.home.bucket)
    console.print(process_table(reasons.items()), "")
    if any(running.store.list("pipelines/")):
        console.print(_pipeline_table(running), "")
    else:
        console.print("no pipeline yet; make one with: tidemill drop FILE --spec SPEC\n")
    entries = [entry for entry in ledger.events(limit=200) if not isinstance(entry.data, TrialFinished)]
    if entries:
        console.print(event_table("latest events", entries[-SHOWN:]), "")
    _show_refused(entries, ledger, console)
    return not any(reasons.values())


def process_table(processes: Iterable[tuple[ProcessState, str | None]]) -> Table:
    """Lay processes out with their state, or the reason why they are not ready."""
    table = _table("", "process", "state", "restarts", "address")
    for process, reason in processes:
        good = reason is None
        mark = Text("✓" if good else "…", style="green" if good else "yellow")
        state = Text(process.state if good else f"{process.state}: {reason}", style="" if good else "yellow")
        table.add_row(mark, process.name, state, str(process.restarts or ""), _address(process))
    return table


def _address(process: ProcessState) -> Text:
    grpc = process.grpc_address and f"\ngRPC on {process.grpc_address}"
    return Text(process.address + grpc)


def event_table(title: str, entries: Iterable[Entry], *, show_header: bool = True) -> Table:
    """Lay events out in words, one in a row; tables below each other line up."""
    table = _table(expand=True, show_header=show_header)
    table.add_column(width=1)
    table.add_column("time", width=8)
    table.add_column("stage", width=9)
    table.add_column(title, ratio=1, overflow="fold")
    table.add_column("work", width=8, justify="right")
    for entry in entries:
        if entry.data is None:
            table.add_row("", _clock(entry.time), "", Text(f"{entry.type} {entry.subject}"), "")
            continue
        line = tell(entry.data)
        mark, style = MARKS[line.outcome]
        pipeline = getattr(entry.data, "pipeline", None) or "no pipeline"
        text = Text(f"{pipeline}: {line.text}")
        table.add_row(Text(mark, style=style), _clock(entry.time), line.stage, text, f"{line.seconds:.1f} s")
    return table


def _why_not_ready(process: ProcessState) -> str | None:
    if process.ready_url is None:
        return None if process.state == "done" else process.detail or "not done"
    return why_not_ready(process.ready_url)


def _pipeline_table(running: Running) -> Table:
    table = _table("", "pipeline", "serves version", "next retraining", "ask it")
    for name in (Path(spec).stem for spec in running.store.list("pipelines/")):
        try:
            version = served_version(running.gateway, name, running.key)
            ask = f"tidemill predict {name} --from FILE --row 1" if version.isdigit() else ""
        except CommandFailed as error:
            version, ask = "unknown", str(error)
        table.add_row("", name, version, _next_retraining(running, name), Text(ask))
    return table


def _next_retraining(running: Running, name: str) -> str:
    try:
        spec = parse_pipeline(running.store.read(layout.pipeline_spec(name))).spec
    except (ObjectNotFound, InvalidSpec):
        return ""
    time = spec.retraining.next_after(datetime.now(UTC))
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else ""


def _show_refused(entries: Iterable[Entry], ledger: Ledger, console: Console) -> None:
    quarantined = [entry for entry in entries if isinstance(entry.data, DropQuarantined)]
    if quarantined:
        console.print(event_table("quarantined files", quarantined[-SHOWN:]), "")
    letters = ledger.dead_letters(SHOWN)
    if letters:
        table = _table("", "time", "subscription", "dead letters")
        for letter in letters:
            reason = Text(f"{letter.code}: {letter.reason}")
            table.add_row("", _clock(letter.time), letter.subscription, reason)
        console.print(table)


def _table(*columns: str, expand: bool = False, show_header: bool = True) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", expand=expand, show_header=show_header)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _clock(time: datetime) -> str:
    return f"{time.astimezone():%H:%M:%S}"
