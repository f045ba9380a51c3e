"""Who may ask: API keys and tokens, over real sockets, with real keys and a real issuer."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gateways import is_ready, running_gateway, wait_until
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts.api_keys import ApiKey, ApiKeys, Role, new_key
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.protection import api_key_file
from tidemill_gateway.protection.callers import Caller
from tidemill_gateway.protection.issuer import Issuer
from tidemill_gateway.protection.tokens import Tokens

PREDICT = "/v1/models/half_plus_two:predict"
ROWS = {"instances": [2.0]}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_key_file, "CHECK_SECONDS", 0.02)


@pytest.fixture
def serving(model_server: ModelServer) -> Iterator[Serving]:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123), route(model_server, "flights", 1))
    with running_serving(serving):
        yield serving


def write(path: Path, *keys: ApiKey) -> None:
    staged = path.with_suffix(".new")
    staged.write_text(ApiKeys(keys=keys).model_dump_json())
    staged.replace(path)


def bearer(credential: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {credential}"}


@contextmanager
def guarded_gateway(serving: Serving, **changes: Any) -> Iterator[httpx.Client]:
    with running_gateway(serving.address, **changes) as client:
        wait_until(lambda: is_ready(client))
        yield client


def test_a_key_lets_in_and_its_lack_is_told_apart_from_a_wrong_one(serving: Serving, tmp_path: Path) -> None:
    key, kept = new_key("shop", frozenset({Role.PREDICT}), NOW)
    write(tmp_path / "keys.json", kept)

    with guarded_gateway(serving, api_keys_file=tmp_path / "keys.json") as client:
        without = client.post(PREDICT, json=ROWS)
        wrong = client.post(PREDICT, json=ROWS, headers=bearer(key[:-1] + ("0" if key[-1] != "0" else "1")))
        other = client.post(PREDICT, json=ROWS, headers=bearer("something"))
        by_bearer = client.post(PREDICT, json=ROWS, headers=bearer(key))
        by_header = client.post(PREDICT, json=ROWS, headers={"x-api-key": key})

    assert [answer.status_code for answer in (without, wrong, other)] == [401, 401, 401]
    assert without.headers["www-authenticate"] == 'Bearer realm="tidemill"'
    assert without.headers["tidemill-reason"] == "credentials-missing"
    assert wrong.headers["tidemill-reason"] == "key-unknown"
    assert other.headers["tidemill-reason"] == "credentials-unknown"
    assert "error" in without.json()
    assert by_bearer.json() == by_header.json() == {"predictions": [3.0]}


def test_a_key_is_kept_as_a_hash_alone(tmp_path: Path) -> None:
    key, kept = new_key("shop", frozenset({Role.PREDICT}), NOW)
    write(tmp_path / "keys.json", kept)

    text = (tmp_path / "keys.json").read_text()

    assert key.rpartition("_")[2] not in text
    assert json.loads(text)["keys"][0]["sha256"] == hashlib.sha256(key.encode()).hexdigest()


def test_a_key_is_good_for_its_roles_and_models_only(serving: Serving, tmp_path: Path) -> None:
    feeder, kept_feeder = new_key("feeder", frozenset({Role.FEEDBACK}), NOW)
    shop, kept_shop = new_key("shop", frozenset({Role.PREDICT}), NOW, models=frozenset({"flights"}))
    admin, kept_admin = new_key("admin", frozenset({Role.ADMIN}), NOW)
    write(tmp_path / "keys.json", kept_feeder, kept_shop, kept_admin)

    with guarded_gateway(serving, api_keys_file=tmp_path / "keys.json") as client:
        no_role = client.post(PREDICT, json=ROWS, headers=bearer(feeder))
        no_model = client.post(PREDICT, json=ROWS, headers=bearer(shop))
        no_status = client.get("/v1/models/half_plus_two", headers=bearer(shop))
        status = client.get("/v1/models/flights", headers=bearer(shop))
        by_admin = client.post(PREDICT, json=ROWS, headers=bearer(admin))

    assert (no_role.status_code, no_role.headers["tidemill-reason"]) == (403, "role-missing")
    assert (no_model.status_code, no_model.headers["tidemill-reason"]) == (403, "model-forbidden")
    assert no_status.status_code == 403
    assert (status.status_code, by_admin.status_code) == (200, 200)


def test_a_caller_is_shown_the_models_that_it_may_use_and_no_others(serving: Serving, tmp_path: Path) -> None:
    shop, kept_shop = new_key("shop", frozenset({Role.PREDICT}), NOW, models=frozenset({"flights", "gone"}))
    other, kept_other = new_key("other", frozenset({Role.PREDICT}), NOW)
    write(tmp_path / "keys.json", kept_shop, kept_other)

    def shown(client: httpx.Client, key: str) -> list[set[str]]:
        models = client.get("/v1/models", headers=bearer(key)).json()["models"]
        stats = client.get("/v2/models/stats", headers=bearer(key)).json()["model_stats"]
        index = client.post("/v2/repository/index", headers=bearer(key)).json()
        return [set(models), *({each["name"] for each in listed} for listed in (stats, index))]

    with guarded_gateway(serving, api_keys_file=tmp_path / "keys.json") as client:
        of_shop, of_other = shown(client, shop), shown(client, other)

    assert of_shop == [{"flights"}] * 3
    assert of_other == [{"flights", "half_plus_two"}] * 3


def test_the_file_is_followed_and_a_broken_one_changes_nothing(serving: Serving, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old, kept_old = new_key("old", frozenset({Role.PREDICT}), NOW)
    new, kept_new = new_key("new", frozenset({Role.PREDICT}), NOW)
    write(path, kept_old)

    with guarded_gateway(serving, api_keys_file=path) as client:

        def status_of(key: str) -> int:
            return client.get("/v1/models", headers=bearer(key)).status_code

        write(path, kept_new)
        wait_until(lambda: status_of(new) == 200)
        revoked = status_of(old)
        path.write_text("{")
        time.sleep(0.1)
        kept = status_of(new)

    assert (revoked, kept) == (401, 200)


def test_a_gateway_without_the_file_it_should_have_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), running_gateway("127.0.0.1:1", api_keys_file=tmp_path / "none"):
        pass


def test_a_quota_bounds_its_own_key_and_no_other(serving: Serving, tmp_path: Path) -> None:
    bounded, kept_bounded = new_key("a", frozenset({Role.PREDICT}), NOW, quota_per_second=0.001, burst=3)
    free, kept_free = new_key("b", frozenset({Role.PREDICT}), NOW)
    write(tmp_path / "keys.json", kept_bounded, kept_free)

    with guarded_gateway(serving, api_keys_file=tmp_path / "keys.json") as client:
        answers = [client.post(PREDICT, json=ROWS, headers=bearer(bounded)) for _ in range(5)]
        write(tmp_path / "keys.json", kept_free, kept_bounded)
        time.sleep(0.1)
        after_reload = client.post(PREDICT, json=ROWS, headers=bearer(bounded))
        others = [client.post(PREDICT, json=ROWS, headers=bearer(free)).status_code for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert after_reload.status_code == 429
    assert answers[-1].headers["tidemill-reason"] == "quota-exceeded"
    assert 900 < int(answers[-1].headers["retry-after"]) <= 1000
    assert others == [200] * 5


def test_probes_are_open(serving: Serving, tmp_path: Path) -> None:
    write(tmp_path / "keys.json")

    with guarded_gateway(serving, api_keys_file=tmp_path / "keys.json") as client:
        probes = [client.get(path).status_code for path in ("/livez", "/readyz")]
        models = client.get("/v1/models").status_code

    assert (probes, models) == ([200, 200], 401)


@dataclass
class LocalIssuer:
    """An OpenID Connect issuer on a port of its own."""

    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    fetches: int = 0
    url: str = ""
    speaks_http: bool = True

    def add_key(self, key_id: str) -> None:
        self.keys[key_id] = rsa.generate_private_key(65537, 2048)

    def token(self, key_id: str = "one", **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "tidemill", "sub": "me", "iat": now, "exp": now + 300}
        claims |= {"roles": ["predict"], **changes}
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self.keys[key_id], "RS256", headers={"kid": key_id})

    def document(self, path: str) -> Any:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.fetches += 1
        algorithm = jwt.algorithms.RSAAlgorithm
        published = self.keys.items()
        return {
            "keys": [
                {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "alg": "RS256"}
                for key_id, key in published
            ]
        }


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    issuer = LocalIssuer()
    issuer.add_key("one")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.document(self.path)).encode()
            if not issuer.speaks_http:
                self.wfile.write(b"nonsense\r\n\r\n")
                return
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield issuer
    server.shutdown()
    server.server_close()


@pytest.fixture
def tokened(serving: Serving, issuer: LocalIssuer) -> Iterator[httpx.Client]:
    with guarded_gateway(serving, oidc_issuer=issuer.url) as client:
        wait_until(lambda: issuer.fetches > 0)
        wait_until(lambda: client.get("/v1/models", headers=bearer(issuer.token())).status_code == 200)
        yield client


def test_a_token_of_the_issuer_lets_in_by_its_roles(tokened: httpx.Client, issuer: LocalIssuer) -> None:
    let_in = tokened.post(PREDICT, json=ROWS, headers=bearer(issuer.token()))
    again = tokened.post(PREDICT, json=ROWS, headers=bearer(issuer.token()))
    by_text = tokened.get("/v1/models", headers=bearer(issuer.token(roles="feedback predict")))
    other_role = tokened.post(PREDICT, json=ROWS, headers=bearer(issuer.token(roles=["feedback"])))
    no_roles = [
        tokened.post(PREDICT, json=ROWS, headers=bearer(issuer.token(roles=roles)))
        for roles in (None, 5, True)
    ]
    by_object = tokened.get("/v1/models", headers=bearer(issuer.token(roles={"predict": {}})))
    until_text = tokened.get("/v1/models", headers=bearer(issuer.token(exp="4000000000")))

    assert (let_in.status_code, again.status_code, by_text.status_code) == (200, 200, 200)
    assert (other_role.status_code, [each.status_code for each in no_roles]) == (403, [403] * 3)
    assert (by_object.status_code, until_text.status_code) == (200, 200)


WRONG_CLAIMS: Mapping[str, Mapping[str, Any]] = {
    "another audience": {"aud": "other"},
    "another issuer": {"iss": "https://other.example"},
    "expired": {"exp": 1_700_000_000},
    "not yet valid": {"nbf": 4_000_000_000},
    "for ever": {"exp": None},
    "of nobody": {"sub": None},
}


@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_a_token_with_wrong_claims_is_refused(
    tokened: httpx.Client, issuer: LocalIssuer, changes: Mapping[str, Any]
) -> None:
    answer = tokened.post(PREDICT, json=ROWS, headers=bearer(issuer.token(**changes)))

    assert answer.status_code == 401
    assert answer.headers["tidemill-reason"] in {"token-invalid", "token-expired"}


def test_a_token_is_not_believed_when_it_says_how_to_check_itself(
    tokened: httpx.Client, issuer: LocalIssuer
) -> None:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    public = issuer.keys["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = {
        "unsigned": token_of({"alg": "none", "kid": "one"}, claims, None),
        "by the public key": token_of({"alg": "HS256", "kid": "one"}, claims, public),
        "by a key of its own": jwt.encode(
            claims, rsa.generate_private_key(65537, 2048), "RS256", headers={"kid": "one"}
        ),
    }

    answers = {
        name: tokened.get("/v1/models", headers=bearer(token)).status_code for name, token in forged.items()
    }

    assert answers == dict.fromkeys(forged, 401)


def token_of(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes | None) -> str:
    """Write a token that the library would refuse to."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims)]
    signed = b".".join(parts)
    signature = hmac.digest(secret, signed, "sha256") if secret else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature)).decode().replace("=", "")


