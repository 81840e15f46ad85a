"""Events in memory: one order for one content, nothing lost, nothing invented."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.errors import BadInput
from feature_store.events import COLUMNS, NO_SPELL, NO_TIME, Events, concatenate

ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([NO_TIME, 0, 1, 2]),
        st.sampled_from(["AGE", "NEWS2", "WARD//A"]),
        st.sampled_from([1.0, 2.0, 3.0, float("nan")]),
        st.sampled_from([NO_SPELL, 7]),
        st.sampled_from([NO_TIME, 1, 2]),
    ),
    max_size=12,
)


def build(rows):
    subject, time, code, value, spell, recorded = zip(*rows, strict=True) if rows else [()] * 6
    return Events.build(
        subject_id=subject,
        time=time,
        code=code,
        numeric_value=value,
        spell_id=spell,
        recorded_at=recorded,
    )


def content(events):
    """Return the rows as plain tuples, NaN as None."""
    values = [None if np.isnan(value) else float(value) for value in events.numeric_value]
    codes = [events.codes[code] for code in events.code]
    others = (
        getattr(events, name).tolist() for name in COLUMNS if name not in {"code", "numeric_value"}
    )
    return list(zip(codes, values, *others, strict=True))


@given(ROWS, st.randoms(use_true_random=False))
def test_one_content_has_one_order(rows, random):
    shuffled = random.sample(rows, len(rows))
    # Rows that tie in every key may differ in the spell alone, which nothing reads by order.
    strip = [row[:4] + row[5:] for row in content(build(rows).in_order())]
    assert strip == [row[:4] + row[5:] for row in content(build(shuffled).in_order())]


@given(ROWS)
def test_order_is_recognised(rows):
    events = build(rows)
    keys = (events.numeric_value, events.code, events.recorded_at, events.time, events.subject_id)
    assert events.is_in_order() == (content(events.take(np.lexsort(keys))) == content(events))
    assert events.in_order().is_in_order()


@given(ROWS)
def test_a_missing_value_sorts_last_among_ties(rows):
    values = build([(0, 0, "NEWS2", row[3], 7, 1) for row in rows]).in_order().numeric_value
    known = values[~np.isnan(values)]
    assert (np.sort(known) == known).all()
    assert np.isnan(values[len(known) :]).all()


@given(st.lists(ROWS, max_size=4))
def test_parts_joined_hold_what_the_parts_held(parts):
    joined = concatenate([build(rows) for rows in parts])
    assert content(joined) == [row for rows in parts for row in content(build(rows))]
    joined.check()


def test_recorded_when_it_happened_unless_told_otherwise():
    events = build([(1, 60, "NEWS2", 3.0, 7, NO_TIME), (1, NO_TIME, "SEX//1", 0.0, 7, NO_TIME)])
    assert events.recorded_at.tolist() == [60, NO_TIME]
    assert events.visible_at.tolist() == [60, NO_TIME]


def test_visible_once_both_happened_and_recorded():
    events = build([(1, 60, "NEWS2", 3.0, 7, 90), (1, 90, "NEWS2", 3.0, 7, 60)])
    assert events.visible_at.tolist() == [90, 90]


def test_rows_are_found_by_whole_code():
    events = build([(1, 0, code, 1.0, 7, 0) for code in ("WARD//A", "WARD//AB", "WARD")])
    assert events.rows_of("WARD//A").tolist() == [True, False, False]
    assert not events.rows_of("NEWS2").any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"time": np.zeros(3, np.int64)}, "one length"),
        ({"code": np.array([0, 2], np.int32)}, "outside the list"),
        ({"code": np.array([0, -1], np.int32)}, "outside the list"),
        ({"codes": ("NEWS2", "AGE")}, "ascending order"),
        ({"codes": ("AGE", "AGE")}, "ascending order"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change, says):
    events = build([(1, 0, "AGE", 80.0, 7, 0), (1, 0, "NEWS2", 3.0, 7, 0)])
    with pytest.raises(BadInput, match=says):
        replace(events, **change).check()
