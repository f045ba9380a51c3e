"""The bucket: what it keeps, what it announces, and who may touch which part of it."""

from collections.abc import Callable, Iterator

from foundation.resources import BUCKET, Resource, grant, resource
from tidemill_contracts import layout, notification, topology


def folder(name_of: Callable[[str], str]) -> str:
    """Name the folder of what is named after a pipeline alone."""
    return name_of("").partition("/")[0] + "/"


# Overwritten and deleted objects can be had back for so long. Versions are not kept beside that: what matters
# is written once, and what is written again and again (deployments, observations) is worth nothing then.
SOFT_DELETE_SECONDS = 7 * 24 * 3600
# What a job leaves that was killed: Beam's temporary files, and copies on their way to BigQuery.
SCRATCH_DAYS = {"tmp/": 7, "warehouse/.incoming/": 1}
ANNOUNCED = {"tidemill-drops": layout.DROPS, "tidemill-predictions": layout.PREDICTIONS} | {
    "tidemill-feedback": layout.FEEDBACK
}
# Trainings as Jobs of their own touch the bucket, and nothing else.
WHOLE = ("ingest", "transform", "trainer", "serving", "training")
# Gateways, which anyone may reach, touch only what they write down.
PARTS = {
    "gateway": ("storage.objectUser", (layout.PREDICTIONS, layout.FEEDBACK)),
    "controller": ("storage.objectUser", (folder(layout.pipeline_spec), folder(layout.pipeline_standing))),
    "model-server": ("storage.objectViewer", (folder(layout.model_base),)),
}
# A condition on names does not cover listing them, which is asked of the bucket: this role gives no more.
LISTS = ("controller", "model-server")


def bucket() -> Iterator[Resource]:
    """Declare the bucket. It is not deleted with its resource while it holds anything."""
    scratch = [
        {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": [prefix]}}
        for prefix, days in SCRATCH_DAYS.items()
    ]
    annotations = {"cnrm.cloud.google.com/force-destroy": "false"}
    spec = {
        "resourceID": "${BUCKET}",
        "location": "${REGION}",
        "uniformBucketLevelAccess": True,
        "publicAccessPrevention": "enforced",
        "softDeletePolicy": {"retentionDurationSeconds": SOFT_DELETE_SECONDS},
        "lifecycleRule": scratch,
    }
    yield BUCKET | {"metadata": {"name": "tidemill", "annotations": annotations}, "spec": spec}


def notifications() -> Iterator[Resource]:
    """Declare what the bucket announces. What is read of it only by who wrote it is not announced."""
    for name, prefix in ANNOUNCED.items():
        spec = {
            "bucketRef": {"name": BUCKET["metadata"]["name"]},
            "topicRef": {"name": topology.OBJECTS_TOPIC},
            "objectNamePrefix": prefix,
            "eventTypes": [notification.OBJECT_FINALIZE],
            "payloadFormat": "JSON_API_V1",
        }
        yield resource("storage", "StorageNotification", name, spec)


def access() -> Iterator[Resource]:
    """Let each service do what its code does."""
    for component in WHOLE:
        yield grant(component, "storage.objectUser", BUCKET)
    for component, (role, prefixes) in PARTS.items():
        yield grant(component, role, BUCKET, prefixes)
    for component in LISTS:
        yield grant(component, "storage.legacyBucketReader", BUCKET)
