"""Write the Config Connector resources that follow from the table of topics and subscriptions.

`${PROJECT_ID}` and `${PROJECT_NUMBER}` stay in the text, for `envsubst` to fill in.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tidemill_contracts import layout, topology

Resource = dict[str, Any]

RETENTION_SECONDS = 7 * 24 * 3600
# Who pulls what. Service accounts are those of a release named `tidemill` in a namespace of that name.
PULLS = {
    "ingest": (topology.INGEST,),
    "transform": (topology.TRANSFORM, topology.PREDICTIONS, topology.LEDGER, topology.DEAD_LETTERS),
    "trainer": (topology.TRAINER,),
    "serving": (topology.SERVING, topology.QUALITY),
}
# Trainings as Jobs of their own touch the bucket, and nothing else.
BUCKET_ROLES = dict.fromkeys((*PULLS, "training"), "storage.objectUser") | {
    "model-server": "storage.objectViewer"
}
# Gateways, which anyone may reach, touch only what they write down.
GATEWAY_OBJECTS = " || ".join(
    f'resource.name.startsWith("projects/_/buckets/${{BUCKET}}/objects/{prefix}")'
    for prefix in (layout.PREDICTIONS, layout.FEEDBACK)
)
IDENTITIES = (
    "principal://iam.googleapis.com/projects/${PROJECT_NUMBER}/locations/global/workloadIdentityPools"
    "/${PROJECT_ID}.svc.id.goog/subject/ns/tidemill/sa/tidemill-"
)
AGENTS = {
    "pubsub-agent": "serviceAccount:service-${PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com",
    "storage-agent": "serviceAccount:service-${PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
}


def topic(name: str) -> Resource:
    return resource("pubsub", "PubSubTopic", name)


def subscription(subscribed: topology.Subscription) -> Resource:
    """Declare what the local broker is asked for too."""
    least, most = (f"{seconds}s" for seconds in topology.RETRY_BACKOFF_SECONDS)
    spec: Resource = {
        "topicRef": {"name": subscribed.topic},
        "ackDeadlineSeconds": topology.ACK_DEADLINE_SECONDS,
        "messageRetentionDuration": f"{RETENTION_SECONDS}s",
        # Otherwise a subscription that was idle for 31 days is deleted.
        "expirationPolicy": {"ttl": ""},
        "retryPolicy": {"minimumBackoff": least, "maximumBackoff": most},
    }
    if subscribed.filter:
        spec["filter"] = subscribed.filter
    if subscribed.dead_letters:
        spec["deadLetterPolicy"] = {
            "deadLetterTopicRef": {"name": topology.DEAD_LETTER_TOPIC},
            "maxDeliveryAttempts": topology.MAX_DELIVERY_ATTEMPTS,
        }
    return resource("pubsub", "PubSubSubscription", subscribed.name, spec)


def access() -> Iterator[Resource]:
    """Let each service do what its code does, and Google's agents deliver notifications and dead letters."""
    yield grant("storage-agent", "pubsub.publisher", topic(topology.OBJECTS_TOPIC))
    yield grant("pubsub-agent", "pubsub.publisher", topic(topology.DEAD_LETTER_TOPIC))
    for each in topology.SUBSCRIPTIONS:
        if each.dead_letters:
            yield grant("pubsub-agent", "pubsub.subscriber", subscription(each))
    for service, pulled in PULLS.items():
        for name in (topology.EVENTS_TOPIC, topology.DEAD_LETTER_TOPIC):
            yield grant(service, "pubsub.publisher", topic(name))
        for each in pulled:
            yield grant(service, "pubsub.subscriber", subscription(each))
            # For the readiness check, which asks whether the subscription is there.
            yield grant(service, "pubsub.viewer", subscription(each))
    bucket = resource("storage", "StorageBucket", "tidemill")
    for component, role in BUCKET_ROLES.items():
        yield grant(component, role, bucket)
    of_gateways = grant("gateway", "storage.objectUser", bucket)
    of_gateways["spec"]["condition"] = {"title": "recorded-predictions", "expression": GATEWAY_OBJECTS}
    yield of_gateways


def warehouse() -> Iterator[Resource]:
    """Let transform fill a dataset, if the chart is told to use it; people ask the project's owners."""
    writer = {"role": "WRITER", "iamMember": f"{IDENTITIES}transform"}
    # What is written here is all the access there is.
    owners = {"role": "OWNER", "specialGroup": "projectOwners"}
    yield resource("bigquery", "BigQueryDataset", "tidemill", {"access": [owners, writer]})
    # Jobs belong to a project; what they may touch is the dataset's to say.
    yield grant("transform", "bigquery.jobUser", PROJECT)


def grant(who: str, role: str, to: Resource) -> Resource:
    """Give one role on one resource."""
    kind, name = to["kind"], to["metadata"]["name"]
    reference = {"external": "projects/${PROJECT_ID}"} if to is PROJECT else {"name": name}
    spec = {
        "member": AGENTS.get(who) or IDENTITIES + who,
        "role": f"roles/{role}",
        "resourceRef": {"apiVersion": to["apiVersion"], "kind": kind, **reference},
    }
    return resource("iam", "IAMPolicyMember", f"{who}-{role.replace('.', '-')}-{kind}-{name}".lower(), spec)


def resource(service: str, kind: str, name: str, spec: Resource | None = None) -> Resource:
    api = f"{service}.cnrm.cloud.google.com/v1beta1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec or {}}


PROJECT = resource("resourcemanager", "Project", "project")


if __name__ == "__main__":
    folder = Path(sys.argv[1], "k8s/google-cloud")
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "topics": map(topic, topology.TOPICS),
        "subscriptions": map(subscription, topology.SUBSCRIPTIONS),
        "access": access(),
        "warehouse": warehouse(),
    }
    for file, resources in files.items():
        text = yaml.safe_dump_all(resources, sort_keys=False, width=110)
        header = "# Generated by scripts/render from tidemill_contracts.topology; do not edit.\n"
        (folder / f"{file}.yaml").write_text(header + text)
