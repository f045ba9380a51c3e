"""Every example of orchestration publishes what transform takes, and asks for one model, not more."""

import ast
import base64
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import airflow_stand_in
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from google.pubsub_v1.types import Subscription
from orchestration_site import PROJECT, Site

from tidemill_contracts import topology
from tidemill_contracts.event import EventData
from tidemill_contracts.events import ModelBlessed, ModelRejected, Reason, RetrainRequested

EXAMPLES = Path(__file__).parents[2] / "examples" / "orchestration"
MODEL: dict[str, Any] = {
    "pipeline": "flights",
    "model_id": "m",
    "dataset": 1,
    "dataset_id": "d",
    "family": "deep",
    "metrics": {},
    "champion": None,
    "seconds": 1,
}
Shell = Callable[..., list[str]]


def documents(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / file).read_text()))


def test_cloud_scheduler_asks_for_a_new_model_each_time(broker: Site) -> None:
    [job] = documents("cloud-scheduler.yaml")
    target = job["spec"]["pubsubTarget"]
    assert target["topicRef"]["name"] == topology.EVENTS_TOPIC
    assert "ce-id" not in target["attributes"], "a message that is always the same would be one request"

    requests = []
    for _ in range(2):
        broker.publish(base64.b64decode(target["data"]), target["attributes"])
        event = broker.heard()
        assert broker.retrained(event).requested
        requests.append(event.data)

    first, second = requests
    assert isinstance(first, RetrainRequested)
    assert isinstance(second, RetrainRequested)
    assert first.request_id != second.request_id


def test_the_command_for_cloud_scheduler_makes_the_same_job() -> None:
    [job] = documents("cloud-scheduler.yaml")
    spec, text = job["spec"], (EXAMPLES / "README.md").read_text().replace("\\\n", " ")
    [line] = [each for each in text.splitlines() if each.startswith("gcloud scheduler jobs create pubsub")]
    words = shlex.split(line)
    flags = dict(each.removeprefix("--").partition("=")[::2] for each in words if each.startswith("--"))

    assert job["metadata"]["name"] in words
    attributes = dict(each.split("=", 1) for each in flags.pop("attributes").split(","))
    assert attributes == spec["pubsubTarget"]["attributes"]
    assert flags.pop("message-body").encode() == base64.b64decode(spec["pubsubTarget"]["data"])
    assert flags == {
        "location": spec["location"],
        "schedule": spec["schedule"],
        "time-zone": spec["timeZone"],
        "topic": spec["pubsubTarget"]["topicRef"]["name"],
    }


def test_a_cron_job_asks_once_however_often_its_pods_try(broker: Site, shell: Shell) -> None:
    account, job = documents("cron-job.yaml")
    for each in (account, job):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["serviceAccountName"] == account["metadata"]["name"]

    for _ in range(2):
        command = shell(container["args"][0], REQUEST_ID="retrain-flights-29345678")
        subprocess.run(command, check=True, timeout=60)
    first, second = broker.heard(), broker.heard()

    assert first.data == second.data
    assert broker.retrained(first) == broker.retrained(second)


def test_a_dag_asks_once_per_run_and_hears_what_came_of_it(broker: Site) -> None:
    tasks = airflow_stand_in.read(EXAMPLES / "airflow_dag.py")
    listen, publish, wait, stop = (
        tasks[name].rendered(run_id="scheduled__2026-01-05T03:00:00+00:00")
        for name in ("listen", "publish", "wait", "stop_listening")
    )
    topic = broker.publisher.topic_path(PROJECT, listen["topic"])
    path = broker.subscriber.subscription_path(PROJECT, listen["subscription"])
    broker.subscriber.create_subscription(Subscription(name=path, topic=topic, filter=listen["filter_"]))

    [message] = publish["messages"]
    broker.publish(message["data"], message["attributes"])
    event = broker.heard()
    assert broker.retrained(event).requested
    broker.tell(ModelBlessed(**{**MODEL, "model_id": "of another"}, version=1), "another")
    broker.tell(ModelBlessed(**MODEL, version=2), event.correlation_id)

    heard = broker.heard(wait["subscription"])
    assert isinstance(heard.data, ModelBlessed)
    assert heard.data.version == 2
    assert stop["subscription"] == wait["subscription"] == listen["subscription"]
    assert (tasks["publish"].after, tasks["wait"].after) == (["listen"], ["publish"])


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (ModelBlessed(**MODEL, version=1), 0),
        (ModelRejected(**MODEL, version=1, reasons=(Reason(code="worse", message="than before"),)), 1),
    ],
    ids=["blessed", "rejected"],
)
def test_a_workflow_ends_as_its_model_does(broker: Site, shell: Shell, end: EventData, code: int) -> None:
    *_, template = documents("argo-workflow.yaml")
    [step] = template["spec"]["templates"]
    given = {each["name"] for each in step["script"]["env"]}
    assert given == {"PIPELINE", "PROJECT_ID", "REQUEST_ID"}

    command = shell(step["script"]["source"], PIPELINE="flights", REQUEST_ID=f"argo-{code}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        event = broker.heard()
        assert broker.retrained(event).requested
        broker.tell(end, event.correlation_id)
        _, said = running.communicate(timeout=60)

    assert running.returncode == code, said.decode()
    left = broker.subscriber.list_subscriptions(project=f"projects/{PROJECT}")
    assert f"argo-{code}" not in {each.name.rpartition("/")[2] for each in left}


def test_a_workflow_may_say_how_its_steps_ended() -> None:
    *access, template = documents("argo-workflow.yaml")
    account, role, binding = access
    name = template["spec"]["serviceAccountName"]

    for each in access:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    assert {each["metadata"]["namespace"] for each in access} == {template["metadata"]["namespace"]}
    assert account["metadata"]["name"] == name
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", role["metadata"]["name"])
    assert [(each["kind"], each["name"]) for each in binding["subjects"]] == [("ServiceAccount", name)]
    [rule] = role["rules"]
    assert (rule["apiGroups"], rule["resources"]) == (["argoproj.io"], ["workflowtaskresults"])
    assert set(rule["verbs"]) == {"create", "patch"}


def test_a_step_of_kubeflow_asks_for_the_pipeline_it_is_given(broker: Site, shell: Shell) -> None:
    tree = ast.parse((EXAMPLES / "kubeflow_step.py").read_text())
    [script] = [
        ast.literal_eval(each.value)
        for each in tree.body
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "PUBLISH"
    ]

    subprocess.run(shell(script, PROJECT, "flights", "run-1"), check=True, timeout=60)
    event = broker.heard()

    assert event.data == RetrainRequested(pipeline="flights", request_id="run-1")
    assert broker.retrained(event).requested


def test_the_message_that_is_documented_is_the_least_there_can_be(broker: Site) -> None:
    text = (EXAMPLES / "README.md").read_text()
    binary, structured = (
        json.loads(each) for each in re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    )

    for message in (binary, structured):
        broker.publish(json.dumps(message["data"]).encode(), message["attributes"])
        assert broker.retrained(broker.heard()).requested
