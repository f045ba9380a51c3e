"""What changes a release while it is asked leaves no request without an answer."""

import time

import pytest
from kube_cluster import Manifest
from kube_release import Load, Release

pytestmark = pytest.mark.timeout(1200)
# Between two changes, so that the callers meet the pods that came.
SETTLED_SECONDS = 5


def pods_of(release: Release) -> set[str]:
    """Name the pods that answer requests and are not about to end."""
    pods = [*release.pods("gateway"), *release.pods("serving")]
    return {each["metadata"]["uid"] for each in pods if "deletionTimestamp" not in each["metadata"]}


def assert_nothing_failed(seen: Load) -> None:
    print(seen)
    assert seen.requests > 100
    assert not seen.failures


def test_upgrade_and_rollback_keep_serving(release: Release, trained: Manifest, flight: Manifest) -> None:
    before = pods_of(release)

    with release.calling("flights", flight) as calling:
        time.sleep(SETTLED_SECONDS)
        release.upgrade(
            "--set-string=services.gateway.settings.log_level=WARNING",
            "--set-string=services.serving.settings.log_level=WARNING",
        )
        time.sleep(SETTLED_SECONDS)
        between = pods_of(release)
        release.rollback()
        time.sleep(SETTLED_SECONDS)
        seen = calling.end()

    assert_nothing_failed(seen)
    assert not before & between
    assert not between & pods_of(release)


def test_an_upgrade_that_never_becomes_ready_takes_nothing_away(
    release: Release, trained: Manifest, flight: Manifest
) -> None:
    with release.calling("flights", flight) as calling:
        release.upgrade("--set=services.gateway.image=tidemill-gateway:absent", waits=False)
        time.sleep(4 * SETTLED_SECONDS)
        release.rollback()
        seen = calling.end()

    assert_nothing_failed(seen)
