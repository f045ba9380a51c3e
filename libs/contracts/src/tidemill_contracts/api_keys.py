"""The file of API keys: what the command line writes and gateways read. It holds no secret.

A key is `tidemill_ID_SECRET`. The id names it for those who revoke it, the secret has 256 random bits; so a
plain SHA-256 of the whole is enough to keep, and slow hashes would only slow requests down.
"""

import hashlib
import secrets
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

PREFIX = "tidemill_"
_ID_BYTES = 6
_SECRET_BYTES = 32


class Role(StrEnum):
    """What a caller may do; `admin` may do everything."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    DEPLOY = "deploy"
    ADMIN = "admin"


class ApiKey(BaseModel):
    """One key, by its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{12}$", description="Names the key; part of it, and no secret.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Hash of the whole key, in hexadecimal.")
    name: str = Field(default="", description="Whose key it is.")
    roles: frozenset[Role] = Field(min_length=1, description="What it may do.")
    models: frozenset[str] | None = Field(default=None, description="Models it may ask; null: all.")
    quota_per_second: float | None = Field(default=None, gt=0, description="Requests; null: no quota.")
    burst: int | None = Field(
        default=None, ge=1, description="Requests at once; null: as many as in one second."
    )
    created_at: AwareDatetime


class ApiKeys(BaseModel):
    """The file. A key that is taken out is revoked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[ApiKey, ...] = ()

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("expected one key by each id, received several")
        return self


def new_key(
    name: str,
    roles: frozenset[Role],
    at: datetime,
    *,
    models: frozenset[str] | None = None,
    quota_per_second: float | None = None,
    burst: int | None = None,
) -> tuple[str, ApiKey]:
    """Make a key; return it, to be shown once, and what is kept of it."""
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"{PREFIX}{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    kept = ApiKey(
        id=key_id,
        sha256=hashlib.sha256(key.encode()).hexdigest(),
        name=name,
        roles=roles,
        models=models,
        quota_per_second=quota_per_second,
        burst=burst,
        created_at=at,
    )
    return key, kept
