"""Scores of the record as RiskAssessment: valid, in percent, for those who may see them."""

import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.riskassessment import RiskAssessment

from feature_store.clock import DAY, HOUR
from service.fhir.answers import encode

SEARCH = "/fhir/RiskAssessment"


LENIENT = {"least_completeness": 0.0, "stale_hours": 24 * 30}


@pytest.fixture
def scored(trust, make_client, real_model):
    """A service that has scored one patient; and the score."""
    hub = make_client(real_model, **LENIENT)
    trust.add(hub, trust.stay("A1", trust.now - 3 * DAY))
    (entry,) = trust.worklist(hub)["entries"]
    return hub, entry["score"]


def found(hub, **query):
    """Resources that a search finds, each valid."""
    answer = hub.get(SEARCH, params=query)
    assert answer.status_code == 200, answer.text
    bundle = Bundle.model_validate_json(answer.text)
    return [one.resource for one in bundle.entry or []]


def test_a_search_gives_every_score_of_a_spell_in_percent(scored):
    hub, score = scored
    answer = hub.get(SEARCH, params={"encounter": "SA1"})
    assert answer.headers["content-type"] == "application/fhir+json"
    (resource,) = (one for one in found(hub, encounter="SA1") if one.id == score["score_id"])
    told = {one.outcome.text: float(one.probabilityDecimal) for one in resource.prediction}
    for days, chance in score["probability"].items():
        if chance is not None:
            text = f"Still an inpatient {days} midnights after admission"
            assert told[text] == pytest.approx(100 * chance, abs=0.051)
    assert resource.encounter.identifier.value == "SA1"
    assert "Associations, not causes" in resource.prediction[0].rationale
    (basis,) = resource.basis
    assert basis == resource.encounter
    assert any(note.text.startswith("Not known: ") for note in resource.note)


def test_one_score_is_read_by_its_identifier(scored):
    hub, score = scored
    answer = hub.get(f"{SEARCH}/{score['score_id']}")
    resource = RiskAssessment.model_validate_json(answer.text)
    assert (resource.id, resource.status) == (score["score_id"], "final")
    assert resource.meta.tag[0].code == "live"
    assert resource.meta.profile == ["urn:homeward:long-stay-risk"]


def test_patient_and_spell_are_asked_for_by_name_or_the_patient_by_the_pseudonym_of_an_answer(
    scored, trust
):
    hub, score = scored
    trust.add(hub, [trust.fact("P|2", "S2", "SPELL_START", trust.now)])
    mine = [one.id for one in found(hub, patient="PA1")]
    assert score["score_id"] in mine
    pseudonym = found(hub, patient="PA1")[0].subject.identifier
    for name in ("Patient/PA1", f"{pseudonym.system}|{pseudonym.value}", pseudonym.value):
        assert [one.id for one in found(hub, patient=name)] == mine
    for name in ("SA1", "Encounter/SA1", "urn:homeward:spell|SA1"):
        assert [one.id for one in found(hub, encounter=name)] == mine
    assert found(hub, patient="P|2") == []
    assert found(hub, patient="PA1", encounter="S2") == []


DATES = [
    ("ge2000-01-01", True),
    ("le2000-01-01", False),
    ("2000-01-01", False),
    ("lt2000-01-01", False),
    ("gt2000-01-01T12:00:00Z", True),
    (["ge2000-01-01", "lt2000-01-02"], False),
    (["gt2000-01-01", "le2190-01-02"], True),
]


def test_a_search_may_be_narrowed_to_days(scored):
    hub, _ = scored
    for date, some in DATES:
        assert bool(found(hub, encounter="SA1", date=date)) == some, date
        assert bool(found(hub, date=date)) == some, date


def test_the_date_is_that_of_the_assessment(scored):
    hub, _ = scored
    when = [one.occurrenceDateTime for one in found(hub, encounter="SA1")]
    kinds = {"eq": "__eq__", "ge": "__ge__", "le": "__le__", "gt": "__gt__", "lt": "__lt__"}
    for how, compares in kinds.items():
        asked = found(hub, encounter="SA1", date=how + when[0].isoformat())
        assert [one.occurrenceDateTime for one in asked] == [
            one for one in when if getattr(one, compares)(when[0])
        ]


