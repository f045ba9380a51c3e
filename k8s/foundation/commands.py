"""The same resources in commands of the Google Cloud CLI: one function for each kind there is."""

from collections.abc import Callable, Iterator, Mapping

from foundation.resources import IDENTITIES, PROJECT, Resource

Words = list[str]

LIFECYCLE_FILE = "k8s/gcloud/lifecycle.json"
CLEANUP_FILE = "k8s/gcloud/cleanup.json"
DATASET_FILE = "k8s/gcloud/dataset.json"
# What commands say in short, longest first.
SHORT = {"IDENTITIES": IDENTITIES}
WIDTH = 110


def commands(resource: Resource) -> Iterator[str]:
    """Write the commands that make one resource, each ready for a shell."""
    for words in BY_KIND[resource["kind"]](resource):
        yield _folded([_quoted(word) for word in words])


def _topic(resource: Resource) -> Iterator[Words]:
    yield ["gcloud", "pubsub", "topics", "create", _name(resource)]


def _subscription(resource: Resource) -> Iterator[Words]:
    spec = resource["spec"]
    flags = {
        "topic": spec["topicRef"]["name"],
        "ack-deadline": spec["ackDeadlineSeconds"],
        "message-retention-duration": spec["messageRetentionDuration"],
        "expiration-period": spec["expirationPolicy"]["ttl"] or "never",
        "min-retry-delay": spec["retryPolicy"]["minimumBackoff"],
        "max-retry-delay": spec["retryPolicy"]["maximumBackoff"],
    }
    if dead := spec.get("deadLetterPolicy"):
        flags["dead-letter-topic"] = dead["deadLetterTopicRef"]["name"]
        flags["max-delivery-attempts"] = dead["maxDeliveryAttempts"]
    if "filter" in spec:
        flags["message-filter"] = spec["filter"]
    yield ["gcloud", "pubsub", "subscriptions", "create", _name(resource), *_flags(flags)]


def _bucket(resource: Resource) -> Iterator[Words]:
    spec = resource["spec"]
    flags = {
        "location": spec["location"],
        "soft-delete-duration": f"{spec['softDeletePolicy']['retentionDurationSeconds']}s",
        "lifecycle-file": LIFECYCLE_FILE,
    }
    switches = ["--uniform-bucket-level-access", "--public-access-prevention"]
    yield ["gcloud", "storage", "buckets", "create", f"gs://{_name(resource)}", *switches, *_flags(flags)]


def _notification(resource: Resource) -> Iterator[Words]:
    spec = resource["spec"]
    flags = {
        "topic": spec["topicRef"]["name"],
        "object-prefix": spec["objectNamePrefix"],
        "event-types": ",".join(spec["eventTypes"]),
        "payload-format": {"JSON_API_V1": "json"}[spec["payloadFormat"]],
    }
    create = ["gcloud", "storage", "buckets", "notifications", "create", "gs://${BUCKET}"]
    # The topic is there, and Cloud Storage may publish to it.
    yield [*create, *_flags(flags), "--skip-topic-setup"]


def _grant(resource: Resource) -> Iterator[Words]:
    spec = resource["spec"]
    kind, name = spec["resourceRef"]["kind"], spec["resourceRef"].get("name", "")
    flags = {"member": spec["member"], "role": spec["role"]}
    if condition := spec.get("condition"):
        # Another delimiter than a comma, in gcloud's own notation.
        flags["condition"] = f"^:^title={condition['title']}:expression={condition['expression']}"
    elif kind in {"Project", "StorageBucket"}:
        flags["condition"] = "None"
    if kind == "ArtifactRegistryRepository":
        flags["location"] = "${REGION}"
    named = NAMED.get(kind, name).format(name)
    yield ["gcloud", *GRANTED[kind], "add-iam-policy-binding", named, *_flags(flags)]


def _service_account(resource: Resource) -> Iterator[Words]:
    flags = {"display-name": resource["spec"]["displayName"]}
    yield ["gcloud", "iam", "service-accounts", "create", _name(resource), *_flags(flags)]


