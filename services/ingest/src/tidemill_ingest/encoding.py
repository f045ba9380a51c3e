"""Text of any usual encoding as UTF-8, rewritten as a stream only where it is not UTF-8 already."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

from tidemill_ingest.errors import Refused

CHUNK_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 12
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WESTERN = {"cp1252", "latin_1"}
# A few cells tell too little to choose among every code page there ever was.
CANDIDATES = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp932",
    "euc_jp",
    "euc_kr",
    "big5",
    "gb18030",
]


@dataclass(frozen=True)
class Text:
    """UTF-8 text on disk, without NUL characters, from byte `start` on."""

    path: Path
    start: int


def utf8_text(source: Path, target: Path) -> Text:
    """Return `source` when it is UTF-8, otherwise `target` with its characters as UTF-8.

    Raises:
        Refused: binary data, or text whose encoding cannot be told.
    """
    with source.open("rb") as file:
        head = file.read(4)
    if head.startswith(UTF16_BOMS):
        _transcode(source, target, "utf-16")
        return Text(target, 0)
    broken_at = _find_broken_utf8(source)
    if broken_at is None:
        return Text(source, len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
    _check_western(source, broken_at)
    _transcode(source, target, "cp1252")
    return Text(target, 0)


def _find_broken_utf8(path: Path) -> int | None:
    """Return the offset near which the file stops being UTF-8; raise Refused at a NUL byte."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    broken_at = None
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            _check_no_nul(chunk, offset)
            if broken_at is None:
                try:
                    decoder.decode(chunk, final=len(chunk) < CHUNK_BYTES)
                except UnicodeDecodeError as error:
                    broken_at = offset + error.start
            offset += len(chunk)
    return broken_at


def _check_no_nul(chunk: bytes, offset: int) -> None:
    if (index := chunk.find(b"\0")) >= 0:
        raise Refused("not-text", f"expected text, received binary data: NUL at byte {offset + index}")


def _check_western(path: Path, broken_at: int) -> None:
    with path.open("rb") as file:
        file.seek(max(0, broken_at - SAMPLE_BYTES))
        sample = file.read(2 * SAMPLE_BYTES)
    matches = from_bytes(sample, cp_isolation=CANDIDATES)
    best = matches.best()
    if best is None or not any(
        WESTERN.intersection(match.could_be_from_charset) and match.chaos <= best.chaos for match in matches
    ):
        guess = f"what looks like {best.encoding}" if best else "bytes of no known encoding"
        raise Refused(
            "not-utf8",
            f"expected UTF-8, UTF-16 with BOM or Windows-1252 text, received {guess} at byte {broken_at}: "
            "save it as UTF-8",
        )


def _transcode(source: Path, target: Path, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    with source.open("rb") as file, target.open("wb") as written:
        try:
            while chunk := file.read(CHUNK_BYTES):
                text = decoder.decode(chunk)
                if "\0" in text:
                    raise Refused(
                        "not-text", f"expected {encoding} text, received binary data: NUL characters"
                    )
                written.write(text.encode())
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise Refused(
                "not-utf8", f"expected UTF-8, or else {encoding} throughout, received {error}"
            ) from error
