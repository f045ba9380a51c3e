"""ModelSpec: which model a TensorFlow Serving message asks, and which one answered."""

from typing import Any

from tidemill_gateway.calls import Call
from tidemill_gateway.errors import invalid
from tidemill_gateway.paths import ModelRef


def read_spec(message: Any) -> ModelRef:
    """Return the model that a message asks for; raises Refused when it names none."""
    spec = message.model_spec
    if not spec.name:
        raise invalid("Missing ModelSpec: expected the name of a model, received none")
    # OpenVINO's client sends 0 for the latest; versions begin at 1. An unset version has the value 0 too.
    version = spec.version.value or None
    return ModelRef(spec.name, version, spec.version_label if spec.HasField("version_label") else None)


def fill_resolved(spec: Any, call: Call, signature: str) -> None:
    """Write which version and signature answered a call."""
    spec.name = call.ref.name
    spec.signature_name = signature
    if call.version:
        spec.version.value = int(call.version)
