"""Made-up patients told as ADT messages: read again, the same facts, known at the same moments."""

from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR
from feature_store.dataset import open_dataset
from feature_store.events import NO_SPELL, NO_TIME, Events, concatenate
from feature_store.hl7 import Feed, process
from feature_store.hl7.archive import ingest_hl7
from feature_store.hl7.codebook import NATIONAL
from feature_store.hl7.reading import read_message
from feature_store.hl7.retelling import FACILITY, FAMILIES_OF_ADT, birthday, retell
from feature_store.hl7.statement import Statement, person_of, visit_of
from feature_store.hl7.writing import TICK, write_message
from feature_store.identity import Identity
from feature_store.live import open_store
from feature_store.simulation import TrustSettings, simulate_events
from feature_store.vocabulary import family_of
from homeward.bedding import with_beds

NOW = 20_500 * DAY
IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")
TRAINING = Feed(live=False)


def facts(events, rows, *, keyed):
    """Facts of some rows; of persons without the moment, which no event of theirs has."""
    found = []
    for row in rows.tolist():
        subject, spell = int(events.subject_id[row]), int(events.spell_id[row])
        if keyed:
            subject = IDENTITY.subject(f"{FACILITY}|P{subject}")
            spell = spell if spell == NO_SPELL else IDENTITY.spell(f"{FACILITY}|S{spell}")
        time, recorded = int(events.time[row]), int(events.recorded_at[row])
        when = (time - time % TICK, recorded - recorded % TICK) if time != NO_TIME else NO_TIME
        value = None if np.isnan(events.numeric_value[row]) else float(events.numeric_value[row])
        found.append(
            (
                subject,
                spell,
                events.codes[events.code[row]],
                when,
                value,
            )
        )
    return sorted(found, key=str)


def repeats(events):
    """Rows that say of a spell what held already, in the order in which they were recorded."""
    rows = np.lexsort((events.time, events.recorded_at, events.spell_id))
    now, found = {}, []
    for row in rows.tolist():
        spell, code = int(events.spell_id[row]), events.codes[events.code[row]]
        family = family_of(code)
        if family not in {"WARD", "BED", "SITE", "SPECIALTY"}:
            continue
        if now.get((spell, family)) == code:
            found.append(row)
        elif family == "WARD":
            now.pop((spell, "BED"), None)
        now[spell, family] = code
    return sorted(found)


@pytest.mark.parametrize("seed", range(4))
def test_what_adt_can_tell_comes_back_as_it_was_and_the_rest_is_named(tmp_path, seed):
    events = with_beds(simulate_events(TrustSettings(spells=60, days=50, seed=seed))[0])
    told = retell(events)
    assert {family_of(events.codes[code]) for code in events.code[told.of_adt]} <= FAMILIES_OF_ADT
    assert np.flatnonzero(told.of_adt & ~told.told).tolist() == repeats(events)
    assert not (told.told & ~told.of_adt).any()
    chance = np.random.default_rng(seed)
    shuffled = [told.messages[place].raw for place in chance.permutation(len(told.messages))]
    (tmp_path / "feed.hl7").write_bytes(b"".join(shuffled))
    manifest = ingest_hl7(
        [tmp_path / "feed.hl7"],
        tmp_path / "read",
        identity=IDENTITY,
        now=NOW + 400 * DAY,
        feed=TRAINING,
    )
    assert (manifest.synthetic, manifest.counts["messages"]) == (True, len(told.messages))
    read = open_dataset(tmp_path / "read").read()
    wanted = facts(events, np.flatnonzero(told.told), keyed=True)
    assert facts(read, np.arange(len(read)), keyed=False) == wanted


