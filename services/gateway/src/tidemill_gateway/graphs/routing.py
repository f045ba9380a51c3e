"""Which way each row takes, and the rows together again."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.graph_nodes import RouterNode
from tidemill_gateway.calls import Arrays
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.graphs import operations

Rows = NDArray[np.intp]
# Values that conditions or the key are about; None where there is none, because it was skipped.
Taken = Mapping[str, NDArray[Any] | None]

_RANDOM = np.random.default_rng()


def divided(node: RouterNode, taken: Taken, rows: Rows) -> Mapping[str, Rows]:
    """Return the positions in `rows` that go each way, in order. Raises Refused.

    Ways without rows are left out; where there are no rows at all, all ways are there.
    """
    count = len(rows)
    ways = node.ways()
    chosen = np.full(count, ways.index(node.otherwise))
    if node.routes[0].share is not None:
        drawn = _drawn(node, taken, count)
        edges = np.cumsum([route.share for route in node.routes])
        order = np.array([ways.index(route.to) for route in node.routes] + [ways.index(node.otherwise)])
        chosen = order[np.searchsorted(edges, drawn, side="right")]
    else:
        for route in reversed(node.routes):
            values = taken[route.when.input] if route.when else None
            if route.when is not None and values is not None:
                chosen[operations.holds(route.when, values)] = ways.index(route.to)
    positions = {way: np.flatnonzero(chosen == number) for number, way in enumerate(ways)}
    return {way: each for way, each in positions.items() if len(each) or not count}


def merged(answers: Sequence[tuple[Rows, Arrays]], names: Collection[str] | None) -> Arrays:
    """Put the rows of all ways back in order. `names` are the outputs; None: those that all ways have.

    Raises Refused when ways do not give the same types and shapes.
    """
    order = np.argsort(np.concatenate([positions for positions, _ in answers]), kind="stable")
    if names is None:
        names = set.intersection(*(set(outputs) for _, outputs in answers))
        if not names:
            received = [sorted(outputs) for _, outputs in answers]
            what = "expected an output that all ways have"
            raise Refused(Code.FAILED_PRECONDITION, f"{what}, received {received}")
    if len(answers) == 1:
        return {name: _output(answers[0][1], name) for name in names}
    return {name: _joined(name, [_output(outputs, name) for _, outputs in answers])[order] for name in names}


def _output(outputs: Arrays, name: str) -> NDArray[Any]:
    if name not in outputs:
        raise Refused(
            Code.FAILED_PRECONDITION, f"expected the output {name!r} of every way, received {sorted(outputs)}"
        )
    return outputs[name]


def _joined(name: str, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    kinds = {(str(part.dtype), part.shape[1:]) for part in parts}
    if len(kinds) > 1:
        what = f"expected the same type and shape of {name!r} of every way"
        raise Refused(Code.FAILED_PRECONDITION, f"{what}, received {sorted(kinds)}")
    return np.concatenate(parts)


def _drawn(node: RouterNode, taken: Taken, count: int) -> NDArray[np.float64]:
    """Return a number from 0 to 1 for each row: by chance, or the same for the same key."""
    values = taken[node.key] if node.key else None
    if values is None:
        return _RANDOM.random(count)
    keys = operations.one_a_row(values).tolist()
    return np.array([zlib.crc32(repr(key).encode()) / 2**32 for key in keys], np.float64)
