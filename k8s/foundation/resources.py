"""Config Connector resources, and who may do what on them.

`${PROJECT_ID}`, `${PROJECT_NUMBER}`, `${REGION}`, `${BUCKET}` and `${NODE_ACCOUNT}` stay in the text, for a
shell to fill in.
"""

from collections.abc import Iterable
from typing import Any

Resource = dict[str, Any]

NAMESPACE = "tidemill"
# Service accounts are those of a release named `tidemill` in a namespace of that name. Google knows them as
# they are, so that no service needs a Google service account beside its own.
IDENTITIES = (
    "principal://iam.googleapis.com/projects/${PROJECT_NUMBER}/locations/global/workloadIdentityPools"
    f"/${{PROJECT_ID}}.svc.id.goog/subject/ns/{NAMESPACE}/sa/tidemill-"
)
AGENTS = {
    "pubsub-agent": "serviceAccount:service-${PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com",
    "storage-agent": "serviceAccount:service-${PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
    "nodes": "serviceAccount:${NODE_ACCOUNT}",
}


def resource(service: str, kind: str, name: str, spec: Resource | None = None) -> Resource:
    """Declare one resource of a service of Google Cloud."""
    api = f"{service}.cnrm.cloud.google.com/v1beta1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec or {}}


PROJECT = resource("resourcemanager", "Project", "project")
BUCKET = resource("storage", "StorageBucket", "tidemill")
REPOSITORY = resource("artifactregistry", "ArtifactRegistryRepository", "tidemill")


def service_account(name: str, purpose: str) -> Resource:
    """Declare an account of Google's, for what does not run as a pod."""
    return resource("iam", "IAMServiceAccount", name, {"displayName": purpose})


def member_of(account: Resource) -> str:
    return f"serviceAccount:{email_of(account)}"


def email_of(account: Resource) -> str:
    return f"{account['metadata']['name']}@${{PROJECT_ID}}.iam.gserviceaccount.com"


def grant(who: str | Resource, role: str, to: Resource, prefixes: Iterable[str] = ()) -> Resource:
    """Give one role on one resource; of a bucket, only on objects below some prefixes if there are any.

    `who` is a component of the chart, one of AGENTS or a service account.
    """
    kind, name = to["kind"], to["metadata"]["name"]
    reference = {"external": "projects/${PROJECT_ID}"} if to is PROJECT else {"name": name}
    spec = {
        "member": member_of(who) if isinstance(who, dict) else AGENTS.get(who) or IDENTITIES + who,
        "role": f"roles/{role}",
        "resourceRef": {"apiVersion": to["apiVersion"], "kind": kind, **reference},
    }
    below = list(prefixes)
    if below:
        title = "-".join(each.rstrip("/").replace("/", "-") for each in below)
        spec["condition"] = {"title": f"below-{title}", **only(below)}
    short = who["metadata"]["name"] if isinstance(who, dict) else who
    return resource("iam", "IAMPolicyMember", f"{short}-{role.replace('.', '-')}-{kind}-{name}".lower(), spec)


def only(prefixes: Iterable[str]) -> dict[str, str]:
    """Say in IAM's language which objects a role is for."""
    below = (
        f'resource.name.startsWith("projects/_/buckets/${{BUCKET}}/objects/{prefix}")' for prefix in prefixes
    )
    return {"expression": " || ".join(below)}
