"""The Kubernetes Job of one training: the deployment's template, with what the spec asks for. Pure.

What a pod looks like (image, account, volumes, settings, a model server beside it) is the deployment's
business: a template holds it. Its first container runs the training.
"""

import copy
from typing import Any

from tidemill_contracts.training_spec import Resources
from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_trainer.launcher import Job, deadline_seconds

Manifest = dict[str, Any]

KEPT_AFTER_END_SECONDS = 24 * 3600
PEER_PORT = 2222
# Exit code of a worker that lost another one: it begins anew when that one is back (EX_TEMPFAIL).
PEER_LOST = 75
GPU = "nvidia.com/gpu"
GPU_TYPE = "cloud.google.com/gke-accelerator"
SPOT = "cloud.google.com/gke-spot"
# The template's annotation that names the image with TensorFlow's GPU libraries; it may have none.
GPU_IMAGE = "tidemill.dev/gpu-image"


def job_name(job: Job) -> str:
    """Name the Job; the same attempt has the same name."""
    return f"tidemill-training-{job.job_id}"


def job_manifest(template: Manifest, job: Job, spec: TrainingSpec, setting_seconds: int) -> Manifest:
    """Return the Job to be created.

    An eviction, or a spot node that is taken away, is no failure: another pod goes on from the noted trials.
    """
    manifest = copy.deepcopy(template)
    pod = manifest["spec"]["template"]
    for labelled in (manifest, pod):
        metadata = labelled.setdefault("metadata", {})
        metadata["labels"] = {**metadata.get("labels", {}), **_labels(job)}
    manifest["metadata"]["name"] = job_name(job)
    manifest["spec"] |= {
        "backoffLimit": 0,
        "activeDeadlineSeconds": deadline_seconds(setting_seconds, spec),
        "ttlSecondsAfterFinished": KEPT_AFTER_END_SECONDS,
        # A pod that lost its node may still write: none takes its place until it has ended.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [_ignore_disruption()]},
    }
    gpu_image = manifest["metadata"].get("annotations", {}).get(GPU_IMAGE)
    if spec.resources.gpus and gpu_image:
        pod["spec"]["containers"][0]["image"] = gpu_image
    pod["spec"]["restartPolicy"] = "Never"
    _fill_container(pod["spec"]["containers"][0], job, spec)
    _choose_nodes(pod["spec"], spec.resources)
    if spec.workers > 1:
        _spread(manifest, job, spec.workers)
    return manifest


def _labels(job: Job) -> dict[str, str]:
    return {
        "tidemill.dev/pipeline": job.training.pipeline,
        "tidemill.dev/model-id": job.training.model_id,
        "tidemill.dev/attempt": str(job.attempt),
    }


def _ignore_disruption() -> Manifest:
    return {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def _fill_container(container: Manifest, job: Job, spec: TrainingSpec) -> None:
    container["command"] = ["python", *job.arguments]
    # So that why it failed can be read where the pod is described, without its log.
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    if spec.custom and spec.custom.image:
        container["image"] = spec.custom.image
    amounts = _amounts(spec.resources)
    resources = container.setdefault("resources", {})
    for kind in ("requests", "limits"):
        resources[kind] = {**resources.get(kind, {}), **amounts}


def _amounts(resources: Resources) -> dict[str, str]:
    amounts = {"memory": resources.memory}
    if resources.cpu:
        amounts["cpu"] = resources.cpu
    if resources.gpus:
        amounts[GPU] = str(resources.gpus)
    return amounts


def _choose_nodes(pod: Manifest, resources: Resources) -> None:
    selector, tolerations = pod.get("nodeSelector", {}), pod.get("tolerations", [])
    if resources.gpus:
        tolerations = [*tolerations, {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
        if resources.gpu_type:
            selector = {**selector, GPU_TYPE: resources.gpu_type}
    if resources.spot:
        selector = {**selector, SPOT: "true"}
        spot = {"key": SPOT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
        tolerations = [*tolerations, spot]
    pod |= {"nodeSelector": selector, "tolerations": tolerations}


def _spread(manifest: Manifest, job: Job, workers: int) -> None:
    """Make it an indexed Job, whose pods find each other by name in the template's headless service."""
    spec = manifest["spec"]
    spec |= {"completionMode": "Indexed", "completions": workers, "parallelism": workers}
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    name = job_name(job)
    peers = [f"{name}-{index}.{pod['subdomain']}:{PEER_PORT}" for index in range(workers)]
    # Kubernetes puts the variable's value in its place.
    container["command"] = ["python", *job.worker_arguments(peers, "$(JOB_COMPLETION_INDEX)")]
    lost = {"containerName": container["name"], "operator": "In", "values": [PEER_LOST]}
    spec["podFailurePolicy"]["rules"].append({"action": "Ignore", "onExitCodes": lost})
