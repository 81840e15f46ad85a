"""A caller of some sites gets scores of patients there, and of no others."""

import hashlib
import json

import pytest

KEY = "hw_of-one-site"
AT = "2026-01-13T10:00:00Z"


@pytest.fixture
def restricted(make_client, fake_model, tmp_path):
    """A service whose only key is of site RXX01."""
    path = tmp_path / "keys.json"
    sha256 = hashlib.sha256(KEY.encode()).hexdigest()
    key = {"name": "ward", "sha256": sha256, "scopes": ["scores"], "sites": ["RXX01"]}
    path.write_text(json.dumps({"keys": [key]}))
    return make_client(fake_model, api_keys_file=path)


def ask(client, body):
    answer = client.post("/v1/scores", json=body, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    told = answer.json()
    return [one["spell_id"] for one in told["scores"]], {
        one["spell_id"]: one["reason"] for one in told["refused"]
    }


def site(code="SITE//RXX01", time=AT, **more):
    return {"code": code, "time": time, **more}


@pytest.mark.parametrize(
    ("events", "seen"),
    [
        ([], False),
        ([site()], True),
        ([site("SITE//RXX02")], False),
        ([site("SITE//RXX011")], False),
        ([site("SITE//rxx01")], False),
        ([site("WARD//RXX01")], False),
        ([site(), site("SITE//RXX02", "2026-01-13T11:00:00Z")], False),
        ([site("SITE//RXX02"), site(time="2026-01-13T11:00:00Z")], True),
        ([site("SITE//RXX02", "2026-01-13T11:00:00Z"), site()], False),
        ([site("SITE//RXX02", "2026-01-14T07:00:00Z"), site()], True),  # not known yet
        ([site("SITE//RXX02", recorded_at="2026-01-14T07:00:00Z"), site()], True),
        ([site(time="2026-01-14T07:00:00Z")], False),
        ([site(time="2026-01-01T07:00:00Z")], False),  # history, not this spell
        ([site(spell_id="S1")], False),  # another spell of this patient
        ([site(spell_id="S456")], True),
        ([site(time=None)], False),
    ],
)
def test_the_last_site_known_decides(restricted, request_body, the_spell, events, seen):
    the_spell["events"] += events
    scored, refused = ask(restricted, request_body)
    assert (scored, refused) == ((["S456"], {}) if seen else ([], {"S456": "other_site"}))


def test_each_spell_is_judged_by_its_own_events(restricted, request_body, the_spell):
    events = the_spell["events"]
    request_body["spells"] = [
        the_spell | {"spell_id": "other", "events": [*events, site("SITE//RXX02")]},
        the_spell | {"spell_id": "mine", "events": [*events, site()]},
        the_spell | {"spell_id": "nobody's", "events": events},
        the_spell | {"spell_id": "nowhere", "events": []},
    ]
    scored, refused = ask(restricted, request_body)
    assert scored == ["mine"]
    assert refused == {"other": "other_site", "nobody's": "other_site", "nowhere": "not_admitted"}


def test_the_real_model_is_not_even_asked(restricted, fake_model, request_body):
    ask(restricted, request_body)
    (_, snapshots, _), *_ = fake_model.score.asked
    assert len(snapshots) == 0
