"""Addresses of this machine for processes that are about to start."""

import socket
from contextlib import ExitStack


def free_addresses(count: int) -> list[str]:
    """Find ports of this machine that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
