"""The kernel reads what the types of the wire read, and nothing else; msgspec is the oracle.

The oracle is slow and plain: the request decoded into objects, every rule asked of every object.
"""

import json
import math
import random
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.events import NO_SPELL, NO_TIME
from service.codebook import EMPTY, MOST_REMEMBERED
from service.problems import Problem
from service.reading import _faults, _refuse_repeats, read_requests, read_scores_request
from service.sheet import read_sheet
from service.translate import microseconds, to_question
from service.wire import ScoresRequest

decode = msgspec.json.Decoder(ScoresRequest).decode


def decoded(body):
    """The request as objects, or None if it is to be refused."""
    try:
        request = decode(body)
        _refuse_repeats(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Problem):
        return None
    return None if any(True for _ in _faults(request)) else request


def known_of(request):
    """Columns and ignored events, event by event."""
    now = microseconds(request.prediction_time)
    rows, ignored = [], []
    for position, spell in enumerate(request.spells):
        ignored.append(0)
        for event in spell.events:
            time = NO_TIME if event.time is None else microseconds(event.time)
            recorded = microseconds(event.recorded_at) if event.recorded_at else time
            value = (
                math.nan if event.numeric_value in {None, msgspec.UNSET} else event.numeric_value
            )
            owner = NO_SPELL
            if event.spell_id:
                owner = position if event.spell_id == spell.spell_id else -2
            ignored[-1] += max(time, recorded) > now
            bits = b"missing" if math.isnan(value) else struct.pack("<f", value)
            rows.append((position, time, recorded, owner, event.code, bits))
    return rows, ignored


def told(sheet):
    """The same of a sheet."""
    events = sheet.events
    columns = (events.subject_id, events.time, events.recorded_at, events.spell_id)
    codes = [events.codes[code] for code in events.code.tolist()]
    values = [
        b"missing" if math.isnan(value) else value.tobytes() for value in events.numeric_value
    ]
    plain = zip(*(column.tolist() for column in columns), codes, values, strict=True)
    return list(plain), [spell.ignored for spell in sheet.spells]


def compare(body):
    """Whether a body is read; by kernel and oracle alike."""
    request = decoded(body)
    if request is None:
        with pytest.raises(Problem) as caught:
            read_scores_request(body)
        assert "another value expected" not in {fault.detail for fault in caught.value.faults}
        return False
    sheet = read_scores_request(body)
    assert told(sheet) == known_of(request)
    (read,) = sheet.requests
    assert sheet.prediction_time(read) == request.prediction_time
    assert read.now == microseconds(request.prediction_time)
    assert sheet.spell_ids == [spell.spell_id for spell in request.spells]
    assert sheet.subject_ids == [spell.subject_id for spell in request.spells]
    sheet.events.check()
    return True


