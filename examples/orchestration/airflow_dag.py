"""Airflow, or Cloud Composer: a new model of `flights` every week, and a run that fails when it is refused.

The run waits on a subscription of its own, which hears of nothing but what follows from its request.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.google.cloud.operators.pubsub import (
    PubSubCreateSubscriptionOperator,
    PubSubDeleteSubscriptionOperator,
    PubSubPublishMessageOperator,
)
from airflow.providers.google.cloud.sensors.pubsub import PubSubPullSensor
from airflow.sdk import DAG, task

PROJECT_ID = "example-project"
EVENTS = "tidemill-events"
# Runs have names such as scheduled__2026-01-05T03:00:00+00:00; Pub/Sub takes no colons in its names.
REQUEST_ID = "airflow-retrain-flights-{{ run_id | replace(':', '') | replace('+', '_') }}"
BLESSED = "dev.tidemill.model.blessed.v1"
# The first event about the model is the verdict, if the data was not refused before. Filters have 256 bytes.
ANY_END = (
    'hasPrefix(attributes."ce-type", "dev.tidemill.model.") OR '
    'attributes."ce-type" = "dev.tidemill.dataset.rejected.v1"'
)
DAY_SECONDS = 24 * 3600


class CreateSubscription(PubSubCreateSubscriptionOperator):
    """Let the filter be a template too."""

    template_fields = (*PubSubCreateSubscriptionOperator.template_fields, "filter_")


with DAG(
    "retrain_flights",
    schedule="0 3 * * 1",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["tidemill"],
):
    listen = CreateSubscription(
        task_id="listen",
        project_id=PROJECT_ID,
        topic=EVENTS,
        subscription=REQUEST_ID,
        filter_=f'attributes."ce-correlationid" = "{REQUEST_ID}" AND ({ANY_END})',
        message_retention_duration={"seconds": DAY_SECONDS},
        expiration_policy={"ttl": {"seconds": DAY_SECONDS}},
    )
    publish = PubSubPublishMessageOperator(
        task_id="publish",
        project_id=PROJECT_ID,
        topic=EVENTS,
        messages=[
            {
                "data": b'{"pipeline": "flights", "reason": "every Monday"}',
                "attributes": {
                    "ce-specversion": "1.0",
                    "ce-type": "dev.tidemill.retrain.requested.v1",
                    "ce-source": "//airflow/dags/retrain_flights",
                    "ce-id": REQUEST_ID,
                    "ce-correlationid": REQUEST_ID,
                },
            }
        ],
        retries=5,
    )
    # Nothing comes where the same data was trained on under the same spec before: then the run is skipped.
    wait = PubSubPullSensor(
        task_id="wait",
        project_id=PROJECT_ID,
        subscription=REQUEST_ID,
        max_messages=1,
        ack_messages=True,
        return_immediately=False,
        poke_interval=60,
        timeout=timedelta(hours=12).total_seconds(),
        mode="reschedule",
        soft_fail=True,
    )
    stop_listening = PubSubDeleteSubscriptionOperator(
        task_id="stop_listening", project_id=PROJECT_ID, subscription=REQUEST_ID, trigger_rule="all_done"
    )

    @task
    def tell(messages: list[dict[str, Any]]) -> str:
        """Return the data of the blessed model's event; fail with any other."""
        message = messages[0]["message"]
        if message["attributes"]["ce-type"] != BLESSED:
            raise RuntimeError(f"expected a blessed model, received {message}")
        return str(message["data"])

    listen >> publish >> wait >> [stop_listening, tell(wait.output)]
