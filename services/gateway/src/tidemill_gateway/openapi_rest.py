"""OpenAPI documents of single models: `openapi.json` below a model's path, in either protocol."""

import re
from urllib.parse import unquote

import orjson

from tidemill_contracts.api_keys import Role
from tidemill_gateway.edge import Reply, RestRequest
from tidemill_gateway.errors import Code
from tidemill_gateway.model_openapi import open_inference_document, tensorflow_serving_document
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.oip.paths import read_version
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.routes import RouteBook

_SUFFIX = "/openapi.json"
_PATH = re.compile(
    r"(?P<path>/v(?P<api>[12])/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?)/openapi\.json",
    re.ASCII,
)


class OpenApiRest:
    """Describes the version that a path means, as its signatures are."""

    name = "openapi"

    def __init__(self, book: RouteBook, servers: ModelServers) -> None:
        self._book = book
        self._servers = servers

    def serves(self, path: str) -> bool:
        """Say whether a path is that of a model's document."""
        return path.endswith(_SUFFIX) and _PATH.fullmatch(path) is not None

    async def answer(self, request: RestRequest) -> Reply:
        """Answer a request; raises Refused."""
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "GET":
            allow = [(b"allow", b"GET")]
            return Reply(self.error_body("Method Not Allowed"), Code.UNIMPLEMENTED, 405, headers=allow)
        label = match["label"]
        ref = ModelRef(unquote(match["name"]), read_version(match["version"]), label and unquote(label))
        request.admit(Role.PREDICT, ref.name)
        target = self._book.resolve(ref)
        info = await self._servers.describe(target)
        describe = tensorflow_serving_document if match["api"] == "1" else open_inference_document
        return Reply(orjson.dumps(describe(ref.name, target.version, match["path"], info)))

    def error_body(self, message: str) -> bytes:
        """Write the body of a refusal."""
        return orjson.dumps({"error": message.encode(errors="replace").decode()})
