"""Who asks, and what they may do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tidemill_contracts.api_keys import Role
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.protection.quotas import TokenBucket

# Looks up a header by its name in lower case; None when it was not sent.
Header = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """One caller. `models` None: all models; `quota` None: no quota of its own."""

    name: str
    roles: frozenset[Role]
    models: frozenset[str] | None = None
    quota: TokenBucket | None = None

    def sees(self, model: str) -> bool:
        """Say whether a model may be shown to the caller."""
        return self.models is None or model in self.models

    def check(self, role: Role, model: str | None) -> None:
        """Raise Refused unless the caller may do this, and not too often; `model` None: of no model."""
        if role not in self.roles and Role.ADMIN not in self.roles:
            raise Refused(
                Code.PERMISSION_DENIED, f"Expecting a caller with role {role}", reason="role-missing"
            )
        if model is not None and not self.sees(model):
            raise Refused(
                Code.PERMISSION_DENIED, f"Expecting a caller with access to {model}", reason="model-forbidden"
            )
        if self.quota is not None:
            self.quota.take()


ANYONE = Caller("", frozenset(Role))


class Credentials(Protocol):
    """One kind of credentials."""

    def caller(self, credential: str) -> Caller | None:
        """Return whose they are, None if they are of another kind; raises Refused if not valid."""

    async def follow(self) -> None:
        """Keep up with who is known, for ever."""


def unauthenticated(message: str, reason: str) -> Refused:
    """Make the refusal of a caller whom nobody knows."""
    return Refused(Code.UNAUTHENTICATED, message, reason=reason)
