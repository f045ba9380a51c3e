"""What the headers of a request say: which method is called, for how long, and with what company."""

import re
from dataclasses import dataclass

from tidemill_runtime.rpc.header_blocks import Pairs
from tidemill_runtime.rpc.messages import IDENTITY
from tidemill_runtime.rpc.statuses import read_timeout

Metadata = tuple[tuple[str, str], ...]

_GRPC = re.compile(rb"application/grpc(?:$|[+;])")
_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_NEEDED = frozenset({b":method", b":scheme", b":path"})
_OF_CONNECTIONS = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_OF_PROTOCOL = frozenset({b"te", b"content-type", b"content-length", b"grpc-timeout", b"grpc-encoding"})


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request before its message. `is_grpc`: it is one that a gRPC server may answer."""

    path: str
    is_grpc: bool
    timeout_seconds: float | None
    encoding: bytes
    metadata: Metadata


def read_head(pairs: Pairs) -> RequestHead | None:
    """Return the head; None when the headers are none that HTTP/2 allows of a request."""
    headers = dict(pairs)
    count = sum(name.startswith(b":") for name in headers)
    pseudo = [name for name, _ in pairs[:count]]
    if not (_NEEDED <= set(pseudo) <= _PSEUDO and len(set(pseudo)) == count) or not headers[b":path"]:
        return None
    for name, _ in pairs[count:]:
        if name.startswith(b":") or name in _OF_CONNECTIONS or name != name.lower():
            return None
    if headers.get(b"te", b"trailers") != b"trailers":
        return None
    return _head(headers, pairs[count:])


def _head(headers: dict[bytes, bytes], pairs: Pairs) -> RequestHead | None:
    timeout = headers.get(b"grpc-timeout")
    try:
        timeout_seconds = None if timeout is None else read_timeout(timeout)
    except ValueError:
        return None
    return RequestHead(
        path=headers[b":path"].decode("latin-1"),
        is_grpc=headers[b":method"] == b"POST" and _GRPC.match(headers.get(b"content-type", b"")) is not None,
        timeout_seconds=timeout_seconds,
        encoding=headers.get(b"grpc-encoding", IDENTITY),
        metadata=tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in pairs
            if name not in _OF_PROTOCOL
        ),
    )
