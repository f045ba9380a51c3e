"""Values of the chart that tests install it with."""

from typing import Any

Manifest = dict[str, Any]

IN_JOBS: Manifest = {"training": {"launcher": "kubernetes"}}
DATABASE: Manifest = {"secret": {"name": "mlflow"}, "cloudsql": {"instance": "project:region:instance"}}
EVERYTHING: Manifest = {
    **IN_JOBS,
    "trackingUri": "",
    "mlflow": {"enabled": True, "database": DATABASE},
    "dataflow": {"enabled": True, "region": "europe-west1"},
    "monitoring": {"scrape": "PodMonitoring", "alerts": "Rules", "dashboards": True},
    "ingress": {
        "parent": "shared",
        "className": "nginx",
        "hosts": ["ml.example.com"],
        "tlsSecret": "certificate",
    },
    "networkPolicy": {
        "ingress": [{"ipBlock": {"cidr": "35.191.0.0/16"}}],
        "kubernetesApis": [{"cidr": "172.16.0.2/32", "port": 6443}],
    },
    "services": {
        "ingest": {"autoscaling": {"enabled": True}},
        "gateway": {"autoscaling": {"enabled": True, "inFlight": 20}},
    },
}
WITH_CLOUD_SQL = EVERYTHING | {"mlflow": {"enabled": True, "database": DATABASE | {"type": "cloudsql"}}}
# What other projects bring: their own definitions say what is valid.
OTHERS = {
    "monitoring.googleapis.com",
    "monitoring.coreos.com",
    "gateway.networking.k8s.io",
    "networking.gke.io",
    "cert-manager.io",
}


def is_of_another_project(each: Manifest) -> bool:
    """Say whether Kubernetes itself does not know an object's kind."""
    return str(each["apiVersion"]).partition("/")[0] in OTHERS
