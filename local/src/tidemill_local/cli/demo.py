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
from tidemill_local.cli.pipelines import apply_spec, drop_file, follow
from tidemill_local.cli.predicting import find_model, read_row
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.running import Running
from tidemill_local.cli.story import Line, Outcome, tell
from tidemill_local.supervisor.platform import Platform

EXAMPLE = Path(__file__).parents[4] / "examples" / "flights"
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


def run_demo(home: Path, console: Console) -> None:
    """Run the whole demo in a home of its own; raise CommandFailed or StartFailed where it breaks off."""
    file = EXAMPLE / "flights-2013-01.csv"
    console.print("[bold]Tidemill[/]: drop a file, get a model behind an API\n")
    progress = Progress(console)
    with Platform(home) as platform:
        _wait_ready(platform, progress)
        running = Running(platform.home, platform.state())
        pipeline = apply_spec(running, EXAMPLE / "pipeline.yaml")
        progress.step(Line("apply", f"pipeline {pipeline.name}: predict {pipeline.spec.label}", 0))
        with running.feed() as feed:
            drop = drop_file(running, pipeline.name, file)
            progress.step(
                Line("drop", f"{file.name}, {drop.size_bytes / 1e6:.1f} MB, into {drop.object_name}", 0)
            )
            story = follow(drop, feed, progress, _Patience(platform).check)
        _check_end(story[-1], platform)
        answer = _ask(running, pipeline.name, file, progress)
        console.print(f"\n[bold]{progress.seconds:.1f} s[/] from nothing to a prediction\n")
        console.print(_metrics_table(story))
        console.print(answer)
        with progress.waiting("stopping"):
            platform.stop()


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
        raise CommandFailed(
            f"{line.stage}: {line.text}; the end of {platform.home.log(process)}:\n{platform.log_tail(process)}"
        )


def _ask(running: Running, name: str, file: Path, progress: Progress) -> Text:
    row = read_row(file, ROW)
    model = find_model(running.gateway, name)
    instance = model.instance(row)
    begin = time.perf_counter()
    reply = model.predict(instance)
    seconds = time.perf_counter() - begin
    if reply.status != 200:
        raise CommandFailed(f"predict: expected status 200, received {reply.status}: {reply.body}")
    probability = json.loads(reply.body)["predictions"][0]
    asked = f"{row['carrier']}{row['flight']} {row['origin']} to {row['dest']}"
    text = f"{asked}: delayed with probability {probability:.2f}, in truth {row['arr_delay']} minutes"
    progress.step(Line("predict", text, seconds))
    return Text.assemble(
        ("$ ", "dim"),
        (model.curl(instance), "cyan"),
        f"\n{reply.body}\n",
        (f"version {reply.version} answered in {seconds * 1000:.1f} ms\n", "dim"),
    )


def _metrics_table(story: Sequence[Event]) -> Table:
    candidates = [event.data for event in story if isinstance(event.data, CandidateTrained)]
    blessed = [event.data.family for event in story if isinstance(event.data, ModelBlessed)]
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    names = sorted({name for candidate in candidates for name in candidate.metrics})
    for column in ("", "family", *names, "trained in"):
        table.add_column(column)
    for candidate in candidates:
        mark = Text("✓", style="green") if candidate.family in blessed else Text("")
        values = (f"{candidate.metrics[name]:.4f}" if name in candidate.metrics else "-" for name in names)
        table.add_row(mark, candidate.family, *values, f"{candidate.seconds:.1f} s")
    return table
