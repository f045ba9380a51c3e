"""`skaffold dev` as a person runs it, in a clone of the tree."""

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from kube_cluster import Cluster, wait_for
from kube_release import ROOT

NAMESPACE = "tidemill"
FORWARDED = r"service/tidemill-{} in namespace \w+, remote port {} -> (http://\S+)"


@dataclass(frozen=True)
class Developing:
    """A skaffold at work, until `end`."""

    cluster: Cluster
    tree: Path
    output: Path
    process: subprocess.Popen[bytes]

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def await_answer(
        self,
        timeout_seconds: float,
        service: str,
        port: int,
        path: str,
        body: bytes | None = None,
        method: str = "GET",
    ) -> Any:
        """Return a service's first answer at its forwarded port; raise RuntimeError if skaffold ends."""

        def look() -> Any:
            if self.process.poll() is not None:
                raise RuntimeError(f"skaffold ended: {self.said()[-4000:]}")
            addresses = re.findall(FORWARDED.format(service, port), self.said())
            return _answer(method, addresses[-1] + path, body) if addresses else None

        return wait_for(look, timeout_seconds, lambda: self.said()[-4000:])

    def generations(self) -> dict[str, int]:
        """Return how often what each Deployment asks for was changed."""
        deployments = self.cluster.items("deployments", NAMESPACE)
        return {each["metadata"]["name"]: each["metadata"]["generation"] for each in deployments}

    def end(self, timeout_seconds: float = 120) -> None:
        """Press Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout_seconds)


def develop(cluster: Cluster, folder: Path) -> Developing:
    """Start skaffold in a clone of what is committed here."""
    tree, output = folder / "tree", folder / "output"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tree)], check=True, timeout=120)
    quiet = {"SKAFFOLD_UPDATE_CHECK": "false", "SKAFFOLD_INTERACTIVE": "false"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["skaffold", "dev", "--profile=dev"],
            cwd=tree,
            env={**os.environ, **quiet, "KUBECONFIG": str(cluster.kubeconfig)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Developing(cluster, tree, output, process)


def _answer(method: str, url: str, body: bytes | None) -> Any:
    """Return what the answer says; None when there is none yet."""
    try:
        answer = httpx.request(method, url, content=body, timeout=20)
    except httpx.TransportError:
        return None
    return answer.json() if answer.is_success else None
