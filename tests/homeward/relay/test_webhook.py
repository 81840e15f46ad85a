"""What a receiver gets: signed, by nobody else's leave, and nothing of a patient."""

import base64
import hmac

import pytest

from feature_store.clock import to_moment
from feature_store.errors import BadInput
from homeward.relay.tracker import Kind, Notice, Outcome
from homeward.relay.webhook import Webhook, read_secrets, signed

AT = to_moment(1_768_370_400_000_000)
NOTICE = Notice(
    notice_id="msg_1", kind=Kind.HIGH, at=AT, spell_id="S456", score_id="score-1", site="RXX01"
)


def test_the_signature_is_that_of_the_published_libraries():
    # Standard Webhooks, libraries/csharp/StandardWebhooks.Tests/WebhookTest.cs
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [secret])
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-signature"] == expected


def test_a_notice_says_who_and_which_score_and_no_more(receivers, webhook):
    receiver = receivers()
    assert webhook(receiver).tell(NOTICE).outcome == Outcome.TAKEN
    (told,) = receiver.told
    assert told == {
        "type": "risk.high",
        "timestamp": "2026-01-14T06:00:00Z",
        "data": {"spell_id": "S456", "score_id": "score-1"},
    }


def test_each_secret_signs_so_that_one_can_be_replaced(receivers):
    receiver, old, new = receivers(), b"o" * 24, b"n" * 24
    Webhook(name="tasks", url=receiver.address, secrets=[new, old]).tell(NOTICE)
    ((headers, body),) = receiver.got
    content = b".".join((b"msg_1", headers["webhook-timestamp"].encode(), body))
    made = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in (new, old)]
    assert headers["webhook-signature"].split() == [f"v1,{one}" for one in made]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, "taken") for status in (200, 202, 204)),
        *((status, "again") for status in (301, 400, 401, 404, 429, 500, 503)),
        (410, "refused"),
    ],
)
def test_what_answers_mean(receivers, webhook, status, outcome):
    receiver = receivers()
    receiver.answers = [(status, {})]
    assert webhook(receiver).tell(NOTICE).outcome == outcome


def test_a_redirect_is_not_followed(receivers, webhook):
    receiver, elsewhere = receivers(), receivers()
    receiver.answers = [(307, {"Location": elsewhere.address})]
    assert webhook(receiver).tell(NOTICE).outcome == Outcome.AGAIN
    assert not elsewhere.got


def test_who_asks_to_be_left_alone_is(receivers, webhook):
    receiver = receivers()
    receiver.answers = [(503, {"Retry-After": "900"}), (503, {"Retry-After": "soon"})]
    assert [webhook(receiver).tell(NOTICE).after_seconds for _ in range(2)] == [900.0, 0.0]


def test_nobody_there_is_for_later(receivers, webhook):
    receiver = receivers()
    hook = webhook(receiver)
    receiver.server.server_close()
    assert hook.tell(NOTICE).outcome == Outcome.AGAIN


@pytest.mark.parametrize(
    "url",
    [
        "http://tracker.example/x",
        "http://127.0.0.1.example/x",
        "ftp://127.0.0.1/x",
        "https:///x",
        "https://user:open-sesame@tracker.example/x",
        "file:///etc/passwd",
        "https://tracker.example/#x",
    ],
)
def test_only_addresses_that_nobody_on_the_way_can_read(url):
    with pytest.raises(BadInput) as raised:
        Webhook(name="tasks", url=url, secrets=[b"s" * 32])
    assert "sesame" not in str(raised.value)


def test_a_receiver_of_one_site_is_told_of_no_other(receivers, webhook):
    hook = webhook(receivers(), sites=frozenset({"RXX02"}))
    assert not hook.wants(NOTICE)
    assert webhook(receivers(), sites=frozenset({"RXX01"})).wants(NOTICE)


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (f"whsec_{base64.b64encode(b's' * 23).decode()}", 0o600),
        ("plain", 0o600),
        ("", 0o600),
        (f"whsec_{base64.b64encode(b's' * 32).decode()}", 0o644),
        (base64.b64encode(b"s" * 32).decode(), 0o600),
    ],
)
def test_a_secret_is_long_marked_and_its_owners_alone(tmp_path, content, mode):
    path = tmp_path / "tasks.secret"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(BadInput) as raised:
        read_secrets(path)
    assert not content or content not in str(raised.value)
