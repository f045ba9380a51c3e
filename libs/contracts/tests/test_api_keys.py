"""Rules of API keys: one secret each, and one key by each id."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tidemill_contracts.api_keys import ApiKeys, Role, new_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PREDICT = frozenset({Role.PREDICT})


def test_no_two_keys_are_alike_and_none_can_be_read_from_what_is_kept() -> None:
    (one, kept_one), (two, kept_two) = new_key("a", PREDICT, NOW), new_key("a", PREDICT, NOW)

    assert one != two
    assert kept_one.id != kept_two.id
    assert one.rpartition("_")[2] not in kept_one.model_dump_json()
    assert one.startswith(f"tidemill_{kept_one.id}_")


def test_two_keys_of_one_id_are_no_file_of_keys() -> None:
    _, kept = new_key("a", PREDICT, NOW)

    with pytest.raises(ValidationError, match="one key by each id"):
        ApiKeys(keys=(kept, kept))


def test_a_key_without_a_role_is_none() -> None:
    with pytest.raises(ValidationError):
        new_key("a", frozenset(), NOW)
