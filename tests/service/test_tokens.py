"""Signed tokens: what opens, and everything that must not."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from feature_store.errors import BadInput
from service import token_keys
from service.app import create_app
from service.problems import Problem
from service.token_keys import AddressKeys, read_key_set
from service.tokens import TokenRules, Tokens

ISSUER, AUDIENCE = "https://login.example/", "homeward"


def jwk_of(private, kid, **more):
    kind = RSAAlgorithm if isinstance(private, rsa.RSAPrivateKey) else ECAlgorithm
    return kind.to_jwk(private.public_key(), as_dict=True) | {"kid": kid, "use": "sig"} | more


@pytest.fixture(scope="module")
def signers():
    """Private keys: of the issuer, by kid, and a stranger's."""
    return {
        "rsa": rsa.generate_private_key(65537, 2048),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "stranger": rsa.generate_private_key(65537, 2048),
        "short": rsa.generate_private_key(65537, 1024),
    }


@pytest.fixture(scope="module")
def key_set(signers):
    """What the issuer publishes."""
    return {
        "keys": [
            *(jwk_of(signers[kid], kid) for kid in ("rsa", "p256", "p384")),
            {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"x" * 32).decode()},
            jwk_of(signers["stranger"], "for-encryption", use="enc"),
        ]
    }


