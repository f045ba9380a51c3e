"""`tidemill events`: the ledger's rows, then what happens from now on."""

from contextlib import suppress

from rich.console import Console

from tidemill_local.cli.ledger import Entry, Ledger
from tidemill_local.cli.pipelines import check_known
from tidemill_local.cli.running import Running
from tidemill_local.cli.status import event_table

LOOK_SECONDS = 0.5


def show_events(
    running: Running,
    console: Console,
    *,
    pipeline: str | None,
    correlation_id: str | None,
    limit: int,
    until_stopped: bool,
) -> None:
    """Print the latest events, and go on until Ctrl-C when asked to."""
    ledger = Ledger(running.home.bucket)
    entries = ledger.events(pipeline=pipeline, correlation_id=correlation_id, limit=limit)
    if pipeline and not entries:
        check_known(running, pipeline)
    console.print(event_table("event", entries) if entries else "nothing has happened yet")
    if not until_stopped:
        return
    with suppress(KeyboardInterrupt), running.feed() as feed:
        while True:
            running.home.running()
            event = feed.next(LOOK_SECONDS)
            if event is None or (correlation_id and event.correlation_id != correlation_id):
                continue
            if pipeline and getattr(event.data, "pipeline", None) != pipeline:
                continue
            entry = Entry(event.type, event.subject, event.time, event.correlation_id, event.data)
            console.print(event_table("event", [entry], show_header=False))
