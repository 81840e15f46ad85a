"""Files of FHIR, fuzzed: a dataset, or an error of Homeward's own and nothing left behind."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.clock import to_microseconds
from feature_store.dataset import open_dataset
from feature_store.errors import HomewardError
from feature_store.fhir import events_of
from feature_store.fhir.archive import ingest_fhir
from feature_store.identity import Identity
from feature_store.spells import find_spells
from tests.hostile import altered, written

IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")
NOW = to_microseconds(datetime(2024, 2, 1, tzinfo=UTC))
CANARIES = ("Featherstonehaugh", "9990000018", "1940-01-11")


def ingested(files):
    """What becomes of files: a manifest, or None if they were refused; checks what must hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in files.items():
            (folder / path).write_bytes(content)
        out = folder / "out"
        try:
            sources = [folder / path for path in files]
            manifest = ingest_fhir(sources, out, identity=IDENTITY, now=NOW)
        except HomewardError as error:
            assert sorted(one.name for one in folder.iterdir()) == sorted(files)
            told = f"{error} {error.__cause__}"
            assert not [canary for canary in CANARIES if canary in told]
            return None
        events = open_dataset(out).read()
        events.check()
        assert len(find_spells(events)) == manifest.counts["spells"]
        assert len(events) == manifest.counts["events"]
        stored = b"".join(one.read_bytes() for one in out.rglob("*") if one.is_file())
        assert not [canary for canary in CANARIES if canary.encode() in stored]
        return manifest


def test_what_is_altered_was_good(stay, bundle_of):
    whole = ingested({"a.json": json.dumps(bundle_of(stay)).encode()})
    lines = ingested({"a.ndjson": "\n".join(map(json.dumps, stay)).encode()})
    assert whole.content_hash == lines.content_hash


@settings(max_examples=30)
@given(data=st.data())
def test_any_bundle_is_taken_whole_or_refused_whole(stay, data):
    entries = [{"fullUrl": f"urn:x:{one['id']}", "resource": one} for one in stay]
    good = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    ingested({"a.json": data.draw(altered(good).flatmap(written))})


@settings(max_examples=20)
@given(data=st.data())
def test_any_bulk_export_is_taken_whole_or_refused_whole(stay, data):
    resources = data.draw(altered(stay))
    lines = [data.draw(written(one)) for one in resources]
    ends = data.draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r", b"\x85"]))
    ingested({"a.ndjson": ends.join(lines)})


REFERENCES = [
    *("Patient/none", "Patient/../p1", "p1", "/p1", "Patient/", "/", "", "#p1", "urn:uuid:none"),
    *("Encounter/e1", "Location/bed", "Organization/o1", "Condition/c1", "http://x/Patient/p1"),
    *(
        "Patient/p1/_history/1",
        "Patient/p1/_history/",
        "Patient?identifier=x",
        "\x00",
        "Patient/p1 ",
    ),
]
POINTERS = [  # resource, path of its reference
    *(("e1", ["subject"]), ("e1", ["serviceProvider"]), ("e1", ["location", 0, "location"])),
    *(("e1", ["partOf"]), ("bed", ["partOf"]), ("w1", ["partOf"]), ("c1", ["subject"])),
    *(("c1", ["encounter"]), ("crp", ["subject"]), ("crp", ["encounter"])),
]


@pytest.mark.parametrize("pointer", POINTERS, ids=lambda one: f"{one[0]}.{one[1][0]}")
@pytest.mark.parametrize("reference", [*REFERENCES, None, 7, ["Patient/p1"], {"reference": 1}])
def test_a_wrong_dangling_or_circular_reference_is_refused_or_followed_and_never_breaks(
    resources, bundle_of, pointer, reference
):
    name, (*steps, last) = pointer
    target = resources[name]
    for step in steps:
        target = target[step]
    target[last] = {"reference": reference}
    refusal = ""
    try:
        events, _ = events_of(bundle_of(resources.values()), IDENTITY)
    except HomewardError as error:
        refusal = f"{error} {error.__cause__}"
    assert not [canary for canary in CANARIES if canary in refusal]
    assert refusal or len(find_spells(events)) == 1


@pytest.mark.parametrize(
    ("name", "kind"), [("e1", "Encounter"), ("bed", "Location"), ("w1", "Location")]
)
def test_a_circle_is_refused(resources, bundle_of, name, kind):
    resources[name]["partOf"] = {"reference": f"{kind}/{name}"}
    if name == "w1":
        resources["w1"]["physicalType"] = {"coding": [{"code": "ro"}]}
        resources["w1"]["partOf"] = {"reference": "Location/bed"}
    assert ingested({"a.json": json.dumps(bundle_of(resources.values())).encode()}) is None
