"""Numbers that arithmetic would not give back: padded with zeros, hexadecimal, or longer than an int64."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

PADDED = r"^\s*[-+]?0[0-9xX]"
LONG = r"^\s*[-+]?[0-9]{19,}\s*$"
LONG_CHARACTERS = 19
SPACE, PLUS, MINUS, ZERO, X = b" +-0x"

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int32]


def holds_padded(cells: pa.StringArray) -> bool:
    """Say whether any cell is a number with leading zeros, or a hexadecimal."""
    data, starts, ends = _layout(cells)
    if not len(data):
        return False
    first = data.take(starts, mode="clip")
    low = np.flatnonzero(first <= ZERO)
    if not len(low):
        return False
    first, starts, ends = first[low], starts[low], ends[low]
    if (first <= SPACE).any():
        return bool(pc.any(pc.match_substring_regex(cells, PADDED)).as_py())
    starts = starts + ((first == MINUS) | (first == PLUS))
    second = data.take(starts + 1, mode="clip")
    is_followed = ((second - np.uint8(ZERO)) < 10) | ((second | np.uint8(32)) == X)
    padded = (data.take(starts, mode="clip") == ZERO) & is_followed & (starts + 1 < ends)
    return bool(padded.any())


def holds_long(cells: pa.StringArray) -> bool:
    """Say whether any cell is a whole number of more digits than every int64 has."""
    _, starts, ends = _layout(cells)
    if not len(starts) or (ends - starts).max() < LONG_CHARACTERS:
        return False
    return bool(pc.any(pc.match_substring_regex(cells, LONG)).as_py())


def _layout(cells: pa.StringArray) -> tuple[Bytes, Places, Places]:
    """Return the bytes of all cells, and where in them each cell starts and ends."""
    _, offsets, data = cells.buffers()
    places = np.frombuffer(offsets, np.int32)[cells.offset : cells.offset + len(cells) + 1]
    return np.frombuffer(data or b"", np.uint8), places[:-1], places[1:]
