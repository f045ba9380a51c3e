"""Rules of a training's Kubernetes Job: the template, and what the spec asks for."""

from typing import Any

from launcher_machines import JOB, TEMPLATE

from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_trainer.kubernetes_job import job_manifest

IGNORED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def a_job(**spec: Any) -> dict[str, Any]:
    return job_manifest(TEMPLATE, JOB, TrainingSpec.model_validate(spec), 90)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


def test_it_is_the_template_with_a_name_labels_a_command_and_limits() -> None:
    labels = {
        "tidemill.dev/pipeline": "flights",
        "tidemill.dev/model-id": JOB.training.model_id,
        "tidemill.dev/attempt": "1",
    }
    amounts = {"memory": "4Gi"}
    container = {
        "name": "job",
        "image": "tidemill/trainer",
        "command": ["python", *JOB.arguments],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": amounts, "limits": amounts},
    }
    assert a_job() == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "namespace": "learning",
            "labels": {"app": "trainer", **labels},
            "name": f"tidemill-training-{JOB.training.model_id}-1",
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 90,
            "ttlSecondsAfterFinished": 86400,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": [IGNORED]},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "subdomain": "trainings",
                    "containers": [container],
                    "restartPolicy": "Never",
                    "nodeSelector": {},
                    "tolerations": [],
                },
            },
        },
    }


def test_a_budget_moves_the_deadline() -> None:
    assert a_job(budget="1h")["spec"]["activeDeadlineSeconds"] == 3600 * 1.05 + 600


def test_resources_are_requests_and_limits_in_place_of_the_templates() -> None:
    template = {**TEMPLATE, "spec": {"template": {"spec": {"containers": [{"name": "job"}]}}}}
    template["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"memory": "1Gi"},
    }

    job = job_manifest(
        template, JOB, TrainingSpec.model_validate({"resources": {"cpu": "4", "memory": "8Gi"}}), 90
    )

    amounts = {"cpu": "4", "memory": "8Gi"}
    assert pod_of(job)["containers"][0]["resources"] == {"requests": amounts, "limits": amounts}


def test_gpus_and_spot_nodes_are_chosen_and_tolerated() -> None:
    pod = pod_of(a_job(resources={"gpus": 2, "gpuType": "nvidia-l4", "spot": True}))

    assert pod["containers"][0]["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": "2"}
    assert pod["nodeSelector"] == {
        "cloud.google.com/gke-accelerator": "nvidia-l4",
        "cloud.google.com/gke-spot": "true",
    }
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {
            "key": "cloud.google.com/gke-spot",
            "operator": "Equal",
            "value": "true",
            "effect": "NoSchedule",
        },
    ]


def test_a_job_with_gpus_has_the_image_for_them_where_the_template_names_one() -> None:
    template = {**TEMPLATE, "metadata": {"annotations": {"tidemill.dev/gpu-image": "tidemill/trainer-gpu"}}}

    def image(**resources: Any) -> str:
        spec = TrainingSpec.model_validate({"resources": resources})
        return str(pod_of(job_manifest(template, JOB, spec, 90))["containers"][0]["image"])

    assert image(gpus=1) == "tidemill/trainer-gpu"
    assert image() == "tidemill/trainer"


def test_an_image_of_the_users_own_takes_the_place_of_the_trainers() -> None:
    job = a_job(families=["custom"], custom={"command": ["train"], "image": "mine:1"})

    assert pod_of(job)["containers"][0]["image"] == "mine:1"


def test_several_workers_are_an_indexed_job_whose_pods_know_each_other() -> None:
    job = a_job(workers=2)

    spec, name = job["spec"], job["metadata"]["name"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert pod_of(job)["containers"][0]["command"] == [
        *("python", *JOB.arguments, "--peers"),
        f"{name}-0.trainings:2222,{name}-1.trainings:2222",
        *("--worker-index", "$(JOB_COMPLETION_INDEX)"),
    ]
    lost_a_peer = {"containerName": "job", "operator": "In", "values": [75]}
    assert spec["podFailurePolicy"]["rules"] == [IGNORED, {"action": "Ignore", "onExitCodes": lost_a_peer}]


def test_the_template_stays_as_it_is() -> None:
    before = str(TEMPLATE)

    a_job(workers=2, resources={"gpus": 1})

    assert str(TEMPLATE) == before
