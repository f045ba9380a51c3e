"""Public clients, unmodified and each in an environment of its own, against a live gateway and model server.

`make conformance` installs the environments; without them the tests are skipped, and say so.
"""

from collections.abc import Callable, Mapping

import pytest
from checks import CHECKS

# A client's checks all run at the first of its tests.
pytestmark = pytest.mark.timeout(900)
LIST = [(client, check) for client, checks in CHECKS.items() for check in checks]


@pytest.mark.parametrize(("client", "check"), LIST, ids=[f"{client} {check}" for client, check in LIST])
def test_a_public_client_is_answered_as_it_expects(
    outcomes: Callable[[str], Mapping[str, str | None]], client: str, check: str
) -> None:
    assert outcomes(client)[check] is None, f"{CHECKS[client][check]}: {outcomes(client)[check]}"


@pytest.mark.parametrize("client", CHECKS)
def test_every_check_is_on_the_list(outcomes: Callable[[str], Mapping[str, str | None]], client: str) -> None:
    assert outcomes(client).keys() == CHECKS[client].keys()
