"""Ends the supervised processes when the supervisor is gone, however it went.

Runs as a process of its own, in its own session, and imports nothing but the standard library. The supervisor
writes `+PID` when a process group begins and `-PID` when it has ended; the end of the input means that the
supervisor is dead, and every group that is left is killed. Unlike Linux's parent-death signal this also
reaches the children of those processes, and works wherever there are process groups.
"""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Follow standard input until it ends, then kill what is left."""
    groups = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "+":
            groups.add(pid)
        else:
            groups.discard(pid)
    for pid in groups:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
