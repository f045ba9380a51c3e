"""What changes a release while it is asked leaves no request without an answer."""

import time
from collections.abc import Iterator

import pytest
from kube_cluster import Manifest, wait_for
from kube_release import Load, Release

pytestmark = pytest.mark.timeout(1200)
# Between two changes, so that the callers meet the pods that came.
SETTLED_SECONDS = 5
ASKED = ("gateway", "serving")
RESTART_SECONDS = 600


@pytest.fixture
def two_model_servers(release: Release, trained: Manifest) -> Iterator[None]:
    """Two, replaced at the pace that the chart has, which k8s/dev has not."""
    release.upgrade("--set=modelServer.replicas=2", "--set=modelServer.minReadySeconds=60")
    yield
    release.rollback()


def pods_of(release: Release, *components: str) -> set[str]:
    """Name the pods that are not about to end."""
    pods = [pod for each in components for pod in release.pods(each)]
    return {each["metadata"]["uid"] for each in pods if "deletionTimestamp" not in each["metadata"]}


def assert_nothing_failed(seen: Load) -> None:
    print(seen)
    assert seen.requests > 100
    assert not seen.failures


def test_upgrade_and_rollback_keep_serving(release: Release, trained: Manifest, flight: Manifest) -> None:
    before = pods_of(release, *ASKED)

    with release.calling("flights", flight) as calling:
        time.sleep(SETTLED_SECONDS)
        release.upgrade(
            "--set-string=services.gateway.settings.log_level=WARNING",
            "--set-string=services.serving.settings.log_level=WARNING",
        )
        time.sleep(SETTLED_SECONDS)
        between = pods_of(release, *ASKED)
        release.rollback()
        time.sleep(SETTLED_SECONDS)
        seen = calling.end()

    assert_nothing_failed(seen)
    assert not before & between
    assert not between & pods_of(release, *ASKED)


def test_an_upgrade_that_never_becomes_ready_takes_nothing_away(
    release: Release, trained: Manifest, flight: Manifest
) -> None:
    with release.calling("flights", flight) as calling:
        release.upgrade("--set=services.gateway.image=tidemill-gateway:absent", waits=False)
        time.sleep(4 * SETTLED_SECONDS)
        release.rollback()
        seen = calling.end()

    assert_nothing_failed(seen)


def test_a_restart_of_two_model_servers_keeps_predicting(
    release: Release, two_model_servers: None, flight: Manifest
) -> None:
    before = pods_of(release, "model-server")

    with release.calling("flights", flight) as calling:
        time.sleep(SETTLED_SECONDS)
        restart(release, "model-server")
        time.sleep(SETTLED_SECONDS)
        seen = calling.end()

    assert_nothing_failed(seen)
    assert len(before) == 2
    assert not before & pods_of(release, "model-server")


def restart(release: Release, component: str) -> None:
    """Restart a Deployment; return once its old pods are gone."""
    deployment = f"deployment/{release.name}-{component}"
    release.kubectl("rollout", "restart", deployment)
    waiting = f"--timeout={RESTART_SECONDS}s"
    release.kubectl("rollout", "status", deployment, waiting, timeout_seconds=RESTART_SECONDS + 30)

    def look() -> bool | None:
        return not any("deletionTimestamp" in each["metadata"] for each in release.pods(component)) or None

    wait_for(look, RESTART_SECONDS, lambda: release.kubectl("get", "pods"))
