"""The connection to a model server, for as long as a route names it."""

from tidemill_runtime.rpc.client import Channel


class ModelChannel(Channel):
    """A channel that can be left: it hangs up after the last call."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._calls = 0
        self._is_left = False

    async def call(self, headers: bytes, message: bytes, deadline: float) -> bytes:
        """Return the answer to a message; raises RpcError."""
        self._calls += 1
        try:
            return await super().call(headers, message, deadline)
        finally:
            self._calls -= 1
            if self._is_left:
                await self.leave()

    async def leave(self) -> None:
        """Hang up as soon as nobody waits for an answer."""
        self._is_left = True
        if not self._calls:
            await self.close()
