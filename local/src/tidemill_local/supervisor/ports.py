"""Ports that are free now: the usual ones where possible."""

import random
import socket
from collections.abc import Mapping

HOST = "127.0.0.1"
# Below the range that systems take source ports of connections from, so that none is taken in between.
ANY_FIRST_PORT, ANY_LAST_PORT = 20_000, 30_000


class Ports:
    """Ports that belong to one platform for as long as this object is open.

    A process that is to listen on a port may take seconds to do so. Until then, and after, the UDP socket of
    the same number tells other platforms that the port is taken; the kernel closes it when this process ends.
    """

    def __init__(self, preferred: Mapping[str, int]) -> None:
        """Give every name its preferred port, or the next one that is free; 0 prefers none."""
        self._kept: list[socket.socket] = []
        self.numbers: dict[str, int] = {}
        for name, wanted in preferred.items():
            port = wanted or random.randint(ANY_FIRST_PORT, ANY_LAST_PORT)  # noqa: S311 - not a secret
            others = {other for owner, other in preferred.items() if owner != name}
            while port in others or not self._keep(port):
                port += 1
            self.numbers[name] = port

    def close(self) -> None:
        """Let other platforms have the ports."""
        while self._kept:
            self._kept.pop().close()

    def _keep(self, port: int) -> bool:
        kept = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            kept.bind((HOST, port))
        except OSError:
            kept.close()
            return False
        if not _is_free(port):
            kept.close()
            return False
        self._kept.append(kept)
        return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of an earlier run that linger do not make a port busy; a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True
