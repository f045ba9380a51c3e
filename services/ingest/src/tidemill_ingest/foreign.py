"""Files that people drop by mistake: recognised by how they start, and answered with what to do instead."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import FORMATS

SAVE_AS_CSV = "save the sheet as CSV"
UNPACK = "unpack it and drop the files in it"
EXPORT = "export the table as CSV"
STARTS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook or another old Office document", SAVE_AS_CSV),
    (b"SQLite format 3\0", "a SQLite database", EXPORT),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", EXPORT),
    (b"%PDF-", "a PDF document", "drop the table it was made from"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", "drop a table"),
    (b"\xff\xd8\xff", "a JPEG image", "drop a table"),
    (b"\xfd7zXZ\0", "an xz archive", "compress with gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"ARROW1\0\0", "an Arrow file", "write it as Parquet"),
    (b"\x93NUMPY", "a NumPy array", "write it as Parquet"),
    (b"\x1f\x8b", "a file compressed twice", "compress it once"),
    (b"\x28\xb5\x2f\xfd", "a file compressed twice", "compress it once"),
)
MARKUP = (b"<!doctype", b"<html", b"<?xml")
# Letters that a column name may start with too.
WORDS = (
    (b"GIF8", "a GIF image", "drop a table"),
    (b"BZh", "a bzip2 archive", "compress with gzip or zstd"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"PARE", "an encrypted Parquet file", "write it without encryption"),
)
TAR_MAGIC = slice(257, 262)


def check_not_foreign(path: Path, head: bytes) -> None:
    """Raise Refused when the file is of a kind that is known and not read.

    Args:
        head: The first bytes of the file, at least 512 where it has them.
    """
    if head.startswith(b"PK\x03\x04"):
        _refuse(*_zip_content(path))
    if head[TAR_MAGIC] == b"ustar":
        _refuse("a tar archive", UNPACK)
    if head.lstrip()[:9].lower().startswith(MARKUP):
        raise Refused("not-a-table", f"expected {FORMATS}; received a web page or XML: drop the table itself")
    for start, kind, advice in STARTS + (WORDS if is_binary(head) else ()):
        if head.startswith(start):
            _refuse(kind, advice)


def is_binary(head: bytes) -> bool:
    """Say whether a file that starts so holds control characters, as no text does."""
    return any(byte < 9 or 14 <= byte < 27 for byte in head)


def _zip_content(path: Path) -> tuple[str, str]:
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        names = []
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook", SAVE_AS_CSV
    if "content.xml" in names:
        return "an OpenDocument file", SAVE_AS_CSV
    return "a zip archive", UNPACK


def _refuse(kind: str, advice: str) -> None:
    raise Refused("not-text", f"expected {FORMATS}; received {kind} (binary data): {advice}")
