"""What each ADT event does to what is known of a patient."""

import pytest
from sqlalchemy import text

from feature_store.clock import DAY, HOUR

NOW = 20_500 * DAY
IN = {
    "class": "I",
    "ward": "A",
    "site": "RXX01",
    "method": "21",
    "specialty": "300",
    "source": "19",
}


def rows(store, query):
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a01_opens_a_spell_with_what_is_known_at_the_door(ward):
    ack = ward.send("A01", sex="F", born="19460217", ethnicity="A1", **IN)
    assert ward.facts() == [
        ("ADMISSION_METHOD//21", 0.0, None),
        ("ADMISSION_SOURCE//19", 0.0, None),
        ("AGE", 0.0, 79.0),  # eighty tomorrow
        ("ETHNICITY//A", None, None),
        ("PATIENT_CLASSIFICATION//1", 0.0, None),
        ("SEX//2", None, None),
        ("SITE//RXX01", 0.0, None),
        ("SPECIALTY//300", 0.0, None),
        ("SPELL_START", 0.0, None),
        ("WARD//A", 0.0, None),
    ]
    assert (ack.added, ack.retracted) == (10, 0)
    assert len(ward.store.inpatients(ward.clock)) == 1


def test_nothing_is_known_before_it_was_received(ward):
    ward.send("A01", **IN)
    assert ward.codes(as_of=NOW + HOUR - 1) == []
    assert "SPELL_START" in ward.codes(as_of=NOW + HOUR)


def test_a02_moves_and_a_new_bed_is_no_move(ward):
    ward.send("A01", **IN)
    ward.send("A02", ward="B")
    ward.send("A02", ward="B")
    wards = [fact for fact in ward.facts() if fact[0].startswith("WARD")]
    assert wards == [("WARD//A", 0.0, None), ("WARD//B", 1.0, None)]


def test_a_bed_is_of_its_ward_and_is_shown_with_it(ward):
    ward.send("A01", **IN | {"ward": "A", "bed": "1"})
    ward.send("A02", ward="A", bed="2")
    ward.send("A02", ward="B", bed="2")
    beds = [fact for fact in ward.facts() if fact[0].startswith("BED")]
    assert beds == [("BED//1", 0.0, None), ("BED//2", 1.0, None), ("BED//2", 2.0, None)]
    assert [(one.ward, one.bed) for one in ward.store.inpatients(ward.clock)] == [("B", "2")]
    ward.send("A02", ward="C")
    assert [(one.ward, one.bed) for one in ward.store.inpatients(ward.clock)] == [("C", None)]


def test_a12_restores_the_ward_before(ward):
    ward.send("A01", **IN)
    ward.send("A02", ward="B")
    ward.send("A12", ward="A")
    assert [code for code in ward.codes() if code.startswith("WARD")] == ["WARD//A"]
    assert "WARD//B" in ward.codes(as_of=NOW + 2 * HOUR)


def test_a03_closes_and_a13_reopens(ward):
    ward.send("A01", NOW - 50 * HOUR, **IN)
    ward.send("A03", way_out="1", destination="19")
    closed = ward.clock
    assert ("SPELL_END", 1.0, 3.0) in ward.facts()
    assert {"DISCHARGE_METHOD//1", "DISCHARGE_DESTINATION//19"} <= set(ward.codes())
    assert ward.store.inpatients(closed) == []
    ward.send("A13")
    assert not [code for code in ward.codes() if code.startswith(("DISCHARGE", "SPELL_END"))]
    assert len(ward.store.inpatients(ward.clock)) == 1
    assert ("SPELL_END", 1.0, 3.0) in ward.facts(as_of=closed)
    assert ward.store.inpatients(closed) == []


def test_a_death_is_a_way_out(ward):
    ward.send("A01", **IN)
    ward.send("A03", way_out="4", destination="79")
    assert "DISCHARGE_METHOD//4" in ward.codes()


@pytest.mark.parametrize("cancel", ["A11", "A23"])
def test_a_cancelled_admission_leaves_nothing_but_the_past(ward, cancel):
    ward.send("A01", **IN)
    admitted = ward.clock
    ward.send(cancel)
    assert ward.codes() == []
    assert ward.store.inpatients(ward.clock) == []
    assert len(ward.store.inpatients(admitted)) == 1


