"""How long this process has existed: longer than its main function knows, by all that it has imported."""

import os
import sys
import time
from pathlib import Path


def process_seconds() -> float:
    """Return the age of this process; where Linux does not tell it, for how long it has had a core."""
    if sys.platform != "linux":
        return time.process_time()
    started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")
