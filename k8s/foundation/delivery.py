"""Where images lie, and the account that Cloud Build delivers with."""

from collections.abc import Iterator

from foundation.bucket import folder
from foundation.resources import (
    BUCKET,
    NAMESPACE,
    PROJECT,
    REPOSITORY,
    Resource,
    email_of,
    grant,
    service_account,
)
from tidemill_contracts import layout

RBAC = "rbac.authorization.k8s.io"
DAY_SECONDS = 24 * 3600
# How tags of what was promoted begin, which stays however many builds follow.
KEPT_TAG = "production"
KEPT_VERSIONS = 20
OLD_DAYS = 90

BUILD = service_account("tidemill-build", "Builds and deploys of Cloud Build")
# Where a build leaves the list of its images, for the one that promotes them.
BUILDS = "builds/"
# What the smoke test drops, the pipelines it declares, and where it reads why a drop was refused.
SMOKE = (layout.DROPS, folder(layout.pipeline_spec))
REFUSED = layout.quarantined("smoke", "", 0).rpartition("/")[0] + "/"


def delivery() -> Iterator[Resource]:
    """Declare the repository, from which nodes pull; let one account build, scan, push, deploy and try."""
    yield REPOSITORY | {"spec": {"format": "DOCKER", "location": "${REGION}", "cleanupPolicies": cleanup()}}
    yield BUILD
    yield grant("nodes", "artifactregistry.reader", REPOSITORY)
    yield grant(BUILD, "artifactregistry.writer", REPOSITORY)
    for role in (
        "logging.logWriter",
        "ondemandscanning.admin",
        "cloudbuild.builds.editor",
        "container.developer",
    ):
        yield grant(BUILD, role, PROJECT)
    # To start the build that promotes, which runs as the same account.
    yield grant(BUILD, "iam.serviceAccountUser", BUILD)
    yield grant(BUILD, "storage.objectUser", BUCKET, (BUILDS, *SMOKE))
    yield grant(BUILD, "storage.objectViewer", BUCKET, (REFUSED,))
    # Both ask for names, which a condition on names does not cover.
    yield grant(BUILD, "storage.legacyBucketReader", BUCKET)


def cleanup() -> list[Resource]:
    """Say which images may go: none that runs, nor any of the newest."""
    old = {"olderThan": f"{OLD_DAYS * DAY_SECONDS}s", "tagState": "ANY"}
    return [
        {"id": "old", "action": "DELETE", "condition": old},
        {"id": "newest", "action": "KEEP", "mostRecentVersions": {"keepCount": KEPT_VERSIONS}},
        {"id": KEPT_TAG, "action": "KEEP", "condition": {"tagState": "TAGGED", "tagPrefixes": [KEPT_TAG]}},
    ]


def deployer() -> Iterator[Resource]:
    """Let the account do what `container.developer` may not: make the chart's Roles, apply its definition."""
    verbs = ["get", "list", "create", "update", "patch", "delete"]
    roles = [
        {"apiGroups": [RBAC], "resources": ["roles"], "verbs": [*verbs, "bind", "escalate"]},
        {"apiGroups": [RBAC], "resources": ["rolebindings"], "verbs": verbs},
    ]
    yield from _allowed("", roles, NAMESPACE)
    definition = {
        "apiGroups": ["apiextensions.k8s.io"],
        "resources": ["customresourcedefinitions"],
        "resourceNames": ["pipelines.tidemill.dev"],
        # Creating can be allowed by name where objects are applied by the server.
        "verbs": ["get", "create", "patch"],
    }
    yield from _allowed("Cluster", [definition], None)


def _allowed(scope: str, rules: list[Resource], namespace: str | None) -> Iterator[Resource]:
    name = BUILD["metadata"]["name"]
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    yield {"apiVersion": f"{RBAC}/v1", "kind": f"{scope}Role", "metadata": metadata, "rules": rules}
    yield {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{scope}RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": f"{scope}Role", "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": email_of(BUILD)}],
    }