def test_pages_together_hold_every_score_once(scored, trust):
    hub, _ = scored
    for hours in range(4):
        hub.get("/v1/spells/SA1/score", params={"at": trust.stamp(trust.now - hours * HOUR)})
    query, ids = {"encounter": "SA1", "_count": "2", "_sort": "-date"}, []
    while query is not None:
        told = hub.get(SEARCH, params=query).json()
        assert told["total"] > 4
        ids += [one["resource"]["id"] for one in told["entry"]]
        links = {one["relation"]: one["url"] for one in told["link"]}
        query = parse_qs(urlsplit(links["next"]).query) if "next" in links else None
    assert ids == [one.id for one in found(hub, encounter="SA1")][::-1]
    assert len(set(ids)) == len(ids) == told["total"]


UNUSABLE = [
    "",
    "?encounter=",
    "?encounter=" + "S" * 65,
    "?encounter=S%00",
    "?encounter=SA1&encounter=SA2",
    "?encounter=SA1&date=yesterday",
    "?encounter=SA1&date=2026-02-31",
    "?encounter=SA1&date=2026-01-01T12:00:00",
    "?date=ge2026-01-01&date=le2026-01-02&date=le2026-01-03",
    "?encounter=SA1&_count=0",
    "?encounter=SA1&_count=-1",
    "?encounter=SA1&_sort=subject",
    "?encounter=SA1&_format=xml",
    "?encounter=SA1&status=final",
    "?patient=9434765919",
    "?patient=943%20476%205919",
    "?patient=https://fhir.nhs.uk/Id/nhs-number|9434765919",
    "?encounter=Encounter/9434765919",
]


def test_a_search_that_cannot_be_made_is_told_so_without_what_was_sent(scored):
    hub, _ = scored
    for query in UNUSABLE:
        answer = hub.get(SEARCH + query)
        assert answer.status_code == 422, query
        told = OperationOutcome.model_validate_json(answer.text).issue[0].diagnostics
        for sent in ("yesterday", "subject", "xml", "9434765919", "943 476"):
            assert sent not in told.replace("urn:homeward:subject", "")


ABSENT = [
    ("GET", "/fhir/RiskAssessment/none"),
    ("GET", "/fhir/Patient/9434765919"),
    ("GET", "/fhir/"),
]
REFUSED_METHODS = [("DELETE", "/fhir/RiskAssessment/none"), ("POST", "/fhir/RiskAssessment")]


def test_what_is_not_there_is_an_operation_outcome_too(scored):
    hub, _ = scored
    told = [(*asked, 404, "not-found") for asked in ABSENT]
    told += [(*asked, 405, "not-supported") for asked in REFUSED_METHODS]
    for method, path, status, code in told:
        answer = hub.request(method, path)
        assert answer.status_code == status
        assert OperationOutcome.model_validate_json(answer.text).issue[0].code == code
        assert "9434765919" not in answer.text


def test_a_spell_that_was_never_scored_has_an_empty_bundle(scored):
    hub, _ = scored
    answer = hub.get(SEARCH, params={"encounter": "S-other"}).json()
    assert (answer["total"], "entry" in answer) == (0, False)


def test_the_server_says_what_it_can_do(scored):
    hub, _ = scored
    statement = CapabilityStatement.model_validate_json(hub.get("/fhir/metadata").text)
    (resource,) = (one for one in statement.rest[0].resource if one.type == "RiskAssessment")
    for parameter in resource.searchParam:
        value = {"date": "ge2000-01-01"}.get(parameter.name, "SA1")
        assert hub.get(SEARCH, params={parameter.name: value}).status_code == 200
    assert hub.get(SEARCH, params={"encounter": "SA1", "probability": "gt50"}).status_code == 422


def test_what_is_no_percentage_never_leaves_alone_or_in_a_bundle(scored):
    hub, _ = scored
    bundle = hub.get(SEARCH, params={"encounter": "SA1"}).json()
    one = bundle["entry"][0]["resource"]
    for chance in (-0.1, 100.1, 7150.0):
        one["prediction"][1]["probabilityDecimal"] = chance
        for resource in (bundle, one):
            with pytest.raises(ValueError, match="percentage from 0 to 100"):
                encode(resource)


# ---- whose scores --------------------------------------------------------------------------------


