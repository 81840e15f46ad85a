"""Who a patient is, at every door: one table of doors, and what must hold at each of them.

An identifier becomes a keyed pseudonym before anything is kept. An NHS number is judged by its
check digit; one that is missing blocks nothing; one of the 9-range is nobody's.
"""

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from feature_store.clock import DAY, to_moment
from feature_store.dataset import open_dataset
from feature_store.errors import HomewardError
from feature_store.fhir.archive import ingest_fhir
from feature_store.hl7 import Feed, process
from feature_store.hl7.archive import ingest_hl7
from feature_store.identity import Identity
from feature_store.ingest import ingest
from feature_store.live import open_store
from feature_store.meds import ingest_meds
from service.app import create_app
from service.settings import Settings

NOW = time.time_ns() // 1000
VALID, WRONG, TEST = "4010232137", "4010232138", "9990000018"
LOCAL = "77431CANARY"
NUMBERS = (VALID, WRONG, TEST)
KEYS = (b"0" * 64, b"1" * 64)


@dataclass
class Told:
    """What became of a patient: the numbers under which facts are kept, or why there are none."""

    subjects: set
    refusal: str = ""
    kept: bytes = b""


def stamp(days):
    return to_moment(NOW - int(days * DAY)).isoformat()


# ---- files ---------------------------------------------------------------------------------------


def of_dataset(make, folder):
    """Subjects of the dataset that a function writes into a folder."""
    out = folder / "out"
    try:
        make(out)
    except HomewardError as error:
        assert not out.exists()
        return Told(set(), f"{error} {error.__cause__}")
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    return Told(set(open_dataset(out).read().subject_id.tolist()), "", kept)


def table(folder, key, *, number, local):
    rows = ["patient,nhs,spell,start,end"]
    rows.append(f"{local or number},{number},S1,2026-01-01 10:00,2026-01-03 09:00")
    (folder / "spells.csv").write_text("\n".join(rows) + "\n")
    (folder / "mapping.toml").write_text(
        'name = "x"\n[table.spells]\nsubject = "patient"\nspell = "spell"\n'
        '[spells]\nstart = "start"\nend = "end"\n'
    )
    mapping, source = folder / "mapping.toml", [folder / "spells.csv"]
    return of_dataset(lambda out: ingest(mapping, source, out, pseudonym_key=key), folder)


def meds(folder, key, *, number, local):  # noqa: ARG001 - subjects of MEDS are whole numbers
    (folder / "source" / "data").mkdir(parents=True)
    rows = {
        "subject_id": pa.array([int(number or 7)] * 2, pa.int64()),
        "time": pa.array([0, 1 << 40], pa.timestamp("us")),
        "code": pa.array(["ADMIT", "DISCHARGE"]),
    }
    pq.write_table(pa.table(rows), folder / "source" / "data" / "0.parquet")
    book = folder / "book.toml"
    book.write_text('name = "x"\n[spells]\nstart = ["ADMIT"]\nend = ["DISCHARGE"]\n')
    source = folder / "source"
    return of_dataset(lambda out: ingest_meds(book, source, out, pseudonym_key=key), folder)


def resources(number, local):
    given = [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}] if number else []
    given += [{"system": "https://trust.test/mrn", "value": local}] if local else []
    person = {"resourceType": "Patient", "id": "p1", "identifier": given, "birthDate": "1940-01-11"}
    stay = {"resourceType": "Encounter", "id": "e1", "status": "in-progress"}
    stay |= {"class": {"code": "IMP"}, "subject": {"reference": "Patient/p1"}}
    stay |= {"period": {"start": stamp(3)}}
    other = {"resourceType": "Patient", "id": "p2", "birthDate": "1950-01-11"}
    other["identifier"] = [{"system": "https://trust.test/mrn", "value": "other"}]
    return [person, stay, other]


