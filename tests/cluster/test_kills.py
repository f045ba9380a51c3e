"""Pods are deleted under load: what is meant to be one of several costs no request, and all come back."""

import time

import pytest
from kube_cluster import Manifest, wait_for
from kube_release import Release

pytestmark = pytest.mark.timeout(600)
BACK_SECONDS = 120
SETTLED_SECONDS = 5
# Not asked by callers, or one of two.
HARMLESS = ("gateway", "serving", "ingest", "transform", "trainer", "controller")


def delete_one(release: Release, component: str) -> float:
    """Delete a pod of a component; return after how many seconds all of its pods were ready again."""
    pods = release.pods(component)
    begin = time.monotonic()
    release.kubectl("delete", "pod", pods[0]["metadata"]["name"], "--wait=false")

    def is_back() -> bool | None:
        now = [each for each in release.pods(component) if "deletionTimestamp" not in each["metadata"]]
        fresh = pods[0]["metadata"]["uid"] not in {each["metadata"]["uid"] for each in now}
        return (fresh and len(now) == len(pods) and all(map(is_ready, now))) or None

    wait_for(is_back, BACK_SECONDS, lambda: release.kubectl("get", "pods"))
    return time.monotonic() - begin


def is_ready(pod: Manifest) -> bool:
    states = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return states.get("Ready") == "True"


@pytest.mark.parametrize("component", HARMLESS)
def test_the_loss_of_a_pod_fails_no_request(
    release: Release, trained: Manifest, flight: Manifest, component: str
) -> None:
    with release.calling("flights", flight) as calling:
        time.sleep(2)
        seconds = delete_one(release, component)
        time.sleep(SETTLED_SECONDS)
        seen = calling.end()

    print(f"{component}: back after {seconds:.1f} s; {seen}")
    assert not seen.failures


def test_the_loss_of_the_model_server_is_over_soon(
    release: Release, trained: Manifest, flight: Manifest
) -> None:
    with release.calling("flights", flight) as calling:
        time.sleep(2)
        seconds = delete_one(release, "model-server")
        time.sleep(2 * SETTLED_SECONDS)
        seen = calling.end()

    print(f"model-server: back after {seconds:.1f} s; {seen}")
    assert seen.failing_seconds < 60
    assert release.ask("/v1/models/flights:predict", {"instances": [flight]})["predictions"]
