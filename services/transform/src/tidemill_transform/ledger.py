"""The ledger: every event, and every message nobody could handle, as rows of the warehouse.

Lineage, the audit log and `tidemill events` are queries over it. The same event told again has the same key,
and messages are acknowledged only when their row is stored.
"""

import json

from tidemill_contracts.manifest import Column, content_id
from tidemill_contracts.profile import ColumnType
from tidemill_runtime.consumer import Message
from tidemill_runtime.telling import read_event
from tidemill_transform.warehouse import Table, Warehouse


def _table(name: str, **columns: ColumnType) -> Table:
    return Table(name, tuple(Column(name=column, type=kind) for column, kind in columns.items()), time="time")


EVENTS = _table(
    "events",
    source="string",
    id="string",
    type="string",
    subject="string",
    time="timestamp",
    correlationid="string",
    causationid="string",
    dataclassification="string",
    data="string",
    published_at="timestamp",
)
DEAD_LETTERS = _table(
    "dead_letters",
    message_id="string",
    time="timestamp",
    code="string",
    reason="string",
    subscription="string",
    attributes="string",
    data="string",
)


class Ledger:
    """Writes messages down; each method is a message handler."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def record_event(self, message: Message) -> None:
        """Append an event; raise Rejected when the message is none."""
        event = read_event(message)
        row = {
            "source": event.source,
            "id": event.id,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "correlationid": event.correlation_id,
            "causationid": event.causation_id,
            "dataclassification": event.data_classification,
            "data": event.data.model_dump_json(),
            "published_at": message.publish_time,
        }
        self._warehouse.append(EVENTS, content_id(event.source, event.id), [row])

    def record_dead_letter(self, message: Message) -> None:
        """Append a dead letter; those that Pub/Sub gave up by itself carry its attributes, not ours."""
        attributes = message.attributes
        row = {
            "message_id": message.message_id,
            "time": message.publish_time,
            "code": attributes.get("tidemill-code", "delivery-attempts-exhausted"),
            "reason": attributes.get(
                "tidemill-reason", "Pub/Sub gave up after the last attempt to deliver it"
            ),
            "subscription": attributes.get("tidemill-subscription")
            or attributes.get("CloudPubSubDeadLetterSourceSubscription"),
            "attributes": json.dumps(dict(attributes), sort_keys=True),
            "data": message.data.decode(errors="replace"),
        }
        self._warehouse.append(DEAD_LETTERS, content_id(message.message_id), [row])
