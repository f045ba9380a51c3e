"""How requests that name no version are divided among the variants of a route."""

import random
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Protocol

import numpy as np

from tidemill_gateway.calls import Call
from tidemill_gateway.routes import Split, Variant

DRAWN_AHEAD = 256
_HASHES = 2**64


class Divide(Protocol):
    """Says which variant a call meets."""

    def __call__(self, call: Call) -> int:
        """Return the variant's place."""


def divide_by(
    split: Split, variants: Sequence[Variant], *, key_header: str, salt: str, seed: int | None = None
) -> Divide:
    """Return how the variants share requests. `seed` is for chance, None: each time another."""
    if split is Split.BANDIT:
        return Sampled(variants, np.random.default_rng(seed))
    chance = random.Random(seed)  # noqa: S311 - which variant comes is no secret
    if split is Split.STICKY:
        return Sticky(variants, key_header.encode(), salt.encode(), chance)
    return ByChance(variants, chance)


class ByChance:
    """Each request by itself."""

    def __init__(self, variants: Sequence[Variant], chance: random.Random) -> None:
        self._shares = _Shares(variants)
        self._chance = chance

    def __call__(self, call: Call) -> int:  # noqa: ARG002 - the interface
        return self._shares.place_of(self._chance.random())


class Sticky:
    """The same key, the same variant; requests without a key by chance.

    A key has a fixed place between 0 and 1, and variants own stretches of it in their order: where the first
    one's share grows it keeps the keys it had.
    """

    def __init__(
        self, variants: Sequence[Variant], key_header: bytes, salt: bytes, chance: random.Random
    ) -> None:
        self._shares = _Shares(variants)
        self._key_header = key_header
        self._salted = blake2b(salt, digest_size=8)
        self._chance = chance

    def __call__(self, call: Call) -> int:
        key = call.headers.get(self._key_header)
        return self._shares.place_of(self._chance.random() if key is None else self._spot(key))

    def _spot(self, key: bytes) -> float:
        digest = self._salted.copy()
        digest.update(key)
        return int.from_bytes(digest.digest()) / _HASHES


class Sampled:
    """Thompson sampling: a variant is met as often as it is likely to have the highest reward."""

    def __init__(self, variants: Sequence[Variant], chance: np.random.Generator) -> None:
        self._successes = [variant.successes + 1 for variant in variants]
        self._failures = [variant.failures + 1 for variant in variants]
        self._chance = chance
        self._drawn: list[int] = []

    def __call__(self, call: Call) -> int:  # noqa: ARG002 - the interface
        if not self._drawn:
            shape = DRAWN_AHEAD, len(self._successes)
            rewards = self._chance.beta(self._successes, self._failures, shape)
            self._drawn = rewards.argmax(axis=1).tolist()
        return self._drawn.pop()


class _Shares:
    def __init__(self, variants: Sequence[Variant]) -> None:
        total = sum(variant.weight for variant in variants) or 1.0
        self._ends = [end / total for end in accumulate(variant.weight for variant in variants)][:-1]

    def place_of(self, spot: float) -> int:
        for place, end in enumerate(self._ends):
            if spot < end:
                return place
        return len(self._ends)