def test_a_visit_can_be_admitted_again_after_it_was_cancelled(ward):
    ward.send("A01", **IN)
    ward.send("A11")
    ward.send("A01", **IN)
    assert ("SPELL_START", 2.0, None) in ward.facts()


def test_a06_and_a07_turn_a_day_case_into_a_stay_and_an_admission_into_a_visit(ward):
    ward.send("A01", **{**IN, "class": "D"})
    assert "PATIENT_CLASSIFICATION//2" in ward.codes()
    ward.send("A06", **{"class": "I"})
    assert "PATIENT_CLASSIFICATION//1" in ward.codes()
    assert len(ward.store.inpatients(ward.clock)) == 1
    ward.send("A07", **{"class": "O"})
    assert ward.codes() == []
    assert ward.store.inpatients(ward.clock) == []


def test_an_emergency_attendance_or_booking_is_no_spell_until_it_is_admitted(ward):
    ward.send("A04", **{**IN, "class": "E"})
    ward.send("A05", **{**IN, "class": "P"})
    assert ward.codes() == []
    ward.send("A01", ward="A")
    assert ("SPELL_START", 2.0, None) in ward.facts()
    assert "ADMISSION_METHOD//21" in ward.codes()


def test_a08_changes_what_it_says_deletes_what_is_null_and_leaves_what_is_empty(ward):
    ward.send("A01", sex="F", **IN)
    ward.send("A08", method="22", source='""', sex='""', specialty="")
    codes = ward.codes()
    assert "ADMISSION_METHOD//22" in codes
    assert "ADMISSION_METHOD//21" not in codes
    assert "SPECIALTY//300" in codes
    assert not [code for code in codes if code.startswith(("ADMISSION_SOURCE", "SEX"))]


def test_a_corrected_admission_time_moves_the_start_and_what_was_at_the_door(ward):
    ward.send("A01", **IN)
    ward.send("A08", admitted_at=NOW - 3 * HOUR)
    assert {hours for _, hours, _ in ward.facts()} == {-3.0}


def test_a_feed_that_begins_in_the_middle_of_a_stay_learns_of_it(ward):
    ward.send("A08", admitted_at=NOW - 30 * HOUR, **IN)
    assert ("SPELL_START", -30.0, None) in ward.facts()
    ward.send("A02", visit="V2", ward="B")  # when this one began nobody said
    assert "WARD//B" not in ward.codes()


def test_a21_and_a22_are_leave_and_the_spell_goes_on(ward):
    ward.send("A01", **IN)
    ward.send("A21")
    ward.send("A22")
    assert [fact for fact in ward.facts() if fact[0].startswith("HOME")] == [
        ("HOME_LEAVE//end", 2.0, None),
        ("HOME_LEAVE//start", 1.0, None),
    ]
    assert len(ward.store.inpatients(ward.clock)) == 1


def test_a31_updates_the_person_and_with_the_birthday_the_age(ward):
    ward.send("A01", born="19400101", **IN)
    ward.send("A31", visit="", born="19500101", sex="M")
    assert ("AGE", 0.0, 76.0) in ward.facts()
    assert ("SEX//1", None, None) in ward.facts()
    assert ("AGE", 0.0, 86.0) in ward.facts(as_of=NOW + HOUR)


@pytest.mark.parametrize("merge", ["A34", "A40"])
def test_a_merge_unites_histories_from_the_moment_it_is_known(ward, merge):
    ward.send("A01", NOW - 100 * DAY, patient="OLD", visit="V0", sex="F", **IN)
    ward.send("A03", NOW - 90 * DAY, patient="OLD", visit="V0")
    ward.send("A01", patient="P1", sex="F", **IN)
    before = ward.clock
    ward.send(merge, patient="P1", old="OLD", visit="")
    assert ward.codes("P1").count("SPELL_START") == 2
    assert ward.codes("P1").count("SEX//2") == 1
    assert ward.facts("OLD") == ward.facts("P1")  # whoever asks by the old number
    assert ward.codes("P1", as_of=before).count("SPELL_START") == 1
    assert ward.codes("OLD", as_of=before).count("SPELL_START") == 1
    assert "SEX//2" in ward.codes("OLD", as_of=before)
    ward.send("A08", patient="OLD", visit="V1", ward="C")  # a straggler under the old number
    assert "WARD//C" in ward.codes("P1")


