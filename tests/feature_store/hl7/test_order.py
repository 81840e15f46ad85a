"""Whatever order messages arrive in, they end in the same state; the past stays as it was."""

from contextlib import closing
from dataclasses import fields, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR, at_local_hour, local_day, to_moment
from feature_store.compute import compute_features
from feature_store.dataset import fresh_folder, open_dataset, read_shard, write_dataset
from feature_store.events import concatenate
from feature_store.landmarks import known_snapshots
from feature_store.live import open_store
from feature_store.live.export import Origin, read_past, write_live_dataset
from feature_store.manifest import Clock, Manifest
from feature_store.meds import export_meds, ingest_meds
from feature_store.nhs import NHS
from feature_store.snapshots import Snapshots
from feature_store.spells import find_spells
from feature_store.table import to_table
from feature_store.vocabulary import ADMISSION_HOURS, LAST_SNAPSHOT_DAY, MORNING_HOUR, SPELL_START

CODEBOOKS = Path(__file__).parents[3] / "codebooks"
NOW = 20_500 * DAY
PATIENTS = ("P1", "P2", "P3")
VISITS = ("V1", "V2", "V3")
MERGES, MOVES = ("A34", "A40"), ("A44", "A45")
OF_A_VISIT = ("A01", "A02", "A03", "A06", "A07", "A08", "A11", "A12", "A13", "A21", "A22", "A23")

saying = st.fixed_dictionaries(
    {},
    optional={
        "class": st.sampled_from(["I", "D", "O", '""']),
        "ward": st.sampled_from(["A", "B", "C", '""']),
        "site": st.sampled_from(["X", "Y"]),
        "bed": st.sampled_from(["1", "2", '""']),
        "method": st.sampled_from(["21", "11", '""', "zz"]),
        "specialty": st.sampled_from(["300", "430"]),
        "admitted_at": st.integers(-9, 0).map(lambda hours: NOW + hours * HOUR),
        "way_out": st.sampled_from(["1", "4", '""']),
        "sex": st.sampled_from(["M", "F", '""']),
        "born": st.sampled_from(["19400101", "19700615", '""']),
    },
)


@st.composite
def histories(draw):
    """(trigger, what it says) in the right order; some entered at the same second."""
    messages, hour = [], 0
    for _ in range(draw(st.integers(1, 12))):
        hour += draw(st.integers(0, 3))
        trigger = draw(st.sampled_from((*OF_A_VISIT * 2, "A01", "A01", "A31", *MERGES, *MOVES)))
        said = {**draw(saying), "patient": draw(st.sampled_from(PATIENTS)), "visit": ""}
        if trigger not in {"A31", *MERGES}:
            # the visit that is moved stands in MRG-5 or in PV1-19
            place = draw(st.sampled_from(["old_visit", "visit"])) if trigger in MOVES else "visit"
            said[place] = draw(st.sampled_from(VISITS))
        if trigger in {*MERGES, *MOVES}:
            said["old"] = draw(st.sampled_from([one for one in PATIENTS if one != said["patient"]]))
        messages.append((trigger, NOW + hour * HOUR, said))
    return messages


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Open a new store whenever called."""
    folder, numbers = tmp_path_factory.mktemp("orders"), count()

    def make():
        return closing(open_store(f"sqlite:///{folder / str(next(numbers))}.db", durable=False))

    return make


def state(ward):
    """Facts of every patient, who is in hospital, and every feature of theirs; without arrival."""
    at = NOW + 500 * DAY
    inpatients = ward.store.inpatients(at)
    events, snapshots = ward.store.question(at)
    return {
        "facts": [ward.facts(patient, as_of=at) for patient in PATIENTS],
        "inpatients": inpatients,
        "features": compute_features(events, snapshots, NHS).tobytes(),
    }


@settings(max_examples=50)
@given(histories(), st.randoms())
def test_late_repeated_and_disordered_messages_end_where_the_right_order_does(
    fresh, make_ward, make_adt, messages, random
):
    raws = [
        make_adt(trigger, at, number=f"M{place:03}", **said)
        for place, (trigger, at, said) in enumerate(messages)
    ]
    disordered = raws + random.sample(raws, random.randint(0, len(raws)))
    random.shuffle(disordered)
    with fresh() as left, fresh() as right:
        in_order, in_disorder = make_ward(left), make_ward(right)
        in_order.clock = in_disorder.clock = NOW + 60 * HOUR
        for ward, sent in ((in_order, raws), (in_disorder, disordered)):
            outcomes = [ward.receive(raw).outcome for raw in sent]
            assert set(outcomes) <= {"accepted", "duplicate"}
            assert outcomes.count("accepted") == len(raws)
        assert state(in_disorder) == state(in_order)


@settings(max_examples=20)
@given(histories(), st.randoms())
def test_a_message_changes_no_moment_before_it_arrived(
    fresh, make_ward, make_adt, messages, random
):
    raws = [
        make_adt(trigger, at, number=f"M{place:03}", **said)
        for place, (trigger, at, said) in enumerate(messages)
    ]
    random.shuffle(raws)
    with fresh() as store:
        ward = make_ward(store)
        ward.clock = NOW + 60 * HOUR
        seen = []
        for raw in raws:
            ward.receive(raw)
            seen.append((ward.clock, known(ward, ward.clock)))
        for moment, before in seen:
            assert known(ward, moment) == before


def known(ward, as_of):
    """All that can be asked about a moment."""
    facts = [ward.facts(patient, as_of=as_of) for patient in PATIENTS]
    events, snapshots = ward.store.question(as_of)
    features = compute_features(events, snapshots, NHS)
    return facts, ward.store.inpatients(as_of), features.tobytes()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Write a store as a dataset, and read it again with its past."""
    folder, numbers = tmp_path_factory.mktemp("exported"), count()

    def export(store, at):
        moment = to_moment(at).isoformat()
        told = Manifest(
            source="live", synthetic=True, clock=Clock.EXACT, start=moment, observed_until=moment
        )
        with fresh_folder(folder / str(next(numbers))) as made:
            write_dataset(made, iter([to_table(read_past(store, at=at))]), told)
            shards = sorted((made / "events").glob("*.parquet"))
            return concatenate([read_shard(path, past=True) for path in shards])

    return export


