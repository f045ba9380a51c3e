"""The model servers behind one name, as many as there are just now."""

import socket
from collections.abc import Callable, Sequence

from tidemill_runtime.logs import get_logger
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.model_server import ModelServer

# Before an address that means each of the servers behind its name, as gRPC writes it.
EACH = "dns:///"

Find = Callable[[str, int], Sequence[str]]


def addresses(host: str, port: int) -> Sequence[str]:
    """Look up every address behind a name; raises OSError."""
    found = socket.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return [f"{ip}:{port}" for ip in sorted({str(sockaddr[0]) for *_, sockaddr in found})]


class ModelServers:
    """One client for each model server. Who is no longer found is let go of."""

    def __init__(self, address: str, *, load_timeout_seconds: float, find: Find = addresses) -> None:
        """Take `host:port` of the one server, or `dns:///host:port` of as many as the name has addresses."""
        self._address = address
        self._load_timeout_seconds = load_timeout_seconds
        self._find = find
        self._members: tuple[ModelServer, ...] = ()

    def members(self) -> Sequence[ModelServer]:
        """Look who is there, or who was while the name is not resolved; raises ModelServerAway for nobody."""
        known = {member.address: member for member in self._members}
        found = self._found()
        self._members = tuple(
            known.pop(address) if address in known else self._connect(address) for address in found
        )
        for gone in known.values():
            gone.close()
        return self._members

    def check(self) -> None:
        """Raise ModelServerAway unless one of those who were there at the last look answers."""
        error = ModelServerAway(f"expected a model server at {self._address}, found none")
        for member in self._members:
            try:
                return member.check()
            except ModelServerAway as away:
                error = away
        raise error

    def close(self) -> None:
        for member in self._members:
            member.close()

    def _found(self) -> Sequence[str]:
        if not self._address.startswith(EACH):
            return [self._address]
        host, _, port = self._address.removeprefix(EACH).rpartition(":")
        try:
            return self._find(host, int(port))
        except OSError as error:
            if self._members:
                get_logger().warning("name-not-resolved", host=host, error=str(error))
                return [member.address for member in self._members]
            raise ModelServerAway(f"expected model servers behind {host}, received {error}") from error

    def _connect(self, address: str) -> ModelServer:
        return ModelServer(address, load_timeout_seconds=self._load_timeout_seconds)
