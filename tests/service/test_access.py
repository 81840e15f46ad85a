"""Who may ask what."""

import hashlib
import json
import os

import pytest

from feature_store.errors import BadInput
from service import keys as keys_module
from service.access import Scope, allow
from service.keys import Keys, new_key, read_keys
from service.problems import Problem

KEY = "hw_a-key-for-tests"


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


def entry(key, name="hub", scopes=("scores",), **more):
    return {"name": name, "sha256": digest(key), "scopes": list(scopes), **more}


def write(path, *entries):
    path.write_text(json.dumps({"keys": entries}))
    return path


@pytest.fixture
def keys(tmp_path):
    """A file with one key for scores and one for feedback alone."""
    return write(
        tmp_path / "keys.json", entry(KEY), entry("hw_other", "ward", scopes=("feedback",))
    )


@pytest.fixture
def guarded(make_client, fake_model, keys):
    """A service that asks for keys."""
    return make_client(fake_model, api_keys_file=keys)


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def test_a_known_key_opens_what_its_scopes_say(guarded, request_body):
    assert guarded.post("/v1/scores", json=request_body, headers=bearer(KEY)).status_code == 200
    assert guarded.get("/v1/model", headers=bearer("hw_other")).status_code == 200
    refused = guarded.post("/v1/scores", json=request_body, headers=bearer("hw_other"))
    assert refused.status_code == 403
    assert refused.json()["detail"] == "This key lacks the scope scores."


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer hw_wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": "Bearer " + hashlib.sha256(KEY.encode()).hexdigest()},
        {"X-API-Key": KEY},
    ],
)
@pytest.mark.parametrize("call", [("POST", "/v1/scores"), ("GET", "/v1/model")])
def test_nothing_else_opens_anything(guarded, request_body, headers, call):
    body = {"json": request_body} if call[0] == "POST" else {}
    answer = guarded.request(*call, headers=headers, **body)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "hw_wrong" not in answer.text


def test_a_key_in_the_address_does_not_open(guarded, request_body):
    answer = guarded.post(f"/v1/scores?access_token={KEY}", json=request_body)
    assert answer.status_code == 401
    assert KEY not in answer.text


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"]
)
def test_operations_and_documentation_need_no_key(guarded, path):
    assert guarded.get(path).status_code == 200


def test_authorisation_comes_before_anything_else_is_looked_at(guarded):
    assert guarded.post("/v1/scores?x=1", content=b"{").status_code == 401


# ---- without keys --------------------------------------------------------------------------------