def bundle(number, local):
    entries = [{"resource": one} for one in resources(number, local)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def fhir_files(folder, key, *, number, local):
    path = folder / "a.json"
    path.write_text(json.dumps(bundle(number, local)))
    identity = Identity(key)
    return of_dataset(lambda out: ingest_fhir([path], out, identity=identity, now=NOW), folder)


def message(number, local, count=1):
    given = [f"{local}^^^RXX^MR"] if local else []
    given += [f"{number}^^^NHS^NH"] if number else []
    at = to_moment(NOW - 3 * DAY).strftime("%Y%m%d%H%M%S+0000")
    lines = [
        f"MSH|^~\\&|PAS|RXX|HOMEWARD|RXX|{at}||ADT^A01|{count}|P|2.4",
        *(f"EVN|A01|{at}", f"PID|||{'~'.join(given)}||Featherstonehaugh||19400111|F"),
        "PV1||I|W12|21" + "|" * 15 + "V1",
    ]
    return ("\r".join(lines) + "\r").encode()


def hl7_files(folder, key, *, number, local):
    path = folder / "a.hl7"
    path.write_bytes(message(number, local))
    identity = Identity(key)
    return of_dataset(lambda out: ingest_hl7([path], out, identity=identity, now=NOW), folder)


# ---- the live store ------------------------------------------------------------------------------

RAW = {"live_messages": "raw", "live_rejects": "raw"}  # as they came, until they are forgotten


def of_database(path, refusal=""):
    """Subjects of a database, and all that stands in its tables but for messages as they came."""
    subjects, kept = set(), []
    with closing(sqlite3.connect(path)) as connection:
        named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in named:
            rows = connection.execute(f'SELECT * FROM "{name}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                told = dict(zip(columns, row, strict=True))
                told.pop(RAW.get(name), None)
                kept += [
                    value if isinstance(value, bytes) else str(value).encode()
                    for value in told.values()
                ]
                if name in {"live_events", "score_audit"}:
                    subjects.add(told.get("subject_id", told.get("subject")))
    return Told(subjects, refusal, b"\n".join(kept))


def mllp(folder, key, *, number, local):
    """What `homeward listen` does with each message."""
    path, identity, refusal = folder / "live.db", Identity(key), ""
    with closing(open_store(f"sqlite:///{path}")) as store:
        ack = process(message(number, local), store, NOW, identity=identity, feed=Feed())
        refusal = ack.reason
    return of_database(path, refusal)


def facts(number, local):
    name = f"RXX|{local}" if local else number or "RXX|unknown"
    told = [{"subject_id": name, "spell_id": "V1", "code": "SPELL_START", "time": stamp(3)}]
    return [*told, {"subject_id": name, "spell_id": None, "code": "SEX//2", "time": None}]


def by_http(folder, key, model, path, media, body):
    """Send one body to a guarded service."""
    secret, keys = folder / "pseudonym.key", folder / "keys.json"
    secret.touch(mode=0o600)
    secret.write_bytes(key)
    scopes = ["scores", "events", "feedback"]
    keys.write_text(json.dumps({"keys": [{"name": "x", "sha256": HASH, "scopes": scopes}]}))
    settings = Settings(var=folder / "var", pseudonym_key_file=secret, api_keys_file=keys)
    app = create_app(settings, model=model)
    headers = {"Content-Type": media, "Authorization": "Bearer hw_x"}
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as client:
        answer = client.post(path, content=body, headers=headers)
    refused = answer.status_code != 200 or ("|ACK" in answer.text and "MSA|AA" not in answer.text)
    return of_database(folder / "var" / "homeward.db", answer.text if refused else "")


JSON, FHIR, HL7 = "application/json", "application/fhir+json", "application/hl7-v2"
HASH = hashlib.sha256(b"hw_x").hexdigest()


def adt(folder, key, model, *, number, local):
    return by_http(folder, key, model, "/v1/adt", HL7, message(number, local))


def events(folder, key, model, *, number, local):
    body = json.dumps({"events": facts(number, local)})
    return by_http(folder, key, model, "/v1/events", JSON, body)


def scores(folder, key, model, *, number, local):
    told = [{k: v for k, v in one.items() if k != "subject_id"} for one in facts(number, local)]
    spell = {"spell_id": "V1", "subject_id": facts(number, local)[0]["subject_id"], "events": told}
    body = json.dumps({"prediction_time": stamp(0), "spells": [spell]})
    return by_http(folder, key, model, "/v1/scores", JSON, body)


def score_bundle(folder, key, model, *, number, local):
    body = json.dumps(bundle(number, local))
    return by_http(folder, key, model, "/fhir/$score", FHIR, body)


def cds(folder, key, model, *, number, local):
    person, stay, _ = resources(number, local)
    context = {"userId": "Practitioner/1", "patientId": "p1", "encounterId": "e1"}
    call = {"hook": "patient-view", "hookInstance": "1", "context": context}
    body = json.dumps(call | {"prefetch": {"patient": person, "encounter": stay}})
    return by_http(folder, key, model, "/cds-services/homeward-long-stay", JSON, body)


# ---- the table -----------------------------------------------------------------------------------

FILES = {table, meds, fhir_files, hl7_files, mllp}
ANY = {"missing": True, VALID: True, WRONG: True, TEST: True}
UNLESS_TEST = ANY | {TEST: False}
STRICT = ANY | {WRONG: False, TEST: False}
NONE_OF_THAT_SHAPE = ANY | {VALID: False, TEST: False}
# By door: beside a number of the hospital's own, and alone, whether the patient is taken.
OUTCOMES = {
    table: (ANY, ANY),  # whatever the key is, it is hashed
    meds: (ANY, ANY),
    events: (ANY, NONE_OF_THAT_SHAPE),  # no field is for an NHS number
    scores: (ANY, NONE_OF_THAT_SHAPE),
    hl7_files: (UNLESS_TEST, STRICT),
    mllp: (UNLESS_TEST, STRICT),
    adt: (UNLESS_TEST, STRICT),
    fhir_files: (STRICT, STRICT),
    score_bundle: (STRICT, STRICT),
    cds: (STRICT, STRICT),
}
CASES = [
    pytest.param(door, number, local, taken, id=f"{door.__name__}-{number}-{local or 'alone'}")
    for door, both in OUTCOMES.items()
    for outcomes, local in zip(both, (LOCAL, None), strict=True)
    for number, taken in outcomes.items()
    if local or number != "missing"
]


@pytest.fixture
def enter(tmp_path, real_model):
    """Bring a patient to a door of an installation with a key."""

    def entered(door, key, *, number, local):
        folder = tmp_path / key.decode()[:8]
        folder.mkdir()
        number = None if number == "missing" else number
        more = () if door in FILES else (real_model,)
        return door(folder, key, *more, number=number, local=local)

    return entered


@pytest.mark.parametrize(("door", "number", "local", "taken"), CASES)
def test_every_door_keeps_pseudonyms_only_and_judges_nhs_numbers(enter, door, number, local, taken):
    told = enter(door, KEYS[0], number=number, local=local)
    marks = [mark for mark in (*NUMBERS, LOCAL, "Featherstonehaugh") if mark.encode() in told.kept]
    assert not marks
    if not taken:
        assert told.refusal
        assert not told.subjects
        assert not [mark for mark in (*NUMBERS, LOCAL) if mark in told.refusal]
        return
    assert not told.refusal
    (subject,) = told.subjects
    assert 0 <= subject < 1 << 63
    assert str(subject) not in NUMBERS
    elsewhere = enter(door, KEYS[1], number=number, local=local)
    assert elsewhere.subjects.isdisjoint(told.subjects)  # of another installation: of nobody


def test_the_table_has_every_door_that_takes_facts(real_model, make_client):
    """A new address or format fails here until somebody has said how it knows its patients."""
    from homeward.commands.ingest import command

    formats = next(one for one in command.params if one.name == "kind").type.choices
    assert sorted(formats) == ["fhir", "hl7v2", "meds", "table"]
    routes = set()
    for one in make_client(real_model).app.routes:
        inside = getattr(one, "original_router", None)  # of a router that was included
        some = [one] if inside is None else inside.routes
        routes |= {route.path for route in some if "POST" in route.methods}
    judged = {"/v1/adt", "/v1/events", "/v1/scores", "/fhir/$score"}
    judged |= {"/cds-services/homeward-long-stay"}
    nobody = {"/v1/events/retract", "/v1/scores/{score_id}/feedback", "/sign-in", "/sign-out"}
    nobody |= {"/worklist/feedback", "/cds-services/homeward-long-stay/feedback"}
    assert routes - nobody - {"/cds-services/{rest:path}"} == judged
    assert set(OUTCOMES) == FILES | {adt, events, scores, score_bundle, cds}


def test_test_patients_are_taken_where_nobody_could_take_them_for_others(
    tmp_path, make_client, real_model
):
    """By an open service, which is on this machine, and in an export of nobody else."""
    answer = make_client(real_model).post("/fhir/$score", json=bundle(TEST, LOCAL))
    assert answer.status_code == 200
    alone = bundle(TEST, LOCAL) | {"entry": bundle(TEST, LOCAL)["entry"][:2]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(alone))
    made = ingest_fhir([path], tmp_path / "out", identity=Identity(KEYS[0]), now=NOW)
    assert made.synthetic
