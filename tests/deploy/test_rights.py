"""What the chart allows in the cluster is what the code does there, no less and no more."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
Right = tuple[str, str, str]

SERVICES = Path(__file__).parents[2] / "services"
CALL = re.compile(r"\b(create|list|read|patch|replace|delete)_namespaced_(\w+)")
VERBS = {"read": "get", "replace": "update"}
# What the client's calls are about: API group and resource.
RESOURCES = {
    "custom_object": ("tidemill.dev", "pipelines"),
    "custom_object_status": ("tidemill.dev", "pipelines/status"),
    "event": ("", "events"),
    "pod": ("", "pods"),
    "job": ("batch", "jobs"),
    "job_status": ("batch", "jobs/status"),
    "deployment": ("apps", "deployments"),
}


def used(service: str) -> Iterator[Right]:
    """Every right that a service's calls take, as (group, resource, verb)."""
    for path in SERVICES.glob(f"{service}/src/**/*.py"):
        source = path.read_text()
        for verb, named in CALL.findall(source):
            group, resource = RESOURCES[named]
            yield group, resource, VERBS.get(verb, verb)
            if verb == "list" and "Watch()" in source:
                yield group, resource, "watch"


def given(objects: list[Manifest], service: str) -> Iterator[Right]:
    """Every right of the role that is bound to a service's account."""
    [binding] = [
        each
        for each in objects
        if each["kind"] == "RoleBinding" and each["subjects"][0]["name"] == f"tidemill-{service}"
    ]
    [role] = [
        each
        for each in objects
        if each["kind"] == "Role" and each["metadata"]["name"] == binding["roleRef"]["name"]
    ]
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


@pytest.mark.parametrize("service", ["trainer", "controller"])
def test_a_role_has_the_verbs_that_the_code_uses(render: Render, service: str) -> None:
    objects = render({"training": {"launcher": "kubernetes"}})

    assert set(given(objects, service)) == set(used(service))


def test_nobody_has_rights_beyond_the_releases_namespace(render: Render) -> None:
    objects = render({"training": {"launcher": "kubernetes"}})

    assert not [each for each in objects if each["kind"].startswith("Cluster")]
