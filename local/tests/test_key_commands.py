"""Rules of `tidemill key`: the secret is shown once, and the file is what gateways read."""

import hashlib
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidemill_contracts.api_keys import ApiKeys, Role
from tidemill_local.cli.app import app


def key(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["key", *arguments, "--home", str(home)])


def kept(home: Path) -> ApiKeys:
    return ApiKeys.model_validate_json((home / "api-keys.json").read_bytes())


def test_a_key_is_printed_once_and_kept_as_its_hash_for_its_owner_alone(tmp_path: Path) -> None:
    limits = ["--quota", "100", "--burst", "20"]
    made = key(tmp_path, "create", "--role", "predict", "--role", "feedback", "--model", "flights", *limits)

    printed = made.stdout.strip().splitlines()[-1]
    (only,) = kept(tmp_path).keys
    assert f"TIDEMILL_API_KEYS_FILE={tmp_path / 'api-keys.json'}" in made.stderr
    assert printed.startswith(f"tidemill_{only.id}_")
    assert only.sha256 == hashlib.sha256(printed.encode()).hexdigest()
    assert only.roles == {Role.PREDICT, Role.FEEDBACK}
    assert only.models == frozenset({"flights"})
    assert (only.quota_per_second, only.burst) == (100, 20)
    assert printed.rpartition("_")[2] not in (tmp_path / "api-keys.json").read_text()
    assert stat.S_IMODE((tmp_path / "api-keys.json").stat().st_mode) == 0o600


def test_keys_are_listed_and_a_revoked_one_is_gone(tmp_path: Path) -> None:
    for name in ("shop", "desk"):
        key(tmp_path, "create", "--role", "predict", "--name", name)
    shop, desk = kept(tmp_path).keys

    before = key(tmp_path, "list").stdout
    revoked = key(tmp_path, "revoke", shop.id)

    assert (shop.id in before, desk.id in before, "shop" in before) == (True, True, True)
    assert revoked.exit_code == 0
    assert kept(tmp_path).keys == (desk,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["revoke", "000000000000"], "received 000000000000"),
        (["create", "--role", "king"], "king"),
        (["create"], "--role"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = key(tmp_path, *arguments)

    assert result.exit_code != 0
    assert message in result.output
    assert not (tmp_path / "api-keys.json").exists()


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "api-keys.json").write_text("[]")

    result = key(tmp_path, "create", "--role", "predict")

    assert result.exit_code == 1
    assert (tmp_path / "api-keys.json").read_text() == "[]"
