"""`tidemill demo`: from nothing to an answered prediction, with every stage shown."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts.event import Event
from tidemill_contracts.events import CandidateTrained, ModelBlessed
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.following import follow, story_of
from tidemill_local.cli.ledger import Ledger
from tidemill_local.cli.pipelines import apply_spec, drop_file
from tidemill_local.cli.predicting import Answer, find_model, print_answer, read_row
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.running import Running
from tidemill_local.cli.story import Line, Outcome, headline, tell
from tidemill_local.supervisor.platform import Platform

EXAMPLE = Path(__file__).parents[4] / "examples" / "flights"
FILE = "flights-2013-01.csv"
# A flight to Chicago on New Year's Day that came 65 minutes late.
ROW = 626
START_SECONDS = 120
STORY_SECONDS = 300
PROCESS_OF_STAGE = {
    "ingest": "ingest",
    "transform": "transform",
    "train": "trainer",
    "verdict": "trainer",
    "deploy": "serving",
}
NEXT_STEPS = (
    ("up", "start the same, to stay"),
    ("drop FILE --spec SPEC", "drop a month of examples/flights, and follow it"),
    ("status", "see what runs, what serves, what went wrong"),
    ("events", "read the ledger of everything that happened"),
    ("data show flights", "look at the data, column by column"),
    ("sql", "ask the warehouse"),
)


def run_demo(home: Path, console: Console, command: str) -> None:
    """Run the whole demo in a home of its own; raise CommandFailed or StartFailed where it breaks off.

    `command` is how the person calls `tidemill`, for the next steps.
    """
    console.print("[bold]Tidemill[/]: drop a file, get a model behind an API\n")
    progress = Progress(console)
    with Platform(home) as platform:
        _wait_ready(platform, progress)
        running = Running(platform.home, platform.state())
        pipeline = apply_spec(running, EXAMPLE / "pipeline.yaml")
        progress.step(Line("apply", f"pipeline {pipeline.name}: predict {pipeline.spec.label}", 0))
        with running.feed() as feed:
            drop = drop_file(running, pipeline.name, EXAMPLE / FILE)
            progress.step(Line("drop", str(drop), 0))
            ledger = Ledger(running.home.bucket)
            story = follow(story_of(drop, feed, ledger, _Patience(platform).check), progress)
        _check_end(story[-1], platform)
        answer = _ask(running, pipeline.name, progress)
        console.print(f"\n   [bold]{progress.seconds:.1f} s[/] from nothing to a prediction\n")
        console.print(_metrics_table(story))
        print_answer(answer, console)
        with progress.waiting("stopping"):
            platform.stop()
    console.print(_next_steps(command))


class _Patience:
    """Says when following the drop has become pointless."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._deadline = time.monotonic() + STORY_SECONDS

    def check(self) -> None:
        self._platform.check_failures()
        if time.monotonic() > self._deadline:
            raise CommandFailed(f"expected an end of the drop's story within {STORY_SECONDS} s, none came")


def _wait_ready(platform: Platform, progress: Progress) -> None:
    with progress.waiting("starting") as say:
        deadline = time.monotonic() + START_SECONDS
        while unready := platform.unready():
            say(f"starting: {', '.join(unready)}")
            platform.check_failures()
            if time.monotonic() > deadline:
                platform.wait_ready(timeout_seconds=0)
            time.sleep(0.1)
    processes = platform.state().processes
    text = f"{len(processes)} processes ready, gateway on {platform.addresses['gateway']}"
    progress.step(Line("start", text, 0))


def _check_end(end: Event, platform: Platform) -> None:
    line = tell(end.data)
    if line.outcome is not Outcome.SERVED:
        process = PROCESS_OF_STAGE[line.stage]
        log = f"the end of {platform.home.log(process)}:\n{platform.log_tail(process)}"
        raise CommandFailed(f"{line.stage}: {line.text}; {log}")


def _ask(running: Running, name: str, progress: Progress) -> Answer:
    row = read_row(EXAMPLE / FILE, ROW)
    model = find_model(running.gateway, name)
    answer = model.ask(model.instance(row))
    (probability,) = json.loads(answer.body)["predictions"]
    flight = f"{row['carrier']} {row['flight']} from {row['origin']} to {row['dest']}"
    text = f"{flight}: late with probability {probability:.2f}; it was {row['arr_delay']} minutes late"
    progress.step(Line("predict", text, answer.seconds))
    return answer


def _metrics_table(story: Sequence[Event]) -> Table:
    candidates = [event.data for event in story if isinstance(event.data, CandidateTrained)]
    blessed = [event.data.family for event in story if isinstance(event.data, ModelBlessed)]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(width=2, justify="right")
    table.add_column("model", width=16)
    for name in (*headline(candidates[0].metrics), "trained in"):
        table.add_column(name, width=12, justify="right")
    for candidate in candidates:
        mark = Text("✓", style="green") if candidate.family in blessed else Text("")
        values = headline(candidate.metrics).values()
        table.add_row(mark, candidate.family, *values, f"{candidate.seconds:.1f} s")
    return table


def _next_steps(command: str) -> Table:
    table = Table(box=None, padding=(0, 3), show_header=False)
    table.add_row(Text("\nEverything is stopped. To go on:\n"))
    for arguments, purpose in NEXT_STEPS:
        table.add_row(Text(f"{command} {arguments}", style="cyan"), purpose)
    return table
