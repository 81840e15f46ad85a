"""The worklist: who is in hospital, in what order, with what changed, and who is refused why."""

import random
from contextlib import closing

import pytest

from feature_store.clock import DAY, HOUR
from feature_store.dataset import fresh_folder, open_dataset
from feature_store.identity import Identity, read_key
from feature_store.live import open_store
from feature_store.live.export import Origin, write_live_dataset
from feature_store.simulation import TrustSettings, simulate_events
from models.bundle import load_bundle
from models.scoring import score
from service.access import Caller, Scope


@pytest.fixture(scope="module")
def simulated(trust):
    """Events of a small trust, as they are sent, and a moment at which it is full."""
    settings = TrustSettings(spells=150, days=30, seed=11)
    events, _ = simulate_events(settings)
    at = int(sorted(events.time.tolist())[len(events) // 2])
    return trust.as_sent(events), at


def fill(trust, client, events):
    for first in range(0, len(events), 10_000):
        trust.add(client, events[first : first + 10_000])


def test_an_empty_hospital_has_an_empty_worklist(trust, hub):
    told = trust.worklist(hub)
    assert (told["inpatients"], told["entries"], told["refused"]) == (0, [], [])
    assert told["data"] == {"newest_recorded_at": None, "age_seconds": None, "stale": False}


def test_scores_are_those_of_the_dataset_exported_at_that_moment(  # noqa: PLR0917 - fixtures
    trust, hub, database_url, simulated, bundle_folder, settings, tmp_path
):
    events, at = simulated
    fill(trust, hub, events)
    told = trust.worklist(hub, at=at)
    assert told["inpatients"] > 5
    identity = Identity(read_key(settings.var / "pseudonym.key"))
    with closing(open_store(database_url)) as store:
        folder = tmp_path / "exported"
        origin = Origin(source="live", synthetic=True)
        with fresh_folder(folder) as fresh:
            write_live_dataset(store, fresh, at=at, origin=origin)
        _, snapshots = store.question(at)
    forecasts = score(load_bundle(bundle_folder), open_dataset(folder).read(), snapshots)
    expected = dict(zip(snapshots.spell_id.tolist(), forecasts, strict=True))
    seen = 0
    for entry in told["entries"]:
        forecast = expected[identity.spell(entry["spell_id"])]
        assert entry["score"]["log_odds"] == forecast.log_odds
        assert entry["score"]["probability"] == {
            str(days): chance for days, chance in forecast.probability.items()
        }
        seen += 1
    assert seen == sum(hasattr(one, "log_odds") for one in forecasts)
    assert len(told["refused"]) == len(forecasts) - seen


def test_the_order_is_by_gain_and_capacity_is_marked(trust, make_client, real_model, simulated):
    client = make_client(real_model, least_completeness=0.0, hub_capacity=3)
    events, at = simulated
    fill(trust, client, events)
    told = trust.worklist(client, at=at)
    gains = []
    for entry in told["entries"]:
        if entry["section"] == "stay_risk":
            score = entry["score"]
            ahead = [
                chance
                for days, chance in score["probability"].items()
                if int(days) > score["days_so_far"] and chance is not None
            ]
            gains.append(ahead[0] if ahead else -1.0)
    assert gains == sorted(gains, reverse=True)
    by_site = {}
    for entry in told["entries"]:
        by_site.setdefault((entry["site"], entry["section"]), []).append(entry)
    for (_, section), entries in by_site.items():
        assert [one["rank"] for one in entries] == list(range(1, len(entries) + 1))
        for one in entries:
            assert one["within_capacity"] == (section != "stay_risk" or one["rank"] <= 3)
    assert len(trust.worklist(client, at=at, limit=2)["entries"]) == 2


def test_an_entry_shows_where_the_patient_is(trust, one_hub):
    trust.add(one_hub, trust.stay("1", trust.now - 30 * HOUR, ward="W2", bed="B7"))
    (entry,) = trust.worklist(one_hub, at=trust.now - 27 * HOUR)["entries"]
    shown = {name: entry[name] for name in ("spell_id", "site", "ward", "bed", "specialty")}
    assert shown == {
        "spell_id": "S1", "site": "RXX01", "ward": "W2", "bed": "B7", "specialty": "430",
    }  # fmt: skip
    assert entry["change"] == "new"
    assert entry["expected_discharge_at"] is None


def test_who_lost_the_criteria_to_reside_awaits_discharge(trust, one_hub):
    start = trust.now - 5 * DAY
    trust.add(one_hub, trust.stay("1", start))
    trust.add(one_hub, trust.stay("2", start))
    trust.add(one_hub, [
        trust.fact("P1", "S1", "CRITERIA_TO_RESIDE//N", trust.now - 3 * DAY),
        trust.fact("P1", "S1", "DISCHARGE_READY", trust.now - 2 * DAY),
        trust.fact("P1", "S1", "EXPECTED_DISCHARGE", trust.now - 2 * DAY, 6),
        trust.fact("P2", "S2", "CRITERIA_TO_RESIDE//N", trust.now - 3 * DAY),
        trust.fact("P2", "S2", "CRITERIA_TO_RESIDE//Y", trust.now - HOUR),
    ])  # fmt: skip
    told = trust.worklist(one_hub, at=trust.now)
    sections = {one["spell_id"]: one for one in told["entries"]}
    assert sections["S1"]["section"] == "awaiting_discharge"
    assert sections["S1"]["days_since_ready"] == 3
    assert sections["S1"]["expected_discharge_at"].startswith(trust.stamp(start + 6 * DAY)[:10])
    assert sections["S2"]["section"] == "stay_risk"
    assert sections["S2"]["days_since_ready"] is None
    assert told["entries"][-1]["spell_id"] == "S1"


def test_a_silent_site_is_stale_and_not_guessed(trust, one_hub):
    trust.add(one_hub, trust.stay("1", trust.now - 30 * HOUR))
    trust.add(one_hub, trust.stay("2", trust.now - 2 * HOUR, site="RXX02"))
    told = trust.worklist(one_hub, at=trust.now)
    assert [(one["spell_id"], one["reason"]) for one in told["refused"]] == [("S1", "stale")]
    assert [one["spell_id"] for one in told["entries"]] == ["S2"]
    assert told["data"]["stale"] is True
    assert trust.worklist(one_hub, at=trust.now, site="RXX02")["data"]["stale"] is False


def test_a_spell_of_which_too_little_is_known_is_refused(trust, make_client, real_model):
    client = make_client(real_model, least_completeness=1.0)
    trust.add(client, trust.stay("1", trust.now - 3 * HOUR))
    told = trust.worklist(client, at=trust.now)
    assert [one["reason"] for one in told["refused"]] == ["too_incomplete"]


def test_risk_rises_and_falls_since_yesterday_at_six(trust, one_hub):
    names = {"1": 0, "2": 15}
    for name, points in names.items():
        trust.add(one_hub, trust.stay(name, trust.now - 3 * DAY))
        for hours in range(0, 48, 3):
            at = trust.now - hours * HOUR
            trust.add(one_hub, [trust.fact(f"P{name}", f"S{name}", "NEWS2", at, points)])
    entries = trust.worklist(one_hub, at=trust.now)["entries"]
    for entry in entries:
        before, now = entry["probability_yesterday"]["7"], entry["score"]["probability"]["7"]
        moved = "rising" if now > before else "falling"
        assert entry["change"] == (moved if abs(now - before) >= 0.1 else "steady")


def test_between_two_rounds_the_same_scores_are_answered(trust, make_client, real_model):
    client = make_client(real_model, least_completeness=0.0, worklist_seconds=3600)
    now = client.app.state.live.now()
    trust.add(client, trust.stay("1", now - 3 * HOUR))
    first = trust.worklist(client)
    trust.add(client, trust.stay("2", now - 4 * HOUR))
    assert ids(trust.worklist(client)) == ids(first)
    record = client.app.state.parts.record
    spell = client.app.state.parts.pseudonyms.spell("S1")
    assert [row.score_id for row in record.scores_of_spell(spell)] == ids(first)


def ids(told):
    return [one["score"]["score_id"] for one in told["entries"]]


def test_a_change_of_the_store_is_seen_after_the_round(trust, make_client, real_model):
    client = make_client(real_model, least_completeness=0.0, worklist_seconds=1)
    live = client.app.state.live
    now = live.now()
    trust.add(client, trust.stay("1", now - 3 * HOUR))
    first = trust.worklist(client)
    live._clock = lambda: (now + 60_000_000) * 1000
    assert ids(trust.worklist(client)) == ids(first)  # nothing changed: nothing to score
    trust.add(client, trust.stay("2", now - 4 * HOUR))
    assert trust.worklist(client)["inpatients"] == 2


def test_a_caller_of_one_site_sees_that_site(trust, one_hub):
    trust.add(one_hub, trust.stay("1", trust.now - 3 * HOUR))
    trust.add(one_hub, trust.stay("2", trust.now - 3 * HOUR, site="RXX02"))
    access = one_hub.app.state.parts.access
    limited = Caller("ward", frozenset(Scope), frozenset({"RXX02"}))
    access.caller = lambda _headers, _client: limited
    told = trust.worklist(one_hub, at=trust.now)
    assert [one["spell_id"] for one in told["entries"]] == ["S2"]
    assert told["inpatients"] == 1
    at = {"at": trust.stamp(trust.now)}
    (refused,) = one_hub.get("/v1/spells/S1/score", params=at).json()["refused"]
    assert refused["reason"] == "other_site"
    assert one_hub.get("/v1/spells/S9/score", params=at).status_code == 404
    answer = one_hub.post("/v1/events", json={"events": trust.stay("3", trust.now)})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "query",
    ["at=yesterday", "at=2199-01-01T00:00:00Z", "limit=0", "limit=x", "site=", "ward=%00", "x=1",
     "limit=1&limit=2", "site=" + "x" * 65],
)  # fmt: skip
def test_a_query_that_means_nothing_is_refused(one_hub, query):
    answer = one_hub.get(f"/v1/worklist?{query}")
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 1


# ---- one spell -----------------------------------------------------------------------------------


def test_a_spell_scores_as_on_the_worklist_and_stands_on_the_record(trust, hub):
    trust.add(hub, trust.stay("1", trust.now - 4 * HOUR))
    at = {"at": trust.stamp(trust.now)}
    (entry,) = trust.worklist(hub, at=trust.now)["entries"]
    told = hub.get("/v1/spells/S1/score", params={**at, "reasons": "all"}).json()
    (own,) = told["scores"]
    assert own["log_odds"] == entry["score"]["log_odds"]
    soon = own["probability_of_leaving"]
    assert soon == entry["score"]["probability_of_leaving"]
    assert list(soon) == ["24h", "48h", "72h", "5d"]
    assert list(soon.values()) == sorted(soon.values())
    total = own["base_value"] + sum(one["effect"] for one in own["reasons"])
    assert total == pytest.approx(own["log_odds"])
    row = hub.app.state.parts.record.score(own["score_id"])
    assert row.route == "/v1/spells/{spell_id}/score"
    assert (row.site, row.ward) == ("RXX01", "W1")


def test_a_spell_is_refused_before_it_began_and_after_it_ended(trust, one_hub):
    start, end = trust.now - 4 * DAY, trust.now - DAY
    trust.add(one_hub, trust.stay("1", start))
    trust.add(one_hub, [trust.fact("P1", "S1", "SPELL_END", end, 3)])
    for at, reason in ((start - HOUR, "not_admitted"), (end + HOUR, "already_discharged")):
        told = one_hub.get("/v1/spells/S1/score", params={"at": trust.stamp(at)}).json()
        assert [one["reason"] for one in told["refused"]] == [reason]
    assert one_hub.get("/v1/spells/S2/score").status_code == 404


# ---- the same from messages ----------------------------------------------------------------------


def message(trust, trigger, number, at, *, visit, ward="W1", bed="B1"):
    stamp = trust.stamp(at)[:19].replace("-", "").replace("T", "").replace(":", "") + "+0000"
    lines = (
        f"MSH|^~\\&|PAS|RXX|HOMEWARD|RXX|{stamp}||ADT^{trigger}|{number}|P|2.4",
        f"EVN|{trigger}|{stamp}||||{stamp}",
        f"PID|||{visit}^^^RXX^MR||||19420301|2",
        f"PV1||I|{ward}^^{bed}^RXX01|21||||||430|||||||||V{visit}",
    )
    return "\r".join(lines) + "\r"


def tell(client, text):
    answer = client.post("/v1/adt", content=text, headers={"Content-Type": "application/hl7-v2"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/hl7-v2")
    return answer.text.split("\r")[1].split("|")[1]


def test_messages_in_any_order_make_the_same_worklist(trust, make_client, real_model, settings):
    now = trust.now
    told = []
    for visit in range(6):
        start = now - (visit + 3) * HOUR
        told.append(message(trust, "A01", f"{visit}a", start, visit=visit))
        told.append(
            message(trust, "A02", f"{visit}b", start + HOUR, visit=visit, ward="W2", bed="B9")
        )
        if visit % 3 == 0:
            told.append(message(trust, "A03", f"{visit}c", start + 2 * HOUR, visit=visit))
    answers = []
    for number, order in enumerate((told, random.Random(5).sample(told, len(told)))):
        url = f"sqlite:///{settings.var}/{number}.db"
        client = make_client(real_model, database_url=url, least_completeness=0.0)
        client.app.state.live._clock = lambda: (now + HOUR) * 1000
        assert {tell(client, text) for text in [*order, order[0]]} == {"AA"}
        answers.append(trust.worklist(client))
    first, second = (without_ids(answer) for answer in answers)
    assert first == second
    assert [one["spell_id"] for one in first["entries"]] == [
        one["spell_id"] for one in second["entries"]
    ]
    assert {one["spell_id"] for one in first["entries"]} == {f"RXX|V{n}" for n in (1, 2, 4, 5)}
    assert {(one["ward"], one["bed"]) for one in first["entries"]} == {("W2", "B9")}


def without_ids(told):
    for one in told["entries"]:
        del one["score"]["score_id"]
    return told


def test_a_message_that_is_none_is_refused_in_its_own_language(one_hub):
    assert tell(one_hub, "hello") == "AR"
    answer = one_hub.post("/v1/adt", json={})
    assert answer.status_code == 415
