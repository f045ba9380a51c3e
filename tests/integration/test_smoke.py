"""The smoke test of deployments, against an installation that is here."""

import subprocess
import sys
from pathlib import Path

import pytest

from tidemill_world import World

SMOKE = Path(__file__).parents[1] / "smoke" / "smoke.py"


@pytest.mark.timeout(510)
def test_the_smoke_test_passes_twice_and_tells_a_new_version_each_time(world: World) -> None:
    bucket = f"file://{world.home.resolve()}/bucket/tidemill"
    gateway = world.platform.addresses["gateway"]
    command = [
        sys.executable,
        str(SMOKE),
        "--bucket",
        bucket,
        "--gateway",
        gateway,
        "--timeout-seconds",
        "240",
    ]

    told = [
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=250).stdout for _ in "12"
    ]

    assert [each.split(" answered ")[0] for each in told] == ["version 1", "version 2"]


def test_the_smoke_test_fails_with_a_reason_where_no_model_comes(world: World) -> None:
    command = [
        sys.executable,
        str(SMOKE),
        "--bucket",
        f"file://{world.home}/elsewhere",
        "--timeout-seconds",
        "1",
    ]
    gateway = world.platform.addresses["gateway"].replace("127.0.0.1", "127.0.0.2")

    ended = subprocess.run(
        [*command, "--gateway", gateway], check=False, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 1
    assert "expected a version after none within 1 s" in ended.stderr
