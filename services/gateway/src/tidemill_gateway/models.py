"""What can be asked about models: which there are, in what state, and what they take."""

from collections.abc import Mapping
from typing import Any

from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.protection.callers import Caller
from tidemill_gateway.routes import RouteBook

Document = Mapping[str, Any]


class Models:
    """Describes the models of the route book, as their servers report them."""

    def __init__(self, book: RouteBook, servers: ModelServers) -> None:
        self._book = book
        self._servers = servers

    def names(self, caller: Caller) -> Document:
        """List the models that a caller may use, in the form of KServe."""
        return {"models": [name for name in self._book.models() if caller.sees(name)]}

    async def status(self, ref: ModelRef) -> Document:
        """Return the state of a model's versions, in the forms of TensorFlow Serving and KServe at once.

        A label is passed over, as TensorFlow Serving does. Raises Refused for an unknown model or version.
        """
        route = self._book.route(ref.name)
        statuses = await self._servers.statuses(route.address, ref.name, ref.version)
        answering = str(route.stable_version if ref.version is None else ref.version)
        ready = any(each["version"] == answering and each["state"] == "AVAILABLE" for each in statuses)
        return {"model_version_status": statuses, "name": ref.name, "ready": ready}

    async def metadata(self, ref: ModelRef) -> Document:
        """Return the signatures of the version that a reference means; raises Refused."""
        target = self._book.resolve(ref)
        info = await self._servers.describe(target)
        return {
            "model_spec": {"name": target.model, "signature_name": "", "version": str(target.version)},
            "metadata": {"signature_def": info.signature_defs},
        }
