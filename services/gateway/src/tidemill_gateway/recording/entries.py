"""A logged prediction as a line of JSON: whole columns, as they are, but for those that are restricted."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson
from numpy.typing import NDArray

from tidemill_gateway.calls import Arrays, Part
from tidemill_gateway.errors import Code

# More of a request than this is not logged: writing it down would hold up others.
MAX_ROWS = 1024
MAX_BYTES = 256 << 10
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


class TooLarge(Exception):
    """What was asked is more than is logged of one request."""


@dataclass(slots=True)
class Entry:
    """One request that a version was asked. `hidden` are columns that must not be written down."""

    prediction_id: str
    at_ms: int
    model: str
    version: int
    variant: str
    signature: str
    protocol: str
    code: Code
    seconds: float
    rows: int
    part: Part | None
    hidden: Collection[str]

    def line(self) -> bytes:
        """Return the entry as `tidemill_contracts.recorded.LoggedPrediction` reads it; raises TooLarge."""
        document = {
            "prediction_id": self.prediction_id,
            "predicted_at_ms": self.at_ms,
            "version": self.version,
            "variant": self.variant,
            "signature": self.signature,
            "protocol": self.protocol,
            "code": self.code,
            "seconds": self.seconds,
            "rows": self.rows,
        }
        if self.part is not None:
            inputs, outputs = (self.part.rows_of(each) for each in (self.part.inputs, self.part.outputs))
            shown = {name: array for name, array in inputs.items() if name not in self.hidden}
            self._check_size(shown, outputs)
            document["inputs"] = {name: _plain(array) for name, array in shown.items()}
            document["outputs"] = {name: _plain(array) for name, array in outputs.items()}
        try:
            return orjson.dumps(document, option=_OPTIONS)
        except orjson.JSONEncodeError as error:
            raise TooLarge(f"expected tensors that JSON can hold: {error}") from error

    def _check_size(self, *tensors: Arrays) -> None:
        if self.rows > MAX_ROWS:
            raise TooLarge(f"expected at most {MAX_ROWS} rows, received {self.rows}")
        size_bytes = sum(_size_bytes(array) for arrays in tensors for array in arrays.values())
        if size_bytes > MAX_BYTES:
            raise TooLarge(f"expected at most {MAX_BYTES} bytes, received at least {size_bytes}")


def rows_of(part: Part | None) -> int:
    """Count the rows of a request; one where that cannot be told."""
    if part is None:
        return 1
    if part.end is not None:
        return part.end - part.begin
    first = next(iter(part.inputs.values()), None)
    return len(first) if first is not None and first.ndim else 1


def _plain(array: NDArray[Any]) -> Any:
    if array.dtype.kind == "O":
        return _texts(array.tolist())
    return array if array.flags.c_contiguous else array.tolist()


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _size_bytes(array: NDArray[Any]) -> int:
    if array.dtype.kind != "O" or array.size > MAX_BYTES:
        return array.nbytes
    return sum(map(len, array.flat))