def test_strangers_do_not_make_the_issuer_busy(tokened: httpx.Client, issuer: LocalIssuer) -> None:
    before = issuer.fetches
    issuer.add_key("never published")
    stranger = issuer.token("never published")
    del issuer.keys["never published"]

    answers = [tokened.get("/v1/models", headers=bearer(stranger)) for _ in range(50)]

    assert {answer.status_code for answer in answers} == {401}
    assert issuer.fetches == before


def test_a_reply_of_the_issuer_that_is_none_changes_nothing(issuer: LocalIssuer) -> None:
    async def scenario() -> Refused | None:
        tokens = Tokens(Issuer(issuer.url), "tidemill", "roles", least_refresh_seconds=0.1)
        await tokens.refresh()
        issuer.speaks_http = False
        await tokens.refresh()
        return refusal_of(tokens, issuer.token())

    assert asyncio.run(scenario()) is None


def test_keys_that_the_issuer_changes_are_found_in_the_background(issuer: LocalIssuer) -> None:
    async def scenario() -> tuple[Refused | None, Caller | None, Refused | None]:
        tokens = Tokens(Issuer(issuer.url), "tidemill", "roles", least_refresh_seconds=0.1)
        following = asyncio.create_task(tokens.follow())
        old = issuer.token()
        await until_known(tokens, old)
        issuer.add_key("two")
        del issuer.keys["one"]
        await asyncio.sleep(0.15)
        at_first = refusal_of(tokens, issuer.token("two"))
        caller = await until_known(tokens, issuer.token("two"))
        at_last = refusal_of(tokens, old)
        following.cancel()
        return at_first, caller, at_last

    at_first, caller, at_last = asyncio.run(scenario())

    assert at_first is not None
    assert (at_first.code, at_first.reason) == (Code.UNAVAILABLE, "token-keys-pending")
    assert at_first.retry_after_seconds is not None
    assert caller is not None
    assert caller.name == "sub:me"
    assert at_last is not None
    assert at_last.reason in {"token-key-unknown", "token-keys-pending"}


def refusal_of(tokens: Tokens, token: str) -> Refused | None:
    try:
        tokens.caller(token)
    except Refused as refusal:
        return refusal
    return None


async def until_known(tokens: Tokens, token: str) -> Caller | None:
    await asyncio.to_thread(wait_until, lambda: refusal_of(tokens, token) is None)
    return tokens.caller(token)
