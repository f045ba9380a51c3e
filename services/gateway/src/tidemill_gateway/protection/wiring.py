"""The protection that settings want, and what it does in the background."""

import asyncio
import math
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tidemill_gateway.metrics import IN_FLIGHT
from tidemill_gateway.protection.api_key_file import ApiKeyFile
from tidemill_gateway.protection.callers import Credentials
from tidemill_gateway.protection.certificates import Certificates, Files
from tidemill_gateway.protection.draining import Draining
from tidemill_gateway.protection.guard import Guard
from tidemill_gateway.protection.origins import Origins
from tidemill_gateway.protection.overload import Places
from tidemill_gateway.settings import Settings


class Protection:
    """All of it. `certificates` is None without TLS."""

    def __init__(self, settings: Settings, is_known: Callable[[str], bool]) -> None:
        """Read keys and certificates; raises OSError or ValueError when they cannot be read.

        `is_known` says whether there is such a model.
        """
        places = _places(settings)
        IN_FLIGHT.set_function(lambda: places.taken)
        self.guard = Guard(_credentials(settings), is_known=is_known, places=places)
        self.origins = Origins(settings.cors_origins)
        self.draining = Draining()
        self.certificates = _certificates(settings)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow what changes - keys, certificates - while the block runs."""
        async with asyncio.TaskGroup() as group:
            following = [group.create_task(self.guard.follow())]
            if self.certificates is not None:
                following.append(group.create_task(self.certificates.follow()))
            try:
                yield
            finally:
                for task in following:
                    task.cancel()

    def tls_context(self, *_asked: object) -> ssl.SSLContext:
        """Return what uvicorn asks for, where there is TLS."""
        if self.certificates is None:
            raise RuntimeError("expected a certificate, there is none")
        return self.certificates.context


def _places(settings: Settings) -> Places:
    if settings.max_in_flight:
        return Places(settings.good_seconds, settings.max_in_flight)
    return Places(math.inf, sys.maxsize)


def _credentials(settings: Settings) -> list[Credentials]:
    kinds: list[Credentials] = []
    if settings.api_keys_file is not None:
        kinds.append(ApiKeyFile(settings.api_keys_file, settings.quota_file))
    if settings.oidc_issuer:
        # Only those who use it pay for cryptography.
        from tidemill_gateway.protection.issuer import Issuer  # noqa: PLC0415
        from tidemill_gateway.protection.tokens import Tokens  # noqa: PLC0415

        issuer = Issuer(settings.oidc_issuer, settings.oidc_jwks_url)
        kinds.append(Tokens(issuer, settings.oidc_audience, settings.oidc_roles_claim))
    return kinds


def _certificates(settings: Settings) -> Certificates | None:
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ValueError("expected both a certificate and its key, or neither, received one of them")
    return Certificates(Files(certificate, key, settings.tls_client_ca_file))
