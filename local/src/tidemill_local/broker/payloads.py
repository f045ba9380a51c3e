"""Message bodies by sequence number: the recent ones in memory, all of them in the journal."""

from collections import OrderedDict

from tidemill_local.broker.journal import Journal

LIMIT_BYTES = 64 * 1024 * 1024


class Payloads:
    """Serialised `PubsubMessage`s, so that a backlog costs disk and not memory."""

    def __init__(self, journal: Journal, limit_bytes: int = LIMIT_BYTES) -> None:
        self._journal = journal
        self._limit_bytes = limit_bytes
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self._recent_bytes = 0

    def put(self, seq: int, payload: bytes) -> None:
        """Remember a body that is already in the journal."""
        self._recent[seq] = payload
        self._recent_bytes += len(payload)
        while self._recent_bytes > self._limit_bytes:
            _, evicted = self._recent.popitem(last=False)
            self._recent_bytes -= len(evicted)

    def get(self, seq: int) -> bytes | None:
        """The body, or None once the message is gone."""
        payload = self._recent.get(seq)
        if payload is None:
            row = self._journal.read("SELECT payload FROM messages WHERE seq = ?", seq).fetchone()
            payload = row[0] if row else None
        return payload

    def drop(self, seq: int) -> None:
        """Forget a settled message's body."""
        self._recent_bytes -= len(self._recent.pop(seq, b""))
