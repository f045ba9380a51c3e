"""Where the keys of an OpenID Connect issuer are published."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

FETCH_SECONDS = 5.0
MAX_BYTES = 2**20


@dataclass(frozen=True)
class Issuer:
    """An issuer by its name, a URL; without `jwks_url` its discovery document says where the keys are."""

    name: str
    jwks_url: str = ""

    def fetch_keys(self) -> Mapping[str, jwt.PyJWK]:
        """Return the signing keys by id; blocks.

        Raises OSError, ValueError, TypeError, LookupError or PyJWTError.
        """
        url = self.jwks_url or _discovered(self.name)
        key_set = jwt.PyJWKSet.from_dict(_document(url))
        return {str(key.key_id): key for key in key_set.keys if key.public_key_use in {None, "sig"}}


def _discovered(name: str) -> str:
    document = _document(f"{name.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != name:
        raise ValueError(f"expected the discovery document of {name}, received {document.get('issuer')}'s")
    return str(document["jwks_uri"])


def _document(url: str) -> dict[str, Any]:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"expected a URL of http or https, received {url}")
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as response:  # noqa: S310 - checked above
        document = json.loads(response.read(MAX_BYTES))
    if not isinstance(document, dict):
        raise TypeError(f"expected a JSON object from {url}, received {type(document).__name__}")
    return document
