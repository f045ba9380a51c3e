"""A Kubernetes cluster as its user has it: `kubectl` and `helm`, with one kubeconfig."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Manifest = dict[str, Any]
T = TypeVar("T")
CALL_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """The cluster a kubeconfig leads to."""

    kubeconfig: Path

    def kubectl(
        self, *arguments: str, given: str | bytes = b"", timeout_seconds: float = CALL_SECONDS
    ) -> str:
        """Return what it prints; raise CommandFailed with its complaint when it fails."""
        return self._run("kubectl", *arguments, given=given, timeout_seconds=timeout_seconds)

    def helm(self, *arguments: str, timeout_seconds: float = CALL_SECONDS) -> str:
        """Return what it prints; raise CommandFailed with its complaint when it fails."""
        return self._run("helm", *arguments, timeout_seconds=timeout_seconds)

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a kubectl that goes on until its standard input is closed."""
        return subprocess.Popen(
            ["kubectl", *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def items(self, kind: str, namespace: str, selector: str = "") -> list[Manifest]:
        """List the objects of a kind."""
        answer = self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        found: list[Manifest] = json.loads(answer)["items"]
        return found

    def _run(self, program: str, *arguments: str, timeout_seconds: float, given: str | bytes = b"") -> str:
        done = subprocess.run(
            [program, *arguments],
            env=self._environment,
            input=given.encode() if isinstance(given, str) else given,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"{program} {' '.join(arguments)}: {done.stderr.decode()[-2000:]}")
        return done.stdout.decode()

    @property
    def _environment(self) -> Mapping[str, str]:
        # Over WebSockets the end of its input never reaches a process after a minute (kubectl 1.32).
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false",
        }


class CommandFailed(Exception):
    """Which command failed, and what it said."""


def wait_for(look: Callable[[], T | None], timeout_seconds: float, tell: Callable[[], str]) -> T:
    """Return what was looked for once it is there; else raise TimeoutError with what there is to tell."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.5)
    raise TimeoutError(f"not seen in {timeout_seconds} s:\n{tell()}")
