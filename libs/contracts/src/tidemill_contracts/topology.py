"""The topics and subscriptions Tidemill stands on, in one table.

Locally they are created at start; on Google Cloud the resources in `k8s/` declare the same names.
"""

from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    TYPE_NAMES,
    DatasetIngested,
    DatasetTransformed,
    ModelBlessed,
    PipelineDeleted,
    RetrainRequested,
)

OBJECTS_TOPIC = "tidemill-objects"
EVENTS_TOPIC = "tidemill-events"
DEAD_LETTER_TOPIC = "tidemill-dead-letters"
TOPICS = (OBJECTS_TOPIC, EVENTS_TOPIC, DEAD_LETTER_TOPIC)


@dataclass(frozen=True)
class Subscription:
    """Who hears what. `filter` is Pub/Sub's filter language; empty means every message of the topic."""

    name: str
    topic: str
    filter: str = ""
    dead_letters: bool = True


def _of_types(*types: type[EventData]) -> str:
    return " OR ".join(f'attributes."ce-type" = "{TYPE_NAMES[data]}"' for data in types)


def _about(*nouns: str) -> str:
    # Types one by one would be longer than a filter may be: 256 bytes.
    return " OR ".join(f'hasPrefix(attributes."ce-type", "dev.tidemill.{noun}.")' for noun in nouns)


def _of_objects(*prefixes: str) -> str:
    has_prefix = " OR ".join(f'hasPrefix(attributes.objectId, "{prefix}")' for prefix in prefixes)
    return f'attributes.eventType = "OBJECT_FINALIZE" AND ({has_prefix})'


INGEST = Subscription("tidemill-ingest", OBJECTS_TOPIC, _of_objects(layout.DROPS))
TRANSFORM = Subscription("tidemill-transform", EVENTS_TOPIC, _of_types(DatasetIngested, RetrainRequested))
PREDICTIONS = Subscription(
    "tidemill-predictions", OBJECTS_TOPIC, _of_objects(layout.PREDICTIONS, layout.FEEDBACK)
)
LEDGER = Subscription("tidemill-ledger", EVENTS_TOPIC)
TRAINER = Subscription("tidemill-trainer", EVENTS_TOPIC, _of_types(DatasetTransformed))
SERVING = Subscription("tidemill-serving", EVENTS_TOPIC, _of_types(ModelBlessed, PipelineDeleted))
QUALITY = Subscription("tidemill-quality", OBJECTS_TOPIC, PREDICTIONS.filter)
# What a person is told of a pipeline where it is declared.
CONTROLLER = Subscription("tidemill-controller", EVENTS_TOPIC, _about("drop", "dataset", "trial", "model"))
DEAD_LETTERS = Subscription("tidemill-dead-letters", DEAD_LETTER_TOPIC, dead_letters=False)
SUBSCRIPTIONS = (INGEST, TRANSFORM, PREDICTIONS, LEDGER, TRAINER, SERVING, QUALITY, CONTROLLER, DEAD_LETTERS)

ACK_DEADLINE_SECONDS = 60
RETRY_BACKOFF_SECONDS = (1, 60)
MAX_DELIVERY_ATTEMPTS = 10