MOMENTS = [
    "2026-01-14T06:00:00Z",
    "2026-01-13 23:59:59.999999+00:00",
    "2026-01-14t05:59:59.9999995z",
    "2026-01-12T21:40:00.1234567890123456789-0530",
    "2024-02-29T00:00:00+14:00",
    "2199-12-31T23:59:59.9999999Z",
    "2199-12-31T23:59:59.999999-23:59",
    "1900-01-01T00:00:00+23:59",
    "1899-12-31T23:59:59Z",
    "2026-02-29T00:00:00Z",
    "2026-01-14T06:00:60Z",
    "2026-01-14T06:00:00+24:00",
    "2026-01-14T06:00:00+01",
    "2026-01-14T06:00:00.Z",
    "2026-01-14T06:00",
    "2026-13-01T00:00:00Z",
    "2026-00-10T00:00:00Z",
    "2000-01-00T00:00:00Z",
    "٢026-01-14T06:00:00Z",
]
IDENTIFIERS = [
    "S1",
    "S2",
    'a"b\\c/',
    "Zoë",
    "病院病院病院病院病院",
    "٩٤٣٤٧٦٥٩١٩",
    "٩٤٣٤٧٦٥٩١٨",
    "943 476 5919",
    "9434765918",
    "\U0001f6cf\ufe0f",
    "x" * 64,
    "x" * 65,
    "é" * 64,
    "a\u0085",
    "a\u00a0b",
    "",
]
NUMBERS = [
    *("0", "-0", "-0.0", "1", "37.5225", "1e2", "1E+2", "-1.5e-3", "0.1", "3e38", "3.0000001e38"),
    *("1e400", "1e-400", "9007199254740993", "123456789012345678901234567890", "00", "1.", ".5"),
    *("1e", "+1", "0x10", "NaN", "1_0", "37.522512345678912", "8.589973e9", "1e23", "1e-23"),
    *("0." + "0" * 400 + "1", "1" + "0" * 400, "5e-324", "16777217", "0.30000001192092896"),
]
event = st.fixed_dictionaries(
    {
        "code": st.sampled_from(
            [
                "SPELL_START",
                "SPELL_END",
                "NEWS2",
                "SEX//1",
                "SITE//A",
                "WARD//é",
                "AGE",
                "Q\x7f",
                "",
            ]
        )
        | st.text(min_size=1, max_size=3),
        "time": st.sampled_from([*MOMENTS, None]),
    },
    optional={
        "recorded_at": st.sampled_from([*MOMENTS, None]),
        "numeric_value": st.sampled_from([0, 1, -2.5, 84, 1e30, None, True, "1"])
        | st.floats(width=64),
        "spell_id": st.sampled_from([*IDENTIFIERS, None]),
    },
)
request_bodies = st.fixed_dictionaries(
    {
        "prediction_time": st.sampled_from(MOMENTS),
        "spells": st.lists(
            st.fixed_dictionaries(
                {
                    "spell_id": st.sampled_from(IDENTIFIERS),
                    "subject_id": st.sampled_from(IDENTIFIERS),
                    "events": st.lists(event, max_size=4),
                }
            ),
            max_size=3,
        ),
    }
)


@given(
    body=request_bodies,
    plain=st.booleans(),
    spaces=st.tuples(*[st.sampled_from(["", " ", "\n\t\r "])] * 2),
)
def test_any_request_is_read_as_the_oracle_reads_it(body, plain, spaces):
    separators = (f"{spaces[0]},{spaces[1]}", f"{spaces[1]}:{spaces[0]}")
    compare(json.dumps(body, ensure_ascii=plain, separators=separators).encode())


def part_of(sheet, request):
    """What a sheet says of one of its requests, as if it had been read alone."""
    rows, ignored = told(sheet)
    first, spells = request.first, range(request.first, request.first + request.spells)
    mine = [
        (subject - first, time, recorded, owner - first if owner >= 0 else owner, *more)
        for subject, time, recorded, owner, *more in rows
        if subject in spells
    ]
    names = [(sheet.spell_ids[spell], sheet.subject_ids[spell]) for spell in spells]
    facts = [sheet.facts_of(sheet.spells[spell]) for spell in spells]
    left = ignored[first : first + request.spells]
    return request.now, sheet.prediction_time(request), mine, names, facts, left


@given(bodies=st.lists(request_bodies | st.just({}), min_size=1, max_size=4))
def test_requests_read_together_are_read_as_each_alone(bodies):
    sent = [json.dumps(body).encode() for body in bodies]
    sheet, wrong = read_requests(sent)
    assert len(sheet.requests) == len(sent)
    for place, (body, request) in enumerate(zip(sent, sheet.requests, strict=True)):
        alone, problems = read_requests([body])
        if problems:
            assert wrong[place].document("r") == problems[0].document("r")
            continue
        assert place not in wrong
        assert part_of(sheet, request) == part_of(alone, alone.requests[0])


