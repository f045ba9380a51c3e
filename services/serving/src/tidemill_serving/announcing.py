"""Events of decisions that no message caused: stored with the decision, and told after it."""

from collections.abc import Iterator

from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    EVENT_TYPES,
    TYPE_NAMES,
    ModelDeployed,
    ModelWithdrawn,
    ReleaseStepped,
)
from tidemill_contracts.serving_spec import Strategy
from tidemill_runtime.telling import Cause, Teller
from tidemill_serving.deployment import Deployed, Deployment, Origin, Release, Untold, Withdrawal


def label_of(strategy: Strategy) -> str:
    """Name the label of a version that is released so: what is not all at once is called as it is done."""
    return "stable" if strategy == "all-at-once" else strategy


def stable(deployment: Deployment, deployed: Deployed, seconds: float) -> ModelDeployed:
    """Say that a version answers all requests that name none."""
    return ModelDeployed(
        pipeline=deployment.pipeline,
        version=deployed.version,
        model_id=deployed.model_id,
        label="stable",
        replaces=deployment.replaced[deployed.version],
        release=deployed.release,
        seconds=seconds,
    )


def begun(deployment: Deployment, release: Release, share: float, seconds: float) -> ModelDeployed:
    """Say that a version answers beside the stable one."""
    return ModelDeployed.model_validate(
        {
            "pipeline": deployment.pipeline,
            "version": release.candidate.version,
            "model_id": release.candidate.model_id,
            "label": label_of(release.strategy),
            "replaces": deployment.stable.version if deployment.stable else None,
            "release": release.candidate.release,
            "share": share,
            "seconds": seconds,
        }
    )


def stepped(
    deployment: Deployment, release: Release, share: float, texts: tuple[str, ...], seconds: float
) -> ReleaseStepped:
    """Say that the version under release answers another share."""
    return ReleaseStepped(
        pipeline=deployment.pipeline,
        version=release.candidate.version,
        model_id=release.candidate.model_id,
        release=release.candidate.release,
        step=release.step,
        share=share,
        findings=texts,
        seconds=seconds,
    )


def withdrawn(deployment: Deployment, deployed: Deployed, why: Withdrawal, seconds: float) -> ModelWithdrawn:
    """Say that a version does not serve, and why."""
    return ModelWithdrawn(
        pipeline=deployment.pipeline,
        version=deployed.version,
        model_id=deployed.model_id,
        reason=why.as_reason(),
        answers=why.answers,
        failures=why.failures,
        release=deployed.release,
        seconds=seconds,
    )


def untold(data: EventData, deployed: Deployed) -> Untold:
    """Write down an event that is to be told as a consequence of what a version's release follows from."""
    origin = deployed.origin or Origin(correlation_id=f"model-{deployed.model_id}")
    return Untold(type=TYPE_NAMES[type(data)], data=data.model_dump(mode="json"), origin=origin)


def tell(events: tuple[Untold, ...], teller: Teller) -> Iterator[Untold]:
    """Tell events in order; yield each when it was told."""
    for event in events:
        data = EVENT_TYPES[event.type].model_validate(event.data)
        origin = event.origin
        teller.tell(data, Cause(origin.correlation_id, origin.causation_id, origin.data_classification))
        yield event