def test_an_open_service_says_so(make_client, fake_model):
    checks = make_client(fake_model).get("/health/ready").json()["checks"]
    assert any("no API keys" in check["detail"] for check in checks)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "10.0.0.1", "127.0.0.1.evil.example", ""]
)
def test_an_open_service_answers_to_a_loopback_name_only(
    make_client, fake_model, request_body, host
):
    client = make_client(fake_model)
    answer = client.post("/v1/scores", json=request_body, headers={"Host": host})
    assert answer.status_code == 403
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"]
)
def test_loopback_names(make_client, fake_model, request_body, host):
    client = make_client(fake_model)
    answer = client.post("/v1/scores", json=request_body, headers={"Host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_an_open_service_does_not_answer_through_a_proxy(
    make_client, fake_model, request_body, name
):
    answer = make_client(fake_model).post(
        "/v1/scores", json=request_body, headers={name: "127.0.0.1"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("names", [("Authorization", "authorization"), ("Authorization",) * 2])
def test_a_key_sent_twice_is_nobodys(guarded, request_body, names):
    sent = [(names[0], f"Bearer {KEY}"), (names[1], "Bearer hw_other")]
    for headers in (sent, sent[::-1], [sent[0], sent[0]]):
        assert guarded.post("/v1/scores", json=request_body, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "name", ["X-Authorization", "Proxy-Authorization", "Cookie", "X-Original-Authorization"]
)
def test_no_other_header_opens(guarded, request_body, name):
    headers = {name: f"Bearer {KEY}", "X-Forwarded-User": "hub"}
    assert guarded.post("/v1/scores", json=request_body, headers=headers).status_code == 401


@pytest.mark.parametrize("behind", [False, True])
def test_every_answer_carries_security_headers(make_client, fake_model, behind):
    client = make_client(fake_model, behind_tls=behind)
    for path in ("/health/live", "/docs", "/v1/model", "/nowhere"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert ("Strict-Transport-Security" in headers) is behind


def test_an_open_service_answers_this_machine_only(make_client, fake_model, request_body):
    client = make_client(fake_model)
    client._transport.client = ("10.0.0.9", 4000)
    assert client.post("/v1/scores", json=request_body).status_code == 403


# ---- the file ------------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_changed_file_is_read_again(keys):
    clock = Clock()
    guard = Keys(keys, clock)
    write(keys, entry("hw_new"))
    clock.now += 2
    assert guard.find(digest("hw_new")).name == "hub"
    assert guard.find(digest(KEY)) is None


def test_a_key_opens_until_it_expires(tmp_path):
    path = write(tmp_path / "keys.json", entry(KEY, expires="1970-01-01T01:00:10+01:00"))
    clock = Clock()
    guard = Keys(path, now=clock)
    clock.now = 9.9
    assert guard.find(digest(KEY)).name == "hub"
    clock.now = 10.0
    assert guard.find(digest(KEY)) is None


def test_a_key_may_be_of_some_sites(tmp_path):
    path = write(tmp_path / "keys.json", entry(KEY), entry("hw_2", "b", sites=["RXX01"]))
    guard = Keys(path)
    assert guard.find(digest(KEY)).sites is None
    assert guard.find(digest("hw_2")).sites == {"RXX01"}


@pytest.mark.parametrize("harm", ["broken", "gone"])
def test_a_file_that_breaks_keeps_the_last_good_keys_and_says_so(keys, harm):
    clock = Clock()
    guard = Keys(keys, clock)
    if harm == "broken":
        keys.write_text(f'{{"keys": "{KEY}"')
    else:
        keys.unlink()
    clock.now += 2
    assert guard.find(digest(KEY)).name == "hub"
    assert "the last good content goes on" in guard.trouble
    assert KEY not in guard.trouble
    write(keys, entry(KEY))
    os.utime(keys, ns=(1, 1))
    clock.now += 2
    guard.find(digest(KEY))
    assert guard.trouble == ""


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": []}',
        json.dumps({"keys": [entry(KEY), entry("hw_2")]}),
        json.dumps({"keys": [entry(KEY) | {"sha256": KEY}]}),
        json.dumps({"keys": [entry(KEY) | {"scopes": ["everything"]}]}),
        json.dumps({"keys": [entry(KEY) | {"scopes": []}]}),
        json.dumps({"keys": [entry(KEY) | {"name": "a b"}]}),
        json.dumps({"keys": [entry(KEY) | {"key": KEY}]}),
        json.dumps({"keys": [entry(KEY, sites=[])]}),
        json.dumps({"keys": [entry(KEY, sites=[""])]}),
        json.dumps({"keys": [entry(KEY, expires="2027-01-01T00:00:00")]}),
        json.dumps({"keys": [entry(KEY, expires=4070908800)]}),
    ],
)
def test_a_file_that_is_not_one_of_keys_stops_the_start(tmp_path, content):
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=r"^keys\.json: ") as caught:
        Keys(path)
    assert KEY not in str(caught.value)


def test_no_file_stops_the_start(tmp_path):
    with pytest.raises(BadInput, match="FileNotFoundError"):
        Keys(tmp_path / "keys.json")


def test_a_new_key_opens_by_its_entry(tmp_path, capsys):
    secret, key = new_key("hub", ["scores", "events"])
    path = write(tmp_path / "keys.json", entry(secret, scopes=key.scopes))
    assert read_keys(path.read_bytes())[0] == key
    caller = Keys(path).find(digest(secret))
    allow(caller, Scope.EVENTS)
    with pytest.raises(Problem):
        allow(caller, Scope.ADMIN)
    keys_module.main(["hub", "scores"])
    shown = capsys.readouterr().out
    assert '"scopes":["scores"]' in shown
    assert "expires" not in shown
    with pytest.raises(BadInput):
        new_key("hub", ["everything"])
