"""Names of predictions, which say all that feedback needs to know, and which nobody else can make.

A name is made of the time, the gateway, chance, the number of rows, the model's version and variant, and a
keyed BLAKE2 digest of these and of the model's name: no look-up is needed to know what feedback is about.
"""

import binascii
import hashlib
import random
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest

from tidemill_gateway.errors import Refused, invalid
from tidemill_gateway.quoting import quoted

DIGEST_BYTES = 12
MAX_VARIANT_BYTES = 40
# Format 1 and whether it is logged; milliseconds since 1970; gateway; chance; rows; version. Variant follows.
_FIXED = struct.Struct(">BQIIIq")
_FORMAT, _LOGGED = 1, 0x80
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_PLAIN = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a name says. `gateway` wrote the log that the prediction is in, if it `is_logged`."""

    at_ms: int
    gateway: str
    rows: int
    version: int
    variant: str
    is_logged: bool


class PredictionIds:
    """Makes names with the first key, and reads those made with any: gateways that share keys understand
    each other, also while a key is being replaced.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [hashlib.sha256(secret.encode()).digest() for secret in secrets]
        self._digests: dict[str, hashlib.blake2s] = {}
        # Names must differ, and the share that is logged be a fair one; that they cannot be made up is due
        # to the digest.
        self._chance = random.Random(random.SystemRandom().getrandbits(128)).getrandbits  # noqa: S311
        self._gateway = random.SystemRandom().getrandbits(32)

    @property
    def gateway(self) -> str:
        """This process, as names tell it."""
        return f"{self._gateway:08x}"

    def new(
        self, model: str, version: int, variant: str, *, rows: int, log_share: float
    ) -> tuple[str, int, bool]:
        """Return a name for a prediction of now, its time in milliseconds, and whether it is to be logged.

        Which are logged follows from the chance in the name: for a greater share, those of a smaller one too.
        """
        at_ms = time.time_ns() // 1_000_000
        chance = self._chance(32)
        is_logged = chance < log_share * 2**32
        first = _FORMAT | _LOGGED if is_logged else _FORMAT
        body = _FIXED.pack(first, at_ms, self._gateway, chance, rows, version)
        body += variant.encode()[:MAX_VARIANT_BYTES]
        digest = self._digest(model)
        digest.update(body)
        text = binascii.b2a_base64(body + digest.digest(), newline=False)
        return text.rstrip(b"=").translate(_URL_SAFE).decode(), at_ms, is_logged

    def read(self, model: str, text: str) -> Predicted:
        """Return what a name says; raises Refused unless it was made for this model with one of the keys."""
        try:
            padded = text.encode("ascii").translate(_PLAIN) + b"=" * (-len(text) % 4)
            signed = binascii.a2b_base64(padded, strict_mode=True)
            body, digest = signed[:-DIGEST_BYTES], signed[-DIGEST_BYTES:]
            first, at_ms, gateway, _, rows, version = _FIXED.unpack_from(body)
            variant = body[_FIXED.size :].decode()
        except (ValueError, struct.error):
            raise _unknown(model, text) from None
        if first & ~_LOGGED != _FORMAT or not any(
            self._is_signed(key, model, body, digest) for key in self._keys
        ):
            raise _unknown(model, text)
        return Predicted(at_ms, f"{gateway:08x}", rows, version, variant, bool(first & _LOGGED))

    def _digest(self, model: str) -> "hashlib.blake2s":
        known = self._digests.get(model)
        if known is None:
            # Only models with a route come here, so there are not more than these.
            known = self._digests[model] = _begun(self._keys[0], model)
        return known.copy()

    def _is_signed(self, key: bytes, model: str, body: bytes, digest: bytes) -> bool:
        expected = _begun(key, model)
        expected.update(body)
        return compare_digest(expected.digest(), digest)


def _begun(key: bytes, model: str) -> "hashlib.blake2s":
    named = model.encode()
    begun = hashlib.blake2s(key=key, digest_size=DIGEST_BYTES)
    begun.update(len(named).to_bytes(4, "big") + named)
    return begun


def _unknown(model: str, text: str) -> Refused:
    return invalid(
        f"Expecting a prediction id that was given with an answer of {model} but got: {quoted(text)}"
    )