def test_each_fact_is_sent_when_it_was_recorded(tmp_path):
    def spell(code, at, recorded, value=np.nan):
        return (1, 5, code, at, recorded, value)

    rows = [
        spell("SPELL_START", NOW, NOW),
        spell("PATIENT_CLASSIFICATION//1", NOW, NOW),
        spell("AGE", NOW, NOW, 81),
        spell("WARD//A&E (1)", NOW, NOW),
        spell("SPECIALTY//<unknown>", NOW, NOW),
        spell("ADMISSION_SOURCE//19", NOW, NOW + 9 * HOUR),
        spell("HOME_LEAVE//start", NOW + 30 * HOUR, NOW + 30 * HOUR),
        spell("HOME_LEAVE//end", NOW + 40 * HOUR, NOW + 41 * HOUR),
        spell("NEWS2", NOW + HOUR, NOW + HOUR, 5),
        spell("WARD//B", NOW + 2 * HOUR, NOW + 3 * HOUR),
        spell("SPELL_END", NOW + 50 * HOUR, NOW + 51 * HOUR, 2),
        spell("DISCHARGE_METHOD//1", NOW + 50 * HOUR, NOW + 51 * HOUR),
    ]
    subject, number, code, time, recorded, value = zip(*rows, strict=True)
    events = Events.build(
        subject_id=subject, spell_id=number, code=code, time=time,
        recorded_at=recorded, numeric_value=value,
    )  # fmt: skip
    told = retell(events)
    untold = [events.codes[code] for code in events.code[~told.told]]
    assert sorted(untold) == ["NEWS2", "SPECIALTY//<unknown>"]
    sent = [(one.sent_at - NOW) / HOUR for one in told.messages]
    assert sent == [0, 3, 9, 30, 41, 51]
    with closing(open_store(f"sqlite:///{tmp_path}/live.db")) as store:
        for one in told.messages:
            assert (
                process(one.raw, store, one.sent_at, identity=IDENTITY, feed=TRAINING).code == "AA"
            )
        history = store.history(IDENTITY.subject(f"{FACILITY}|P1"), as_of=NOW + 60 * HOUR)
    assert facts(history, np.arange(len(history)), keyed=False) == facts(
        events, np.flatnonzero(told.told), keyed=True
    )


def test_a_live_store_takes_none_of_it(tmp_path):
    events, _ = simulate_events(TrustSettings(spells=20, days=30, seed=1))
    with closing(open_store(f"sqlite:///{tmp_path}/live.db")) as store:
        ack = process(retell(events).messages[0].raw, store, 10**16, identity=IDENTITY)
    assert (ack.code, ack.reason) == ("AR", "MSH-11: production (P) expected in a live store")


def test_a_spell_that_was_never_opened_is_not_told():
    events = Events.build(
        subject_id=[1, 1], spell_id=[5, 5], code=["WARD//A", "SPELL_END"], time=[NOW, NOW + HOUR],
        recorded_at=[NOW, NOW + HOUR], numeric_value=[np.nan, 0],
    )  # fmt: skip
    told = retell(events)
    assert (told.messages, told.told.any()) == ([], False)
    nobody = retell(concatenate([events.take(np.zeros(2, np.bool_))]))
    assert (nobody.messages, len(nobody.told)) == ([], 0)


@given(st.lists(st.tuples(st.integers(NOW, NOW + 900 * DAY), st.integers(0, 110)), min_size=1))
def test_a_birthday_fits_an_age(ages):
    born = birthday(ages)
    latest, years = max(ages)
    today = np.datetime64(latest, "us").astype("datetime64[s]").item()
    whole = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    assert abs(whole - years) <= (today.hour == 23)  # a local day is another for an hour


names = st.text(st.sampled_from("AbZ09 .,/&()+-_"), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)


@settings(max_examples=60)
@given(ward=names, bed=names, patient=st.text(st.sampled_from("|^~\\&P9"), min_size=1))
def test_a_door_reads_what_was_written(ward, bed, patient):
    visit = {"ward": ward, "bed": bed, "method": "21", "admitted_at": NOW}
    person = {"sex": "1", "ethnicity": "A", "born": "1940-02-29"}
    said = Statement(
        trigger="A01", happened_at=NOW, told_at=NOW + TICK, sent_at=NOW + HOUR, facility="S|M",
        control_id="1^2", subject=1, spell=2, person=person, visit=visit,
    )  # fmt: skip
    reading = read_message(write_message(said, patient=patient, visit="V&1"))
    unused = []
    assert person_of(reading, unused, codebook=NATIONAL) == person
    assert visit_of(reading, unused, codebook=NATIONAL, received_at=NOW + HOUR) == visit
    places = [("MSH", 4), ("MSH", 10), ("PID", 3), ("PV1", 19)]
    assert [reading.text(*place) for place in places] == ["S|M", "1^2", patient, "V&1"]
    assert unused == []


def test_merges_are_not_written():
    said = Statement(
        trigger="A40", happened_at=NOW, told_at=NOW, sent_at=NOW, facility="S", control_id="1",
        subject=1, other_subject=2,
    )  # fmt: skip
    with pytest.raises(ValueError, match="one patient"):
        write_message(said, patient="P1")
