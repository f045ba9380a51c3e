"""`tidemill backfill`: a folder of files, dropped one after another in the order of their names."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tidemill_contracts.event import Event
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.feed import EventFeed
from tidemill_local.cli.following import follow, story_of
from tidemill_local.cli.ledger import Ledger
from tidemill_local.cli.pipelines import check_known, drop_file
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.running import Running
from tidemill_local.cli.story import Line, Outcome, tell

WORDS = {Outcome.GOES_ON: "became spans", Outcome.NOTHING_NEW: "known before", Outcome.REFUSED: "refused"}


def files_of(folder: Path, glob: str) -> list[Path]:
    """Name the files of a folder in natural order, `m2` before `m10`; raise CommandFailed without any."""
    found = [path for path in folder.glob(glob) if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise CommandFailed(f"expected files in {folder} that match {glob!r}, found none")
    return sorted(found, key=lambda path: _natural(str(path.relative_to(folder))))


def backfill(
    running: Running, pipeline: str, files: Sequence[Path], console: Console, *, until_end: bool
) -> bool:
    """Drop files so that their spans are numbered in their order; return False when any was refused.

    Each is waited for until ingest has settled it, and only what the last one causes is followed further.
    """
    check_known(running, pipeline)
    progress = Progress(console)
    outcomes = []
    with running.feed() as feed:
        for number, file in enumerate(files, start=1):
            with progress.waiting(f"{number} of {len(files)}: {file.name}"):
                line, rest = _settle(running, pipeline, file, feed)
            outcomes.append(line.outcome)
            text = f"{file.name}: {line.text}"
            progress.step(Line(f"{number}/{len(files)}", text, line.seconds, line.outcome))
        _sum_up(outcomes, console)
        if until_end and outcomes[-1] is Outcome.GOES_ON:
            outcomes.append(tell(follow(rest, progress, "transform")[-1].data).outcome)
    return Outcome.REFUSED not in outcomes


def _settle(running: Running, pipeline: str, file: Path, feed: EventFeed) -> tuple[Line, Iterator[Event]]:
    """Drop a file; return what ingest said of it, and the story as it goes on from there."""
    try:
        drop = drop_file(running, pipeline, file)
        story = story_of(drop, feed, Ledger(running.home.bucket), running.home.running)
        return tell(next(story).data), story
    except CommandFailed as error:
        return Line("ingest", str(error), 0, Outcome.REFUSED), iter(())


def _sum_up(outcomes: Sequence[Outcome], console: Console) -> None:
    counts = Counter(outcomes)
    parts = [f"{counts[outcome]} {words}" for outcome, words in WORDS.items() if counts[outcome]]
    console.print(Text(f"\n{len(outcomes)} files: {', '.join(parts)}"))
    if counts[Outcome.GOES_ON] > 1:
        console.print(
            "of spans that wait only the newest is trained on; its model is what serves in the end\n"
        )


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part.lower()) for part in re.split(r"([0-9]+)", name)]
