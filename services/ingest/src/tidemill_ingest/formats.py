"""What a dropped file is. Its content decides; a name may lie."""

import re
from pathlib import Path

from tidemill_ingest import avro_file, parquet_file
from tidemill_ingest.avro_file import AvroFile
from tidemill_ingest.compression import decompressed
from tidemill_ingest.delimited import DelimitedFile
from tidemill_ingest.encoding import Text, utf8_text
from tidemill_ingest.errors import Refused
from tidemill_ingest.foreign import check_not_foreign, is_binary
from tidemill_ingest.json_lines import JsonFile
from tidemill_ingest.parquet_file import ParquetFile
from tidemill_ingest.plan import Expected
from tidemill_ingest.reader import FORMATS, Reader
from tidemill_ingest.tfrecord_file import TFRecordFile, is_tfrecord

HEAD_BYTES = 1 << 12
# Not every brace is JSON: SQL Server writes the columns of CSV as [name].
JSON_START = re.compile(r'\s*(\{\s*["}]|\[\s*[\[{\]"0-9-])')


def open_reader(source: Path, folder: Path, expected: Expected, max_decompressed_bytes: int) -> Reader:
    """Find out what a file is and open it; decompressed and transcoded copies go to `folder`.

    Raises:
        Refused: when it is nothing that is read.
    """
    plain = decompressed(source, folder / "decompressed", max_decompressed_bytes)
    with plain.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise Refused("empty-file", f"expected {FORMATS}, received 0 bytes")
    if head.startswith(parquet_file.MAGIC) and is_binary(head):
        return ParquetFile(plain)
    if head.startswith(avro_file.MAGIC):
        return AvroFile(plain)
    if is_tfrecord(head):
        return TFRecordFile(plain)
    check_not_foreign(plain, head)
    text = utf8_text(plain, folder / "utf8")
    if _is_json(text):
        return JsonFile(text, expected.types, expected.names)
    return DelimitedFile(text, expected.names)


def _is_json(text: Text) -> bool:
    with text.path.open("rb") as file:
        file.seek(text.start)
        start = file.read(HEAD_BYTES).decode(errors="ignore")
    return JSON_START.match(start) is not None
