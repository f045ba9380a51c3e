"""A streaming pull driven by hand, for what the client's callbacks never do."""

import queue
from collections.abc import Iterator
from typing import Any

from google.pubsub_v1.types import StreamingPullRequest


class Requests:
    """The client's half of a stream."""

    def __init__(self, subscription: str, **first: Any) -> None:
        self._queue: queue.Queue[StreamingPullRequest | None] = queue.Queue()
        self.send(subscription=subscription, **{"stream_ack_deadline_seconds": 10, **first})

    def send(self, **fields: Any) -> None:
        self._queue.put(StreamingPullRequest(**fields))

    def close(self) -> None:
        self._queue.put(None)

    def __iter__(self) -> Iterator[StreamingPullRequest]:
        return iter(self._queue.get, None)
