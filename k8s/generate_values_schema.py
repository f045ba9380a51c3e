"""Write the chart's values.schema.json: a misspelt value must stop an install. `make generate`."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from values_comments import described

Schema = dict[str, Any]

SERVICES = ("ingest", "transform", "trainer", "serving", "gateway", "controller")
# Each is one process by design, so a number of replicas is nothing to choose.
ALONE = {"trainer", "serving", "controller"}
# Those whose work is requests.
SCALED = {"ingest", "gateway"}
# Settings that follow from the chart's wiring or from values of their own.
WIRED = re.compile(
    r"project|bucket_url|warehouse_url|tracking_uri|host|scratch_folder|launcher|job_.+|check_server_.+|.*port|"
    r".+_address|pipelines|namespace|listening_socket|quota_file"
)

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}}
SWITCH = {"type": "boolean"}
OF_TEXTS = {"type": "object", "additionalProperties": TEXT}
# What Kubernetes and the chart select by is the chart's alone.
IDENTITY = r"^(app\.kubernetes\.io/(name|instance|component|version|managed-by)|helm\.sh/chart)$"
LABELS = {**OF_TEXTS, "propertyNames": {"not": {"pattern": IDENTITY}}}
REPLICAS = {"type": "integer", "minimum": 0}
QUANTITY = {"type": ["string", "number"], "pattern": r"^[0-9.]+([KMGT]i|[kMGTm])?$"}
CIDR = {"type": "string", "pattern": r"^[0-9a-f.:]+/[0-9]+$"}
CIDRS = {"type": "array", "items": CIDR}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
ADDRESSES: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"cidr": CIDR, "port": PORT},
        "additionalProperties": False,
        "required": ["cidr", "port"],
    },
}
PEERS = {"type": "array", "items": {"type": "object"}}
NAME = {"type": "string", "minLength": 1}


def closed(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    """Describe an object that has these keys and no others."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def settings(service: str) -> Schema:
    """Describe what a deployment may set of a service, by the service's own Settings."""
    fields = import_module(f"tidemill_{service}.settings").Settings.model_fields
    described = {name: setting(service, name) for name in fields if not WIRED.fullmatch(name)}
    return closed({name: schema for name, schema in described.items() if not is_secret(schema)})


def secrets(service: str) -> Schema:
    """Describe which key of which Secret holds each of a service's secret settings."""
    fields = import_module(f"tidemill_{service}.settings").Settings.model_fields
    names = [name for name in fields if is_secret(setting(service, name))]
    reference = closed({"name": NAME, "key": NAME}, ("name", "key"))
    return closed(
        {name: {**reference, "description": setting(service, name)["description"]} for name in names}
    )


def is_secret(schema: Schema) -> bool:
    """Say whether a setting must not be written in clear."""
    return any(choice.get("writeOnly", False) for choice in schema.get("anyOf", [schema]))


def setting(service: str, name: str) -> Schema:
    """Describe one setting of a service."""
    fields = import_module(f"tidemill_{service}.settings").Settings.model_json_schema()
    return {key: value for key, value in fields["properties"][name].items() if key != "title"}


def resources() -> Schema:
    amounts = {"type": "object", "additionalProperties": QUANTITY}
    return closed({"requests": amounts, "limits": amounts})


def pod() -> Schema:
    """Describe what may be chosen of every pod."""
    texts = {"annotations": OF_TEXTS, "labels": LABELS, "nodeSelector": OF_TEXTS}
    free = {"tolerations": PEERS, "affinity": {"type": "object"}, "priorityClass": TEXT}
    return closed(texts | free)


def component() -> Schema:
    """Describe what every component has: a pod, and a container in it."""
    account = closed({"annotations": OF_TEXTS})
    return {"resources": resources(), "scratch": QUANTITY, "pod": pod(), "serviceAccount": account}


def container() -> Schema:
    return {"image": TEXT, **component()}


def autoscaling(service: str) -> Schema:
    """Describe by what the number of a service's pods is chosen."""
    count = {"type": "integer", "minimum": 1}
    in_flight = {"inFlight": {"type": "integer", "minimum": 0}, "inFlightMetric": NAME}
    return closed(
        {
            "enabled": {"type": "boolean"},
            "minReplicas": count,
            "maxReplicas": count,
            "cpuPercent": {**count, "maximum": 100},
            **(in_flight if service == "gateway" else {}),
        }
    )


