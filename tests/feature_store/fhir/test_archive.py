"""Bundles and bulk exports become one dataset, without an identifier, or nothing at all."""

import json
from datetime import UTC, datetime
from itertools import groupby

import pytest

from feature_store.clock import to_microseconds
from feature_store.dataset import open_dataset
from feature_store.errors import BadInput
from feature_store.fhir.archive import ingest_fhir
from feature_store.identity import Identity
from homeward.shell import run

IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")
NOW = to_microseconds(datetime(2024, 2, 1, tzinfo=UTC))


@pytest.fixture
def bulk(tmp_path, resources):
    """A bulk export: one file a type."""
    by_type = sorted(resources.values(), key=lambda one: one["resourceType"])
    for kind, some in groupby(by_type, key=lambda one: one["resourceType"]):
        lines = [json.dumps(one) for one in some]
        (tmp_path / f"{kind}.ndjson").write_text("\r\n".join(lines) + "\n\n")
    return sorted(tmp_path.glob("*.ndjson"))


@pytest.fixture
def bundle(tmp_path, resources, bundle_of):
    path = tmp_path / "stay.json"
    path.write_text(json.dumps(bundle_of(resources.values())))
    return path


def test_a_bundle_and_a_bulk_export_of_the_same_give_the_same_dataset(tmp_path, bulk, bundle):
    one = ingest_fhir([bundle], tmp_path / "one", identity=IDENTITY, now=NOW)
    other = ingest_fhir(bulk, tmp_path / "other", identity=IDENTITY, now=NOW)
    assert one.content_hash == other.content_hash
    assert one.counts == other.counts
    assert one.counts["spells"] == 1
    assert one.synthetic  # nobody has such an NHS number
    assert one.observed_until == "2024-01-26T00:00:00+00:00"


def test_a_patient_with_a_number_of_a_person_makes_no_synthetic_dataset(
    tmp_path, resources, bundle_of
):
    resources["p1"]["identifier"] = [{"system": "https://trust.test/mrn", "value": "M1"}]
    path = tmp_path / "stay.json"
    path.write_text(json.dumps(bundle_of(resources.values())))
    assert not ingest_fhir([path], tmp_path / "out", identity=IDENTITY, now=NOW).synthetic


def test_no_identifier_gets_into_the_dataset(tmp_path, resources, bundle_of):
    resources["p1"]["identifier"].append({"system": "https://trust.test/mrn", "value": "MRN77431"})
    resources["e1"]["identifier"] = [{"value": "VISIT88542"}]
    resources["p1"]["address"] = [{"postalCode": "ZZ99 3WZ"}]
    resources["extra"] = {"resourceType": "Flag", "id": "FLAG99653"}
    path = tmp_path / "stay.json"
    path.write_text(json.dumps(bundle_of(resources.values())))
    out = tmp_path / "out"
    ingest_fhir([path], out, identity=IDENTITY, now=NOW)
    told = (out / "manifest.json").read_text()
    for table in [open_dataset(out).read()]:
        told += repr(table.codes) + repr(table.subject_id.tolist()) + repr(table.spell_id.tolist())
    canaries = ["9990000018", "MRN77431", "VISIT88542", "ZZ99", "FLAG99653", "Featherstonehaugh"]
    canaries += ["1940", "Patient/p1", "Encounter/e1"]
    assert not [canary for canary in canaries if canary in told]
    stored = b"".join(one.read_bytes() for one in out.rglob("*") if one.is_file())
    assert not [canary for canary in canaries if canary.encode() in stored]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "NaN", "[" * 100_000, '{"resourceType": "Bundle"}'),
        *('{"resourceType": "Bundle", "entry": [1]}', '{"resourceType": "Bundle", "entry": {}}'),
    ],
)
def test_what_is_no_fhir_is_refused_and_nothing_is_stored(tmp_path, text):
    path, out = tmp_path / "x.json", tmp_path / "out"
    path.write_text(text)
    with pytest.raises(BadInput, match="expected"):
        ingest_fhir([path], out, identity=IDENTITY, now=NOW)
    assert [one.name for one in tmp_path.iterdir()] == ["x.json"]


def test_bytes_that_are_no_text_and_absent_files_are_refused(tmp_path):
    path = tmp_path / "x.ndjson"
    path.write_bytes(b"\xff\xfe{}")
    for source in (path, tmp_path / "absent.json"):
        with pytest.raises(BadInput, match="UTF-8 expected"):
            ingest_fhir([source], tmp_path / "out", identity=IDENTITY, now=NOW)


def test_the_command_tells_what_came_in(tmp_path, bundle, capsys):
    out = tmp_path / "out"
    assert run(["ingest", "--format", "fhir", "--out", str(out), "--json", str(bundle)]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["spells"] == 1
    assert open_dataset(out).manifest.counts["events"] == 17


def test_an_export_taken_before_its_own_events_is_refused(tmp_path, bundle, capsys):
    said = ["ingest", "--format", "fhir", "--observed-until", "2024-01-19T00:00Z"]
    assert run([*said, "--out", str(tmp_path / "out"), str(bundle)]) == 2
    assert "--observed-until" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_event_of_the_future_would_hold_every_open_stay_open_until_then(tmp_path, bundle):
    before = to_microseconds(datetime(2024, 1, 25, 12, tzinfo=UTC))
    with pytest.raises(BadInput, match="DIAGNOSIS in the future"):
        ingest_fhir([bundle], tmp_path / "out", identity=IDENTITY, now=before)
