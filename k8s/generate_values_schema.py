"""Write the chart's values.schema.json: a misspelt value must stop an install. `make generate`."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

SERVICES = ("ingest", "transform", "trainer", "serving", "gateway")
# Each is one process by design, so a number of replicas is nothing to choose.
ALONE = {"trainer", "serving"}
# Those whose work is requests.
SCALED = {"ingest", "gateway"}
# Settings that follow from the chart's wiring or from values of their own.
WIRED = re.compile(
    r"project|bucket_url|warehouse_url|tracking_uri|host|scratch_folder|launcher|job_.+|check_server_.+|.*port|"
    r".+_address"
)

TEXT = {"type": "string"}
REPLICAS = {"type": "integer", "minimum": 0}
QUANTITY = {"type": ["string", "number"], "pattern": r"^[0-9.]+([KMGT]i?|m)?$"}
CIDR = {"type": "string", "pattern": r"^[0-9a-f.:]+/[0-9]+$"}
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
    return closed(dict.fromkeys(names, closed({"name": NAME, "key": NAME}, ("name", "key"))))


def is_secret(schema: Schema) -> bool:
    """Say whether a setting must not be written in clear."""
    return any(choice.get("writeOnly", False) for choice in schema.get("anyOf", [schema]))


def setting(service: str, name: str) -> Schema:
    """Describe one setting of a service."""
    fields = import_module(f"tidemill_{service}.settings").Settings.model_json_schema()
    return {key: value for key, value in fields["properties"][name].items() if key != "title"}


def container() -> Schema:
    amounts = {"type": "object", "additionalProperties": QUANTITY}
    return {
        "image": TEXT,
        "resources": closed({"requests": amounts, "limits": amounts}),
        "scratch": QUANTITY,
    }


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


def values() -> Schema:
    """Describe the whole of values.yaml."""
    services = {
        name: closed(
            container()
            | {"settings": settings(name), "secrets": secrets(name)}
            | ({} if name in ALONE else {"replicas": REPLICAS})
            | ({"autoscaling": autoscaling(name)} if name in SCALED else {})
            | ({"files": TEXT} if name == "gateway" else {})
        )
        for name in SERVICES
    }
    network_policy = {
        "enabled": {"type": "boolean"},
        "clients": PEERS,
        "monitoring": PEERS,
        "tracking": PEERS,
        "outside": PEERS,
        "googleApis": {"type": "array", "items": CIDR},
        "kubernetesApis": ADDRESSES,
        "metadataServers": ADDRESSES,
    }
    training = {
        "launcher": {"enum": ["process", "kubernetes"]},
        "resources": container()["resources"],
        "scratch": QUANTITY,
        "modelServer": closed({"resources": container()["resources"]}),
    }
    properties = {
        "project": {"type": "string", "pattern": "^[a-z][a-z0-9-]{4,28}[a-z0-9]$"},
        "bucketUrl": {"type": "string", "pattern": "^(gs://[^/]+|file:///.+)$"},
        "trackingUri": {"type": "string", "minLength": 1},
        "warehouseUrl": setting("transform", "warehouse_url"),
        "bucketClaim": TEXT,
        "pubsubEmulator": TEXT,
        "image": closed({"registry": {"type": "string", "pattern": "^(.+/)?$"}, "tag": TEXT}),
        "services": closed(services),
        "training": closed(training),
        "modelServer": closed(container()),
        "priorityClass": TEXT,
        "monitoring": closed(
            {
                "scrape": {"enum": ["", "PodMonitoring", "PodMonitor"]},
                "interval": {"type": "string", "pattern": "^[0-9]+[smh]$"},
                "alerts": {"enum": ["", "Rules", "PrometheusRule"]},
                "dashboards": {"type": "boolean"},
            }
        ),
        "ingress": closed(
            {
                "parent": TEXT,
                "parentNamespace": TEXT,
                "hosts": {"type": "array", "items": NAME},
                "healthCheck": {"type": "boolean"},
            }
        ),
        "networkPolicy": closed(network_policy),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated by scripts/render from the services' settings; do not edit.",
        **closed(properties, ("project", "bucketUrl", "trackingUri")),
    }


if __name__ == "__main__":
    target = Path(sys.argv[1], "helm/tidemill/values.schema.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(values(), indent=2) + "\n")