def services() -> Schema:
    return closed(
        {
            name: closed(
                container()
                | {"settings": settings(name)}
                | ({"secrets": secrets(name)} if secrets(name)["properties"] else {})
                | ({} if name in ALONE else {"replicas": REPLICAS})
                | ({"autoscaling": autoscaling(name)} if name in SCALED else {})
                | ({"files": TEXT} if name == "gateway" else {})
            )
            for name in SERVICES
        }
    )


def training() -> Schema:
    beside = closed({"resources": resources()})
    launcher = {"launcher": {"enum": ["process", "kubernetes"]}, "gpuImage": TEXT}
    return closed(launcher | component() | {"modelServer": beside})


def model_server() -> Schema:
    least = {"type": "integer", "minimum": 0}
    return {
        "replicas": REPLICAS,
        "minReadySeconds": least,
        "command": {**TEXTS, "minItems": 1},
        "args": TEXTS,
        **container(),
    }


def mlflow() -> Schema:
    """Describe MLflow and where its database is."""
    bundled = closed(container() | {"storage": QUANTITY, "storageClass": TEXT})
    instance = {"type": "string", "pattern": "^([^:]+(:[^:]+){2,3})?$"}
    proxy = {"instance": instance, "privateIp": SWITCH, "image": NAME, "resources": resources()}
    database = {
        "type": {"enum": ["bundled", "cloudsql", "uri"]},
        "name": NAME,
        "user": NAME,
        "secret": closed({"name": TEXT, "key": NAME}),
        "bundled": bundled,
        "cloudsql": closed(proxy),
    }
    return closed({"enabled": SWITCH, **container(), "allowedHosts": TEXTS, "database": closed(database)})


def monitoring() -> Schema:
    return closed(
        {
            "scrape": {"enum": ["", "PodMonitoring", "PodMonitor"]},
            "interval": {"type": "string", "pattern": "^[0-9]+[smh]$"},
            "alerts": {"enum": ["", "Rules", "PrometheusRule"]},
            "dashboards": SWITCH,
            "labels": LABELS,
        }
    )


def ingress() -> Schema:
    parent = {"hosts": TEXTS, "parent": TEXT, "parentNamespace": TEXT, "healthCheck": SWITCH}
    return closed(parent | {"className": TEXT, "annotations": OF_TEXTS, "tlsSecret": TEXT})


def network_policy() -> Schema:
    rules = ("clients", "ingress", "monitoring", "tracking", "database", "outside")
    ranges = dict.fromkeys(("googleApis", "cloudSql"), CIDRS)
    addresses = dict.fromkeys(("kubernetesApis", "metadataServers"), ADDRESSES)
    return closed({"enabled": SWITCH, **dict.fromkeys(rules, PEERS), **ranges, **addresses})


def values() -> Schema:
    """Describe the whole of values.yaml."""
    registry = {"type": "string", "pattern": "^(.+/)?$"}
    images = {"workerImage": TEXT, "workerServiceAccount": TEXT}
    properties = {
        "project": {"type": "string", "pattern": "^[a-z][a-z0-9-]{4,28}[a-z0-9]$"},
        "bucketUrl": {"type": "string", "pattern": "^(gs://[^/]+|file:///.+)$"},
        "trackingUri": TEXT,
        "warehouseUrl": {**setting("transform", "warehouse_url"), "description": ""},
        "bucketClaim": TEXT,
        "pubsubEmulator": TEXT,
        "pipelines": {"enum": ["kubernetes", "bucket"]},
        "image": closed({"registry": registry, "tag": TEXT, "pullSecrets": TEXTS}),
        "pods": pod(),
        "services": services(),
        "dataflow": closed({"enabled": SWITCH, "region": TEXT, **images, "options": TEXTS}),
        "training": training(),
        "modelServer": closed(model_server()),
        "mlflow": mlflow(),
        "monitoring": monitoring(),
        "ingress": ingress(),
        "networkPolicy": network_policy(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated by scripts/render from values.yaml and the services' settings; do not edit.",
        **closed(properties, ("project", "bucketUrl")),
        "if": {"properties": {"bucketUrl": {"pattern": "^file:"}}},
        "then": {"properties": {"bucketClaim": NAME}, "required": ["bucketClaim"]},
        "else": {"properties": {"bucketClaim": {"maxLength": 0}}},
    }


if __name__ == "__main__":
    target = Path(sys.argv[1], "helm/tidemill/values.schema.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(described(values()), indent=2) + "\n")
