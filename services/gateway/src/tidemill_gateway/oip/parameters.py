"""The parameters of a request that mean something here; others are passed over, as the protocol has it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.quoting import json_type
from tidemill_gateway.signatures import DEFAULT_SIGNATURE

MAX_INT64 = 2**63 - 1

Parameters = Mapping[str, Any]
Value = TypeVar("Value", bool, int, str)


def read_timeout(parameters: Parameters) -> float | None:
    """Return the time that the caller waits, in seconds, from its microseconds; None without one."""
    microseconds = _read(parameters, "timeout", int, 0)
    if microseconds < 0:
        raise invalid(f'expected the parameter "timeout" to be at least 0, received {microseconds}')
    return microseconds / 1e6 or None


def check_priority(parameters: Parameters) -> None:
    """Raise Refused unless the priority is one; no request overtakes another here."""
    priority = _read(parameters, "priority", int, 0)
    if priority < 0:
        raise invalid(f'expected the parameter "priority" to be at least 0, received {priority}')


def read_signature(parameters: Parameters) -> str:
    """Return the name of the signature that is asked for."""
    return _read(parameters, "signature_name", str, "") or DEFAULT_SIGNATURE


def read_flag(parameters: Parameters, name: str, default: bool) -> bool:  # noqa: FBT001 - a value, not a mode
    """Return a parameter that is true or false."""
    return _read(parameters, name, bool, default)


def read_size(parameters: Parameters, name: str) -> int | None:
    """Return a parameter that is a number of bytes, None without one."""
    if name not in parameters:
        return None
    size = _read(parameters, name, int, 0)
    if size < 0:
        raise invalid(f'expected the parameter "{name}" to be at least 0, received {size}')
    return size


def refuse_unsupported(parameters: Parameters, tensor: str) -> None:
    """Raise Refused for parameters of a tensor that would change the answer, but are not supported."""
    for name in ("shared_memory_region", "classification"):
        if name in parameters:
            raise Refused(Code.UNIMPLEMENTED, f'the parameter "{name}" of "{tensor}" is not supported')


def _read(parameters: Parameters, name: str, kind: type[Value], default: Value) -> Value:
    value = parameters.get(name, default)
    if type(value) is not kind:
        words = {bool: "true or false", int: "an integer", str: "a string"}[kind]
        raise invalid(f'expected the parameter "{name}" to be {words}, received {json_type(value)}')
    if isinstance(value, int) and abs(value) > MAX_INT64:
        raise invalid(f'expected the parameter "{name}" to be at most {MAX_INT64}, received a larger number')
    return value
