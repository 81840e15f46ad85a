"""What is refused before anything is scored, and that a refusal repeats nothing."""

import json

import pytest

from service.problems import Problem
from service.reading import read_scores_request
from service.wire import MOST_EVENTS

MARK = "Featherstonehaugh"


def refused(body):
    """The faults of a body that must be refused."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Problem) as caught:
        read_scores_request(raw)
    assert caught.value.kind.status == 422
    assert MARK not in caught.value.document("r").decode()
    return [(fault.pointer, fault.detail) for fault in caught.value.faults]


def test_a_good_request_passes(request_body):
    sheet = read_scores_request(json.dumps(request_body).encode())
    assert [spell.events for spell in sheet.spells] == [5]
    assert sheet.events.codes[sheet.events.code[-1]] == "NEWS2"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"prediction_time": NaN}', b'"\\ud800"'],
)
def test_what_is_not_json_is_refused(body):
    assert refused(body) == [("#", "well-formed JSON in UTF-8 expected")]


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"' + MARK.encode() + b'"'])
def test_what_is_not_an_object_is_refused(body):
    ((pointer, detail),) = refused(body)
    assert pointer == "#"
    assert detail.startswith("object expected, got ")


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_depth_is_no_way_to_bring_it_down(depth):
    assert refused(b'{"spells":' + b"[" * depth)
    assert refused(b'{"a":' * depth)


VALUE = "#/spells/0/events/2/numeric_value"
TIME = "#/spells/0/events/0/time"


@pytest.mark.parametrize("number", ["true", '"84"', "[84]", "{}"])
def test_only_a_number_is_a_number(request_body, number):
    raw = json.dumps(request_body).replace("84", number).encode()
    ((pointer, detail),) = refused(raw)
    assert pointer == VALUE
    assert detail.startswith("float | null expected, got ")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_not_json(request_body, number):
    assert refused(json.dumps(request_body).replace("84", number).encode())


@pytest.mark.parametrize("number", ["1e39", "-1e39", "1e400"])
def test_a_number_beyond_32_bits_is_refused(request_body, number):
    ((pointer, _),) = refused(json.dumps(request_body).replace("84", number).encode())
    assert pointer == VALUE


@pytest.mark.parametrize(
    ("moment", "detail"),
    [
        (0, "datetime | null expected, got int"),
        (1768254000.5, "datetime | null expected, got float"),
        (True, "datetime | null expected, got bool"),
        ("2026-01-12T21:40:00", "a moment with an offset expected"),
        ("2026-01-12", "a moment as RFC 3339 text expected"),
        ("1768254000", "a moment as RFC 3339 text expected"),
        (MARK, "a moment as RFC 3339 text expected"),
        ("1899-12-31T23:59:59Z", "a moment from 1900 to 2199 expected"),
        ("0001-01-01T00:00:00+23:00", "a moment from 1900 to 2199 expected"),
        ("9999-12-31T23:59:59-23:00", "a moment from 1900 to 2199 expected"),
    ],
)
def test_only_a_moment_is_a_moment(request_body, the_spell, moment, detail):
    the_spell["events"][0]["time"] = moment
    assert refused(request_body) == [(TIME, detail)]


def test_a_prediction_time_is_needed_and_is_a_moment(request_body):
    request_body["prediction_time"] = None
    assert refused(request_body) == [("#/prediction_time", "datetime expected, got null")]
    request_body["prediction_time"] = "1066-10-14T09:00:00Z"
    assert refused(request_body) == [("#/prediction_time", "a moment from 1900 to 2199 expected")]
    del request_body["prediction_time"]
    assert refused(request_body) == [("#", "the field prediction_time is missing")]


def test_an_event_says_when_even_if_it_has_no_time(request_body, the_spell):
    del the_spell["events"][3]["time"]
    assert refused(request_body) == [("#/spells/0/events/3", "the field time is missing")]


@pytest.mark.parametrize("place", ["request", "spell", "event"])
def test_an_unknown_field_is_refused_without_its_name(request_body, the_spell, place):
    where = {"request": request_body, "spell": the_spell, "event": the_spell["events"][1]}[place]
    where[MARK] = MARK
    pointer = {"request": "#", "spell": "#/spells/0", "event": "#/spells/0/events/1"}[place]
    assert refused(request_body) == [(pointer, "a field that is not known; see /docs")]


def test_free_text_is_not_taken(request_body, the_spell):
    the_spell["events"][1]["text_value"] = MARK
    assert refused(request_body)


# ---- identifiers ---------------------------------------------------------------------------------

NHS_NUMBERS = ["9434765919", "943 476 5919", "943-476-5919", "9999999999", "4010232137"]


@pytest.mark.parametrize("number", NHS_NUMBERS)
@pytest.mark.parametrize("place", ["spell_id", "subject_id", "event"])
def test_an_nhs_number_is_refused_and_not_repeated(request_body, the_spell, number, place):
    where = the_spell["events"][4] if place == "event" else the_spell
    where["spell_id" if place == "event" else place] = number
    ((pointer, detail),) = refused(request_body)
    assert pointer.startswith("#/spells/0/")
    assert "NHS number" in detail
    assert number not in detail


@pytest.mark.parametrize("text", ["9434765918", "12345", "S9434765919", "94347659190"])
def test_what_is_not_one_passes(request_body, the_spell, text):
    the_spell["spell_id"] = text
    read_scores_request(json.dumps(request_body).encode())


@pytest.mark.parametrize("text", ["", "x" * 65, "a\nb", "a\x00b", "\x7f", "\x9b", 7, None, ["a"]])
def test_an_identifier_is_short_opaque_text(request_body, the_spell, text):
    the_spell["subject_id"] = text
    ((pointer, _),) = refused(request_body)
    assert pointer == "#/spells/0/subject_id"


@pytest.mark.parametrize("text", ["x", "x" * 64, "Zoë/7 (b)", "病院"])
def test_any_other_short_text_is_an_identifier(request_body, the_spell, text):
    the_spell["subject_id"] = the_spell["spell_id"] = text
    the_spell["events"][0]["spell_id"] = text
    read_scores_request(json.dumps(request_body).encode())


def test_a_code_holds_no_control_characters(request_body, the_spell):
    the_spell["events"][1]["code"] = "A\nB"
    assert refused(request_body) == [
        ("#/spells/0/events/1/code", "text without control characters expected")
    ]


def test_a_spell_comes_once(request_body):
    request_body["spells"] *= 2
    assert refused(request_body) == [
        ("#/spells/1/spell_id", "each spell once expected, found one repeated")
    ]


def test_no_spells_and_too_many_events_are_refused(request_body, the_spell):
    the_spell["events"] = the_spell["events"][:1] * (MOST_EVENTS + 1)
    ((pointer, _),) = refused(request_body)
    assert pointer == "#/spells/0/events"
    request_body["spells"] = []
    assert refused(request_body) == [("#/spells", "array of length >= 1 expected")]


def test_many_faults_are_not_all_told(request_body, the_spell):
    event = {"code": "A", "time": "1666-09-02T00:00:00Z"}
    the_spell["events"] = [event] * 500
    assert len(refused(request_body)) == 20
