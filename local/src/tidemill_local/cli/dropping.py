"""`tidemill drop`: a file goes in, and what became of it is told."""

from pathlib import Path

from rich.console import Console

from tidemill_contracts.events import DatasetRejected, DropDeduplicated
from tidemill_local.cli.following import follow, story_of
from tidemill_local.cli.ledger import Ledger
from tidemill_local.cli.pipelines import drop_file
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.running import Running
from tidemill_local.cli.story import Line, Outcome, tell


def drop_and_follow(
    running: Running, pipeline: str, file: Path, console: Console, *, until_end: bool
) -> bool:
    """Drop a file; return False when following it showed that it was refused."""
    progress = Progress(console)
    if not until_end:
        drop = drop_file(running, pipeline, file)
        progress.step(Line("drop", str(drop), 0))
        return True
    with running.feed() as feed:
        drop = drop_file(running, pipeline, file)
        progress.step(Line("drop", str(drop), 0))
        ledger = Ledger(running.home.bucket)
        story = follow(story_of(drop, feed, ledger, running.home.running), progress)
    end = story[-1].data
    if isinstance(end, DropDeduplicated | DatasetRejected):
        console.print("\n   its rows are kept; to train on them by another spec:")
        console.print(f"   tidemill apply SPEC && tidemill retrain {pipeline}")
    return tell(end).outcome is not Outcome.REFUSED
