"""Bodies that nobody would write by hand: repeated keys, odd layouts, anything at all."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.problems import Problem
from service.reading import read_scores_request

VALUES = {
    "spell_id": '"S1"',
    "subject_id": '"P1"',
    "events": "[]",
    "code": '"A"',
    "time": "null",
    "numeric_value": "1",
}


def problem_of(body):
    """The problem of a body, if it has one."""
    try:
        read_scores_request(body)
    except Problem as problem:
        return problem
    return None


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"numeric_value": 84', '"numeric_value": 20, "numeric_value": 84'),
        ('"numeric_value": 84', '"numeric_value" : 20, "numeric_value"\\t:\\n84'),
        ('"numeric_value": 84', '"numeric\\u005fvalue": 20, "numeric_value": 84'),
        ('"subject_id": "P123"', '"subject_id": "P1", "subject_id": "P123"'),
        ('"spells"', '"prediction_time": "2026-01-14T06:00:00Z", "spells"'),
        ('"time": null', '"time": null, "time": null'),
    ],
)
def test_a_repeated_key_is_refused(request_body, once, twice):
    text = json.dumps(request_body)
    assert once in text
    altered = text.replace(
        once, twice.encode().decode("unicode_escape") if "\\t" in twice else twice, 1
    )
    (fault,) = problem_of(altered.encode()).faults
    assert fault.detail == "every key once in its object expected, found one repeated"


@pytest.mark.parametrize("text", ['a":b', '":', "\\", 'x\\":\\"y', '"', "a\\"])
def test_odd_texts_are_no_repeated_keys(request_body, the_spell, text):
    the_spell["subject_id"] = text
    the_spell["events"][0]["spell_id"] = text
    for layout in ({}, {"separators": (" , ", "\t:\n")}, {"indent": 2}):
        read_scores_request(json.dumps(request_body, **layout).encode())


@given(spaces=st.tuples(*[st.text(" \t\r\n", max_size=3)] * 2), escaped=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_repeats_are_found_however_it_is_written(request_body, spaces, escaped):
    layout = {"separators": (f"{spaces[0]},", f"{spaces[1]}:")}
    request_body["spells"][0]["subject_id"] = 'a"b' if escaped else "ab"
    good = json.dumps(request_body, **layout)
    assert problem_of(good.encode()) is None
    for name in ("spell_id", "subject_id", "events", "code", "time", "numeric_value"):
        key = f'"{name}"'
        bad = good.replace(key, f"{key}{spaces[1]}:{VALUES[name]}{spaces[0]},{key}", 1)
        assert "repeated" in problem_of(bad.encode()).faults[0].detail


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=20,
)
EVENT = st.fixed_dictionaries(
    {
        "code": st.sampled_from(["SPELL_START", "SPELL_END", "NEWS2", "SEX//1"])
        | st.text(max_size=5),
        "time": st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.none() | ANY_JSON,
    },
    optional={
        "numeric_value": st.floats() | ANY_JSON,
        "recorded_at": ANY_JSON,
        "spell_id": st.sampled_from(["S1", "S2"]) | ANY_JSON,
        "Smith": ANY_JSON,
    },
)
REQUEST = st.fixed_dictionaries(
    {
        "prediction_time": st.sampled_from(["2026-01-14T06:00:00Z", 7, None]),
        "spells": st.lists(
            st.fixed_dictionaries(
                {
                    "spell_id": st.sampled_from(["S1", "S2"]) | ANY_JSON,
                    "subject_id": st.just("P1") | ANY_JSON,
                    "events": st.lists(EVENT, max_size=4) | ANY_JSON,
                }
            ),
            max_size=3,
        )
        | ANY_JSON,
    }
)


@given(body=REQUEST | ANY_JSON)
def test_any_body_is_read_or_refused_in_our_own_words(body):
    problem = problem_of(json.dumps(body).encode())
    if problem is None:
        return
    assert problem.kind.status == 422
    assert 1 <= len(problem.faults) <= 20
    details = {fault.detail for fault in problem.faults}
    assert "another value expected" not in details  # the words for what nobody thought of


@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    with pytest.raises(Problem):
        read_scores_request(body)
