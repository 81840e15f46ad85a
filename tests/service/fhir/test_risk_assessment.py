"""Whatever was scored, the resource is valid, of our profile, in percent, and one a score."""

import copy
import json

from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.riskassessment import RiskAssessment
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.fhir import words
from service.fhir.answers import encode
from service.fhir.definitions import KINDS, definitions
from service.fhir.risk_assessment import named_by_spell, percent, risk_assessment
from service.fhir.routes import fhir_routes
from service.fhir.score import OVERLAP
from service.hub.scoring import TOO_INCOMPLETE
from service.record import AuditRow
from service.translate import DISCHARGED, NOT_ADMITTED, OTHER_SITE

CHANCE = st.floats(0, 1)
MOMENT = st.integers(0, 4_000_000_000_000_000)
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30)
REASON = st.fixed_dictionaries(
    {
        "label": TEXT,
        "value": TEXT,
        "direction": st.sampled_from(["longer", "shorter"]),
        "action": st.none() | TEXT,
    }
)


@st.composite
def rows(draw):
    """Accounts of scores."""
    chances = sorted((draw(CHANCE) for _ in range(3)), reverse=True)
    known = draw(st.integers(1, 3))
    texts = {name: draw(TEXT) for name in ("caller", "request_id", "model", "feature_set_hash")}
    nothing = dict.fromkeys(
        ("ward", "model_hash", "inputs_hash", "discharge_p10", "discharge_p50", "discharge_p90"),
    )
    return AuditRow(
        **texts,
        **nothing,
        score_id=str(draw(st.uuids())),
        answered_at=draw(MOMENT),
        mode="live",
        route="/v1/scores",
        spell=draw(st.integers(0, 2**63 - 1)),
        subject=draw(st.none() | st.integers(0, 2**63 - 1)),
        site=None,
        prediction_time=draw(MOMENT),
        model_version=draw(st.none() | st.just("3")),
        days_so_far=draw(st.integers(0, 200)),
        probability_7=chances[0],
        probability_14=chances[1] if known > 1 else None,
        probability_21=chances[2] if known > 2 else None,
        probability_of_death=None,
        base_value=0.0,
        log_odds=0.0,
        completeness=draw(st.none() | CHANCE),
        missing=draw(st.sampled_from([None, "", "CFS", "CFS NEWS2"])),
        refused=None,
        latency_us=1,
        reasons=draw(st.none() | st.lists(REASON, max_size=6).map(json.dumps)),
    )


BLANK = AuditRow(
    **dict.fromkeys(AuditRow.__struct_fields__)
    | {
        "score_id": "01a217a2-9563-7f49-bc66-14caf6af0625",
        "answered_at": 1,
        "prediction_time": 1,
        "mode": "live",
        "model": "\u00a0long stay ",
        "spell": 1,
        "probability_7": 0.5,
        "reasons": json.dumps(
            [{"label": "\u2003", "value": "\u00a0", "direction": "longer", "action": "\u2028"}]
        ),
    }
)


@settings(deadline=None, max_examples=60)
@example(row=BLANK, withdrawn_at=None, spell="\u00a0S\u20031\u2028")
@given(row=rows(), withdrawn_at=st.none() | MOMENT, spell=TEXT)
def test_every_score_is_one_valid_resource_of_the_profile(
    against_profile, row, withdrawn_at, spell
):
    made = risk_assessment(row, named_by_spell(row, spell), withdrawn_at=withdrawn_at)
    resource = json.loads(encode(made))
    RiskAssessment.model_validate(resource)
    assert against_profile(resource) == []
    assert resource["id"] == resource["identifier"][0]["value"] == row.score_id
    told = [one["probabilityDecimal"] for one in resource["prediction"]]
    given_ = [row.probability_7, row.probability_14, row.probability_21]
    assert told == [percent(one) for one in given_ if one is not None]
    assert told == sorted(told, reverse=True)  # los-2 of the profile
    withdrawn = any(one["url"] == words.WITHDRAWN for one in resource["extension"])
    assert (resource["status"] == "entered-in-error") == withdrawn == (withdrawn_at is not None)


@given(chance=CHANCE)
def test_a_chance_is_told_in_percent_with_one_decimal(chance):
    told = percent(chance)
    assert 0 <= told <= 100
    assert abs(told - 100 * chance) <= 0.05 + 1e-9
    assert round(told, 1) == told


BREACHES = [
    lambda made: made["prediction"][0].update(probabilityDecimal=100.5),
    lambda made: made["prediction"][0].pop("probabilityDecimal"),
    lambda made: made["meta"].update(tag=[]),
    lambda made: made["code"]["coding"][0].update(code="fall-risk"),
    lambda made: made["extension"][1].update(valueDecimal=86),
    lambda made: made["extension"].pop(0),
    lambda made: made.update(basis=[]),
    lambda made: made["identifier"][0].update(system="urn:other"),
]


def test_what_is_not_of_the_profile_is_told_from_it(against_profile, ask, core):
    (good,) = ask(*core.stay())
    assert against_profile(good) == []
    for change in BREACHES:
        made = copy.deepcopy(good)
        change(made)
        assert len(against_profile(made)) == 1


# ---- what our names mean -------------------------------------------------------------------------


def test_every_definition_is_of_fhir_and_served_under_its_id(service):
    for (kind, name), definition in definitions().items():
        answer = service.get(f"/fhir/{kind}/{name}")
        assert answer.status_code == 200
        get_fhir_model_class(kind).model_validate_json(answer.text)
        assert answer.json()["url"] == f"{words.SYSTEM}:{name}" == definition["url"]
    assert service.get("/fhir/CodeSystem/none").status_code == 404


def test_every_name_that_an_answer_uses_is_defined():
    urls = {one["url"] for one in definitions().values()}
    identifiers = {words.SYSTEM, words.SCORE, words.SPELL, words.SUBJECT, words.MODEL}
    used = {value for name, value in vars(words).items() if name.isupper()}
    assert used - identifiers == urls


def test_every_reason_of_a_refusal_is_a_code():
    codes = {one["code"] for one in definitions()["CodeSystem", "refusal"]["concept"]}
    ours = {one.reason for one in (OVERLAP, TOO_INCOMPLETE, OTHER_SITE, DISCHARGED, NOT_ADMITTED)}
    assert codes == ours | {"out_of_scope"}


def test_the_server_does_what_it_says_and_nothing_else(service):
    statement = CapabilityStatement.model_validate_json(service.get("/fhir/metadata").text)
    (rest,) = statement.rest
    told = {one.type: {act.code for act in one.interaction} for one in rest.resource}
    assert told == {"RiskAssessment": {"read", "search-type"}} | {kind: {"read"} for kind in KINDS}
    state = service.app.state
    paths = {route.path for route in fhir_routes(state.parts, state.live).routes}
    operations = {f"/fhir/${one.name}" for one in rest.operation}
    reads = {f"/fhir/{kind}/{{name}}" for kind in KINDS} | {"/fhir/RiskAssessment/{score_id}"}
    others = {"/fhir/metadata", "/fhir/RiskAssessment"}
    assert paths == operations | reads | others