def test_the_survivor_has_the_last_word(ward):
    ward.send("A01", patient="OLD", visit="V0", sex="M", **IN)
    ward.send("A40", patient="P1", old="OLD", visit="", sex="F")
    assert [code for code in ward.codes("OLD") if code.startswith("SEX")] == ["SEX//2"]


def test_merges_in_a_chain_and_back_again_end(ward):
    for patient in ("A", "B", "C"):
        ward.send("A01", patient=patient, visit=f"V{patient}", **IN)
    ward.send("A40", patient="B", old="A", visit="")
    ward.send("A40", patient="C", old="B", visit="")
    ward.send("A40", patient="A", old="C", visit="")
    assert [ward.codes(patient).count("SPELL_START") for patient in "ABC"] == [3, 3, 3]


@pytest.mark.parametrize("move", ["A44", "A45"])
def test_a_move_gives_a_spell_to_another_patient(ward, move):
    ward.send("A01", patient="WRONG", born="19400101", **IN)
    before = ward.clock
    ward.send("A31", patient="RIGHT", visit="", born="19700101")
    ward.send(move, patient="RIGHT", old="WRONG", visit="", old_visit="V1")
    assert ward.codes("WRONG") == []
    assert {"SPELL_START", "WARD//A"} <= set(ward.codes("RIGHT"))
    assert ("AGE", 0.0, 56.0) in ward.facts("RIGHT")
    assert "SPELL_START" in ward.codes("WRONG", as_of=before)
    assert ward.codes("RIGHT", as_of=before) == []
    (inpatient,) = ward.store.inpatients(ward.clock)
    (was,) = ward.store.inpatients(before)
    assert inpatient.subject_id != was.subject_id
    events, snapshots = ward.store.question(ward.clock)
    assert set(events.subject_id.tolist()) == set(snapshots.subject_id.tolist())


def test_an_event_from_the_api_follows_its_spell_and_its_patient(ward):
    from feature_store.events import Events

    ward.send("A01", patient="OLD", **IN)
    (spell,) = ward.store.inpatients(ward.clock)
    news = Events.build(
        subject_id=[spell.subject_id] * 2,
        spell_id=[spell.spell_id, -1],
        time=[NOW + 1] * 2,
        code=["NEWS2", "CFS"],
        numeric_value=[7, 5],
    )
    ward.store.append(news, received_at=ward.clock)
    ward.send("A45", patient="P1", old="OLD", visit="V1")
    assert "NEWS2" in ward.codes("P1")
    assert ward.codes("OLD") == ["CFS"]
    ward.send("A40", patient="P1", old="OLD", visit="")
    assert {"NEWS2", "CFS"} <= set(ward.codes("P1"))


def test_other_adt_events_are_kept_and_acknowledged_and_mean_nothing(ward):
    ward.send("A01", **IN)
    before = ward.facts()
    assert ward.send("A60", ward="Z").outcome == "not used"
    assert ward.facts() == before
    assert len(rows(ward.store, "SELECT id FROM live_messages")) == 2


def test_a_value_outside_its_set_is_noted_and_not_used(ward):
    ward.send("A01", **{**IN, "method": "ZZ"})
    assert not [code for code in ward.codes() if code.startswith("ADMISSION_METHOD")]
    assert '"unused":["PV1-4"]' in rows(ward.store, "SELECT said FROM live_statements")[0][0]


def test_what_follows_from_a_message_names_nobody(ward):
    ward.send("A01", nhs="4010232137", **IN)
    told = str(
        rows(ward.store, "SELECT * FROM live_statements")
        + rows(ward.store, "SELECT * FROM live_events")
    )
    assert not [word for word in ("Canary", "Surname", "4010232137", "P1^", "|V1") if word in told]
    (raw,) = rows(ward.store, "SELECT raw FROM live_messages")
    assert b"Canary" in bytes(raw[0])


def test_the_text_of_old_messages_can_be_forgotten_and_what_they_said_stays(ward, make_adt):
    raw = make_adt("A01", NOW, number="1", **IN)
    ward.receive(raw)
    ward.receive(b"Canary is no message")
    before = ward.facts()
    ward.store.forget_messages(received_before=ward.clock + 1)
    assert [bytes(row[0]) for row in rows(ward.store, "SELECT raw FROM live_messages")] == [b""]
    assert rows(ward.store, "SELECT raw FROM live_rejects") == []
    assert ward.facts() == before
    assert ward.receive(raw).outcome == "duplicate"
