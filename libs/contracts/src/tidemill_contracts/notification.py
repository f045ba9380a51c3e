"""Cloud Storage's Pub/Sub notification of a new object, exactly as the bucket sends it.

Source: Cloud Storage documentation, "Pub/Sub notifications": attributes, and the object resource as
JSON_API_V1 payload. 64-bit numbers arrive as strings from the JSON API and as numbers from some senders; both
are read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from tidemill_contracts.event import InvalidEvent

OBJECT_FINALIZE = "OBJECT_FINALIZE"


@dataclass(frozen=True, kw_only=True)
class ObjectFinalized:
    """A new generation of an object is readable in a bucket.

    `crc32c` and `md5` are base64 as Cloud Storage writes them, None when the sender left them out (composite
    objects carry no MD5). `overwrote_generation` is None unless an older generation was replaced.
    """

    bucket: str
    name: str
    generation: int
    size_bytes: int
    time: datetime
    content_type: str = "application/octet-stream"
    crc32c: str | None = None
    md5: str | None = None
    overwrote_generation: int | None = None


def to_message(new: ObjectFinalized) -> tuple[bytes, dict[str, str]]:
    """Write the notification as Cloud Storage does: the object resource, and the attributes beside it."""
    attributes = {
        "notificationConfig": f"projects/_/buckets/{new.bucket}/notificationConfigs/1",
        "eventType": OBJECT_FINALIZE,
        "payloadFormat": "JSON_API_V1",
        "bucketId": new.bucket,
        "objectId": new.name,
        "objectGeneration": str(new.generation),
        "eventTime": _rfc3339(new.time),
    }
    if new.overwrote_generation is not None:
        attributes["overwroteGeneration"] = str(new.overwrote_generation)
    return json.dumps(_object_resource(new)).encode(), attributes


def from_message(data: bytes, attributes: Mapping[str, str]) -> ObjectFinalized:
    """Read a notification; raise InvalidEvent when it is not what a bucket sends."""
    try:
        resource = json.loads(data)
        overwrote = attributes.get("overwroteGeneration")
        return ObjectFinalized(
            bucket=attributes["bucketId"],
            name=attributes["objectId"],
            generation=int(attributes["objectGeneration"]),
            size_bytes=int(resource["size"]),
            time=datetime.fromisoformat(resource.get("updated") or attributes["eventTime"]),
            content_type=resource.get("contentType") or "application/octet-stream",
            crc32c=resource.get("crc32c"),
            md5=resource.get("md5Hash"),
            overwrote_generation=None if overwrote is None else int(overwrote),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidEvent(
            "expected a Cloud Storage OBJECT_FINALIZE notification with JSON_API_V1 payload, "
            f"received attributes {sorted(attributes)}: {error!r}"
        ) from error


def _object_resource(new: ObjectFinalized) -> dict[str, str]:
    path = f"b/{quote(new.bucket, safe='')}/o/{quote(new.name, safe='')}"
    time = _rfc3339(new.time)
    resource = {
        "kind": "storage#object",
        "id": f"{new.bucket}/{new.name}/{new.generation}",
        "selfLink": f"https://www.googleapis.com/storage/v1/{path}",
        "name": new.name,
        "bucket": new.bucket,
        "generation": str(new.generation),
        "metageneration": "1",
        "contentType": new.content_type,
        "timeCreated": time,
        "updated": time,
        "storageClass": "STANDARD",
        "timeStorageClassUpdated": time,
        "size": str(new.size_bytes),
        "mediaLink": f"https://storage.googleapis.com/download/storage/v1/{path}"
        f"?generation={new.generation}&alt=media",
        "etag": f"generation-{new.generation}",
    }
    if new.crc32c is not None:
        resource["crc32c"] = new.crc32c
    if new.md5 is not None:
        resource["md5Hash"] = new.md5
    return resource


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
