"""Kubeflow Pipelines: a step that asks Tidemill for a new model, and a pipeline of nothing but it."""

from kfp import dsl

IMAGE = "gcr.io/google.com/cloudsdktool/google-cloud-cli:slim"
PUBLISH = """
gcloud pubsub topics publish tidemill-events --project="$0" --message="{\\"pipeline\\": \\"$1\\"}" \
  --attribute="ce-specversion=1.0,ce-type=dev.tidemill.retrain.requested.v1,ce-source=//kubeflow,ce-id=$2,ce-correlationid=$2"
"""


@dsl.container_component
def retrain(project: str, pipeline: str, request_id: str) -> dsl.ContainerSpec:
    """Ask for a new model; asked again with the same id, nothing more happens."""
    return dsl.ContainerSpec(
        image=IMAGE, command=["sh", "-euc", PUBLISH], args=[project, pipeline, request_id]
    )


@dsl.pipeline(name="retrain-flights")
def retrain_flights(project: str = "example-project") -> None:
    """Retrain `flights`, once per run."""
    retrain(project=project, pipeline="flights", request_id=dsl.PIPELINE_JOB_NAME_PLACEHOLDER)
