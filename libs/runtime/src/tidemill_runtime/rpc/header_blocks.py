"""Header blocks of HTTP/2: written without state, read with as little of it as the peer allows.

Peers are asked for a dynamic table of no size. Equal bytes are then equal headers: those of a block that
came before are found by its bytes, which takes a hundredth of the time of decoding them.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from hpack import Decoder, HPACKError
from hpack.hpack import encode_integer

from tidemill_runtime.rpc.frames import ErrorCode, Fault

Head = TypeVar("Head")
Pairs = list[tuple[bytes, bytes]]

MAX_LIST_BYTES = 16_384
# Begins a block: whoever kept a table for us need not.
NO_TABLE = b"\x20"
MAX_KEPT_BLOCKS = 256
MAX_KEPT_BYTES = 1024


class HeaderReader(Generic[Head]):
    """Reads the blocks of one connection, which must come in turn, with what `parse` makes of them."""

    def __init__(self, parse: Callable[[Pairs], Head]) -> None:
        """Prepare; `parse` makes a head of every block."""
        self._parse = parse
        self._decoder = Decoder(MAX_LIST_BYTES)
        self._heads: dict[bytes, Head] = {}
        self._is_stateless = False

    def read(self, block: bytes) -> Head:
        """Return the head; raises Fault."""
        head = self._heads.get(block)
        return self._decode(block) if head is None else head

    def forbid_table(self) -> None:
        """Hold the peer to what it has acknowledged: no table, whether it says so or never used one."""
        self._is_stateless = True
        self._decoder.max_allowed_table_size = 0
        self._decoder.header_table_size = 0

    def _decode(self, block: bytes) -> Head:
        if len(block) > MAX_LIST_BYTES:
            raise Fault(ErrorCode.ENHANCE_YOUR_CALM, f"expected at most {MAX_LIST_BYTES} bytes of headers")
        try:
            pairs = [(name, value) for name, value in self._decoder.decode(block, raw=True)]
        except HPACKError as error:
            raise Fault(ErrorCode.COMPRESSION_ERROR, str(error)) from error
        head = self._parse(pairs)
        if self._is_stateless and len(block) <= MAX_KEPT_BYTES:
            if len(self._heads) >= MAX_KEPT_BLOCKS:
                self._heads.clear()
            self._heads[block] = head
        return head


def field(name: bytes, value: bytes) -> bytes:
    """Return one header as part of a block, literally and for no table."""
    return b"".join((b"\0", encode_integer(len(name), 7), name, encode_integer(len(value), 7), value))
