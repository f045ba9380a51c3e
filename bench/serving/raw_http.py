"""A bare HTTP client: it sends what it is told, right or wrong, and reads the status."""

import asyncio
from types import TracebackType
from typing import Self

from seeds import RestSeed

ANSWER_SECONDS = 20


class Connection:
    """One kept-alive connection, made anew when it is closed."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    async def ask(self, request: RestSeed) -> tuple[int, bytes]:
        """Return status and body; status 0 when the connection was closed without an answer."""
        async with asyncio.timeout(ANSWER_SECONDS):
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
            reader, writer = self._streams
            headers = {"Host": "x", "Content-Length": str(len(request.body)), **request.headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            try:
                writer.write(
                    f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode() + request.body
                )
                return await self._answer(reader, request.method)
            except (ConnectionError, asyncio.IncompleteReadError):
                self._close()
                return 0, b""

    async def _answer(self, reader: asyncio.StreamReader, method: str) -> tuple[int, bytes]:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        size = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
        body = await reader.readexactly(size)
        if headers.get("connection", "").lower() == "close":
            self._close()
        return int(lines[0].split()[1]), body

    def _close(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None