@pytest.fixture
def guarded(make_client, fake_model, key_set, tmp_path):
    """A service that takes tokens."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(key_set))
    return make_client(
        fake_model,
        token_issuer=ISSUER,
        token_audience=AUDIENCE,
        token_keys=str(path),
        token_sites_claim="sites",
    )


def claims(**changed):
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "hub-1",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "scope": "scores other",
        "sites": ["*"],
    } | changed
    return {name: value for name, value in whole.items() if value is not ...}


def signed(signers, by="rsa", algorithm="RS256", header=None, **changed):
    return jwt.encode(
        claims(**changed), signers[by], algorithm, headers={"kid": by} | (header or {})
    )


def status_of(client, body, token):
    answer = client.post("/v1/scores", json=body, headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert token not in answer.text
    return answer.status_code


@pytest.mark.parametrize(
    ("by", "algorithm"),
    [("rsa", "RS256"), ("rsa", "RS384"), ("rsa", "PS256"), ("p256", "ES256"), ("p384", "ES384")],
)
def test_a_good_token_opens_what_its_scopes_say(guarded, request_body, signers, by, algorithm):
    token = signed(signers, by, algorithm)
    assert status_of(guarded, request_body, token) == 200
    assert status_of(guarded, request_body, token) == 200  # and from memory


@pytest.mark.parametrize(
    "changed",
    [
        {"scope": ..., "scp": "events scores"},
        {"scope": ..., "scp": ["scores"]},
        {"scope": ..., "roles": ["scores"]},
        {"aud": ["other", AUDIENCE]},
        {"iat": ..., "nbf": ...},
        {"exp": -5},  # seconds from now: within the leeway
        {"sub": ..., "azp": "hub-1"},
    ],
)
def test_ways_in_which_issuers_differ(guarded, request_body, signers, changed):
    if "exp" in changed:
        changed = {"exp": int(time.time()) + changed["exp"]}
    assert status_of(guarded, request_body, signed(signers, **changed)) == 200


@pytest.mark.parametrize("scope", [..., "", "events feedback", "SCORES", "scoresx", ["scores"]])
def test_a_token_without_the_scope_is_refused(guarded, request_body, signers, scope):
    expected = 200 if scope == ["scores"] else 403
    assert status_of(guarded, request_body, signed(signers, scope=scope)) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "other"},
        {"aud": ...},
        {"aud": []},
        {"aud": AUDIENCE.upper()},
        {"iss": "https://login.example.evil/"},
        {"iss": ISSUER.rstrip("/")},
        {"iss": ...},
        {"exp": ...},
        {"exp": 0},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e400},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"sub": ...},
        {"sub": "Mr\nSmith"},
        {"client_id": "9" * 200},
        {"client_id": 7},
    ],
    ids=str,
)
def test_claims_that_do_not_hold(guarded, request_body, signers, changed):
    assert status_of(guarded, request_body, signed(signers, **changed)) == 401


@pytest.mark.parametrize(
    ("by", "header"),
    [
        ("stranger", {"kid": "rsa"}),
        ("stranger", {}),
        ("stranger", {"kid": "for-encryption"}),
        ("rsa", {"kid": "p256"}),
        ("rsa", {"kid": ""}),
        ("rsa", {"kid": "unknown"}),
        ("rsa", {"kid": "../../dev/null"}),
        ("rsa", {"kid": "rsa' OR '1'='1"}),
        ("rsa", {"crit": ["b64"], "b64": False}),
        ("rsa", {"crit": ["exp"]}),
        ("rsa", {"typ": "logout+jwt"}),
    ],
)
def test_headers_choose_nothing(guarded, request_body, signers, by, header):
    assert status_of(guarded, request_body, signed(signers, by, header=header)) == 401


def test_a_key_in_the_token_itself_is_not_used(guarded, request_body, signers):
    own = jwk_of(signers["stranger"], "rsa")
    for header in ({"jwk": own}, {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1"}):
        token = signed(signers, "stranger", header={"kid": "rsa"} | header)
        assert status_of(guarded, request_body, token) == 401


def packed(*parts):
    def text(part):
        raw = part if isinstance(part, bytes) else json.dumps(part).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return ".".join(map(text, parts))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None])
def test_an_unsigned_token_opens_nothing(guarded, request_body, algorithm):
    header = {"typ": "JWT", "alg": algorithm, "kid": "rsa"}
    for signature in (b"", b"x"):
        assert status_of(guarded, request_body, packed(header, claims(), signature)) == 401


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_shared_secret(guarded, request_body, signers, key_set, algorithm):
    public = signers["rsa"].public_key()
    secrets = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(key_set["keys"][0]).encode(),
        b"x" * 32,  # the symmetric key that the set carries by mistake
        b"",
    ]
    for secret in secrets:
        for kid in ("rsa", "secret"):
            head = packed({"typ": "JWT", "alg": algorithm, "kid": kid}, claims())
            name = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
            mac = hmac.digest(secret, head.encode(), name)
            assert status_of(guarded, request_body, f"{head}.{packed(mac)}") == 401


@pytest.mark.parametrize(
    ("by", "algorithm"), [("rsa", "RS512"), ("rsa", "PS512"), ("rsa", "PS384")]
)
def test_algorithms_that_are_not_on_the_list(guarded, request_body, signers, by, algorithm):
    assert status_of(guarded, request_body, signed(signers, by, algorithm)) == 401


def test_a_tampered_token_opens_nothing(guarded, request_body, signers):
    head, body, signature = signed(signers).split(".")
    more = packed(claims(scope="scores admin"))
    flipped = signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
    tampered = [
        f"{head}.{more}.{signature}",
        f"{head}.{body}.{flipped}",
        f"{head}.{body}.",
        f"{head}..{signature}",
        f".{body}.{signature}",
        "..",
        f"{head}.{body}.{signature}." + "a",
        "a.b.c",
        "ÿ.ÿ.ÿ".encode().decode("latin-1"),
        f"{head}.{body}.{signature}" + "A" * 9000,
    ]
    for token in tampered:
        sent = {"Authorization": f"Bearer {token}".encode("latin-1")}
        assert guarded.post("/v1/scores", json=request_body, headers=sent).status_code == 401


def test_a_token_in_memory_is_forgotten_when_it_expires(signers, key_set, monkeypatch):
    clock = [0.0]
    keys = StubKeys(read_key_set(json.dumps(key_set).encode()))
    tokens = Tokens(TokenRules(issuer=ISSUER, audience=AUDIENCE), keys, now=lambda: clock[0])
    token = signed(signers, exp=int(time.time()) - 25).encode()
    digest = hashlib.sha256(token).hexdigest()
    clock[0] = time.time()
    assert tokens.caller(token, digest).name == "token:hub-1"
    clock[0] += 3600
    seen = []
    monkeypatch.setattr("service.tokens.verified", lambda *_: seen.append("anew") or claims())
    tokens.caller(token, digest)
    assert seen == ["anew"]


def test_a_key_taken_out_of_the_set_closes_at_once(signers, key_set):
    keys = StubKeys(read_key_set(json.dumps(key_set).encode()))
    tokens = Tokens(TokenRules(issuer=ISSUER, audience=AUDIENCE), keys)
    token = signed(signers).encode()
    tokens.caller(token, "digest")
    keys.set = read_key_set(json.dumps({"keys": key_set["keys"][1:]}).encode())
    with pytest.raises(Problem):
        tokens.caller(token, "digest")
    assert keys.misses == 1


class StubKeys:
    trouble = ""
    misses = 0

    def __init__(self, key_set):
        self.set = key_set

    def current(self):
        return self.set

    def missed(self):
        self.misses += 1


# ---- sites ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sites", "seen"),
    [("RXX01", True), (["RXX01", "RXX02"], True), ("*", True), (["RXX02"], False), (..., False)],
)
def test_the_claim_of_sites_is_held_to(guarded, request_body, the_spell, signers, sites, seen):
    the_spell["events"].append({"code": "SITE//RXX01", "time": "2026-01-13T10:00:00Z"})
    token = signed(signers, sites=sites)
    answer = guarded.post(
        "/v1/scores", json=request_body, headers={"Authorization": f"Bearer {token}"}
    )
    assert len(answer.json()["scores"]) == seen


# ---- where the keys come from --------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [1]}', b'{"keys": [{}]}'],
)
def test_what_is_no_key_set(content):
    with pytest.raises(BadInput, match="a JWK set"):
        read_key_set(content)


def test_weak_foreign_and_repeated_keys_are_not_taken(signers):
    weak = jwk_of(signers["short"], "short")
    foreign = jwk_of(signers["rsa"], "rsa", alg="RS512")
    good = jwk_of(signers["rsa"], "rsa", alg="PS256")
    with pytest.raises(BadInput):
        read_key_set(json.dumps({"keys": [weak, foreign]}).encode())
    with pytest.raises(BadInput, match="each kid once"):
        read_key_set(json.dumps({"keys": [good, good]}).encode())
    assert read_key_set(json.dumps({"keys": [good]}).encode())["rsa"].algorithms == ("PS256",)


@pytest.fixture
def publisher():
    """A server that publishes a key set, and counts."""

    class Handler(BaseHTTPRequestHandler):
        content, asked, status = b"{}", 0, 200

        def do_GET(self):
            Handler.asked += 1
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(self.content)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    Handler.address = f"http://127.0.0.1:{server.server_port}/keys"
    yield Handler
    server.shutdown()
    server.server_close()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - of another thread's server
            await asyncio.sleep(0.01)


def test_keys_at_an_address_are_rotated_without_a_restart(
    publisher, signers, tmp_path, monkeypatch
):
    monkeypatch.setattr(token_keys, "LEAST_SECONDS", 0.05)
    publisher.content = json.dumps({"keys": [jwk_of(signers["p256"], "old")]}).encode()

    async def story():
        keys = AddressKeys(publisher.address, tmp_path / "kept.json")
        assert not keys.current()
        running = asyncio.create_task(keys.run())
        await until(lambda: "old" in keys.current())
        assert keys.trouble == ""
        publisher.content = json.dumps({"keys": [jwk_of(signers["p384"], "new")]}).encode()
        before = publisher.asked
        for _ in range(1000):
            keys.missed()
        await until(lambda: "new" in keys.current())
        assert "old" not in keys.current()
        assert publisher.asked - before <= 3  # however often it was missed
        publisher.status = 500
        keys.missed()
        await until(lambda: keys.trouble)
        assert "new" in keys.current()
        running.cancel()

    asyncio.run(story())
    kept = AddressKeys(publisher.address, tmp_path / "kept.json")
    assert "new" in kept.current()  # a start while the issuer is away
    assert not AddressKeys("https://other.example", tmp_path / "kept.json").current()


def test_until_the_keys_are_there_a_token_is_told_to_wait(
    make_client, fake_model, request_body, signers
):
    client = make_client(
        fake_model,
        token_issuer=ISSUER,
        token_audience=AUDIENCE,
        token_keys="http://127.0.0.1:9/keys",  # nobody listens there
    )
    sent = {"Authorization": f"Bearer {signed(signers)}"}
    answer = client.post("/v1/scores", json=request_body, headers=sent)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    check = client.get("/health/ready").json()["checks"][1]
    assert check["state"] == "degraded"


def test_a_file_that_is_no_key_set_stops_the_start(settings, tmp_path):
    from dataclasses import replace

    path = tmp_path / "jwks.json"
    path.write_text("{}")
    with pytest.raises(BadInput, match=r"^jwks\.json: a JWK set expected"):
        create_app(
            replace(settings, token_issuer=ISSUER, token_audience=AUDIENCE, token_keys=str(path))
        )
