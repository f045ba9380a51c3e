"""The Config Connector resources and the code agree. Their kinds are no part of Kubernetes' own schemas."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidemill_contracts import layout, notification, topology

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "k8s" / "google-cloud"
PRINCIPAL = re.compile(r"principal://\S+\$\{PROJECT_ID\}\.svc\.id\.goog/subject/ns/tidemill/sa/(?P<name>\S+)")


@pytest.fixture(scope="module")
def resources() -> list[Manifest]:
    return [each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def specs(resources: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each["spec"] for each in resources if each["kind"] == kind}


def grants(resources: list[Manifest]) -> set[tuple[str, str, str, str]]:
    """Who has which role on what: (member, role, kind, name)."""
    found = specs(resources, "IAMPolicyMember").values()
    return {
        (each["member"], each["role"], each["resourceRef"]["kind"], each["resourceRef"]["name"])
        for each in found
        if "name" in each["resourceRef"]
    }


def test_topics_are_those_of_the_code(resources: list[Manifest]) -> None:
    assert specs(resources, "PubSubTopic").keys() == set(topology.TOPICS)


@pytest.mark.parametrize("expected", topology.SUBSCRIPTIONS, ids=lambda each: each.name)
def test_a_subscription_is_what_the_code_says(
    resources: list[Manifest], expected: topology.Subscription
) -> None:
    spec = specs(resources, "PubSubSubscription")[expected.name]

    least, most = topology.RETRY_BACKOFF_SECONDS
    assert spec["topicRef"] == {"name": expected.topic}
    assert spec.get("filter", "") == expected.filter
    assert spec["ackDeadlineSeconds"] == topology.ACK_DEADLINE_SECONDS
    assert spec["retryPolicy"] == {"minimumBackoff": f"{least}s", "maximumBackoff": f"{most}s"}
    assert spec["expirationPolicy"] == {"ttl": ""}
    dead_letters = {
        "deadLetterTopicRef": {"name": topology.DEAD_LETTER_TOPIC},
        "maxDeliveryAttempts": topology.MAX_DELIVERY_ATTEMPTS,
    }
    assert spec.get("deadLetterPolicy") == (dead_letters if expected.dead_letters else None)


def test_no_subscription_is_without_code(resources: list[Manifest]) -> None:
    assert specs(resources, "PubSubSubscription").keys() == {each.name for each in topology.SUBSCRIPTIONS}


def test_what_others_wait_for_is_announced_as_they_read_it(resources: list[Manifest]) -> None:
    announcements = specs(resources, "StorageNotification").values()
    [bucket] = specs(resources, "StorageBucket")

    prefixes = [announcement.pop("objectNamePrefix") for announcement in announcements]
    assert prefixes == [layout.DROPS, layout.PREDICTIONS, layout.FEEDBACK]
    assert list(announcements) == 3 * [
        {
            "bucketRef": {"name": bucket},
            "topicRef": {"name": topology.OBJECTS_TOPIC},
            "eventTypes": [notification.OBJECT_FINALIZE],
            "payloadFormat": "JSON_API_V1",
        }
    ]


def test_references_lead_to_resources_that_are_there(resources: list[Manifest]) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in resources}

    assert {(kind, name) for _, _, kind, name in grants(resources)} <= there
    names = [(each["kind"], each["metadata"]["name"]) for each in resources]
    assert len(names) == len(set(names))


def test_a_service_may_pull_exactly_what_its_code_pulls(resources: list[Manifest]) -> None:
    by_constant = {
        name: each.name for name, each in vars(topology).items() if isinstance(each, topology.Subscription)
    }
    pulled = {
        (service.name, by_constant[constant])
        for service in (ROOT / "services").iterdir()
        for path in service.glob("src/*/app.py")
        for constant in re.findall(r"topology\.([A-Z_]+)", path.read_text())
        if constant in by_constant
    }

    allowed = {
        (account(member).removeprefix("tidemill-"), name)
        for member, role, _, name in grants(resources)
        if role == "roles/pubsub.subscriber" and member.startswith("principal:")
    }
    assert allowed == pulled


def account(member: str) -> str:
    found = PRINCIPAL.fullmatch(member)
    assert found, f"expected a service account of the namespace tidemill, received {member}"
    return found["name"]


def test_access_is_given_to_service_accounts_of_the_chart(
    resources: list[Manifest], render: Callable[..., list[Manifest]]
) -> None:
    objects = render({"training": {"launcher": "kubernetes"}})
    members = {member for member, *_ in grants(resources) if member.startswith("principal:")}
    accounts = {each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"}

    assert {account(member) for member in members} == accounts


def test_gateways_touch_only_what_they_write_down(resources: list[Manifest]) -> None:
    [grant] = [
        each for each in specs(resources, "IAMPolicyMember").values() if each["member"].endswith("-gateway")
    ]

    prefixes = re.findall(r'startsWith\("projects/_/buckets/\$\{BUCKET\}/objects/(\w+/)"\)', str(grant))
    assert prefixes == [layout.PREDICTIONS, layout.FEEDBACK]
    assert grant["condition"]["expression"].count("resource.name") == 2


def test_dead_letters_can_be_delivered_by_pubsub(resources: list[Manifest]) -> None:
    agent = "serviceAccount:service-${PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
    expected = {
        (agent, "roles/pubsub.subscriber", "PubSubSubscription", each.name)
        for each in topology.SUBSCRIPTIONS
        if each.dead_letters
    } | {(agent, "roles/pubsub.publisher", "PubSubTopic", topology.DEAD_LETTER_TOPIC)}

    assert {each for each in grants(resources) if each[0] == agent} == expected


def test_notifications_can_be_delivered_by_cloud_storage(resources: list[Manifest]) -> None:
    agent = "serviceAccount:service-${PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"

    expected = (agent, "roles/pubsub.publisher", "PubSubTopic", topology.OBJECTS_TOPIC)
    assert expected in grants(resources)


def test_only_transform_may_fill_the_warehouse(resources: list[Manifest]) -> None:
    [dataset] = specs(resources, "BigQueryDataset").values()
    elsewhere = [
        (account(each["member"]), each["role"], each["resourceRef"]["external"])
        for each in specs(resources, "IAMPolicyMember").values()
        if "external" in each["resourceRef"]
    ]

    writers = [each["iamMember"] for each in dataset["access"] if each["role"] == "WRITER"]
    assert [account(writer) for writer in writers] == ["tidemill-transform"]
    assert elsewhere == [("tidemill-transform", "roles/bigquery.jobUser", "projects/${PROJECT_ID}")]


def test_only_three_things_are_left_to_fill_in() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.yaml"))

    assert set(re.findall(r"\$\{?\w+\}?", text)) == {"${PROJECT_ID}", "${PROJECT_NUMBER}", "${BUCKET}"}
