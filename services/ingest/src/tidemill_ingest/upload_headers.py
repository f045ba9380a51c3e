"""The headers of uploads: which piece of a file a request brings, and the checksums of the whole."""

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from tidemill_ingest.checksums import Checksums
from tidemill_ingest.errors import Refused

CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})", re.ASCII)
DIGEST_BYTES = {"crc32c": 4, "md5": 16}
DESCRIPTION: dict[str, Any] = {
    "parameters": [
        {"in": "header", "name": name, "schema": {"type": "string"}, "description": text, "example": example}
        for name, text, example in (
            ("Content-Range", "Which bytes of the file these are; `bytes */TOTAL` asks", "bytes 0-99/250"),
            ("Upload-Id", "Tells uploads of one name and size apart; any text", "7f3c"),
            (
                "Content-MD5",
                "MD5 of the whole file in base64, with its last bytes",
                "1B2M2Y8AsgTpgAmY7PhCfg==",
            ),
            ("X-Goog-Hash", "CRC32C and MD5 of the whole file, likewise", "crc32c=4waSgw=="),
        )
    ],
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string"}}}},
}


@dataclass(frozen=True)
class Piece:
    """Bytes `first` to `end` (exclusive) of a file; none when the client only asks."""

    first: int
    end: int
    total: int

    @property
    def is_question(self) -> bool:
        return self.first == self.end

    @property
    def is_last(self) -> bool:
        return self.is_question or self.end == self.total


def read_range(content_range: str, max_bytes: int) -> Piece:
    """Read `Content-Range`; raise Refused when it is none, or of a file that is too large."""
    match = CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None:
        raise Refused(
            "bad-range",
            f"expected `bytes FIRST-LAST/TOTAL` or `bytes */TOTAL`, received {content_range!r:.100}",
        )
    first, last, total = match.groups()
    piece = Piece(int(first or 0), int(last) + 1 if last else 0, int(total))
    if not piece.first <= piece.end <= piece.total or piece.total == 0 or (last and piece.is_question):
        raise Refused("bad-range", f"expected FIRST <= LAST < TOTAL, received {content_range!r}")
    if piece.total > max_bytes:
        raise Refused("too-large", f"expected at most {max_bytes} bytes, received {piece.total}")
    return piece


def read_checksums(headers: Headers) -> Checksums:
    """Read `Content-MD5` and `X-Goog-Hash`; raise Refused when they hold no checksum, or two of a kind."""
    sent = [("md5", value) for value in headers.getlist("content-md5")]
    for text in ",".join(headers.getlist("x-goog-hash")).split(","):
        name, _, value = text.strip().partition("=")
        if name in DIGEST_BYTES:
            sent.append((name, value))
    for name, value in sent:
        try:
            fits = len(b64decode(value, validate=True)) == DIGEST_BYTES[name]
        except ValueError:
            fits = False
        if not fits or len({other for kind, other in sent if kind == name}) > 1:
            raise Refused("bad-checksum", f"expected one {name} in base64, received {value!r:.100}")
    digests = dict(sent)
    return Checksums(digests.get("crc32c"), digests.get("md5"))
