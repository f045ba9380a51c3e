"""Ways to make a right request wrong: its bytes, its JSON, its path and its headers."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import quote

from seeds import GrpcSeed, RestSeed

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, 10**40, -(2**63) - 1, 1e308, math.nan, math.inf, "",
    "x", "\0", "é" * 300, "\ud800", "FP16", "BYTES", "binary_data_size", [], {}, [[]], [None], [[1], [1, 2]],
    {"b64": "&"}, {"b64": "YQ=="}, {"b64": 5}, {"x": [1]}, [2**33, 2**33], [-1], list(range(300)),
)  # fmt: skip
ODD_BYTES = (b"", b"\0", b"\xff\xfe", b"NaN", b"[" * 3000, b'{"a":' * 2000, b"1e999", b"\xef\xbb\xbf", b"]}")
ENCODINGS = ("gzip", "deflate", "br", "", "gzip, gzip")
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH")


def mutated_rest(seed: RestSeed, chance: Random) -> RestSeed:
    """Return the request with one to three things wrong, or perhaps none that matters."""
    for _ in range(chance.randint(1, 3)):
        seed = chance.choice((_json, _json, _json, _bytes, _bytes, _path, _headers, _method))(seed, chance)
    return seed


def mutated_grpc(seed: GrpcSeed, chance: Random) -> GrpcSeed:
    """Return the message with some bytes wrong."""
    message = seed.message
    for _ in range(chance.randint(1, 4)):
        message = _mutated_bytes(message, chance)
    return replace(seed, message=message)


def _json(seed: RestSeed, chance: Random) -> RestSeed:
    try:
        document = json.loads(seed.body)
    except (ValueError, RecursionError):
        return _bytes(seed, chance)
    document = _changed(document, chance)
    text = json.dumps(document, ensure_ascii=chance.random() < 0.8)
    return replace(seed, body=text.encode(errors="surrogatepass"))


def _changed(value: Any, chance: Random) -> Any:
    if not isinstance(value, dict | list) or not value or chance.random() < 0.2:
        return chance.choice(ODD_VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = chance.choice(keys)
    changed = value.copy()
    kind = chance.random()
    if kind < 0.15:
        del changed[key]
    elif kind < 0.3 and isinstance(changed, dict):
        changed[chance.choice(["", "x", "b64", "inputs", "instances", "é"])] = changed.pop(key)
    elif kind < 0.3:
        changed = changed * chance.choice([2, 50])
    else:
        changed[key] = _changed(value[key], chance)
    return changed


def _bytes(seed: RestSeed, chance: Random) -> RestSeed:
    return replace(seed, body=_mutated_bytes(seed.body, chance))


def _mutated_bytes(data: bytes, chance: Random) -> bytes:
    begin = chance.randrange(len(data) + 1)
    end = min(len(data), begin + chance.choice([0, 1, 2, 8, 64]))
    inserted: Callable[[], bytes] = chance.choice(
        [lambda: b"", lambda: chance.randbytes(chance.randint(1, 8)), lambda: chance.choice(ODD_BYTES)]
    )
    if chance.random() < 0.3 and begin < len(data):
        return data[:begin] + bytes([data[begin] ^ 1 << chance.randrange(8)]) + data[begin + 1 :]
    return data[:begin] + inserted() + data[end:]


def _path(seed: RestSeed, chance: Random) -> RestSeed:
    parts = seed.path.split("/")
    place = chance.randrange(1, len(parts))
    odd = [
        "",
        "guess",
        "%00",
        "..",
        "versions",
        "9" * 30,
        quote(chance.randbytes(5)),
        ":predict",
        "infer",
        "a:b",
    ]
    parts[place] = chance.choice(odd)
    return replace(seed, path="/".join(parts) or "/")


def _headers(seed: RestSeed, chance: Random) -> RestSeed:
    name, value = chance.choice(
        [
            ("Inference-Header-Content-Length", str(chance.choice([-1, 0, 1, 10, 10**6, 10**30, "x"]))),
            ("Content-Encoding", chance.choice(ENCODINGS)),
            ("Content-Type", chance.choice(["", "text/plain", "application/octet-stream"])),
            ("Tidemill-Timeout-Ms", str(chance.choice([0, -5, 1, 10**20, "soon"]))),
            ("Tidemill-Request-Id", "x" * chance.choice([1, 200])),
            ("Traceparent", "00-" + "0" * 32),
            ("Authorization", "Bearer x"),
        ]
    )
    return replace(seed, headers={**seed.headers, name: value})


def _method(seed: RestSeed, chance: Random) -> RestSeed:
    return replace(seed, method=chance.choice(METHODS))