GOOD = {
    "prediction_time": "2026-01-14T06:00:00Z",
    "spells": [
        {
            "spell_id": "S1",
            "subject_id": "P1",
            "events": [
                {"code": "SPELL_START", "time": "2026-01-12T21:40:00.25+01:00", "spell_id": "S1"},
                {"code": "SEX//1", "time": None},
                {"code": "NEWS2", "time": "2026-01-14T05:10:00Z", "numeric_value": 6.125e0},
            ],
        }
    ],
}
PIECES = (
    *(
        b'"',
        b"\\",
        b"\\u00e9",
        b"\\ud83d\\ude00",
        b"\\ud83d",
        b"\\n",
        b"\x00",
        b"\x7f",
        b"\xc2\x85",
    ),
    *(
        b"\xc3\xa9",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"\xe2\x82",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(
        b",",
        b":",
        b" ",
        b"0",
        b"9",
        b"-",
        b".",
        b"e",
        b"E",
        b"+",
        b"null",
        b"true",
        b"S1",
        b"Z",
        b"T",
    ),
    *(
        b'"time":null,',
        b'"code":"A",',
        b'"spell_id":"S1",',
        b'"events":[],',
        b'"x":1,',
        b"1e5",
        b"// ",
    ),
)


def mutants(seed, count):
    """Bodies with a few bytes replaced, taken out or put in; reproducible."""
    chance = random.Random(seed)
    good = json.dumps(GOOD).encode()
    for _ in range(count):
        body = bytearray(good)
        for _ in range(chance.randint(1, 2)):
            at = chance.randrange(len(body))
            body[at : at + chance.choice((0, 0, 1, 1, 2, 9))] = chance.choice(PIECES)
        yield bytes(body)


def test_a_body_with_a_few_bytes_altered_is_read_as_the_oracle_reads_it():
    read = [compare(body) for body in mutants(seed=1, count=4000)]
    assert 50 < sum(read) < 3000  # both sides of the line were seen


def test_a_body_cut_anywhere_is_refused():
    good = json.dumps(GOOD).encode()
    assert compare(good)
    assert not any(compare(good[:end]) for end in range(len(good)))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_rounded_as_the_oracle_rounds_it(number):
    for text in (number, f"-{number}"):
        compare(json.dumps(GOOD).replace("6.125", text).encode())


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_comes_back(value):
    compare(json.dumps(GOOD).replace("6.125", repr(value)).encode())


@given(moment=st.datetimes(), offset=st.sampled_from(["Z", "+00:00", "-03:30", "+0545", "-23:59"]))
def test_every_moment_is_the_oracles(moment, offset):
    text = moment.isoformat() + offset
    compare(json.dumps(GOOD).replace("2026-01-14T05:10:00Z", text).encode())


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_identifiers_are_looked_at_as_the_oracle_does(name):
    for old in ("S1", "P1"):
        for plain in (True, False):
            body = json.dumps(GOOD, ensure_ascii=plain)
            compare(body.replace(old, json.dumps(name, ensure_ascii=plain)[1:-1]).encode())


def test_digits_of_another_script_are_a_doubt_that_python_settles():
    suspect, fine = (
        json.dumps(GOOD).replace("P1", name).encode() for name in ("٩٤٣٤٧٦٥٩١٩", "٩٤٣٤٧٦٥٩١٨")
    )
    sheet = read_sheet([fine, suspect, fine], trusted={2})
    assert [request.verdict for request in sheet.requests] == [3, 3, 0]
    assert sheet.subject_ids == ["٩٤٣٤٧٦٥٩١٨"]
    assert compare(fine)
    assert not compare(suspect)


def test_a_book_of_codes_forgets_rather_than_grow():
    book = EMPTY.learn([f"A//{place}" for place in range(MOST_REMEMBERED)])
    assert len(book.names) == MOST_REMEMBERED
    assert book.learn(["B//1", "B//2"]).names == ("B//1", "B//2")


def test_more_codes_than_a_book_remembers_are_read(request_body, the_spell):
    many = [f"WARD//{place}" for place in range(MOST_REMEMBERED + 5)]
    the_spell["events"] += [{"code": code, "time": "2026-01-14T01:00:00Z"} for code in many]
    assert compare(json.dumps(request_body).encode())
    sheet = read_scores_request(json.dumps(request_body).encode())
    assert to_question(sheet, [None]).places == {0: (None, many[-1].removeprefix("WARD//"))}
