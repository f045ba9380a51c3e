"""The Config Connector resources and the code agree. Their kinds are no part of Kubernetes' own schemas."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tidemill_contracts import layout, notification, topology
from tidemill_transform import warehouse

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


def test_the_readme_says_of_every_file_what_it_is_for() -> None:
    named = re.findall(r"\b([a-z-]+)\.yaml", (FOLDER.parent / "README.md").read_text())

    assert {path.stem for path in FOLDER.iterdir()} <= set(named)


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
    database = {"type": "cloudsql", "secret": {"name": "tidemill-mlflow"}, "cloudsql": {"instance": "p:r:i"}}
    mlflow = {"enabled": True, "database": database}
    objects = render({"training": {"launcher": "kubernetes"}, "mlflow": mlflow, "trackingUri": ""})
    members = {member for member, *_ in grants(resources) if member.startswith("principal:")}
    accounts = {each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"}

    assert {account(member) for member in members} == accounts


@pytest.mark.parametrize(
    ("who", "role", "expected"),
    [
        ("tidemill-gateway", "objectUser", {"predictions/", "feedback/"}),
        ("tidemill-controller", "objectUser", {"pipelines/", "controller/"}),
        ("tidemill-model-server", "objectViewer", {"models/"}),
        ("tidemill-mlflow", "objectUser", {"mlflow/"}),
        ("tidemill-build", "objectUser", {"builds/", "drops/", "pipelines/"}),
        ("tidemill-build", "objectViewer", {"quarantine/smoke/"}),
    ],
)
def test_who_needs_a_part_of_the_bucket_has_no_more(
    resources: list[Manifest], who: str, role: str, expected: set[str]
) -> None:
    [condition] = [
        each["condition"]["expression"]
        for each in specs(resources, "IAMPolicyMember").values()
        if who in each["member"] and each["role"] == f"roles/storage.{role}"
    ]
    of_whole = {
        each["role"]
        for each in specs(resources, "IAMPolicyMember").values()
        if who in each["member"]
        and each["resourceRef"]["kind"] == "StorageBucket"
        and "condition" not in each
    }

    prefixes = re.findall(r'startsWith\("projects/_/buckets/\$\{BUCKET\}/objects/([a-z/-]+/)"\)', condition)
    assert set(prefixes) == expected
    assert condition.count("resource.name") == len(expected) == condition.count("||") + 1
    assert of_whole <= {"roles/storage.legacyBucketReader"}


def test_who_delivers_may_list_and_read_why_a_drop_of_the_smoke_test_was_refused(
    resources: list[Manifest],
) -> None:
    [refused] = re.findall(r'store\.list\(f"(\S+)"\)', (ROOT / "tests/smoke/smoke.py").read_text())
    of_bucket = [
        each
        for each in specs(resources, "IAMPolicyMember").values()
        if "tidemill-build@" in each["member"] and each["resourceRef"]["kind"] == "StorageBucket"
    ]

    assert "roles/storage.legacyBucketReader" in {each["role"] for each in of_bucket}
    prefix = refused.replace("{PIPELINE}", "smoke")
    assert any(f'objects/{prefix}"' in each.get("condition", {}).get("expression", "") for each in of_bucket)


def test_nodes_may_pull_what_was_built(resources: list[Manifest]) -> None:
    repository = ("roles/artifactregistry.reader", "ArtifactRegistryRepository", "tidemill")
    assert ("serviceAccount:${NODE_ACCOUNT}", *repository) in grants(resources)


@pytest.mark.parametrize("service", ["gateway", "controller"])
def test_a_part_of_the_bucket_is_what_the_code_names(resources: list[Manifest], service: str) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "services" / service / "src").rglob("*.py"))
    named = {folder_of(each) for each in re.findall(r"layout\.(\w+)\(", sources)} - {None}

    [condition] = [
        each["condition"]["expression"]
        for each in specs(resources, "IAMPolicyMember").values()
        if each["member"].endswith(f"sa/tidemill-{service}") and "condition" in each
    ]
    assert {f"{each}/" for each in named if each} == set(re.findall(r"objects/([a-z-]+/)", condition))


def folder_of(function: str) -> str | None:
    """Say which folder of the bucket a function of the layout names; None when it names no object."""
    named = getattr(layout, function)
    arguments = [
        1 if kind is int else "x" for each, kind in named.__annotations__.items() if each != "return"
    ]
    name = named(*arguments)
    return str(name).partition("/")[0] if "/" in str(name) else None


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
    writers = [each["iamMember"] for each in dataset["access"] if each["role"] == "WRITER"]
    assert [account(writer) for writer in writers] == ["tidemill-transform"]


def test_no_service_has_more_of_the_project_than_it_needs(resources: list[Manifest]) -> None:
    elsewhere = {
        (each["member"].rpartition("/")[2].partition("@")[0], each["role"].removeprefix("roles/"))
        for each in specs(resources, "IAMPolicyMember").values()
        if each["resourceRef"].get("external") == "projects/${PROJECT_ID}"
    }

    assert elsewhere == {
        ("tidemill-transform", "bigquery.jobUser"),
        ("tidemill-transform", "dataflow.developer"),
        ("tidemill-mlflow", "cloudsql.client"),
        ("serviceAccount:tidemill-worker", "dataflow.worker"),
        ("serviceAccount:tidemill-build", "logging.logWriter"),
        ("serviceAccount:tidemill-build", "ondemandscanning.admin"),
        ("serviceAccount:tidemill-build", "cloudbuild.builds.editor"),
        ("serviceAccount:tidemill-build", "container.developer"),
    }


def test_who_deploys_may_make_the_roles_of_the_chart_and_apply_its_definition(
    resources: list[Manifest],
) -> None:
    rules = {each["kind"]: each["rules"] for each in resources if "rules" in each}
    bindings = [each for each in resources if each["kind"].endswith("RoleBinding")]
    [definition] = (ROOT / "k8s/crds").iterdir()

    assert {resource for rule in rules["Role"] for resource in rule["resources"]} == {"roles", "rolebindings"}
    [of_definition] = rules["ClusterRole"]
    assert of_definition["resourceNames"] == [yaml.safe_load(definition.read_text())["metadata"]["name"]]
    assert of_definition["verbs"] == ["get", "create", "patch"]
    for each in bindings:
        [subject] = each["subjects"]
        assert subject["name"].startswith("tidemill-build@")
    for each in (*bindings, *(each for each in resources if "rules" in each)):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


def test_only_five_things_are_left_to_fill_in() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.yaml"))

    left = {"${PROJECT_ID}", "${PROJECT_NUMBER}", "${REGION}", "${BUCKET}", "${NODE_ACCOUNT}"}
    assert set(re.findall(r"\$\{?\w+\}?", text)) == left


def test_a_filter_is_no_longer_than_pubsub_takes(resources: list[Manifest]) -> None:
    for spec in specs(resources, "PubSubSubscription").values():
        assert len(spec.get("filter", "").encode()) <= 256


def test_the_bucket_keeps_what_matters_and_drops_what_is_left_behind(resources: list[Manifest]) -> None:
    [bucket] = specs(resources, "StorageBucket").values()

    assert bucket["uniformBucketLevelAccess"]
    assert bucket["publicAccessPrevention"] == "enforced"
    assert bucket["softDeletePolicy"]["retentionDurationSeconds"] >= 7 * 24 * 3600
    scratch = [each["condition"]["matchesPrefix"] for each in bucket["lifecycleRule"]]
    assert scratch == [["tmp/"], [f"{warehouse.ROOT}/.incoming/"]]
    assert "gs://BUCKET/tmp" in (ROOT / "services/transform/RUNNERS.md").read_text()


def test_images_that_run_are_never_cleaned_up(resources: list[Manifest]) -> None:
    [repository] = specs(resources, "ArtifactRegistryRepository").values()
    kept = {each["id"]: each for each in repository["cleanupPolicies"] if each["action"] == "KEEP"}

    promoted = (ROOT / "cloudbuild.promote.yaml").read_text()
    [tag] = kept["production"]["condition"]["tagPrefixes"]
    assert f':{tag}-$SHORT_SHA"' in promoted, "a tag that is given again leaves the image that had it"
    assert kept["newest"]["mostRecentVersions"]["keepCount"] >= 10


def test_tables_are_the_code_s_to_make(resources: list[Manifest]) -> None:
    assert not specs(resources, "BigQueryTable")
    code = (ROOT / "services/transform/src/tidemill_transform/bigquery_warehouse.py").read_text()
    assert "create_table" in code


def test_workers_of_dataflow_are_started_by_transform_alone(resources: list[Manifest]) -> None:
    account = "serviceAccount:tidemill-worker@${PROJECT_ID}.iam.gserviceaccount.com"
    of_worker = {(role, kind) for member, role, kind, _ in grants(resources) if member == account}
    starts = [each for each in grants(resources) if each[1] == "roles/iam.serviceAccountUser"]

    assert of_worker == {
        ("roles/storage.objectUser", "StorageBucket"),
        ("roles/artifactregistry.reader", "ArtifactRegistryRepository"),
    }
    assert {(each[0].rpartition("/")[2].partition("@")[0], each[3]) for each in starts} == {
        ("tidemill-transform", "tidemill-worker"),
        ("serviceAccount:tidemill-build", "tidemill-build"),
    }