def asked_at(known, moment):
    """Snapshots of the spells that were open, by what was known."""
    spells = find_spells(known)
    spells = spells.take((spells.start <= moment) & (spells.end > moment))
    when = np.full(len(spells), moment)
    return Snapshots(spells.subject_id, spells.spell_id, spells.start, when)


@settings(max_examples=30)
@given(histories(), st.randoms(use_true_random=False))
def test_a_dataset_answers_for_every_past_moment_as_the_live_store_does(
    fresh, exported, make_ward, make_adt, messages, random
):
    raws = [
        make_adt(trigger, at, number=f"M{place:03}", **said)
        for place, (trigger, at, said) in enumerate(messages)
    ]
    random.shuffle(raws)
    with fresh() as store:
        ward = make_ward(store)
        ward.clock = NOW + random.randint(-6, 30) * HOUR
        moments = [ward.clock]
        for raw in raws:
            ward.receive(raw)
            moments += [ward.clock, ward.clock + random.randint(1, HOUR)]
        events = exported(store, moments[-1])
        live = {moment: store.question(moment) for moment in moments}
    own = events if events.held is None else events.take(events.held.subject_id >= 0)
    final = dict(zip(own.spell_id.tolist(), own.subject_id.tolist(), strict=True))
    every, expected = [], []
    for moment, (held, asked) in live.items():
        known = events.known_at(moment)
        again = asked_at(known, moment)
        assert again.spell_id.tolist() == asked.spell_id.tolist()
        assert again.spell_start.tolist() == asked.spell_start.tolist()
        answer = compute_features(held, asked, NHS)
        np.testing.assert_array_equal(compute_features(known, again, NHS), answer)
        whose = np.array([final[spell] for spell in asked.spell_id.tolist()], np.int64)
        every.append(replace(asked, subject_id=whose))
        expected.append(answer)
    names = [field.name for field in fields(Snapshots)]
    whole = Snapshots(*(np.concatenate([getattr(one, name) for one in every]) for name in names))
    order = np.array(random.sample(range(len(whole)), len(whole)), np.int64)
    at_once = compute_features(events, whole.take(order), NHS)
    np.testing.assert_array_equal(at_once, np.concatenate(expected)[order])


def should_ask(store, spells, moment, until):
    """(spell, start known then) of whom a live store would ask about at a moment."""
    final = dict(zip(spells.spell_id.tolist(), spells.end.tolist(), strict=True))
    _, asked = store.question(moment)
    for spell, start in zip(asked.spell_id.tolist(), asked.spell_start.tolist(), strict=True):
        first = start + ADMISSION_HOURS * HOUR
        day, admitted = local_day(np.array([moment, start])).tolist()
        morning = moment == at_local_hour(np.array([day]), MORNING_HOUR)[0]
        daily = morning and moment > first and day - admitted <= LAST_SNAPSHOT_DAY
        if spell in final and moment < min(final[spell], until) and (moment == first or daily):
            yield spell, start


