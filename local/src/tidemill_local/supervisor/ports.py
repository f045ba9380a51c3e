"""Ports that are free now: the usual ones where possible."""

import random
import socket
from collections.abc import Mapping

HOST = "127.0.0.1"
# Below the range that systems take source ports of connections from, so that none is taken in between.
ANY_FIRST_PORT, ANY_LAST_PORT = 20_000, 30_000


def choose_ports(preferred: Mapping[str, int]) -> dict[str, int]:
    """Give every name its preferred port, or the next one that is free; 0 prefers none."""
    chosen: dict[str, int] = {}
    for name, wanted in preferred.items():
        port = wanted or random.randint(ANY_FIRST_PORT, ANY_LAST_PORT)  # noqa: S311 - not a secret
        others = {other for owner, other in preferred.items() if owner != name} | set(chosen.values())
        while port in others or not _is_free(port):
            port += 1
        chosen[name] = port
    return chosen


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