def test_a_caller_of_some_sites_finds_and_reads_scores_of_these_alone(
    trust, make_client, real_model, tmp_path
):
    keys = []
    for name, more in (("all", {}), ("one", {"sites": ["RXX01"]})):
        sha256 = hashlib.sha256(f"hw_{name}".encode()).hexdigest()
        keys.append({"name": name, "sha256": sha256, "scopes": ["scores", "events"]} | more)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": keys}))
    hub = make_client(real_model, api_keys_file=tmp_path / "keys.json", **LENIENT)
    hub.headers["Authorization"] = "Bearer hw_all"
    for name, site in (("A", "RXX01"), ("B", "RXX02")):
        trust.add(hub, trust.stay(name, trust.now - 3 * DAY, site=site))
    trust.worklist(hub, at=trust.now - DAY)
    everyone = found(hub, date="ge2000-01-01", _count=200)
    everywhere = {one.encounter.identifier.value: one.id for one in everyone}
    assert set(everywhere) == {"SA", "SB"}
    hub.headers["Authorization"] = "Bearer hw_one"
    mine = found(hub, date="ge2000-01-01")
    assert {one.encounter.identifier.value for one in mine} == {"SA"}
    assert found(hub, encounter="SB") == []
    assert found(hub, patient="PB") == []
    assert hub.get(f"{SEARCH}/{everywhere['SB']}").status_code == 404
    assert hub.get(f"{SEARCH}/{everywhere['SA']}").status_code == 200
    hub.headers["Authorization"] = "Bearer none"
    answer = hub.get(SEARCH, params={"encounter": "SA"})
    assert answer.status_code == 401
    assert OperationOutcome.model_validate_json(answer.text).issue[0].code == "login"


# ---- what became of them -------------------------------------------------------------------------


def message(trust, trigger, number, at, *, patient="1", old=None):
    stamp = trust.stamp(at)[:19].replace("-", "").replace("T", "").replace(":", "") + "+0000"
    lines = [
        f"MSH|^~\\&|PAS|RXX|HOMEWARD|RXX|{stamp}||ADT^{trigger}|{number}|P|2.4",
        f"EVN|{trigger}|{stamp}||||{stamp}",
        f"PID|||{patient}^^^RXX^MR||||19420301|2",
        *([f"MRG|{old}^^^RXX^MR||||V1"] if old else []),
        "PV1||I|W1^^B1^RXX01|21||||||430|||||||||V1",
    ]
    return "\r".join(lines) + "\r"


@pytest.mark.parametrize(
    ("later", "status"),
    [
        (("A11", {}), "entered-in-error"),
        (("A45", {"patient": "2", "old": "1"}), "entered-in-error"),
        (("A40", {"patient": "2", "old": "1"}), "final"),
        (("A02", {}), "final"),
    ],
)
def test_a_score_that_stands_on_nothing_any_more_says_so_and_the_record_stays(
    trust, make_client, real_model, later, status
):
    hub = make_client(real_model, **LENIENT)
    sent = {"Content-Type": "application/hl7-v2"}
    start = trust.now - 2 * DAY
    told = hub.post("/v1/adt", content=message(trust, "A01", "1", start), headers=sent)
    assert "|AA|" in told.text.split("\r")[1] + "|"
    (entry,) = trust.worklist(hub)["entries"]
    score_id = entry["score"]["score_id"]
    before = the_one(hub, score_id)
    row = hub.app.state.parts.record.score(score_id)
    trigger, more = later
    hub.post("/v1/adt", content=message(trust, trigger, "2", start + HOUR, **more), headers=sent)
    after = the_one(hub, score_id)
    assert (before.status, after.status, after.id) == ("final", status, score_id)
    assert after.prediction == before.prediction
    extensions = {one.url: one.valueDateTime for one in after.extension if one.valueDateTime}
    assert ("urn:homeward:withdrawn" in extensions) == (status == "entered-in-error")
    assert hub.app.state.parts.record.score(score_id) == row
    assert (score_id in {one.id for one in found(hub, patient="RXX|2")}) == (trigger == "A40")
    assert score_id in {one.id for one in found(hub, patient="RXX|1")}


def the_one(hub, score_id):
    """A score among those of its spell, found by the name that messages gave the spell."""
    (one,) = (one for one in found(hub, encounter="RXX|V1") if one.id == score_id)
    return one
