"""API keys as they stand in their file, which may change at any time."""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from tidemill_contracts.api_keys import PREFIX, ApiKey, ApiKeys
from tidemill_gateway.protection.callers import Caller, unauthenticated
from tidemill_gateway.protection.quotas import TokenBucket
from tidemill_gateway.protection.shared_quotas import SharedTokenBucket
from tidemill_runtime.logs import get_logger

CHECK_SECONDS = 1.0


class ApiKeyFile:
    """Knows callers by their keys. A file that cannot be read leaves the keys as they were."""

    def __init__(self, path: Path, quota_file: int | None = None) -> None:
        """Read the file; raises OSError or ValueError when it cannot be.

        Quotas are counted in the open `quota_file`, None: by this process alone.
        """
        self._path = path
        self._quota_file = quota_file
        self._text = path.read_bytes()
        self._callers = self._read(self._text, {})

    def caller(self, credential: str) -> Caller | None:
        """Return whose key it is, None when it is no key; raises Refused when nobody has it."""
        if not credential.startswith(PREFIX):
            return None
        # Looked up by its hash: how long that takes says nothing about keys that are nearly right.
        caller = self._callers.get(hashlib.sha256(credential.encode()).hexdigest())
        if caller is None:
            raise unauthenticated("Expecting an API key that is known and not revoked", "key-unknown")
        return caller

    async def follow(self) -> None:
        """Read the file again whenever it changes, for ever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.reload()

    def reload(self) -> None:
        """Take the file as it is now, if it differs and is sound."""
        try:
            text = self._path.read_bytes()
            if text == self._text:
                return
            self._callers = self._read(text, self._callers)
        except (OSError, ValidationError) as error:
            # Not the error's own words: they may quote the file.
            get_logger().error("api-keys-unreadable", path=str(self._path), error=type(error).__name__)
            return
        self._text = text
        get_logger().info("api-keys", keys=len(self._callers))

    def _read(self, text: bytes, known: Mapping[str, Caller]) -> Mapping[str, Caller]:
        """Map hashes to callers; those whose quota is unchanged go on with what they have left of it."""
        keys = ApiKeys.model_validate_json(text).keys
        return {key.sha256: self._caller(key, known.get(key.sha256)) for key in keys}

    def _caller(self, key: ApiKey, known: Caller | None) -> Caller:
        quota = None if key.quota_per_second is None else self._quota(key, key.quota_per_second, known)
        return Caller(f"key:{key.id}", key.roles, key.models, quota)

    def _quota(self, key: ApiKey, per_second: float, known: Caller | None) -> TokenBucket:
        burst = key.burst or max(1.0, per_second)
        left = known.quota if known is not None else None
        if left is not None and (left.per_second, left.burst) == (per_second, burst):
            return left
        if self._quota_file is None:
            return TokenBucket(per_second, burst)
        return SharedTokenBucket(self._quota_file, key.sha256, per_second, burst)
