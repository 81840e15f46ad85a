"""Features as of a moment, against a plain-Python reading of the rules."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store import clock, compute
from feature_store.clock import DAY, HOUR, local_hour, local_weekday, midnights_between, to_moment
from feature_store.compute import compute_features
from feature_store.definitions import Feature, FeatureSet, Read, Scope
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, NO_TIME, Events, concatenate
from feature_store.nhs import NHS
from feature_store.snapshots import Snapshots

CODES = ("NEWS2", "WARD//A", "WARD//B", "WARD//C", "SPELL_START", "SPELL_END", "UNKNOWN")
START = 20_000 * DAY

EVENT_READS = (
    *(Read.LATEST, Read.EARLIEST, Read.MINIMUM, Read.MAXIMUM, Read.MEAN, Read.SUM),
    *(Read.COUNT, Read.CHANGE, Read.HOURS_SINCE),
)


def every_feature():
    """Each read in each scope and window, categories, and the clock."""
    make = partial(Feature, label="x")
    numbers = (
        make(
            name=f"{read.name}_{scope.name}_{window}",
            read=read,
            codes=("NEWS2",),
            scope=scope,
            window_hours=window,
        )
        for read in EVENT_READS
        for scope in Scope
        for window in (None, 24.0, 72.0)
    )
    wards = (
        make(
            name=f"ward_{scope.name}",
            read=Read.CATEGORY,
            codes=("WARD",),
            categories=("A", "B"),
            scope=scope,
        )
        for scope in Scope
    )
    clock = (
        make(name=read.name, read=read)
        for read in (
            Read.DAYS_SO_FAR,
            Read.HOURS_SO_FAR,
            Read.ADMISSION_HOUR,
            Read.WEEKDAY,
            Read.ADMISSION_MONTH,
        )
    )
    prior = make(
        name="prior",
        read=Read.SUM,
        codes=("SPELL_END",),
        scope=Scope.HISTORY,
        window_hours=365 * 24.0,
    )
    one_code = make(name="ward_b", read=Read.COUNT, codes=("WARD//B",))
    return FeatureSet((*numbers, *wards, *clock, prior, one_code))


EVERY = every_feature()


def history(rng, subjects=3, each=25):
    """Random events around an admission: late records, ties, facts without time, other spells."""
    size = subjects * each
    time = START + rng.integers(-100, 100, size) * HOUR
    late = rng.integers(0, 48, size) * HOUR * (rng.random(size) < 0.3)
    timeless = rng.random(size) < 0.1
    subject = rng.integers(0, subjects, size)
    spell = np.where(
        rng.random(size) < 0.3, NO_SPELL, np.where(rng.random(size) < 0.3, 900, subject)
    )
    return Events(
        subject_id=subject,
        time=np.where(timeless, NO_TIME, time),
        code=rng.integers(0, len(CODES), size).astype(np.int32),
        numeric_value=np.where(rng.random(size) < 0.2, np.nan, rng.integers(0, 20, size)).astype(
            np.float32
        ),
        spell_id=spell,
        recorded_at=np.where(timeless, NO_TIME, time + late),
        codes=CODES,
    )


def questions(rng, subjects=3, each=4):
    subject = np.repeat(np.arange(subjects), each)
    moment = START + rng.integers(0, 120, subject.size) * HOUR
    return Snapshots(subject, subject.copy(), np.full(subject.size, START), moment)


def by_the_rules(events, snapshot, feature):
    """One feature of one snapshot, as the definitions say it, without any speed."""
    subject, spell, start, now = (int(column[0]) for column in vars_of(snapshot))
    if not feature.codes:
        return read_clock(feature.read, start, now)
    rows = []
    for row in range(len(events)):
        time, recorded = int(events.time[row]), int(events.recorded_at[row])
        if events.subject_id[row] != subject or max(time, recorded) > now:
            continue
        code = events.codes[events.code[row]]
        if code not in feature.codes and code.split("//")[0] not in feature.codes:
            continue
        timeless = time == NO_TIME
        owner = int(events.spell_id[row])
        here = timeless or owner == spell or (owner == NO_SPELL and time >= start)
        if (feature.scope is Scope.SPELL and not here) or (feature.scope is Scope.HISTORY and here):
            continue
        if feature.window_hours is not None:
            anchor = start if feature.scope is Scope.HISTORY else now
            if timeless or time <= anchor - feature.window_hours * HOUR:
                continue
        rows.append((time, recorded, code, float(events.numeric_value[row])))
    rows.sort(key=lambda row: (row[0], row[1], row[2], math.inf if math.isnan(row[3]) else row[3]))
    return read_rows(feature, rows, now)


def vars_of(snapshot):
    return snapshot.subject_id, snapshot.spell_id, snapshot.spell_start, snapshot.prediction_time


def read_clock(read, start, now):
    one = partial(np.array, dtype=np.int64)
    return {
        Read.DAYS_SO_FAR: lambda: float(midnights_between(one([start]), one([now]))[0]),
        Read.HOURS_SO_FAR: lambda: (now - start) / HOUR,
        Read.ADMISSION_HOUR: lambda: float(local_hour(one([start]))[0]),
        Read.WEEKDAY: lambda: float(local_weekday(one([now]))[0]),
        Read.ADMISSION_MONTH: lambda: float(to_moment(start).month),
    }[read]()


def read_rows(feature, rows, now):
    values = [row[3] for row in rows if not math.isnan(row[3])]
    of_rows = {
        Read.COUNT: lambda: float(len(rows)),
        Read.SUM: lambda: math.fsum(values),
        Read.HOURS_SINCE: lambda: hours_since(rows, now),
        Read.CATEGORY: lambda: position_of(feature, rows),
        Read.CHANGE: lambda: values[-1] - values[0] if len(values) > 1 else math.nan,
    }
    of_values = {
        Read.LATEST: lambda: values[-1],
        Read.EARLIEST: lambda: values[0],
        Read.MINIMUM: lambda: min(values),
        Read.MAXIMUM: lambda: max(values),
        Read.MEAN: lambda: math.fsum(values) / len(values),
    }
    if feature.read in of_rows:
        return of_rows[feature.read]()
    return of_values[feature.read]() if values else math.nan


def hours_since(rows, now):
    return (now - rows[-1][0]) / HOUR if rows and rows[-1][0] != NO_TIME else math.nan


def position_of(feature, rows):
    if not rows:
        return math.nan
    value = rows[-1][2].split("//")[1]
    known = list(feature.categories)
    return float(known.index(value) if value in known else len(known))


@pytest.mark.parametrize("seed", range(8))
def test_every_feature_is_what_its_definition_says(seed):
    rng = np.random.default_rng(seed)
    events, asked = history(rng), questions(rng)
    expected = [
        [by_the_rules(events, asked.take(np.array([row])), feature) for feature in EVERY.features]
        for row in range(len(asked))
    ]
    np.testing.assert_allclose(compute_features(events, asked, EVERY), expected, rtol=1e-12)


@given(st.integers(0, 2**32))
def test_an_event_recorded_later_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    events, asked = history(rng), questions(rng)
    later = history(rng)
    after = int(asked.prediction_time.max()) + 1
    later = replace(later, recorded_at=np.maximum(later.recorded_at, after))
    assert_same(
        compute_features(events, asked, EVERY),
        compute_features(concatenate([events, later]), asked, EVERY),
    )


def test_a_clock_that_another_thread_puts_in_place_meanwhile_changes_nothing(monkeypatch):
    """Of far years a clock is made; before it is used somebody else asks about other years."""
    rng = np.random.default_rng(1)
    events, asked = history(rng), questions(rng)
    expected = compute_features(events, asked, EVERY)
    others = np.array([400 * 365 * DAY])

    def interrupted(times):
        made = clock.clock_for(times)
        clock.clock_for(others)
        return made

    clock.clock_for(others)
    monkeypatch.setattr(compute, "clock_for", interrupted)
    assert_same(compute_features(events, asked, EVERY), expected)


@given(st.integers(0, 2**32))
def test_the_order_of_events_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    events, asked = history(rng), questions(rng)
    shuffled = events.take(rng.permutation(len(events)))
    assert_same(compute_features(events, asked, EVERY), compute_features(shuffled, asked, EVERY))


@given(st.integers(0, 2**32))
def test_a_batch_of_one_is_its_row_in_a_big_batch(seed):
    rng = np.random.default_rng(seed)
    events, asked = history(rng), questions(rng)
    together = compute_features(events, asked, EVERY)
    for row in range(len(asked)):
        alone = asked.take(np.array([row]))
        own = events.take(events.subject_id == asked.subject_id[row])
        assert_same(together[row], compute_features(own, alone, EVERY)[0])


def test_a_batch_of_one_is_its_row_in_a_batch_of_a_million():
    """Also if the million are asked in another order."""
    rng = np.random.default_rng(0)
    size, patients, moments = 600_000, 40_000, 1_000_000
    time = START + rng.integers(-30 * 24, 30 * 24, size) * HOUR
    subject = rng.integers(0, patients, size)
    events = Events(
        subject_id=subject,
        time=time,
        code=rng.integers(0, len(CODES), size).astype(np.int32),
        numeric_value=np.where(rng.random(size) < 0.1, np.nan, rng.normal(9, 3, size)).astype("f4"),
        spell_id=np.where(rng.random(size) < 0.5, subject, NO_SPELL),
        recorded_at=time + rng.integers(0, 48, size) * HOUR,
        codes=tuple(sorted(CODES)),
    ).in_order()
    whose = rng.integers(0, patients, moments)
    now = START + rng.integers(0, 30 * 24 * 60, moments) * (HOUR // 60)
    asked = Snapshots(whose, whose.copy(), np.full(moments, START), now)
    features = EVERY.take(list(range(0, len(EVERY), 6)))  # each column is 8 MB
    together = compute_features(events, asked, features)
    order = rng.permutation(moments)
    assert_same(compute_features(events, asked.take(order), features), together[order])
    for row in rng.integers(0, moments, 500).tolist():
        first, end = np.searchsorted(events.subject_id, [whose[row], whose[row] + 1])
        own = events.take(np.arange(first, end))
        alone = compute_features(own, asked.take(np.array([row])), features)
        assert_same(together[row], alone[0])


@pytest.mark.parametrize("seed", range(8))
def test_windows_that_all_end_give_what_they_give_beside_endless_ones(seed):
    """The kernel does not walk what no window can reach."""
    rng = np.random.default_rng(seed)
    events, asked = history(rng), questions(rng)
    ending = [at for at, feature in enumerate(EVERY.features) if feature.window_hours is not None]
    spells = [at for at in ending if EVERY.features[at].scope is Scope.SPELL]
    together = compute_features(events, asked, EVERY)
    for columns in (ending, spells, [at for at in ending if at not in spells]):
        assert_same(together[:, columns], compute_features(events, asked, EVERY.take(columns)))


def test_an_event_recorded_at_the_prediction_time_is_known_and_one_microsecond_later_is_not():
    news = FeatureSet((Feature(name="news2", label="NEWS2", read=Read.LATEST, codes=("NEWS2",)),))
    asked = Snapshots(*(np.array([value], np.int64) for value in (1, 1, START, START + HOUR)))
    for recorded, expected in ((START + HOUR, 6.0), (START + HOUR + 1, math.nan)):
        events = Events.build(
            subject_id=[1],
            time=[START],
            code=["NEWS2"],
            numeric_value=[6],
            spell_id=[1],
            recorded_at=[recorded],
        )
        np.testing.assert_equal(compute_features(events, asked, news)[0, 0], expected)


def test_a_fact_about_the_future_is_not_a_fact_yet():
    news = FeatureSet((Feature(name="news2", label="NEWS2", read=Read.COUNT, codes=("NEWS2",)),))
    asked = Snapshots(*(np.array([value], np.int64) for value in (1, 1, START, START + HOUR)))
    planned = Events.build(
        subject_id=[1], time=[START + DAY], code=["NEWS2"], spell_id=[1], recorded_at=[START]
    )
    assert compute_features(planned, asked, news)[0, 0] == 0.0


@pytest.mark.parametrize(
    "family", ["SPELL_END", "DISCHARGE_READY", "DISCHARGE_DESTINATION", "CRITERIA_TO_RESIDE"]
)
@pytest.mark.parametrize("scope", [Scope.SPELL, Scope.ANY])
def test_what_belongs_to_the_end_of_a_spell_cannot_be_declared_as_its_feature(family, scope):
    with pytest.raises(BadInput, match="can only be read from earlier spells"):
        Feature(name="leak", label="leak", read=Read.COUNT, codes=(family,), scope=scope)


def test_no_events_and_no_questions_are_answered_with_missing_and_nothing():
    none = Events.build(subject_id=[], time=[], code=[])
    asked = questions(np.random.default_rng(0))
    matrix = compute_features(none, asked, NHS)
    assert matrix.shape == (len(asked), len(NHS))
    assert math.isnan(matrix[0, NHS.names.index("news2_latest")])
    assert compute_features(none, asked.take(np.zeros(0, np.intp)), NHS).shape == (0, len(NHS))


def test_a_feature_set_survives_json_and_its_hash_notices_any_change():
    assert FeatureSet.from_json(NHS.to_json()) == NHS
    changed = FeatureSet((replace(NHS.features[0], window_hours=1.0), *NHS.features[1:]))
    assert changed.hash != NHS.hash


def assert_same(left, right):
    """Equal to the last bit, missing where missing."""
    np.testing.assert_array_equal(left, right)
