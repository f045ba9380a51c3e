"""`tidemill retrain`: a new model of a pipeline as it is specified now, without a new file."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console

from tidemill_contracts.event import Event
from tidemill_contracts.events import DatasetTransformed, RetrainRequested
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.following import follow, story_of
from tidemill_local.cli.ledger import Ledger
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.running import Running
from tidemill_local.cli.stored import StoredData
from tidemill_local.cli.story import Line, Outcome, tell
from tidemill_runtime.telling import Cause


@dataclass(frozen=True)
class Request:
    """What was asked for; its id is the correlation of all that follows."""

    request_id: str

    def begins_with(self, event: Event) -> bool:
        return event.correlation_id == self.request_id

    def is_in(self, attributes: Mapping[str, str]) -> bool:
        return attributes.get("ce-correlationid") == self.request_id


def retrain(
    running: Running, data: StoredData, span: int | None, console: Console, *, until_end: bool
) -> bool:
    """Ask for a new model of data up to a span; return False when following it showed that there is none."""
    if span is not None:
        data.span(span)
    elif not data.span_numbers():
        raise CommandFailed(f"expected a span of {data.pipeline}: drop a file first")
    request = Request(str(uuid.uuid4()))
    asked = RetrainRequested(
        pipeline=data.pipeline, request_id=request.request_id, span=span, reason="asked for by a person"
    )
    progress = Progress(console)
    with running.feed() as feed, running.teller() as teller:
        teller.tell(asked, Cause(request.request_id))
        if not until_end:
            progress.step(tell(asked))
            return True
        events = story_of(request, feed, Ledger(running.home.bucket), running.home.running)
        story = follow(_until_known(events, request, data), progress, "transform")
    end = story[-1].data
    if isinstance(end, DatasetTransformed):
        known = f"dataset {end.dataset} was trained on before: its verdict stands"
        progress.step(Line("train", known, 0, Outcome.NOTHING_NEW))
        return True
    return tell(end).outcome is not Outcome.REFUSED


def _until_known(story: Iterable[Event], request: Request, data: StoredData) -> Iterator[Event]:
    """End a story at a dataset version that another story had trained: the trainer says nothing twice."""
    for event in story:
        yield event
        if isinstance(event.data, DatasetTransformed):
            training = data.training(event.data.dataset_id)
            if training is None or training.superseded or training.correlation_id == request.request_id:
                continue
            return
