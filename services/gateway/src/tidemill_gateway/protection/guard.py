"""The one place where requests of every protocol are let in, before their bodies are read."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from tidemill_contracts.api_keys import Role
from tidemill_gateway.calls import UNKNOWN
from tidemill_gateway.errors import Code
from tidemill_gateway.protection.callers import ANYONE, Caller, Credentials, Header, unauthenticated
from tidemill_gateway.protection.overload import Limit, Places

_BEARER = b"bearer "


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that was let in; `release` it once, when it is answered."""

    caller: Caller
    limit: Limit | None

    def release(self, seconds: float, code: Code) -> None:
        """Say how long it took, and how it ended."""
        if self.limit is not None:
            self.limit.leave(seconds, code)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Wait for the rest of the request without its place, so that slow senders keep nobody out.

        When this raises, be it Refused, the admission is released.
        """
        self.release(0, Code.UNKNOWN)
        yield
        if self.limit is not None:
            self.limit.enter()


def caller_of(admission: Admission | None) -> Caller:
    """Return who was let in; raises RuntimeError when nobody was yet."""
    if admission is None:
        raise RuntimeError("expected a request that was admitted, it was not yet")
    return admission.caller


# What takes no place, asked by anyone.
FREE = Admission(ANYONE, None)


class Guard:
    """Knows callers, their roles and quotas, and how much is too much. Lives in one event loop.

    Args:
        credentials: The kinds that are known; with none, anyone may do anything.
        is_known: Says whether there is such a model; all others share one limit.
        places: Of predictions at once.
    """

    def __init__(
        self,
        credentials: Sequence[Credentials] = (),
        *,
        is_known: Callable[[str], bool],
        places: Places,
    ) -> None:
        self._credentials = credentials
        self._is_known = is_known
        self._places = places
        self._by_model: dict[str, Admission] = {}

    def admit(
        self, header: Header, role: Role, model: str | None = None, *, predicts: bool = False
    ) -> Admission:
        """Let a request in; raises Refused.

        Args:
            header: Looks up a header by its name in lower case.
            role: What the request needs.
            model: The model that it names, None when it is about none.
            predicts: Whether a model must work for it: only of those there can be too many.
        """
        caller = ANYONE
        if self._credentials:
            caller = self._caller(header)
            caller.check(role, model)
        if not predicts or model is None:
            return FREE if caller is ANYONE else Admission(caller, None)
        admission = self._by_model.get(model) or self._prepare(model)
        limit = cast(Limit, admission.limit)
        limit.enter()
        return admission if caller is ANYONE else Admission(caller, limit)

    @property
    def has_credentials(self) -> bool:
        """Say whether callers must be known."""
        return bool(self._credentials)

    def check_known(self, header: Header) -> None:
        """Raise Refused for a caller whom nobody knows; what the others may do is not asked yet."""
        if self._credentials:
            self._caller(header)

    async def follow(self) -> None:
        """Keep up with who is known; ends at once when anyone may do anything, else never."""
        await asyncio.gather(*(kind.follow() for kind in self._credentials))

    def _prepare(self, model: str) -> Admission:
        name = model if self._is_known(model) else UNKNOWN
        if name not in self._by_model:
            for gone in [known for known in self._by_model if not self._is_known(known)]:
                del self._by_model[gone]
            self._by_model[name] = Admission(ANYONE, Limit(self._places))
        return self._by_model[name]

    def _caller(self, header: Header) -> Caller:
        credential = _credential(header)
        if not credential:
            raise unauthenticated("Expecting an API key or a token but got none", "credentials-missing")
        for kind in self._credentials:
            caller = kind.caller(credential)
            if caller is not None:
                return caller
        raise unauthenticated("Expecting a known API key or token but got another", "credentials-unknown")


def _credential(header: Header) -> str:
    given = header(b"authorization")
    if given is not None and given[: len(_BEARER)].lower() == _BEARER:
        return given[len(_BEARER) :].strip().decode("latin-1")
    return (header(b"x-api-key") or b"").decode("latin-1")
