"""What pages show of names and values that anyone may have written."""

import pytest

from tidemill_runtime.html import shown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("hell;\nmild\t\u00a0x", "hell; mild  x"),
        ("a\x00b\u202ec", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        ("x" * 9, "xxxx\u2026"),
    ],
)
def test_what_cannot_be_seen_is_a_space_or_marked_and_all_of_it_is_short(text: str, seen: str) -> None:
    assert shown(text, len(seen)) == seen
