"""The way without Config Connector makes the same resources, by commands that the Google Cloud CLI knows."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
# A resource in either form: its kind, its name, and what is said of it.
Told = tuple[str, str, frozenset[tuple[str, str]]]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "k8s" / "gcloud" / "commands.md"
FILES = PAGE.parent
# Given to commands in files, or by other words; compared on their own below.
ELSEWHERE = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "BigQueryDataset"}
GROUPS = {
    "pubsub topics": "PubSubTopic",
    "pubsub subscriptions": "PubSubSubscription",
    "storage buckets": "StorageBucket",
    "storage buckets notifications": "StorageNotification",
    "artifacts repositories": "ArtifactRegistryRepository",
    "iam service-accounts": "IAMServiceAccount",
    "sql instances": "SQLInstance",
    "sql databases": "SQLDatabase",
    "sql users": "SQLUser",
    "projects": "Project",
}


@pytest.fixture(scope="module")
def resources() -> list[Manifest]:
    folder = ROOT / "k8s" / "google-cloud"
    found = [each for path in sorted(folder.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]
    return [each for each in found if each["kind"] not in ELSEWHERE]


@pytest.fixture(scope="module")
def commands() -> list[list[str]]:
    """Every command as bash gives it to its program, with what is to be filled in left as it is."""
    text = "".join(re.findall(r"```bash\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
    text = re.sub(r"(\w+)=\.\.\.", r"\1='${\1}'", text)
    text = re.sub(
        r"^export PROJECT_NUMBER=.*$", "PROJECT_NUMBER='${PROJECT_NUMBER}'", text, flags=re.MULTILINE
    )
    shown = 'printf "%s\\x1f" "$@"; echo'
    taken = "cat > /dev/null"
    # Its tool reads a source that is a file, and no other.
    regular = 'case "$2" in --source=*) test -f "${2#--source=}" || return 1 ;; esac'
    does = {"gcloud": shown, "bq": f"{regular}; {shown}", "kubectl": taken, "envsubst": "cat"}
    programs = "".join(f"{name}() {{ {body}; }}\n" for name, body in does.items())
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", programs + text],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )
    return [line.split("\x1f")[:-1] for line in ended.stdout.splitlines()]


def made(commands: Iterable[list[str]]) -> Iterator[Told]:
    """What commands make."""
    for words in commands:
        verbs = [each for each in words if not each.startswith("--")]
        if " ".join(verbs[:-2]) not in GROUPS:
            continue
        flags = dict(each.removeprefix("--").partition("=")[::2] for each in words if each.startswith("--"))
        kind, verb, name = GROUPS[" ".join(verbs[:-2])], verbs[-2], verbs[-1].removeprefix("gs://")
        if verb == "create":
            yield kind, flags.get("object-prefix", name), frozenset(flags.items())
        elif verb == "add-iam-policy-binding":
            flags["to"] = f"{kind} {name.partition('@')[0]}"
            flags.pop("location", "")
            yield "IAMPolicyMember", "", frozenset(flags.items())


def declared(resource: Manifest) -> Told:
    """What a resource says, as flags would say it."""
    kind, spec = resource["kind"], resource["spec"]
    name = spec.get("resourceID", resource["metadata"]["name"])
    unnamed = {"IAMPolicyMember": "", "StorageNotification": spec.get("objectNamePrefix", "")}
    said = SAID[kind](spec)
    return kind, unnamed.get(kind, name), frozenset((flag, str(value)) for flag, value in said.items())


def of_subscription(spec: Manifest) -> dict[str, object]:
    said = {
        "topic": spec["topicRef"]["name"],
        "ack-deadline": spec["ackDeadlineSeconds"],
        "message-retention-duration": spec["messageRetentionDuration"],
        "expiration-period": {"": "never"}[spec["expirationPolicy"]["ttl"]],
        "min-retry-delay": spec["retryPolicy"]["minimumBackoff"],
        "max-retry-delay": spec["retryPolicy"]["maximumBackoff"],
    }
    if "filter" in spec:
        said["message-filter"] = spec["filter"]
    if dead := spec.get("deadLetterPolicy"):
        said["dead-letter-topic"] = dead["deadLetterTopicRef"]["name"]
        said["max-delivery-attempts"] = dead["maxDeliveryAttempts"]
    return said


def of_bucket(spec: Manifest) -> dict[str, object]:
    assert spec["uniformBucketLevelAccess"]
    assert spec["publicAccessPrevention"] == "enforced"
    return {
        "uniform-bucket-level-access": "",
        "public-access-prevention": "",
        "location": spec["location"],
        "soft-delete-duration": f"{spec['softDeletePolicy']['retentionDurationSeconds']}s",
        "lifecycle-file": "k8s/gcloud/lifecycle.json",
    }


def of_notification(spec: Manifest) -> dict[str, object]:
    [event_type] = spec["eventTypes"]
    return {
        "topic": spec["topicRef"]["name"],
        "object-prefix": spec["objectNamePrefix"],
        "event-types": event_type,
        "payload-format": {"JSON_API_V1": "json"}[spec["payloadFormat"]],
        "skip-topic-setup": "",
    }


def of_grant(spec: Manifest) -> dict[str, object]:
    reference = spec["resourceRef"]
    names = {"StorageBucket": "${BUCKET}", "Project": "${PROJECT_ID}"}
    kind = reference["kind"]
    said: dict[str, object] = {"member": spec["member"], "role": spec["role"]}
    said["to"] = f"{kind} {names.get(kind) or reference['name']}"
    if condition := spec.get("condition"):
        said["condition"] = f"^:^title={condition['title']}:expression={condition['expression']}"
    elif kind in names:
        said["condition"] = "None"
    return said


def of_instance(spec: Manifest) -> dict[str, object]:
    settings = spec["settings"]
    switches = {
        "no-assign-ip": not settings["ipConfiguration"]["ipv4Enabled"],
        "storage-auto-increase": settings["diskAutoresize"],
        "deletion-protection": settings["deletionProtectionEnabled"],
        "backup": settings["backupConfiguration"]["enabled"],
        "enable-point-in-time-recovery": settings["backupConfiguration"]["pointInTimeRecoveryEnabled"],
    }
    assert all(switches.values())
    said: dict[str, object] = {
        "database-version": spec["databaseVersion"],
        "region": spec["region"],
        "tier": settings["tier"],
        "edition": settings["edition"].lower(),
        "availability-type": settings["availabilityType"].lower(),
        "network": settings["ipConfiguration"]["privateNetworkRef"]["external"],
        "ssl-mode": settings["ipConfiguration"]["sslMode"],
    }
    return said | dict.fromkeys(switches, "")


SAID: Mapping[str, Callable[[Manifest], Mapping[str, object]]] = {
    "PubSubTopic": lambda _: {},
    "PubSubSubscription": of_subscription,
    "StorageBucket": of_bucket,
    "StorageNotification": of_notification,
    "IAMPolicyMember": of_grant,
    "IAMServiceAccount": lambda spec: {"display-name": spec["displayName"]},
    "ArtifactRegistryRepository": lambda spec: {
        "repository-format": spec["format"].lower(),
        "location": spec["location"],
    },
    "SQLInstance": of_instance,
    "SQLDatabase": lambda spec: {"instance": spec["instanceRef"]["name"]},
    "SQLUser": lambda spec: {"instance": spec["instanceRef"]["name"], "password": "${PASSWORD}"},
}


def test_both_ways_make_the_same_resources(resources: list[Manifest], commands: list[list[str]]) -> None:
    by_commands = list(made(commands))

    assert set(by_commands) == set(map(declared, resources))
    assert len(by_commands) == len(resources)


def test_policies_in_files_are_those_of_the_resources(resources: list[Manifest]) -> None:
    by_kind = {each["kind"]: each["spec"] for each in resources}
    lifecycle = json.loads((FILES / "lifecycle.json").read_text())
    cleanup = json.loads((FILES / "cleanup.json").read_text())

    assert lifecycle == {"lifecycle": {"rule": by_kind["StorageBucket"]["lifecycleRule"]}}
    policies = by_kind["ArtifactRegistryRepository"]["cleanupPolicies"]
    assert [(each["name"], each["action"]["type"].upper()) for each in cleanup] == [
        (each["id"], each["action"]) for each in policies
    ]
    for key in ("condition", "mostRecentVersions"):
        assert [each.get(key) for each in cleanup] == [each.get(key) for each in policies]


def test_the_dataset_is_the_same_by_its_own_tool(commands: list[list[str]]) -> None:
    [dataset] = [
        each
        for each in yaml.safe_load_all((ROOT / "k8s/google-cloud/warehouse.yaml").read_text())
        if each["kind"] == "BigQueryDataset"
    ]
    made_by = [words for words in commands if words[0] == "mk"]

    name = f"${{PROJECT_ID}}:{dataset['metadata']['name']}"
    assert made_by == [["mk", "--dataset", f"--location={dataset['spec']['location']}", name]]
    assert json.loads((FILES / "dataset.json").read_text()) == {"access": dataset["spec"]["access"]}


def test_what_is_applied_finds_its_cluster_and_its_namespace() -> None:
    text, *_ = PAGE.read_text().partition("| kubectl apply")

    assert text.index("get-credentials") < text.index("kubectl create namespace tidemill")


def test_nothing_is_used_before_it_is_made(commands: list[list[str]]) -> None:
    there = set[str]()
    for kind, name, said in made(commands):
        flags = dict(said)
        for topic in (flags.get("topic"), flags.get("dead-letter-topic")):
            assert topic is None or f"PubSubTopic {topic}" in there
        if kind == "IAMPolicyMember":
            assert flags["to"] in there or flags["to"].startswith("Project ")
        if kind == "StorageNotification":
            assert "storage-agent" in there
        if "gs-project-accounts" in flags.get("member", ""):
            there.add("storage-agent")
        there.add(f"{kind} {name}")
