"""Strategies of broken and hostile input, made from good input: what every door is fuzzed with."""

import copy
import json

from hypothesis import strategies as st

MOMENTS = (
    # the zero of clocks, a year to come, the hour that spring leaves out and the one autumn repeats
    *("1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59-14:00", "2026-03-29T01:30:00+00:00", "2026-10-25T01:30:00+01:00"),
    *("2026-03-29T01:30:00", "2026-02-30T00:00:00Z", "2026-01-14T24:00:00Z", "2026-01-14", "2026"),
    *("2026-01-14T06:00:60Z", "2026-01-14T06:00:00.123456789123Z", "2026-01-14T06:00:00+99:99"),
)
WORDS = (
    *(
        "",
        " ",
        "\x00",
        "\x1b[31m",
        "\ufeff",
        "\u202e",
        "\ud800",
        "\udfff\ud800",
        "e\u0301",
        "\U0001f9d3",
    ),
    *(
        "NaN",
        "-inf",
        "null",
        "1e999",
        "9" * 30,
        "../../etc/passwd",
        "%s%n{0}",
        "'; DROP TABLE x;--",
    ),
    *("SPELL_START", "SPELL_END", "SEX//9", "DEATH", "NO_SUCH//CODE", "//", "A" * 5000),
    *("Patient/p1", "Encounter/e1", "urn:uuid:1", "#id", "Patient/p1/_history/2", "http://x/y/z"),
    *("Patient", "Encounter", "Observation", "Bundle", "finished", "in-progress", "IMP"),
)
NUMBERS = (0, -1, 1 << 31, 1 << 63, -(1 << 63) - 1, 10**400, 1e308, -0.0, 5e-324)
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS + NO_NUMBERS),
    st.integers(),
    st.floats(),
    st.sampled_from(MOMENTS),
    st.sampled_from(WORDS),
    st.text(st.characters(), max_size=12),
    st.sampled_from([[], {}, [None], [[]], {"": None}, [{}], {"a": {"a": {"a": []}}}]),
)


def places_in(value, path=()):
    """Paths of everything inside a JSON value."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places_in(one, (*path, key))


def at(value, path):
    """What lies at a path."""
    for step in path:
        value = value[step]
    return value


@st.composite
def altered(draw, good):
    """A good JSON value with some of it replaced, lost, renamed, doubled or moved elsewhere."""
    told = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        places = list(places_in(told))
        if not places:
            break
        *steps, last = draw(st.sampled_from(places))
        target = at(told, steps)
        kind = draw(st.sampled_from(["replace", "replace", "lose", "rename", "double", "move"]))
        if kind == "replace":
            target[last] = copy.deepcopy(draw(anything))  # lists of ours stay as they are
        elif kind == "lose":
            del target[last]
        elif kind == "rename" and isinstance(target, dict):
            target[draw(st.sampled_from(WORDS))] = target.pop(last)
        elif kind == "double" and isinstance(target, list):
            target.extend(copy.deepcopy(target[last]) for _ in range(draw(st.integers(1, 3))))
        else:  # a value of one place in another: the wrong type, or a circle
            target[last] = copy.deepcopy(at(told, draw(st.sampled_from(places))))
    return told


@st.composite
def written(draw, value):
    """JSON as bytes, seldom well written: encodings, cuts, repeats, depth, what follows after."""
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    coding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32-be", "latin-1"]))
    whole = text.encode(coding, "surrogatepass" if coding.startswith("utf") else "replace")
    return draw(harmed(whole)) if draw(st.integers(0, 3)) == 0 else whole


@st.composite
def harmed(draw, whole):
    """Bytes that were cut, doubled, turned or added to on their way."""
    place = draw(st.integers(0, len(whole)))
    return draw(
        st.sampled_from(
            [
                whole[:place],
                whole[:place] + b"\x00" + whole[place:],
                whole[:place] + draw(st.binary(min_size=1, max_size=3)) + whole[place + 1 :],
                whole + whole,
                whole + b"\x1a",
                whole[:place] + b"[" * 60_000 + whole[place:],
                whole[:place] + b'"a":1,"a":2,' + whole[place:],
                whole[place:],
            ]
        )
    )
