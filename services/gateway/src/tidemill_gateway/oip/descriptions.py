"""What can be asked of the server and its models, as documents that both REST and gRPC can send."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.models import Models
from tidemill_gateway.oip.datatypes import of_type, shown
from tidemill_gateway.oip.statistics import Statistics
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.protection.callers import Caller
from tidemill_gateway.routes import RouteBook
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, Signature, TensorSpec
from tidemill_runtime.ops import Check, failing

Document = Mapping[str, Any]

PLATFORM = "tensorflow_savedmodel"
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "parameters", "statistics")


class Descriptions:
    """Describes the models of the route book in the words of the Open Inference Protocol."""

    def __init__(
        self,
        book: RouteBook,
        servers: ModelServers,
        models: Models,
        statistics: Statistics,
        ready: Mapping[str, Check],
    ) -> None:
        """Describe what is there; the server is ready when every check of `ready` passes."""
        self._book = book
        self._servers = servers
        self._models = models
        self._statistics = statistics
        self._ready = ready

    def server(self) -> Document:
        """Return the server's metadata."""
        version = metadata.version("tidemill-gateway")
        return {"name": "tidemill-gateway", "version": version, "extensions": EXTENSIONS}

    def unready(self) -> str:
        """Return why no predictions can be asked for, empty when they can."""
        return ", ".join(failing(self._ready).values())

    async def check_model_ready(self, ref: ModelRef) -> None:
        """Raise Refused unless the model server has the version that answers for a reference."""
        self._book.resolve(ref)
        if not (await self._models.status(ref))["ready"]:
            raise Refused(Code.UNAVAILABLE, f"Model {ref.name} is not ready")

    async def model(self, ref: ModelRef) -> Document:
        """Return a model's metadata; the tensors are those of its default signature. Raises Refused."""
        signature = await self._signature(ref)
        return {
            "name": ref.name,
            "versions": [str(version) for version in self._versions(ref)],
            "platform": PLATFORM,
            "inputs": [_tensor(name, spec) for name, spec in signature.inputs.items()],
            "outputs": [_tensor(name, spec) for name, spec in signature.outputs.items()],
        }

    async def config(self, ref: ModelRef) -> Document:
        """Return a model's configuration as Triton's extension has it; rows are a dimension like others."""
        signature = await self._signature(ref)
        return {
            "name": ref.name,
            "platform": PLATFORM,
            "backend": "tensorflow",
            "max_batch_size": 0,
            "input": [_config(name, spec) for name, spec in signature.inputs.items()],
            "output": [_config(name, spec) for name, spec in signature.outputs.items()],
        }

    def statistics(self, ref: ModelRef, caller: Caller) -> dict[str, Any]:
        """Return the statistics of a model's versions, or of all that a caller may use; raises Refused."""
        refs = [ref] if ref.name else self._seen(caller)
        stats = [self._statistics.of(each.name, version) for each in refs for version in self._asked(each)]
        return {"model_stats": stats}

    def index(self, caller: Caller) -> Sequence[Document]:
        """Return every loaded version of every model that a caller may use."""
        return [
            {"name": ref.name, "version": str(version), "state": "READY", "reason": ""}
            for ref in self._seen(caller)
            for version in self._versions(ref)
        ]

    def _seen(self, caller: Caller) -> Sequence[ModelRef]:
        return [ModelRef(name) for name in self._book.models() if caller.sees(name)]

    async def _signature(self, ref: ModelRef) -> Signature:
        info = await self._servers.describe(self._book.resolve(ref))
        return info.signature(DEFAULT_SIGNATURE)

    def _versions(self, ref: ModelRef) -> Sequence[int]:
        return sorted(self._book.route(ref.name).loaded_versions)

    def _asked(self, ref: ModelRef) -> Sequence[int]:
        return self._versions(ref) if ref.version is None else [self._book.resolve(ref).version]


def refuse_loading() -> Refused:
    """Make the refusal of loading and unloading by hand."""
    return Refused(
        Code.PERMISSION_DENIED, "Models are loaded and unloaded by their releases, not through this protocol"
    )


def _tensor(name: str, spec: TensorSpec) -> Document:
    return {"name": name, "datatype": shown(spec.type_name), "shape": spec.shape or ()}


def _config(name: str, spec: TensorSpec) -> Document:
    datatype = of_type(spec.type_name)
    type_name = "TYPE_INVALID" if datatype is None else datatype.config_name
    return {"name": name, "data_type": type_name, "dims": spec.shape or ()}
