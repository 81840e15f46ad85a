"""What goes into the live store stays, once; what was known at a moment comes out."""

import math
from contextlib import closing
from dataclasses import fields, replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from feature_store.clock import DAY, HOUR
from feature_store.compute import compute_features
from feature_store.dataset import fresh_folder, open_dataset, write_dataset
from feature_store.errors import BadInput
from feature_store.events import COLUMNS, NO_SPELL, NO_TIME, Events, concatenate
from feature_store.live import Appended, open_store
from feature_store.live.database import reading
from feature_store.live.export import Origin, read_past, write_live_dataset
from feature_store.live.schema import EVENTS, SPELLS
from feature_store.manifest import Clock, Manifest
from feature_store.nhs import NHS
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from feature_store.table import from_table, to_table

NOW = 20_000 * DAY
LATER = NOW + 100 * DAY
CODES = ("NEWS2", "CRP", "WARD//A", "WARD//B", "SITE//X", "LOCAL_THING", "SEX//1")


def build(*rows):
    """Events from (subject, spell, time, code, value, recorded) tuples."""
    columns = list(zip(*rows, strict=True)) or [()] * 6
    names = ("subject_id", "spell_id", "time", "code", "numeric_value", "recorded_at")
    return Events.build(**dict(zip(names, columns, strict=True)))


def contents(events):
    """Events as a sorted list of plain rows, NaN as None."""
    columns = [getattr(events, name).tolist() for name in COLUMNS]
    rows = []
    for row in zip(*columns, strict=True):
        told = dict(zip(COLUMNS, row, strict=True))
        told["code"] = events.codes[told["code"]]
        value = told["numeric_value"]
        told["numeric_value"] = -1.0 if math.isnan(value) else value
        rows.append(tuple(told[name] for name in COLUMNS))
    return sorted(rows)


