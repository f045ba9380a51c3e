"""What a drop or a request causes, followed as it happens, up to the event that ends it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from tidemill_contracts import topology
from tidemill_contracts.event import Event
from tidemill_contracts.events import TrialFinished
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.feed import EventFeed
from tidemill_local.cli.ledger import Ledger
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.story import tell, trial_text

CHECK_SECONDS = 0.5
LETTERS_READ = 100
NEXT = {
    "ingest": "transform: profile, validate, split",
    "retrain": "transform: profile, validate, split",
    "transform": "training: trials of every family, then the verdict",
    "train": "training: further trials and families, then the verdict",
    "verdict": "deployment: load, warm up, compare with training",
}


class Subject(Protocol):
    """What a story is about."""

    def begins_with(self, event: Event) -> bool:
        """Say whether an event is the first of the story."""

    def is_in(self, attributes: Mapping[str, str]) -> bool:
        """Say whether a message with these attributes is what should have begun the story."""


def story_of(
    subject: Subject, feed: EventFeed, ledger: Ledger, check: Callable[[], object]
) -> Iterator[Event]:
    """Yield every event of a story; raise CommandFailed when a message of it was given up.

    `check` is called twice a second; what it raises ends the waiting.
    """
    correlation_id = None
    while True:
        check()
        event = feed.next(CHECK_SECONDS)
        if event is None:
            _check_letters(subject, correlation_id, ledger)
            continue
        if correlation_id is None and subject.begins_with(event):
            correlation_id = event.correlation_id
        if event.correlation_id == correlation_id:
            yield event
            if tell(event.data).outcome.is_end:
                return


def follow(story: Iterable[Event], progress: Progress, first: str = "ingest") -> list[Event]:
    """Print a story as it happens; return its events. `first` is the service that is waited for.

    Trials of a search can be many: where someone looks on, they share one line, with the time that is left.
    """
    seen = []
    with progress.waiting(f"waiting for {first}") as wait_for:
        for event in story:
            seen.append(event)
            if isinstance(event.data, TrialFinished) and progress.is_live:
                wait_for(trial_text(event.data), event.data.seconds_left)
                continue
            line = tell(event.data)
            progress.step(line)
            wait_for(NEXT.get(line.stage, ""))
    return seen


def _check_letters(subject: Subject, correlation_id: str | None, ledger: Ledger) -> None:
    for letter in ledger.dead_letters(LETTERS_READ):
        is_of_story = correlation_id and letter.attributes.get("ce-correlationid") == correlation_id
        # What cannot be written down can still be done.
        if letter.subscription != topology.LEDGER.name and (is_of_story or subject.is_in(letter.attributes)):
            service = letter.subscription.rpartition("/")[2].removeprefix("tidemill-")
            raise CommandFailed(f"{service} gave up: {letter.code}: {letter.reason}")