def _repository(resource: Resource) -> Iterator[Words]:
    place = {"location": resource["spec"]["location"]}
    flags = {"repository-format": resource["spec"]["format"].lower()} | place
    repositories = ["gcloud", "artifacts", "repositories"]
    yield [*repositories, "create", _name(resource), *_flags(flags)]
    policy = _flags({"policy": CLEANUP_FILE} | place)
    yield [*repositories, "set-cleanup-policies", _name(resource), *policy, "--no-dry-run"]


def _dataset(resource: Resource) -> Iterator[Words]:
    name = f"${{PROJECT_ID}}:{_name(resource)}"
    yield ["bq", "mk", "--dataset", *_flags({"location": resource["spec"]["location"]}), name]
    yield ["envsubst", "<", DATASET_FILE, ">", "${DATASET}"]
    yield ["bq", "update", "--source=${DATASET}", name]
    yield ["rm", "${DATASET}"]


def _sql_instance(resource: Resource) -> Iterator[Words]:
    settings = resource["spec"]["settings"]
    network = settings["ipConfiguration"]
    flags = {
        "database-version": resource["spec"]["databaseVersion"],
        "region": resource["spec"]["region"],
        "tier": settings["tier"],
        "edition": settings["edition"].lower(),
        "availability-type": settings["availabilityType"].lower(),
        "network": network["privateNetworkRef"]["external"],
        "ssl-mode": network["sslMode"],
    }
    switches = ["--no-assign-ip", "--storage-auto-increase", "--deletion-protection"]
    backup = ["--backup", "--enable-point-in-time-recovery"]
    yield ["gcloud", "sql", "instances", "create", _name(resource), *_flags(flags), *switches, *backup]


def _sql_database(resource: Resource) -> Iterator[Words]:
    instance = _flags({"instance": resource["spec"]["instanceRef"]["name"]})
    yield ["gcloud", "sql", "databases", "create", _name(resource), *instance]


def _sql_user(resource: Resource) -> Iterator[Words]:
    instance = _flags({"instance": resource["spec"]["instanceRef"]["name"]})
    yield ["gcloud", "sql", "users", "create", _name(resource), *instance, "--password=${PASSWORD}"]


BY_KIND: Mapping[str, Callable[[Resource], Iterator[Words]]] = {
    "PubSubTopic": _topic,
    "PubSubSubscription": _subscription,
    "StorageBucket": _bucket,
    "StorageNotification": _notification,
    "IAMPolicyMember": _grant,
    "IAMServiceAccount": _service_account,
    "ArtifactRegistryRepository": _repository,
    "BigQueryDataset": _dataset,
    "SQLInstance": _sql_instance,
    "SQLDatabase": _sql_database,
    "SQLUser": _sql_user,
}
GRANTED: Mapping[str, Words] = {
    "PubSubTopic": ["pubsub", "topics"],
    "PubSubSubscription": ["pubsub", "subscriptions"],
    "StorageBucket": ["storage", "buckets"],
    "ArtifactRegistryRepository": ["artifacts", "repositories"],
    "IAMServiceAccount": ["iam", "service-accounts"],
    PROJECT["kind"]: ["projects"],
}
# What commands call otherwise than resources do.
NAMED = {
    "StorageBucket": "gs://${{BUCKET}}",
    "IAMServiceAccount": "{}@${{PROJECT_ID}}.iam.gserviceaccount.com",
    PROJECT["kind"]: "${{PROJECT_ID}}",
}


def _name(resource: Resource) -> str:
    return str(resource["spec"].get("resourceID", resource["metadata"]["name"]))


def _flags(values: Mapping[str, object]) -> Words:
    return [f"--{name}={value}" for name, value in values.items()]


def _quoted(word: str) -> str:
    """Quote a word so that a shell fills in its variables and nothing else."""
    for name, value in SHORT.items():
        word = word.replace(value, f"${{{name}}}")
    if not set(word) & set(' "$^|&()'):
        return word
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f'{flag}{equals}"{value.replace(chr(34), chr(92) + chr(34))}"'


def _folded(words: Words) -> str:
    """Break a command into lines as a shell reads them."""
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + len(word) + 3 > WIDTH:
            lines.append(line + " \\")
            line = " " + f" {word}"
        else:
            line += f" {word}"
    return "\n".join([*lines, line])
