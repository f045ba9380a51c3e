"""A certificate authority for tests."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOUR = timedelta(hours=1)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass
class Authority:
    """Issues certificates for 127.0.0.1 into a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    @property
    def certificate(self) -> Path:
        """Write the authority's own certificate."""
        path = self.folder / "authority.pem"
        if not path.exists():
            built = self._builder("authority", self.key).add_extension(
                x509.BasicConstraints(True, None), True
            )
            path.write_bytes(built.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path

    def issue(self, name: str) -> tuple[Path, Path]:
        """Write a certificate and its key, each instead of what was there; return where they are."""
        key = _key()
        address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        built = self._builder(name, key).add_extension(address, False).sign(self.key, hashes.SHA256())
        certificate, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        _replace(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        _replace(certificate, built.public_bytes(Encoding.PEM))
        return certificate, key_file

    def _builder(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name("authority"))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - HOUR).not_valid_after(now + HOUR)


def _replace(path: Path, content: bytes) -> None:
    staged = path.with_suffix(".new")
    staged.write_bytes(content)
    staged.replace(path)
