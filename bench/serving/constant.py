"""A server that reads nothing of a request and answers all with the same bytes: PORT.

What it costs is the system's network code and the event loop: no refusal in Python can cost less.
"""

import asyncio
import os
from typing import cast

import uvloop

BODY = b'{"predictions": [0.5]}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Constant(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - asyncio names it
        self._transport.write(REPLY)


async def main() -> None:
    """Serve until a signal comes."""
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
