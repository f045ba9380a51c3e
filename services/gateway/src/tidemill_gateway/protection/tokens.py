"""OpenID Connect: who asks by a signed token, checked with the keys that the issuer publishes.

Keys are fetched in the background, never while a request waits: a token by a key that is not known yet makes
the background fetch the keys again, once per interval at most, and the caller is asked to come back.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import jwt

from tidemill_contracts.api_keys import Role
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.protection.callers import Caller, unauthenticated
from tidemill_gateway.protection.issuer import Issuer
from tidemill_runtime.logs import get_logger

# Signatures by keys that only the issuer has; never those that a published key could forge.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 30
REFRESH_SECONDS = 300.0
LEAST_REFRESH_SECONDS = 10.0
MAX_CHECKED = 4096
MAX_TOKEN_CHARACTERS = 16_384
_REQUIRED = ["exp", "iss", "aud", "sub"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A token that was found valid. `until` is of the wall clock."""

    caller: Caller
    until: float


class Tokens:
    """Knows callers by tokens of one issuer.

    Args:
        issuer: Whose keys sign them.
        audience: Whom they must be meant for.
        roles_claim: Where they say what the caller may do; dots lead into objects.
    """

    def __init__(
        self,
        issuer: Issuer,
        audience: str,
        roles_claim: str,
        *,
        least_refresh_seconds: float = LEAST_REFRESH_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._roles_path = roles_claim.split(".")
        self._least_refresh_seconds = least_refresh_seconds
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._checked: dict[bytes, Checked] = {}
        self._wanted = asyncio.Event()
        self._may_ask_at = 0.0

    def caller(self, credential: str) -> Caller | None:
        """Return whose token it is, None when it is no token; raises Refused when it is not valid."""
        if credential.count(".") != 2:
            return None
        digest = hashlib.sha256(credential.encode()).digest()
        checked = self._checked.get(digest)
        if checked is None or checked.until <= self._clock():
            checked = self._check(credential)
            if len(self._checked) >= MAX_CHECKED:
                del self._checked[next(iter(self._checked))]
            self._checked[digest] = checked
        return checked.caller

    async def follow(self) -> None:
        """Keep the issuer's keys up to date, for ever; while the issuer is away they stay as they were."""
        while True:
            await self.refresh()
            self._wanted.clear()
            self._may_ask_at = time.monotonic() + self._least_refresh_seconds
            try:
                async with asyncio.timeout(REFRESH_SECONDS if self._keys else self._least_refresh_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Fetch the keys once."""
        try:
            keys = await asyncio.to_thread(self._issuer.fetch_keys)
        except (OSError, HTTPException, ValueError, TypeError, LookupError, jwt.PyJWTError) as error:
            get_logger().warning("issuer-away", issuer=self._issuer.name, error=str(error))
            return
        if keys.keys() != self._keys.keys():
            get_logger().info("issuer-keys", issuer=self._issuer.name, keys=len(keys))
        self._keys = keys
        # A key that was withdrawn takes its tokens with it.
        self._checked.clear()

    def _check(self, token: str) -> Checked:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise unauthenticated("Expecting a shorter token", "token-invalid")
        try:
            claims = jwt.decode(
                token,
                self._key(jwt.get_unverified_header(token)),
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer.name,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise unauthenticated("Expecting a token that has not expired", "token-expired") from None
        except jwt.PyJWTError as error:
            raise unauthenticated(f"Expecting a valid token but got: {error}", "token-invalid") from None
        return Checked(
            Caller(f"sub:{claims['sub']}", self._roles(claims)), int(claims["exp"]) + LEEWAY_SECONDS
        )

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        key = self._keys.get(str(header.get("kid", "")))
        if key is not None:
            return key
        was_fetched_just_now = time.monotonic() < self._may_ask_at and not self._wanted.is_set()
        if self._keys and was_fetched_just_now:
            raise unauthenticated("Expecting a token signed by a published key", "token-key-unknown")
        self._wanted.set()
        raise Refused(
            Code.UNAVAILABLE,
            "The issuer's keys are being fetched",
            retry_after_seconds=1,
            reason="token-keys-pending",
        )

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        value: Any = claims
        for name in self._roles_path:
            value = value.get(name) if isinstance(value, dict) else None
        names = value.split() if isinstance(value, str) else value if isinstance(value, list | dict) else ()
        return frozenset(role for role in Role if role.value in names)
