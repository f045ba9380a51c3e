"""TLS with certificates that are renewed while the process runs: new connections get the new one."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from tidemill_runtime.logs import get_logger

CHECK_SECONDS = 2.0


@dataclass(frozen=True)
class Files:
    """PEM files. `client_ca` None: callers need no certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def read(self) -> tuple[bytes, bytes]:
        """Return the key and the chain of certificates; raises OSError."""
        return self.key.read_bytes(), self.certificate.read_bytes()


class Certificates:
    """One server certificate, for REST and gRPC."""

    def __init__(self, files: Files) -> None:
        """Load it; raises OSError, and ssl.SSLError where key and certificate do not belong together."""
        self._files = files
        self.context = _context(files)
        self._pair = files.read()

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a gRPC server, which ask for the certificate at every handshake."""
        authorities = self._files.client_ca.read_bytes() if self._files.client_ca else None

        def configuration() -> grpc.ServerCertificateConfiguration:
            return grpc.ssl_server_certificate_configuration([self._pair], authorities)

        return grpc.dynamic_ssl_server_credentials(
            configuration(), configuration, require_client_authentication=authorities is not None
        )

    async def follow(self) -> None:
        """Load the files again whenever they change, for ever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.reload()

    def reload(self) -> None:
        """Take the files as they are now, if they differ and belong together."""
        try:
            pair = self._files.read()
            if pair == self._pair:
                return
            # Tried apart: a context that has half of a pair refuses everyone.
            _context(self._files)
            self.context.load_cert_chain(self._files.certificate, self._files.key)
        except OSError as error:
            get_logger().error("certificate-unreadable", error=str(error))
            return
        self._pair = pair
        get_logger().info("certificate-renewed")


def _context(files: Files) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(files.certificate, files.key)
    if files.client_ca is not None:
        context.load_verify_locations(files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
