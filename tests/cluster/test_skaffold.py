"""`skaffold dev`: from the sources to a prediction, through a change, to its end."""

import json
import time
from collections.abc import Iterator

import pytest
from developing import NAMESPACE, Developing, develop
from kube_cluster import Cluster, CommandFailed, wait_for
from kube_release import FLIGHTS, a_flight

# Every image may have to be built, and given to the node.
START_SECONDS = 3600
TRAINING_SECONDS = 600
CHANGE_SECONDS = 600
MONTH = "flights-2013-01.csv"
CHANGED = "services/gateway/src/tidemill_gateway/__init__.py"

pytestmark = pytest.mark.timeout(START_SECONDS + TRAINING_SECONDS)


@pytest.fixture(scope="module")
def developing(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Developing]:
    if not request.config.getoption("--skaffold"):
        pytest.skip("skaffold dev was NOT run, for it builds every image: --skaffold, and see README.md")
    developing = develop(cluster, tmp_path_factory.mktemp("skaffold"))
    yield developing
    developing.end()


def test_a_file_dropped_at_the_forwarded_port_becomes_a_model(developing: Developing) -> None:
    begin = time.monotonic()
    developing.await_answer(START_SECONDS, "gateway", 8080, "/v1/models")
    ready = time.monotonic()
    file = f"/v1/pipelines/flights/files/{MONTH}"
    sent = (FLIGHTS / MONTH).read_bytes()
    developing.await_answer(60, "ingest", 8082, file, sent, "PUT")
    model = developing.await_answer(TRAINING_SECONDS, "gateway", 8080, "/v1/models/flights/metadata")
    print(f"ready after {ready - begin:.0f} s, a model {time.monotonic() - ready:.0f} s later")

    body = json.dumps({"instances": [a_flight(model)]}).encode()
    answer = developing.await_answer(60, "gateway", 8080, "/v1/models/flights:predict", body, "POST")
    assert 0 < answer["predictions"][0] < 1


def test_logs_of_every_service_are_shown(developing: Developing) -> None:
    services = ("ingest", "transform", "trainer", "serving", "gateway", "controller")

    def look() -> bool | None:
        said = developing.said()
        return all(f"[{each}]" in said for each in services) or None

    assert wait_for(look, 60, lambda: developing.said()[-4000:])


def test_a_change_of_a_service_replaces_that_service_alone(developing: Developing) -> None:
    before, begin = developing.generations(), time.monotonic()
    with (developing.tree / CHANGED).open("a") as file:
        file.write("CHANGED = True\n")

    def look() -> str | None:
        script = "import tidemill_gateway as it; print(getattr(it, 'CHANGED', ''))"
        command = ("exec", "deployment/tidemill-gateway", "--", "python", "-c", script)
        try:
            return developing.cluster.kubectl("-n", NAMESPACE, *command).strip() or None
        except CommandFailed:  # of a pod that ends
            return None

    assert wait_for(look, CHANGE_SECONDS, lambda: developing.said()[-4000:]) == "True"
    print(f"the change runs after {time.monotonic() - begin:.0f} s")
    after = developing.generations()
    assert {name for name in after if after[name] != before[name]} == {"tidemill-gateway"}


def test_its_end_leaves_nothing_that_keeps_the_namespace(developing: Developing) -> None:
    cluster = developing.cluster
    cluster.kubectl("-n", NAMESPACE, "delete", "pipelines", "--all", "--timeout=60s", timeout_seconds=90)

    developing.end()

    assert json.loads(cluster.helm("list", "--all", "-n", NAMESPACE, "-o", "json")) == []
    wait_for(lambda: not cluster.items("pods", NAMESPACE) or None, 120, developing.said)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", timeout_seconds=150)
