"""Rules of bucket notifications: what Cloud Storage sends is understood, and ours cannot be told from it."""

import json
from datetime import UTC, datetime

import pytest

from tidemill_contracts.event import InvalidEvent
from tidemill_contracts.notification import ObjectFinalized, from_message, to_message

NEW = ObjectFinalized(
    bucket="tidemill",
    name="drops/flights/jan feb #1?.csv",
    generation=1700000000000001,
    size_bytes=12,
    time=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    content_type="text/csv",
    crc32c="AAAAAA==",
    md5="1B2M2Y8AsgTpgAmY7PhCfg==",
    overwrote_generation=1600000000000001,
)
ATTRIBUTES = {
    "notificationConfig": "projects/_/buckets/tidemill/notificationConfigs/1",
    "eventType": "OBJECT_FINALIZE",
    "payloadFormat": "JSON_API_V1",
    "bucketId": "tidemill",
    "objectId": "drops/flights/jan feb #1?.csv",
    "objectGeneration": "1700000000000001",
    "eventTime": "2026-01-02T03:04:05.678Z",
    "overwroteGeneration": "1600000000000001",
}


def test_a_notification_survives_the_wire() -> None:
    assert from_message(*to_message(NEW)) == NEW


def test_attributes_and_payload_are_those_of_cloud_storage() -> None:
    payload, attributes = to_message(NEW)
    resource = json.loads(payload)

    assert attributes == ATTRIBUTES
    assert resource["id"] == "tidemill/drops/flights/jan feb #1?.csv/1700000000000001"
    assert resource["selfLink"].endswith("/b/tidemill/o/drops%2Fflights%2Fjan%20feb%20%231%3F.csv")
    assert (resource["kind"], resource["size"], resource["generation"]) == (
        "storage#object",
        "12",
        "1700000000000001",
    )
    assert resource["timeCreated"] == resource["updated"] == "2026-01-02T03:04:05.678Z"


@pytest.mark.parametrize("size", ["12", 12])
def test_numbers_are_read_as_strings_or_as_numbers(size: object) -> None:
    resource = {"size": size, "updated": "2026-01-02T03:04:05.678Z"}

    assert from_message(json.dumps(resource).encode(), ATTRIBUTES).size_bytes == 12


def test_a_composite_object_has_no_md5() -> None:
    resource = {"size": "1", "crc32c": "AAAAAA=="}

    new = from_message(json.dumps(resource).encode(), ATTRIBUTES)

    assert (new.md5, new.crc32c) == (None, "AAAAAA==")


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (b"{}", {}),
        (b"", ATTRIBUTES),
        (b"[]", ATTRIBUTES),
        (b'{"size": "many"}', ATTRIBUTES),
        (b'{"size": "1"}', {**ATTRIBUTES, "objectGeneration": "x"}),
    ],
)
def test_what_is_no_notification_is_refused(data: bytes, attributes: dict[str, str]) -> None:
    with pytest.raises(InvalidEvent, match="OBJECT_FINALIZE"):
        from_message(data, attributes)
