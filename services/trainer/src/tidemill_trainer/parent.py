"""Processes that end with the one that started them.

`python -m tidemill_trainer.parent PID COMMAND...` becomes a command that does so.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Have Linux kill this process when its parent ends, however it ends; elsewhere nothing happens.

    It holds beyond `exec`. To Linux the parent is the thread that started this process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before it could be watched.
    if os.getppid() != parent_pid:
        sys.exit(f"expected parent process {parent_pid}, it has ended")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - what was asked for, without a shell
