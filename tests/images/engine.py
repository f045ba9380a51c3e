"""A Docker engine, through its command line: what tests ask of it."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ANSWER_SECONDS = 60
BUILD_SECONDS = 3600
# What the chart gives a pod: no privileges, nothing to write to but scratch folders.
RESTRICTED = (
    *("--read-only", "--tmpfs", "/tmp:mode=1777,exec", "--tmpfs", "/bucket:mode=1777"),  # noqa: S108 - the container's
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)


def engine_answers() -> bool:
    """Tell whether there is a Docker command, and an engine behind it."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True, timeout=ANSWER_SECONDS, check=False).returncode == 0


def docker(*arguments: str, timeout_seconds: float = ANSWER_SECONDS) -> str:
    """Run one Docker command; return what it printed.

    Raises:
        RuntimeError: it failed; the message is what it complained about.
    """
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout_seconds, check=False
    )
    if done.returncode != 0:
        said = done.stdout + done.stderr
        raise RuntimeError(f"docker {' '.join(arguments)}: exit {done.returncode}\n{said}")
    return done.stdout.strip()


def inspected(name: str) -> dict[str, Any]:
    """Return what the engine knows of an image or container."""
    [found] = json.loads(docker("inspect", name))
    return dict(found)


def output(image: str, *command: str) -> str:
    """Run a program of an image with no rights and no network; return what it printed."""
    program, *rest = command
    return docker("run", "--rm", *RESTRICTED, "--network", "none", "--entrypoint", program, image, *rest)


class Container:
    """One container with no rights, from its creation until it is removed."""

    def __init__(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        network: str = "none",
        settings: Mapping[str, str] = {},
    ) -> None:
        environment = [each for item in settings.items() for each in ("--env", "=".join(item))]
        entrypoint = ["--entrypoint", command[0]] if command else []
        self.id = docker(
            *("create", *RESTRICTED, "--network", network, *environment, *entrypoint, image, *command[1:])
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", self.id)

    def start(self) -> None:
        """Start it."""
        docker("start", self.id)

    def stop(self, grace_seconds: int) -> int:
        """Send SIGTERM, SIGKILL after the grace period; return the exit code."""
        docker("stop", "--time", str(grace_seconds), self.id, timeout_seconds=grace_seconds + ANSWER_SECONDS)
        return int(inspected(self.id)["State"]["ExitCode"])

    def wait(self, timeout_seconds: float) -> int:
        """Wait until it ends of itself; return the exit code."""
        return int(docker("wait", self.id, timeout_seconds=timeout_seconds))

    def logs(self) -> str:
        """Return what it wrote, to either stream."""
        command = ["docker", "logs", self.id]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True)
        return done.stdout + done.stderr


def build(dockerfile: str, tag: str, context: Path, options: Sequence[str]) -> None:
    """Build an image of a Dockerfile in that context."""
    docker(
        *("build", "--file", str(context / dockerfile), "--tag", tag, *options, str(context)),
        timeout_seconds=BUILD_SECONDS,
    )
