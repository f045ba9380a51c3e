"""A request to retrain: taken for the spec and the newest span of its moment, and ever after for these."""

from tidemill_contracts import layout
from tidemill_contracts.events import RetrainRequested
from tidemill_contracts.pipeline import InvalidSpec, Pipeline, is_pipeline_name, parse_pipeline
from tidemill_contracts.profile import ProfileModel
from tidemill_runtime.consumer import Rejected
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence


class Retraining(ProfileModel):
    """What a request was taken for."""

    spec_digest: str
    span: int


def take(store: ObjectStore, request: RetrainRequested) -> Retraining:
    """Return what a request was taken for; raise Rejected when it asks for what there is not."""
    name = layout.retraining(request.pipeline, request.request_id)
    try:
        return Retraining.model_validate_json(store.read(name))
    except ObjectNotFound:
        pipeline, span = _pipeline(store, request.pipeline), _span(store, request)
    digest = pipeline.digest()
    store.create(layout.pinned_spec(request.pipeline, digest), pipeline.to_json().encode())
    store.create(name, Retraining(spec_digest=digest, span=span).model_dump_json().encode())
    # Someone who took it at the same time may have been first; theirs counts.
    return Retraining.model_validate_json(store.read(name))


def _pipeline(store: ObjectStore, name: str) -> Pipeline:
    try:
        if is_pipeline_name(name):
            return parse_pipeline(store.read(layout.pipeline_spec(name)))
    except ObjectNotFound:
        pass
    except InvalidSpec as error:
        raise Rejected("invalid-spec", f"the spec of {name} is not valid: {error}") from error
    raise Rejected("unknown-pipeline", f"expected the name of a pipeline, received {name!r}")


def _span(store: ObjectStore, request: RetrainRequested) -> int:
    newest = Sequence(store, layout.SPAN_SEQUENCE, request.pipeline).newest()
    wanted = newest if request.span is None else request.span
    if not 0 < wanted <= newest:
        raise Rejected("unknown-span", f"expected one of {newest} spans, received {request.span}")
    return wanted
