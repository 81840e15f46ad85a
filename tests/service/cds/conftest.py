"""CDS Hooks 2.0 as its text lays it down, and a record that calls."""

import json
import time
from typing import Annotated, Any, Literal

import msgspec
import pytest
from fhir.resources.R4B.task import Task
from msgspec import Meta, Struct

from feature_store.clock import DAY, HOUR, to_moment

SERVICE = "/cds-services/homeward-long-stay"
Uri = Annotated[str, Meta(pattern='^https?://[^\\s<>"]+$')]


class Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """What the text names, and nothing else."""


class Coding(Strict, kw_only=True):
    system: str
    code: str
    display: str | None = None


class Source(Strict, kw_only=True):
    label: str
    url: Uri | None = None
    icon: Uri | None = None
    topic: Coding | None = None


class Action(Strict, kw_only=True):
    type: Literal["create", "update", "delete"]
    description: str
    resource: dict[str, Any]


class Suggestion(Strict, kw_only=True):
    label: str
    uuid: str
    isRecommended: bool = False  # noqa: N815
    actions: list[Action]


class Link(Strict, kw_only=True):
    label: str
    url: Uri
    type: Literal["absolute", "smart"]


class Card(Strict, kw_only=True):
    uuid: str
    summary: Annotated[str, Meta(min_length=1, max_length=139)]
    detail: str | None = None
    indicator: Literal["info", "warning", "critical"]
    source: Source
    suggestions: list[Suggestion] = []
    selectionBehavior: Literal["at-most-one", "any"] | None = None  # noqa: N815
    overrideReasons: list[Coding] = []  # noqa: N815
    links: list[Link] = []


class Cards(Strict, kw_only=True):
    cards: list[Card]


class Service(Strict, kw_only=True):
    hook: str
    title: str | None = None
    description: str
    id: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]+$")]
    prefetch: dict[str, str] | None = None
    usageRequirements: str | None = None  # noqa: N815


class Discovery(Strict, kw_only=True):
    services: list[Service]


def read_cards(answer):
    """Cards of an answer, held to the text of the standard and to our own promises."""
    assert answer.status_code == 200, answer.text
    cards = msgspec.json.decode(answer.content, type=Cards).cards
    for card in cards:
        assert card.indicator == "info"
        assert bool(card.suggestions) == (card.selectionBehavior is not None)
        assert all(one.display for one in card.overrideReasons)
        for suggestion in card.suggestions:
            for action in suggestion.actions:
                assert (action.type, action.resource["resourceType"]) == ("create", "Task")
                assert Task.model_validate(action.resource).status == "draft"
    return cards


NOW = time.time_ns() // 1000 // HOUR * HOUR


def stamp(days):
    """RFC 3339 text of a moment, in days from now."""
    return to_moment(int(NOW + days * DAY)).isoformat()


def frail(name="A1", *, days=-4.0, **more):
    """Events of a frail patient's stay as ``POST /v1/events`` takes them."""
    codes = ("SPELL_START", "ADMISSION_METHOD//21", "PATIENT_CLASSIFICATION//1", "SITE//RXX01")
    codes += tuple(more.get("codes", ()))
    common = {"subject_id": f"P{name}", "spell_id": f"S{name}"}
    events = [common | {"code": code, "time": stamp(days)} for code in codes]
    for code, value in (("AGE", 91), ("CFS", 8), ("NEWS2", 7)):
        events.append(common | {"code": code, "time": stamp(days), "numeric_value": value})
    return events


def prefetch(patient="p1", encounter="e1", *, start=-4.0, **more):
    """What a record sends along of a frail patient."""
    subject = {"reference": f"Patient/{patient}"}
    here = {"reference": f"Encounter/{encounter}"}
    point = {"system": "http://unitsofmeasure.org", "code": "{score}"}
    observations = [
        {
            "resourceType": "Observation",
            "id": f"o{code}",
            "status": "final",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
            "subject": subject,
            "encounter": here,
            "effectiveDateTime": stamp(-1),
            "valueQuantity": point | {"value": value},
        }
        for code, value in (("763264000", 8), ("1104051000000101", 7))
    ]
    return {
        "patient": {"resourceType": "Patient", "id": patient, "birthDate": "1935-02-01"},
        "encounter": {
            "resourceType": "Encounter",
            "id": encounter,
            "status": "in-progress",
            "class": {"code": "IMP"},
            "subject": subject,
            "period": {"start": stamp(start)},
            "serviceProvider": {
                "identifier": {"system": "https://fhir.nhs.uk/Id/ods-site-code", "value": "RXX01"}
            },
        },
        "observations": {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": one} for one in observations],
        },
    } | more


class Record:
    """A record that calls the service."""

    service = SERVICE
    stamp = staticmethod(stamp)
    frail = staticmethod(frail)
    prefetch = staticmethod(prefetch)
    read_cards = staticmethod(read_cards)
    Discovery = Discovery

    @staticmethod
    def call(encounter, patient="p1", hook="patient-view", **more):
        context = {"userId": "Practitioner/1", "patientId": patient, "encounterId": encounter}
        instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
        return {"hook": hook, "hookInstance": instance, "context": context, **more}


@pytest.fixture(scope="session")
def record():
    """What tests call with."""
    return Record


@pytest.fixture
def set_up(tmp_path):
    """Return a function that writes a set-up of CDS Hooks and gives its path."""

    def written(**setup):
        path = tmp_path / "cds.json"
        path.write_text(json.dumps(setup))
        return path

    return written


@pytest.fixture
def make_hub(make_client, sure_model):
    """Make a service that knows one frail patient, with all hooks unless told otherwise."""

    def make(**settings):
        return make_client(sure_model, least_completeness=0.0, stale_hours=24 * 30, **settings)

    return make


@pytest.fixture
def sure_model(fake_model):
    """A model that has something to say of everybody, and something to do."""
    from dataclasses import replace

    from models.forecast import Direction, Reason

    said = Reason(
        feature="cfs",
        label="Clinical Frailty Scale",
        value="8 points",
        effect=0.9,
        direction=Direction.LONGER,
        kind="person",
        actionable=True,
        action="Ask for a geriatric assessment",
    )

    def score(events, snapshots, *, reasons):
        forecasts = fake_model.score(events, snapshots, reasons=reasons)
        return [msgspec.structs.replace(one, reasons=(said, *one.reasons)) for one in forecasts]

    return replace(fake_model, score=score)


@pytest.fixture
def hub(make_hub, set_up, record):
    """A service that knows one frail patient and offers every hook."""
    hooks = ["encounter-start", "encounter-discharge"]
    client = make_hub(cds_file=set_up(hooks=hooks))
    answer = client.post("/v1/events", json={"events": record.frail()})
    assert answer.status_code == 200, answer.text
    return client
