"""Clients that sign their calls: what opens, once, and everything that must not."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fhir.resources.R4B.operationoutcome import OperationOutcome
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from feature_store.errors import BadInput
from service.cds.replays import Replays
from service.cds.setup import read_setup

URL, ISSUER, OTHER = "https://homeward.example", "https://ehr.example/", "https://other.example/"


@pytest.fixture(scope="module")
def signers():
    """Private keys by kid."""
    return {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ec": ec.generate_private_key(ec.SECP384R1()),
        "other": ec.generate_private_key(ec.SECP384R1()),
    }


def jwks(signers, *kids):
    keys = []
    for kid in kids:
        kind = RSAAlgorithm if kid == "rsa" else ECAlgorithm
        keys.append(kind.to_jwk(signers[kid].public_key(), as_dict=True) | {"kid": kid})
    return json.dumps({"keys": keys})


@pytest.fixture
def signed_setup(signers, set_up, tmp_path):
    """A set-up of two clients, one of them of one site."""
    (tmp_path / "ehr.json").write_text(jwks(signers, "rsa", "ec"))
    (tmp_path / "other.json").write_text(jwks(signers, "other"))
    one = {"name": "ehr", "iss": ISSUER, "keys": str(tmp_path / "ehr.json")}
    two = {"name": "other", "iss": OTHER, "keys": str(tmp_path / "other.json"), "sites": ["RXX02"]}
    return set_up(url=URL, clients=[one, two])


@pytest.fixture
def guarded(make_hub, signed_setup, record, tmp_path):
    """A service that takes API keys, and signed calls of CDS clients."""
    sha256 = hashlib.sha256(b"hw_feed").hexdigest()
    key = {"name": "feed", "sha256": sha256, "scopes": ["events", "scores", "feedback"]}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key]}))
    client = make_hub(cds_file=signed_setup, api_keys_file=tmp_path / "keys.json")
    feed = {"Authorization": "Bearer hw_feed"}
    answer = client.post("/v1/events", json={"events": record.frail()}, headers=feed)
    assert answer.status_code == 200
    return client


def token(signers, path, by="ec", algorithm="ES384", header=None, **changed):
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": URL + path,
        "iat": now,
        "exp": now + 300,
        "jti": str(uuid.uuid4()),
    } | changed
    claims = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(claims, signers[by], algorithm, headers={"kid": by} | (header or {}))


def called(client, record, sent, path=None, body=None):
    answer = client.post(
        path or record.service,
        json=record.call("SA1") if body is None else body,
        headers={"Authorization": f"Bearer {sent}"},
    )
    if answer.status_code == 401:
        OperationOutcome.model_validate_json(answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    return answer.status_code


@pytest.mark.parametrize(("by", "algorithm"), [("ec", "ES384"), ("rsa", "RS384")])
def test_a_signed_call_opens_once(guarded, record, signers, by, algorithm):
    mine = token(signers, record.service, by, algorithm, aud=["https://x", URL + record.service])
    assert called(guarded, record, mine) == 200
    assert called(guarded, record, mine) == 401  # replayed
    assert called(guarded, record, token(signers, record.service, by, algorithm)) == 200
    found = guarded.app.state.parts.record.between(0, 2**62)
    assert set(found["caller"]) == {"cds:ehr"}


def test_feedback_has_an_address_of_its_own(guarded, record, signers):
    path = f"{record.service}/feedback"
    body = {"feedback": [{"card": "none", "outcome": "overridden"}]}
    assert called(guarded, record, token(signers, path), path, body) == 404
    assert called(guarded, record, token(signers, record.service), path, body) == 401


def test_a_client_of_some_sites_has_no_card_of_another(guarded, record, signers):
    def mine():
        return token(signers, record.service, "other", iss=OTHER)

    answer = guarded.post(
        record.service, json=record.call("SA1"), headers={"Authorization": f"Bearer {mine()}"}
    )
    assert record.read_cards(answer) == []
    body = record.call("e1", prefetch=record.prefetch())
    assert called(guarded, record, mine(), body=body) == 200


def bare(claims, header, secret=b""):
    """A token without a signature, or with one by a shared secret, as no library would make it."""
    parts = [json.dumps(one).encode() for one in (header | {"typ": "JWT"}, claims)]
    told = b".".join(base64.urlsafe_b64encode(one).rstrip(b"=") for one in parts)
    sign = hmac.digest(secret, told, "sha256") if secret else b""
    return (told + b"." + base64.urlsafe_b64encode(sign).rstrip(b"=")).decode()


def test_nothing_else_opens(guarded, record, signers, tmp_path):
    path, now = record.service, int(time.time())
    keys = str(tmp_path / "ehr.json")
    for sent in (
        token(signers, path, aud="https://homeward.example"),
        token(signers, path, aud=URL + path + "/"),
        token(signers, path, aud="https://evil.example" + path),
        token(signers, path, aud=URL + "/cds-services"),
        token(signers, path, aud=...),
        token(signers, path, exp=now - 60),
        token(signers, path, exp=now + 2 * 3600),
        token(signers, path, exp=...),
        token(signers, path, iat=...),
        token(signers, path, iat=now + 3600),
        token(signers, path, nbf=now + 3600),
        token(signers, path, jti=...),
        token(signers, path, jti=""),
        token(signers, path, jti="x" * 300),
        token(signers, path, iss=...),
        token(signers, path, iss="https://evil.example/"),
        token(signers, path, iss=OTHER),  # signed by a key of another client
        token(signers, path, "other"),
        token(signers, path, header={"kid": "rsa"}),
        token(signers, path, header={"kid": "unknown"}),
        token(signers, path, header={"jku": "https://evil.example/keys"}),
        token(signers, path, header={"jku": keys + "x"}),
        token(signers, path, header={"typ": "at+jwt"}),
        token(signers, path, header={"crit": ["x"], "x": 1}),
        token(signers, path)[:-8] + "AAAAAAAA",
        "a.b.c",
        "x" * 10_000,
    ):
        assert called(guarded, record, sent) == 401, sent[:40]
    assert called(guarded, record, token(signers, path, header={"jku": keys})) == 200
    assert guarded.post(path, json=record.call("SA1")).status_code == 401


def test_no_signature_is_none_and_a_public_key_is_no_shared_secret(
    guarded, record, signers, tmp_path
):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": URL + record.service, "exp": now + 60, "iat": now, "jti": "1"}
    pem = signers["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert called(guarded, record, bare(claims, {"alg": "none", "kid": "rsa"})) == 401
    for secret in ((tmp_path / "ehr.json").read_bytes(), pem, b"x" * 32):
        assert called(guarded, record, bare(claims, {"alg": "HS256", "kid": "rsa"}, secret)) == 401


def test_a_signed_call_opens_cds_hooks_and_nothing_else(guarded, signers):
    for path in ("/v1/worklist", "/fhir/RiskAssessment?encounter=SA1", "/v1/model"):
        sent = {"Authorization": f"Bearer {token(signers, path)}"}
        assert guarded.get(path, headers=sent).status_code == 401


def test_keys_of_the_service_open_too_and_discovery_needs_none(guarded, record):
    assert called(guarded, record, "hw_feed") == 200
    assert guarded.get("/cds-services").status_code == 200


def test_links_of_cards_lead_to_the_address_of_the_set_up(guarded, record, signers):
    sent = {"Authorization": f"Bearer {token(signers, record.service)}"}
    answer = guarded.post(
        record.service, json=record.call("SA1"), headers=sent | {"Host": "evil.example"}
    )
    (card,) = record.read_cards(answer)
    assert card.links[0].url.startswith(f"{URL}/worklist/score/")
    assert card.source.url == f"{URL}/worklist/model"


# ---- what was used -------------------------------------------------------------------------------


def test_of_many_at_once_and_after_a_restart_one_is_first(tmp_path):
    makers = [Replays(tmp_path, lambda: 1000.0) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda one: one.is_first("i", "n", until=1300.0), makers * 4))
    assert firsts.count(True) == 1
    assert not Replays(tmp_path, lambda: 1299.0).is_first("i", "n", until=1300.0)
    assert Replays(tmp_path).is_first("i", "m", until=1300.0)
    assert Replays(tmp_path).is_first("j", "n", until=1300.0)


def test_what_has_expired_is_forgotten_and_what_has_not_is_kept(tmp_path):
    Replays(tmp_path, lambda: 1000.0).is_first("i", "early", until=1300.0)
    Replays(tmp_path, lambda: 1000.0).is_first("i", "late", until=4000.0)
    later = Replays(tmp_path, lambda: 2000.0)
    assert not later.is_first("i", "late", until=4000.0)
    assert len([one for one in tmp_path.glob("*/*") if one.is_file()]) == 1
    assert "late" not in str([*tmp_path.rglob("*")][1:])


# ---- the set-up ----------------------------------------------------------------------------------

CLIENT = {"name": "ehr", "iss": ISSUER, "keys": "keys.json"}


@pytest.mark.parametrize(
    "setup",
    [
        {"clients": [CLIENT]},
        {"url": URL, "clients": [CLIENT, CLIENT | {"name": "b"}]},
        {"url": URL, "clients": [CLIENT, CLIENT | {"iss": OTHER}]},
        {"url": URL, "clients": [CLIENT | {"keys": "http://ehr.example/keys"}]},
        {"url": URL, "clients": [CLIENT | {"sites": []}]},
        {"url": URL, "clients": [CLIENT | {"scopes": ["admin"]}]},
        {"url": URL, "clients": [CLIENT | {"name": "a/../b"}]},
        {"url": "http://homeward.example"},
        {"url": URL + "/"},
        {"origins": ["*"]},
        {"origins": ["null"]},
        {"origins": ["https://a.example/path"]},
        {"hooks": ["order-sign"]},
        {"client": []},
        [],
    ],
)
def test_a_setup_that_cannot_be_meant_stops_the_start(tmp_path, setup):
    path = tmp_path / "cds.json"
    path.write_text(json.dumps(setup))
    with pytest.raises(BadInput, match=r"^HOMEWARD_CDS_FILE: "):
        read_setup(path)


def test_a_setup_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(BadInput, match=r"HOMEWARD_CDS_FILE.*FileNotFoundError"):
        read_setup(tmp_path / "none.json")


# ---- pages of others -----------------------------------------------------------------------------

PAGE = "https://sandbox.cds-hooks.org"


def asks(client, path, origin):
    """Headers of the answer to what a browser asks before it sends."""
    asked = {"Access-Control-Request-Method": "POST", "Origin": origin}
    asked |= {"Access-Control-Request-Headers": "authorization,content-type"}
    return client.options(path, headers=asked).headers


def test_only_the_pages_of_the_setup_may_call_and_only_cds_hooks(make_hub, set_up, record):
    client = make_hub(cds_file=set_up(origins=[PAGE]))
    allowed = "access-control-allow-origin"
    told = asks(client, record.service, PAGE)
    assert told[allowed] == PAGE
    assert "access-control-allow-credentials" not in told
    assert allowed not in asks(client, record.service, "https://evil.example")
    assert allowed not in asks(client, "/v1/scores", PAGE)
    for path in ("/cds-services", "/cds-services/none"):
        told = client.get(path, headers={"Origin": PAGE}).headers
        assert (told[allowed], told["vary"]) == (PAGE, "Origin")
    assert allowed not in client.get("/v1/model", headers={"Origin": PAGE}).headers
    assert allowed not in client.get("/cds-servicesX", headers={"Origin": PAGE}).headers


def test_without_a_setup_no_page_may_call(make_hub, record):
    assert "access-control-allow-origin" not in asks(make_hub(), record.service, PAGE)