def stay(subject, spell, start, end=None, ward="A"):
    """A plausible spell with a few facts."""
    rows = [
        (subject, spell, start, "SPELL_START", np.nan, start),
        (subject, spell, start, f"WARD//{ward}", np.nan, start),
        (subject, spell, start, "SITE//X", np.nan, start),
        (subject, spell, start + HOUR, "NEWS2", 5, start + 2 * HOUR),
    ]
    if end is not None:
        rows.append((subject, spell, end, "SPELL_END", (end - start) // DAY, end + HOUR))
    return build(*rows)


facts = st.tuples(
    st.integers(1, 4),
    st.just(NO_SPELL),
    st.one_of(st.just(NO_TIME), st.integers(NOW - 5 * HOUR, NOW)),
    st.sampled_from(CODES),
    st.one_of(st.just(np.nan), st.integers(1, 9)),
    st.integers(NOW - 5 * HOUR, NOW),
)
batches = st.lists(facts, max_size=12).map(lambda rows: build(*rows))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Open a new store whenever called."""
    folder, numbers, opened = tmp_path_factory.mktemp("stores"), count(), []

    def make():
        opened.append(open_store(f"sqlite:///{folder / str(next(numbers))}.db", durable=False))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


# ---- in ------------------------------------------------------------------------------------------


def test_a_batch_comes_back_as_it_went_in(store):
    events = concatenate([stay(1, 11, NOW - DAY), stay(2, 22, NOW - 3 * DAY, NOW - DAY)])
    assert store.append(events, received_at=LATER) == Appended(added=len(events), known=0)
    assert contents(store.histories([1, 2], as_of=NOW)) == contents(events)


def test_a_batch_sent_again_adds_nothing(store):
    events = concatenate([stay(1, 11, NOW - DAY), build((1, NO_SPELL, NO_TIME, "SEX//1", 0, 0))])
    store.append(events, received_at=LATER)
    assert store.append(events, received_at=LATER + HOUR) == Appended(added=0, known=len(events))
    assert contents(store.history(1, as_of=NOW)) == contents(events)


def test_an_event_twice_in_a_batch_is_one_event(store):
    events = stay(1, 11, NOW - DAY)
    twice = concatenate([events, events])
    assert store.append(twice, received_at=LATER) == Appended(len(events), len(events))


def test_a_missing_value_and_a_number_are_different_events(store):
    events = build(*((1, NO_SPELL, NOW, "NEWS2", value, NOW) for value in (np.nan, 0, 1)))
    assert store.append(events, received_at=LATER).added == 3


@settings(max_examples=30)
@given(st.lists(batches, max_size=4), st.randoms())
def test_order_partition_and_repetition_of_batches_change_nothing(fresh, given_batches, random):
    whole = concatenate(given_batches)
    once, pieces = fresh(), fresh()
    once.append(whole, received_at=LATER)
    rows = [whole.take(np.array([row])) for row in range(len(whole))] * 2
    random.shuffle(rows)
    for row in rows:
        pieces.append(row, received_at=LATER + random.randint(0, HOUR))
    left, right = (one.histories([1, 2, 3, 4], as_of=NOW).in_order() for one in (once, pieces))
    for column in fields(Events):
        np.testing.assert_array_equal(getattr(left, column.name), getattr(right, column.name))


ODD = {
    "absurdly late": (1, 11, NOW + 401 * DAY, "NEWS2", 1, NOW),
    "absurdly early": (1, 11, -80 * 365 * DAY, "NEWS2", 1, NOW),
    "known before it can be": (1, 11, NOW, "NEWS2", 1, NOW + HOUR),
    "infinite": (1, 11, NOW, "CRP", np.inf, NOW),
    "out of range": (1, 11, NOW, "NEWS2", 21, NOW),
    "outside the value set": (1, 11, NOW, "ADMISSION_METHOD//77", np.nan, NOW),
    "no code": (1, 11, NOW, "", np.nan, NOW),
    "a code with a control character": (1, 11, NOW, "X\x00", np.nan, NOW),
    "a code with half a character": (1, 11, NOW, "X\ud800", np.nan, NOW),
    "a long code": (1, 11, NOW, "X" * 257, np.nan, NOW),
    "a negative subject": (-5, 11, NOW, "NEWS2", 1, NOW),
    "a start of no spell": (1, NO_SPELL, NOW, "SPELL_START", np.nan, NOW),
    "a start at no time": (1, 11, NO_TIME, "SPELL_START", np.nan, NOW),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
def test_nothing_is_kept_of_a_batch_with_one_event_that_cannot_be(sqlite_store, odd):
    batch = concatenate([stay(1, 11, NOW - DAY), build(odd)])
    with pytest.raises(BadInput, match=r"expected \(event 4\)"):
        sqlite_store.append(batch, received_at=NOW)
    assert len(sqlite_store.history(1, as_of=NOW)) == 0
    assert sqlite_store.inpatients(NOW) == []


def test_a_batch_that_is_too_large_is_refused(sqlite_store):
    size = 10_001
    events = Events.build(subject_id=[1] * size, time=range(size), code=["NEWS2"] * size)
    with pytest.raises(BadInput, match="at most 10000 in a batch expected, got 10001"):
        sqlite_store.append(events, received_at=LATER)


def test_an_unknown_family_is_data(store):
    events = build((1, 11, NOW, "LOCAL_THING//β", 1e30, NOW))
    store.append(events, received_at=LATER)
    assert contents(store.history(1, as_of=NOW)) == contents(events)


# ---- out, as of a moment -------------------------------------------------------------------------


steps = st.lists(
    st.tuples(st.sampled_from(["append", "retract"]), st.lists(facts, min_size=1, max_size=4)),
    max_size=8,
)


@settings(max_examples=25)
@given(steps)
def test_every_past_moment_is_as_it_was(fresh, made):
    """Against a plain list of what was known from when until when."""
    store = fresh()
    known = {}  # row -> [from, until]
    moment = NOW
    for kind, rows in made:
        moment += HOUR
        events = build(*rows)
        if kind == "append":
            store.append(events, received_at=moment)
            for row in contents(events):
                known.setdefault(row, [max(row[1], row[5]), None])
        else:
            store.retract(events, at=moment)
            said = {row[:5] for row in contents(events)}
            for row, life in known.items():
                if row[:5] in said and life[1] is None:
                    life[1] = moment
    for as_of in range(NOW - 6 * HOUR, moment + HOUR, HOUR // 2):
        expected = sorted(
            row
            for row, (since, until) in known.items()
            if since <= as_of and (until is None or until > as_of)
        )
        assert contents(store.histories([1, 2, 3, 4], as_of=as_of)) == expected


def test_what_is_recorded_later_changes_no_earlier_answer(store):
    store.append(stay(1, 11, NOW - DAY), received_at=LATER)
    before = contents(store.history(1, as_of=NOW))
    late = build((1, 11, NOW - HOUR, "CRP", 80, NOW + HOUR), (1, 11, NOW + 1, "CRP", 90, NOW + 1))
    store.append(late, received_at=NOW + 2 * HOUR)
    assert contents(store.history(1, as_of=NOW)) == before
    assert len(store.history(1, as_of=NOW + HOUR)) == len(before) + 2


def test_a_fact_that_says_when_it_was_recorded_is_unknown_before_whenever_it_is_sent(store):
    store.append(stay(1, 11, NOW - DAY), received_at=NOW)
    before = contents(store.history(1, as_of=NOW + 5 * HOUR - 1))
    told = build((1, 11, NOW - 9 * HOUR, "CRP", 80, NOW + 5 * HOUR))
    store.append(told, received_at=NOW + 5 * HOUR)
    assert contents(store.history(1, as_of=NOW + 5 * HOUR - 1)) == before
    assert len(store.history(1, as_of=NOW + 5 * HOUR)) == len(before) + 1


def test_a_fact_that_does_not_say_counts_from_its_time_and_a_dataset_counts_those_that_came_late(
    store, tmp_path
):
    """As the interface has it: history that is loaded in bulk has no other moment."""
    store.append(build((1, 11, NOW, "SPELL_START", np.nan, NOW)), received_at=NOW + HOUR)
    asked_at, received = NOW + 2 * HOUR, NOW + 30 * HOUR
    silent = build((1, 11, asked_at - 1, "CRP", 80, asked_at - 1))
    store.append(silent, received_at=received)
    assert store.history(1, as_of=asked_at).rows_of("CRP").any()
    origin = Origin(source="live", synthetic=True)
    with fresh_folder(tmp_path / "events") as folder:
        manifest = write_live_dataset(store, folder, at=received, origin=origin)
    assert manifest.counts["backdated_events"] == 1


def test_a_retraction_is_counted_once_and_can_be_taken_back(store):
    events = build((1, 11, NOW, "CRP", 80, NOW))
    store.append(events, received_at=LATER)
    assert store.retract(events, at=NOW + 1) == 1
    assert store.retract(events, at=NOW + 2) == 0
    again = build((1, 11, NOW, "CRP", 80, NOW + 3))
    store.append(again, received_at=NOW + 3)
    seen = [len(store.history(1, as_of=NOW + later)) for later in range(5)]
    assert seen == [1, 0, 0, 1, 1]


# ---- the same features as from a dataset ---------------------------------------------------------


@st.composite
def hospitals(draw):
    """Patients with one or two spells each, measured, coded and discharged, in any order."""
    rows = []
    for subject in range(1, draw(st.integers(1, 4)) + 1):
        rows.append(
            (subject, NO_SPELL, NO_TIME, f"SEX//{draw(st.sampled_from('12'))}", np.nan, NO_TIME)
        )
        start = NOW - draw(st.integers(0, 900)) * HOUR - 40 * DAY
        for number in range(draw(st.integers(1, 2))):
            spell, nights = 10 * subject + number, draw(st.integers(0, 9))
            rows.append((subject, spell, start, "SPELL_START", np.nan, start))
            rows.append((subject, spell, start, "AGE", draw(st.integers(18, 99)), start))
            for _ in range(draw(st.integers(0, 8))):
                time = start + draw(st.integers(0, 24 * nights + 5)) * HOUR
                code = draw(st.sampled_from(("NEWS2", "CRP", "ALBUMIN", "UREA")))
                value = draw(st.integers(15, 60)) / 3
                rows.append(
                    (subject, spell, time, code, value, time + draw(st.integers(0, 30)) * HOUR)
                )
            end = start + nights * DAY + 6 * HOUR
            rows.append((subject, spell, end, "SPELL_END", nights, end + HOUR))
            start = end + 2 * DAY
    return build(*draw(st.permutations(rows)))


@settings(max_examples=25)
@given(hospitals(), st.integers(1, 7))
def test_live_store_and_dataset_give_the_same_features_to_the_last_bit(
    fresh, tmp_path_factory, events, parts
):
    store = fresh()
    for part in range(parts):
        store.append(events.take(np.arange(part, len(events), parts)), received_at=NOW + 30 * DAY)
    manifest = Manifest(
        source="test",
        synthetic=True,
        clock=Clock.EXACT,
        start="2024-01-01T00:00:00+00:00",
        observed_until="2025-01-01T00:00:00+00:00",
    )
    out = tmp_path_factory.mktemp("dataset") / "events"
    with fresh_folder(out) as folder:
        write_dataset(folder, iter([to_table(events.in_order())]), manifest)
    from_files = open_dataset(out).read()
    snapshots = daily_snapshots(find_spells(from_files), until=NOW + 30 * DAY)
    expected = compute_features(from_files, snapshots, NHS)
    subjects = np.unique(snapshots.subject_id).tolist()
    whole = compute_features(store.histories(subjects, as_of=NOW + 90 * DAY), snapshots, NHS)
    assert whole.tobytes() == expected.tobytes()
    for row in range(len(snapshots)):
        one = snapshots.take(np.array([row]))
        then = store.history(int(one.subject_id[0]), as_of=int(one.prediction_time[0]))
        assert compute_features(then, one, NHS).tobytes() == expected[row].tobytes()


@settings(max_examples=25)
@given(hospitals(), st.data())
def test_a_dataset_rebuilds_past_moments_through_retractions_and_what_was_said_again(
    fresh, events, data
):
    store, moment, moments = fresh(), NOW, [NOW - 20 * DAY, NOW]
    store.append(events, received_at=NOW + 30 * DAY)
    for _ in range(data.draw(st.integers(1, 6))):
        moment += data.draw(st.integers(1, 50)) * HOUR
        spell = data.draw(st.sampled_from(sorted(set(events.spell_id.tolist()) - {NO_SPELL})))
        mine = np.flatnonzero(events.spell_id == spell)
        whole = data.draw(st.booleans())  # a whole admission, or single facts of it
        some = mine if whole else data.draw(st.lists(st.sampled_from(mine.tolist()), max_size=4))
        chosen, withdrawn = events.take(np.array(some, np.int64)), data.draw(st.booleans())
        if not (whole and withdrawn):
            chosen = chosen.take(~chosen.rows_of("SPELL_START", "SPELL_END"))
        if withdrawn:
            store.retract(chosen, at=moment)
        else:
            store.append(replace(chosen, recorded_at=chosen.time * 0 + moment), received_at=moment)
        moments += [moment, moment + data.draw(st.integers(1, HOUR))]
    past = from_table(to_table(read_past(store, at=moments[-1]))).in_order()
    for as_of in moments:
        held, asked = store.question(as_of)
        known = past.known_at(as_of)
        assert contents(known) == contents(store.histories([1, 2, 3, 4], as_of=as_of))
        for told in (known, past):
            answer = compute_features(told, asked, NHS)
            np.testing.assert_array_equal(answer, compute_features(held, asked, NHS))


# ---- who is in hospital --------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), max_size=12), st.randoms())
def test_inpatients_are_the_spells_that_were_known_to_be_open(fresh, spans, random):
    """An admission is known at once, a discharge an hour after it."""
    store = fresh()
    parts = []
    for spell, (begin, hours) in enumerate(spans):
        start = NOW + begin * HOUR
        end = start + hours * HOUR if hours else None
        parts += [stay(spell, spell, start, end)]
    whole = concatenate(parts)
    rows = list(range(len(whole)))
    random.shuffle(rows)
    for row in rows:
        store.append(whole.take(np.array([row])), received_at=NOW + 90 * HOUR)
    for at in range(NOW - HOUR, NOW + 64 * HOUR, HOUR):
        expected = [
            spell
            for spell, (begin, hours) in enumerate(spans)
            if NOW + begin * HOUR <= at and (not hours or at < NOW + (begin + hours + 1) * HOUR)
        ]
        assert [one.spell_id for one in store.inpatients(at)] == expected


def test_a_cancelled_discharge_and_a_withdrawn_admission_are_seen_when_they_were_said(store):
    store.append(stay(1, 11, NOW, NOW + DAY), received_at=NOW + 2 * DAY)
    end = build((1, 11, NOW + DAY, "SPELL_END", 1, NOW))
    start = build((1, 11, NOW, "SPELL_START", np.nan, NOW))
    assert store.retract(end, at=NOW + 3 * DAY) == 1
    assert store.retract(start, at=NOW + 5 * DAY) == 1
    days = [NOW - 1, NOW, NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY, NOW + 4 * DAY, NOW + 5 * DAY]
    assert [len(store.inpatients(day)) for day in days] == [0, 1, 1, 0, 1, 1, 0]


def test_inpatients_by_site_and_ward_follow_the_patient(store):
    store.append(stay(1, 11, NOW), received_at=LATER)
    store.append(stay(2, 22, NOW, ward="B"), received_at=LATER)
    store.append(build((1, 11, NOW + HOUR, "WARD//B", np.nan, NOW + HOUR)), received_at=LATER)

    def on(ward, at):
        return [one.spell_id for one in store.inpatients(at, ward=ward)]

    assert (on("A", NOW), on("B", NOW)) == ([11], [22])
    assert (on("A", NOW + HOUR), on("B", NOW + HOUR)) == ([], [11, 22])
    assert store.inpatients(NOW, site="Y") == []
    assert len(store.inpatients(NOW, site="X", ward="A")) == 1


def test_a_question_is_what_compute_features_takes(store):
    for number in range(5):
        store.append(stay(number, number, NOW - number * DAY), received_at=LATER)
    events, snapshots = store.question(NOW, ward="A")
    assert snapshots.spell_id.tolist() == [0, 1, 2, 3, 4]
    whole = compute_features(events, snapshots, NHS)
    for row, subject in enumerate(snapshots.subject_id.tolist()):
        one = snapshots.take(np.array([row]))
        alone = compute_features(store.history(subject, as_of=NOW), one, NHS)
        assert alone.tobytes() == whole[row].tobytes()


def test_nobody_in_hospital_is_an_answer(store):
    events, snapshots = store.question(NOW)
    assert (len(events), len(snapshots)) == (0, 0)
    assert len(store.history(1, as_of=NOW)) == 0


def test_inpatients_are_found_by_index(sqlite_store):
    query = (
        "SELECT spell_id FROM live_spells WHERE known_until > 1 AND known_from <= 1",
        "SELECT id FROM live_events WHERE subject_id = 1",
        "SELECT id FROM live_events WHERE spell_id = 1",
    )
    with reading(sqlite_store.engine) as connection:
        plans = [
            " ".join(row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {one}")))
            for one in query
        ]
    names = ("live_spells_known", "live_events_natural_key", "live_events_spell")
    assert all(name in plan for name, plan in zip(names, plans, strict=True)), plans


def test_more_patients_than_a_query_takes_at_once(sqlite_store):
    size = 1_300
    events = Events.build(
        subject_id=range(size), spell_id=range(size), time=[NOW] * size, code=["SPELL_START"] * size
    )
    sqlite_store.append(events, received_at=LATER)
    found, snapshots = sqlite_store.question(NOW)
    assert (len(found), len(snapshots)) == (size, size)


# ---- the file ------------------------------------------------------------------------------------


def test_an_unopened_store_and_a_closed_one_share_the_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'new' / 'live.db'}"
    with closing(open_store(url)) as store:
        store.append(stay(1, 11, NOW), received_at=LATER)
    with closing(open_store(url)) as store, reading(store.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(EVENTS)) == 4
        assert connection.scalar(select(func.count()).select_from(SPELLS)) == 1