@settings(max_examples=40)
@given(histories(), st.randoms(use_true_random=False))
def test_a_training_snapshot_is_what_the_live_store_would_have_shown_at_its_moment(
    fresh, exported, make_ward, make_adt, messages, random
):
    """All of them, and no other: the admission known then, and the features."""
    raws = [
        make_adt(trigger, at, number=f"M{place:03}", **said)
        for place, (trigger, at, said) in enumerate(messages)
    ]
    random.shuffle(raws)
    with fresh() as store:
        ward = make_ward(store)
        ward.clock = NOW + random.randint(-6, 30) * HOUR
        for raw in raws:
            ward.receive(raw)
            ward.clock += random.choice([0, 0, 5 * HOUR, DAY])
        until = ward.clock + 3 * DAY
        events = exported(store, until)
        spells, asked = known_snapshots(events, until=until)
        begun = events.time[events.rows_of(SPELL_START)]
        days = np.arange(local_day(np.array([NOW]))[0] - 1, local_day(np.array([until]))[0] + 1)
        moments = {*at_local_hour(days, MORNING_HOUR).tolist()}
        moments |= {*(begun + ADMISSION_HOURS * HOUR).tolist()}
        expected = [
            (spell, moment, start)
            for moment in moments
            for spell, start in should_ask(store, spells, moment, until)
        ]
        columns = (asked.spell_id, asked.prediction_time, asked.spell_start)
        found = list(zip(*(column.tolist() for column in columns), strict=True))
        assert found == sorted(expected)
        matrix = compute_features(events, asked, NHS)
        for row, (spell, moment, _) in enumerate(found):
            held, questions = store.question(moment)
            own = questions.take(questions.spell_id == spell)
            np.testing.assert_array_equal(compute_features(held, own, NHS)[0], matrix[row])


@settings(max_examples=15)
@given(histories(), st.randoms(use_true_random=False))
def test_what_a_feed_said_and_took_back_goes_through_meds_to_the_last_bit(
    fresh, make_ward, make_adt, tmp_path_factory, messages, random
):
    raws = [
        make_adt(trigger, at, number=f"M{place:03}", **said)
        for place, (trigger, at, said) in enumerate(messages)
    ]
    random.shuffle(raws)
    folder = tmp_path_factory.mktemp("meds")
    with fresh() as store:
        ward = make_ward(store)
        ward.clock = NOW + random.randint(-6, 30) * HOUR
        for raw in raws:
            ward.receive(raw)
        origin = Origin(source="feed", synthetic=True)
        assume(len(find_spells(read_past(store, at=ward.clock).current())))
        with fresh_folder(folder / "first") as made:
            write_live_dataset(store, made, at=ward.clock, origin=origin)
    first = open_dataset(folder / "first")
    export_meds(first, folder / "meds")
    ingest_meds(CODEBOOKS / "homeward.toml", folder / "meds", folder / "again")
    again = open_dataset(folder / "again")
    for before, after in zip(
        first.read_shards(past=True), again.read_shards(past=True), strict=True
    ):
        assert to_table(before).equals(to_table(after))


def test_a_repeated_message_is_acknowledged_and_changes_nothing(ward):
    raw = ward.message("A01", ward="A")
    first, again = ward.receive(raw), ward.receive(raw)
    assert (first.code, first.outcome) == ("AA", "accepted")
    assert (again.code, again.outcome, again.added, again.retracted) == ("AA", "duplicate", 0, 0)


def test_a_control_id_used_twice_for_different_things_is_told(ward, make_adt):
    ward.receive(make_adt("A01", NOW, number="M1", ward="A"))
    before = ward.facts()
    ack = ward.receive(make_adt("A02", NOW + HOUR, number="M1", ward="B"))
    assert (ack.code, ack.outcome) == ("AE", "rejected")
    assert "another content" in ack.reason
    assert ward.facts() == before


def test_another_facility_may_use_the_same_control_id(ward):
    raw = ward.message("A01", ward="A")
    ward.receive(raw)
    other = raw.replace(b"PAS|RXX|", b"PAS|RYY|").replace(b"^^^RXX", b"^^^RYY")
    assert ward.receive(other).outcome == "accepted"
    assert len(ward.store.inpatients(ward.clock)) == 2


def test_writers_that_race_with_one_patients_messages_end_in_the_same_state(
    ward, make_ward, make_adt, tmp_path
):
    from concurrent.futures import ThreadPoolExecutor

    raws = [make_adt("A01", NOW, number="M0", ward="A", sex="F")]
    raws += [
        make_adt("A02", NOW + hour * HOUR, number=f"M{hour}", ward="BC"[hour % 2])
        for hour in range(1, 20)
    ]
    raws.append(make_adt("A40", NOW + 30 * HOUR, number="M99", old="P2", visit=""))
    order = np.random.default_rng(3).permutation(len(raws) * 2) % len(raws)
    with ThreadPoolExecutor(6) as pool:
        acks = list(pool.map(lambda place: ward.receive(raws[place], NOW + 40 * HOUR), order))
    assert {ack.code for ack in acks} == {"AA"}
    with closing(open_store(f"sqlite:///{tmp_path / 'calm.db'}")) as store:
        calm = make_ward(store)
        for raw in raws:
            calm.receive(raw, NOW + 40 * HOUR)
        assert state(calm) == state(ward)
