"""Ends the supervised processes when the supervisor is gone, however it went.

Runs as a process of its own, in its own session. The supervisor writes `+PID` when a process group begins and
`-PID` when it has ended; the end of the input means that the supervisor is dead, and every group that is left
is killed. Unlike Linux's parent-death signal this also reaches the children of those processes, and works
wherever there are process groups.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress


class Keeper:
    """The supervisor's end of the pipe."""

    def __init__(self, lock: int) -> None:
        """Start the keeper; it holds on to `lock`, a file descriptor, until nothing is left."""
        # Isolated and without site-packages: it starts in milliseconds, and needs no installed package.
        self._process = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[lock],
        )

    def guard(self, pid: int) -> None:
        """Have the group that `pid` leads killed when this process is gone."""
        self._write(f"+{pid}\n")

    def release(self, pid: int) -> None:
        """Let go of a group that has ended."""
        self._write(f"-{pid}\n")

    def close(self) -> None:
        """Let the keeper go, with whatever is left."""
        self._process.communicate()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - asked for as a pipe above
        # One write of a few bytes arrives whole, from whichever thread; without a keeper, work goes on.
        with suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), line.encode())


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
