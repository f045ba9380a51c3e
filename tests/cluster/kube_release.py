"""A release of the chart in a cluster, with k8s/dev in Google Cloud's place."""

import csv
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kube_cluster import Cluster, Manifest, wait_for

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CHART = ROOT / "helm" / "tidemill"
FLIGHTS = ROOT / "examples" / "flights"
SERVICES = ("ingest", "transform", "trainer", "serving", "gateway", "controller")
CALLER = "caller"
ASK = """
import sys, urllib.request as request
asked = request.Request(sys.argv[1], sys.stdin.buffer.read() or None)
print(request.urlopen(asked, timeout=20).read().decode())
"""
START_SECONDS = 300
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


def a_flight(description: Manifest) -> Manifest:
    """One real flight of February as a model so described wants it: its inputs, numbers as numbers."""
    with (FLIGHTS / "flights-2013-02.csv").open() as file:
        row = next(csv.DictReader(file))
    definitions = description["metadata"]["signature_def"]["signature_def"]
    return {
        name: row[name] if tensor["dtype"] == "DT_STRING" else float(row[name])
        for name, tensor in definitions["serving_default"]["inputs"].items()
    }


@dataclass(frozen=True)
class Images:
    """Where the images of a build are."""

    registry: str
    tag: str

    def of(self, part: str) -> str:
        return f"{self.registry}tidemill-{part}:{self.tag}"


@dataclass(frozen=True)
class Load:
    """What callers saw."""

    requests: int
    failures: Mapping[str, int]
    median_seconds: float
    slowest_seconds: float
    failing_seconds: float


@dataclass
class Calling:
    """Callers at work until `end`."""

    process: subprocess.Popen[bytes]

    def end(self) -> Load:
        output, complaint = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, complaint.decode()[-2000:]
        return Load(**json.loads(output))


@dataclass(frozen=True)
class Release:
    """One release, in a namespace of its own."""

    cluster: Cluster
    name: str
    namespace: str
    images: Images

    def kubectl(self, *arguments: str, given: str | bytes = b"", timeout_seconds: float = 60) -> str:
        return self.cluster.kubectl(
            "-n", self.namespace, *arguments, given=given, timeout_seconds=timeout_seconds
        )

    def helm(self, *arguments: str, waits: bool = True) -> str:
        waiting = ("--wait", "--timeout", f"{START_SECONDS}s") if waits else ()
        return self.cluster.helm(
            *arguments, "--namespace", self.namespace, *waiting, timeout_seconds=START_SECONDS + 30
        )

    def install(self) -> None:
        """Create the namespace with what stands in for Google Cloud, and the release."""
        self.cluster.kubectl("create", "namespace", self.namespace)
        self.cluster.kubectl("label", "namespace", self.namespace, RESTRICTED)
        self._apply(ROOT / "k8s" / "dev" / "google-cloud.yaml")
        self._apply(HERE / "caller.yaml")
        self.kubectl("rollout", "status", "deployment/tidemill-google-cloud", timeout_seconds=START_SECONDS)
        self.helm("install", self.name, str(CHART), *self.values())
        self.kubectl(
            "wait",
            f"pod/{CALLER}",
            "--for=condition=Ready",
            f"--timeout={START_SECONDS}s",
            timeout_seconds=START_SECONDS,
        )

    def upgrade(self, *arguments: str, waits: bool = True) -> None:
        """Upgrade with further options of helm; by default return once every pod is ready."""
        self.helm("upgrade", self.name, str(CHART), *self.values(), *arguments, waits=waits)

    def rollback(self) -> None:
        self.helm("rollback", self.name)

    def remove(self) -> None:
        """Delete the release and its namespace."""
        self.kubectl("delete", "pipelines", "--all", "--timeout=60s", timeout_seconds=90)
        self.helm("uninstall", self.name, "--ignore-not-found")
        self.cluster.kubectl(
            "delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=120s", timeout_seconds=150
        )

    def values(self) -> tuple[str, ...]:
        """Return helm's options for the values of a test."""
        images = [f"services.{each}.image={self.images.of(each)}" for each in SERVICES]
        files = (ROOT / "k8s" / "dev" / "values.yaml", HERE / "values.yaml")
        given = [*images, f"modelServer.image={self.images.of('local')}"]
        return (*(f"--values={file}" for file in files), *(f"--set={each}" for each in given))

    def pods(self, component: str = "") -> list[Manifest]:
        """List the release's pods, or those of one component."""
        of = f",app.kubernetes.io/component={component}" if component else ""
        return self.cluster.items("pods", self.namespace, f"app.kubernetes.io/instance={self.name}{of}")

    def pipeline(self, name: str) -> Manifest:
        found: Manifest = json.loads(self.kubectl("get", "pipeline", name, "-o", "json"))
        return found

    def await_condition(self, pipeline: str, condition: str, timeout_seconds: float) -> Manifest:
        """Return the pipeline once a condition of it is true."""

        def look() -> Manifest | None:
            found = self.pipeline(pipeline)
            states = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", [])}
            return found if states.get(condition) == "True" else None

        return wait_for(
            look, timeout_seconds, lambda: self.kubectl("get", "pipelines,pods,jobs", "-o", "wide")
        )

    def drop(self, pipeline: str, file: Path) -> None:
        """Copy a file into the bucket's volume, where drops of a pipeline belong."""
        path = f"/bucket/drops/{pipeline}/{file.name}"
        script = f"mkdir -p $(dirname {path}) && cat > {path}"
        self.kubectl(
            "exec",
            "-i",
            "deployment/tidemill-google-cloud",
            "-c",
            "bucket",
            "--",
            "sh",
            "-c",
            script,
            given=file.read_bytes(),
        )

    def ask(self, path: str, document: Any = None) -> Any:
        """Ask the gateway's Service once, from a pod: POST with a document, else GET."""
        given = "" if document is None else json.dumps(document)
        url = f"http://{self.gateway}:8080{path}"
        return json.loads(self.kubectl("exec", "-i", CALLER, "--", "python", "-c", ASK, url, given=given))

    def flight(self, model: str) -> Manifest:
        """One real flight of February as the model wants it."""
        return a_flight(self.ask(f"/v1/models/{model}/metadata"))

    @contextmanager
    def calling(self, model: str, row: Manifest, clients: int = 4) -> Iterator[Calling]:
        """Have a model asked without pause."""
        script = (HERE / "caller.py").read_text()
        command = ("python", "-c", script, self.gateway, "8080", model, str(clients))
        process = self.cluster.begin("-n", self.namespace, "exec", "-i", CALLER, "--", *command)
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"instances": [row]}).encode() + b"\n")
            process.stdin.flush()
            yield Calling(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @property
    def is_installed(self) -> bool:
        return bool(json.loads(self.cluster.helm("list", "--all", "-n", self.namespace, "-q", "-o", "json")))

    @property
    def gateway(self) -> str:
        return f"{self.name}-gateway"

    def _apply(self, file: Path) -> None:
        """Apply a file's objects here, with this build's image."""
        text = file.read_text().replace("image: tidemill-local", f"image: {self.images.of('local')}")
        objects = list(yaml.safe_load_all(text))
        for each in objects:
            each["metadata"]["namespace"] = self.namespace
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects))
