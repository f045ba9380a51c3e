"""Resource names: `projects/PROJECT/COLLECTION/ID`, with Cloud Pub/Sub's rules."""

import re

from tidemill_local.broker.errors import InvalidArgumentError

DELETED_TOPIC = "_deleted-topic_"

_PROJECT = re.compile(r"projects/[A-Za-z0-9][A-Za-z0-9.:_-]*")
_ID = re.compile(r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")


def check_name(collection: str, name: str) -> str:
    """Return `name` if it is a well-formed name in `collection` (`topics`, `subscriptions`, `snapshots`).

    Raises:
        InvalidArgumentError: in Cloud Pub/Sub's words, with the name received.
    """
    project, separator, resource_id = name.partition(f"/{collection}/")
    if not (separator and _PROJECT.fullmatch(project) and _ID.fullmatch(resource_id)):
        raise InvalidArgumentError(f"Invalid [{collection}] name: (name={name[:300]})")
    return name


def check_project(name: str) -> str:
    """Return `name` if it is `projects/PROJECT`, else raise `InvalidArgumentError`."""
    if not _PROJECT.fullmatch(name):
        raise InvalidArgumentError(
            f"Invalid project name: expected projects/PROJECT, received {name[:300]!r}"
        )
    return name


def project_of(name: str) -> str:
    """The project id inside a checked resource name."""
    return name.split("/")[1]
