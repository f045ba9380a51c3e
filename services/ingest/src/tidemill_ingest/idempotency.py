"""Keys under which records are sent, so that a request that is sent again does not count again.

A key is claimed, before its records are stored, by the first who uses it, with a digest of the records. It is
looked for in the folders of two days, so it is known for at least 24 hours.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from tidemill_contracts import layout
from tidemill_ingest.errors import Refused
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

FORGOTTEN_DAYS = range(3, 11)


class Claim(BaseModel):
    """What is known of a key. `landed` is the number of the batch that its records are in."""

    digest: str
    records: int
    landed: int | None = None


def claim(store: ObjectStore, pipeline: str, key: str, new: Claim, now: datetime) -> tuple[str, Claim]:
    """Claim a key, or find who did; return the name of the claim, and the claim.

    Raises:
        Refused: the key stands for other records.
    """
    key_id = hashlib.sha256(key.encode()).hexdigest()[:32]
    names = [layout.record_key(_day(now, ago), pipeline, key_id) for ago in (0, 1)]
    for name in names:
        if (found := read_claim(store, name)) is not None:
            break
    else:
        name, found = names[0], new
        if not store.create(name, new.model_dump_json().encode()):
            found = read_claim(store, name) or new
    if found.digest != new.digest:
        raise Refused(
            "key-reused",
            f"expected the {found.records} records first sent under the key {key!r:.100}, received others",
        )
    return name, found


def read_claim(store: ObjectStore, name: str) -> Claim | None:
    """Return a claim by its name, None when there is none."""
    try:
        return Claim.model_validate_json(store.read(name))
    except ObjectNotFound:
        return None


def forget_old_claims(store: ObjectStore, now: datetime) -> None:
    """Delete the claims of days that nobody looks at any more."""
    for ago in FORGOTTEN_DAYS:
        for name in store.list(layout.record_key(_day(now, ago), "", "").rstrip("/") + "/"):
            store.delete(name)


def _day(now: datetime, days_ago: int) -> str:
    return (now.astimezone(UTC) - timedelta(days=days_ago)).date().isoformat()
