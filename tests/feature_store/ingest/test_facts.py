"""Facts: codes, values, numbers, and when each becomes known."""

import pytest

from feature_store.spells import find_spells

MAPPING = """\
name = "bench"
missing = ["?"]
[keys]
keep = ["subject", "spell"]
[table.spells]
file = "spells*"
subject = "patient"
spell = "spell"
[table.notes]
file = "notes*"
spell = "spell"
optional = true
[table.people]
file = "people*"
subject = "patient"
optional = true
[spells]
table = "spells"
start = "start"
end = "end"
"""
SPELLS = """\
patient,spell,start,end,a,b,c
1,11,2026-01-01 10:00,2026-01-03 09:00,250.83,?,7
1,12,2026-02-01 10:00,,x,250,
"""
IN, OUT = "2026-01-01 10:00", "2026-01-03 09:00"
LATER, AFTER = "2026-02-01 10:00", "2026-01-03 09:00"


def fact(text):
    """Return the mapping with one fact of the table of spells, known at admission."""
    if "known =" not in text:
        text += '\nknown = "admission"'
    return f'{MAPPING}[fact.one]\ntable = "spells"\n{text}\n'


def codes(bench, text, spells=SPELLS):
    """Return (spell, code, number) of each event of a fact."""
    return [row[1:4] for row in bench.told(bench.run(fact(text), spells=spells))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('code = "LOCAL"', [(11, "LOCAL", None), (12, "LOCAL", None)]),
        ('code = "SITE//RXX"', [(11, "SITE//RXX", None), (12, "SITE//RXX", None)]),
        ('code = "LOCAL//{a}"', [(11, "LOCAL//250.83", None), (12, "LOCAL//x", None)]),
        ('code = "LOCAL//{b}"', [(12, "LOCAL//250", None)]),
        ('code = "LOCAL//{a} and {b}"', [(12, "LOCAL//x and 250", None)]),
        ('code = "LOCAL//{a}"\nprefix = 3', [(11, "LOCAL//250", None), (12, "LOCAL//x", None)]),
        (
            'code = "LOCAL//{a}"\ngroup = { family = "LOCAL_GROUP", prefix = 3 }\nmissing = ["x"]',
            [(11, "LOCAL//250.83", None), (11, "LOCAL_GROUP//250", None)],
        ),
        (
            'code = "LOCAL//{column}//{value}"\ncolumns = ["a", "b"]',
            [
                (11, "LOCAL//a//250.83", None),
                (12, "LOCAL//a//x", None),
                (12, "LOCAL//b//250", None),
            ],
        ),
        ('code = "LOCAL//{column}"\ncolumns = ["b", "c"]\nnumber = "{value}"',
         [(11, "LOCAL//c", 7.0), (12, "LOCAL//b", 250.0)]),
        ('code = "LOCAL"\nnumber = "c"', [(11, "LOCAL", 7.0)]),
        ('code = "LOCAL"\nnumber = "c"\nscale = 0.1', [(11, "LOCAL", 0.7)]),
        ('code = "LOCAL//{a}"\nnumber = "c"', [(11, "LOCAL//250.83", 7.0)]),
        ('code = "LOCAL//{a}"\nwhen = { a = ["x"] }', [(12, "LOCAL//x", None)]),
        ('code = "LOCAL//{a}"\nwhen = { a = ["x"], c = ["7"] }', []),
        ('code = "LOCAL//{a}"\nvalues = { x = "ex", "250.83" = "diabetes" }',
         [(11, "LOCAL//diabetes", None), (12, "LOCAL//ex", None)]),
        ('code = "LOCAL//{a}"\nvalues = { x = "ex" }\nother = "drop"', [(12, "LOCAL//ex", None)]),
        ('code = "LOCAL//{a}"\nvalues = { x = "ex" }\nother = "keep"',
         [(11, "LOCAL//250.83", None), (12, "LOCAL//ex", None)]),
        ('code = "LOCAL"\nnumber = "a"\nvalues = { x = "5" }',
         [(11, "LOCAL", 250.83), (12, "LOCAL", 5.0)]),
        ('code = "LOCAL"\nnumber = "a"\nvalues = { x = "5" }\nother = "drop"',
         [(12, "LOCAL", 5.0)]),
    ],
)  # fmt: skip
def test_cells_become_codes_and_numbers(bench, text, expected):
    assert codes(bench, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'code = "LOCAL//{a}"\nvalues = { x = "ex" }',
            "column a: a value of the list in the mapping",
        ),
        (
            'code = "LOCAL"\nnumber = "a"\nvalues = { x = "5" }\nother = "bad"',
            "column a: a value of the list",
        ),
        ('code = "LOCAL"\nnumber = "a"', "column a: a number expected, found words"),
        ('code = "LOCAL"\nnumber = "c"\nlow = 8', "column c: a number from 8 expected"),
        (
            'code = "LOCAL"\nnumber = "c"\nlow = 1\nhigh = 6',
            "column c: a number from 1 to 6 expected",
        ),
        ('code = "AGE"\nnumber = "c"\nscale = 100', "column c: a number from 0 to 130 expected"),
        ('code = "AGE"\nnumber = "c"\nbands = true', "column c: a band such as [70-80) expected"),
        ('code = "SEX//{c}"', "column c: a value of SEX expected, found a whole number"),
        ('code = "SEX//{c}"\nvalues = { 7 = "8" }', "column c: a value of SEX expected"),
    ],
)
def test_cells_that_do_not_fit_are_bad_rows(bench, text, message):
    assert message in bench.refusal(fact(text), spells=SPELLS)


@pytest.mark.parametrize(
    ("cell", "number"), [("[70-80)", 75), ("70 to 79", 74.5), ("(0-10]", 5), ("12.5-13.5", 13)]
)
def test_a_band_means_its_middle(bench, cell, number):
    spells = f"patient,spell,start,end,age\n1,11,2026-01-01 10:00,,{cell}\n"
    text = 'code = "AGE"\nnumber = "age"\nbands = true'
    assert codes(bench, text, spells) == [(11, "AGE", number)]


def test_value_lists_can_be_shared(bench):
    text = fact('code = "SEX//{a}"\nvalues = "sexes"') + '[values.sexes]\nx = "2"\n"250.83" = "1"\n'
    assert [row[2] for row in bench.told(bench.run(text, spells=SPELLS))] == ["SEX//1", "SEX//2"]


# ---- when a fact becomes known ------------------------------------------------------------------


def told(bench, text, **files):
    """Return (spell, code, time, recorded at) of each event."""
    dataset = bench.run(MAPPING + text, spells=SPELLS, **files)
    return [(row[1], row[2], row[4], row[5]) for row in bench.told(dataset)]


def test_known_at_admission(bench):
    text = '[fact.x]\ntable = "spells"\ncode = "LOCAL//{a}"\nknown = "admission"\n'
    assert told(bench, text) == [(11, "LOCAL//250.83", IN, IN), (12, "LOCAL//x", LATER, LATER)]


def test_known_only_after_discharge_is_later_than_any_question_about_the_spell(bench):
    text = '[fact.x]\ntable = "spells"\ncode = "LOCAL//{a}"\nknown = "after_discharge"\n'
    dataset = bench.run(MAPPING + text, spells=SPELLS)
    events = dataset.read()
    late = events.take(events.rows_of("LOCAL//250.83"))
    end = find_spells(events).end[0]
    assert late.time.tolist() == [end]
    assert (late.visible_at > end).all()
    # of the spell that is still open, nothing is known yet
    assert [row[1] for row in bench.told(dataset)] == [11]


def test_known_some_days_after_discharge(bench):
    text = '[fact.x]\ntable = "spells"\ncode = "LOCAL//{a}"\nknown = "after_discharge"\n'
    text += "delay_days = 1.5\n"
    assert told(bench, text) == [(11, "LOCAL//250.83", OUT, "2026-01-04 21:00")]


def test_known_at_its_own_time(bench):
    text = '[fact.x]\ntable = "notes"\ncode = "NEWS2"\nnumber = "score"\ntime = "at"\n'
    notes = "spell,score,at\n11,3,2026-01-01 12:00\n"
    assert told(bench, text, notes=notes) == [(11, "NEWS2", "2026-01-01 12:00", "2026-01-01 12:00")]


def test_known_at_its_own_date_is_known_at_the_end_of_the_day(bench):
    text = '[fact.x]\ntable = "notes"\ncode = "NEWS2"\nnumber = "score"\n'
    text += 'time = { column = "at", format = "iso_date" }\n'
    notes = "spell,score,at\n11,3,2026-01-02\n"
    assert told(bench, text, notes=notes) == [(11, "NEWS2", "2026-01-02 12:00", "2026-01-02 23:59")]


RECORDED = '[fact.x]\ntable = "notes"\ncode = "{code}"\nnumber = "score"\nknown = "recorded:seen"\n'


def test_known_when_recorded(bench):
    notes = "spell,score,at,seen\n11,3,2026-01-01 12:00,2026-01-02 08:00\n"
    text = RECORDED.format(code="NEWS2")
    assert told(bench, text + 'time = "at"\n', notes=notes) == [
        (11, "NEWS2", "2026-01-01 12:00", "2026-01-02 08:00")
    ]
    assert told(bench, text, notes=notes) == [(11, "NEWS2", "2026-01-02 08:00", "2026-01-02 08:00")]


def test_a_diagnosis_recorded_before_the_discharge_is_known_after_it_all_the_same(bench):
    text = '[fact.x]\ntable = "notes"\ncode = "DIAGNOSIS//{icd}"\nknown = "recorded:seen"\n'
    notes = "spell,icd,seen\n11,I50,2026-01-02 08:00\n11,J18,2026-01-09 08:00\n"
    notes += "12,N39,2026-02-02 08:00\n"
    assert told(bench, text, notes=notes) == [
        (11, "DIAGNOSIS//I50", OUT, AFTER),
        (11, "DIAGNOSIS//J18", OUT, "2026-01-09 08:00"),
    ]


def test_a_fact_timed_by_the_admission_is_known_at_the_admission(bench):
    text = '[fact.x]\ntable = "spells"\ncode = "WARD//{a}"\ntime = "start"\n'
    assert told(bench, text) == [(11, "WARD//250.83", IN, IN), (12, "WARD//x", LATER, LATER)]


def test_a_date_of_admission_is_not_known_only_in_the_evening(bench):
    text = (MAPPING + '[time]\nformat = "iso_date"\n').replace('end = "end"', 'days = "c"')
    text += '[fact.x]\ntable = "spells"\ncode = "WARD//{a}"\ntime = "start"\n'
    spells = "patient,spell,start,a,c\n1,11,2026-01-01,A,2\n"
    dataset = bench.run(text, spells=spells)
    assert [row[4:] for row in bench.told(dataset)] == [("2026-01-01 12:00", "2026-01-01 12:00")]


def test_a_fact_without_its_time_is_bad_or_dropped(bench):
    text = '[fact.x]\ntable = "notes"\ncode = "NEWS2"\nnumber = "score"\ntime = "at"\n'
    notes = "spell,score,at\n11,3,\n11,,\n11,4,2026-01-01 12:00\n"
    refused = bench.refusal(MAPPING + text, spells=SPELLS, notes=notes)
    assert "notes.csv: row 2, a time of NEWS2 expected, found nothing; mend" in refused
    assert len(told(bench, text + 'no_time = "drop"\n', notes=notes)) == 1


def test_a_mark_without_a_time_did_not_happen(bench):
    text = '[fact.x]\ntable = "notes"\ncode = "DECISION_TO_ADMIT"\ntime = "at"\n'
    notes = "spell,at\n11,\n11,2026-01-01 09:00\n"
    assert told(bench, text, notes=notes) == [
        (11, "DECISION_TO_ADMIT", "2026-01-01 09:00", "2026-01-01 09:00")
    ]


# ---- whose fact it is ---------------------------------------------------------------------------


def test_a_patients_fact_holds_at_each_admission(bench):
    text = '[fact.x]\ntable = "people"\ncode = "SEX//{sex}"\n'
    people = "patient,sex\n1,2\n3,1\n"
    assert told(bench, text, people=people) == [
        (11, "SEX//2", IN, IN),
        (12, "SEX//2", LATER, LATER),
    ]


def test_a_patients_result_belongs_to_the_spell_that_holds_its_time(bench):
    text = '[fact.x]\ntable = "people"\ncode = "CRP"\nnumber = "crp"\ntime = "at"\n'
    people = (
        "patient,crp,at\n1,1,2025-12-31 10:00\n1,2,2026-01-01 10:00\n1,3,2026-01-03 09:00\n"
        "1,4,2026-01-03 09:01\n1,5,2026-05-01 10:00\n2,6,2026-01-02 10:00\n"
    )
    dataset = bench.run(MAPPING + text, spells=SPELLS, people=people)
    assert {row[3]: row[1] for row in bench.told(dataset)} == {
        1.0: None,
        2.0: 11,
        3.0: 11,
        4.0: None,
        5.0: 12,
        6.0: None,
    }


def test_rows_of_unknown_spells_can_be_left_out(bench):
    mapping = MAPPING.replace('file = "notes*"', 'file = "notes*"\nunknown_spell = "drop"')
    text = mapping + '[fact.x]\ntable = "notes"\ncode = "NEWS2"\nnumber = "score"\ntime = "at"\n'
    notes = "spell,score,at\n11,3,2026-01-01 12:00\n99,bad,never\n"
    dataset = bench.run(text, spells=SPELLS, notes=notes)
    assert dataset.manifest.counts["unused_rows"] == 1
    assert len(bench.told(dataset)) == 1


def test_a_row_that_names_another_patient_than_its_spell_is_bad(bench):
    mapping = MAPPING.replace('file = "notes*"', 'file = "notes*"\nsubject = "patient"')
    text = mapping + '[fact.x]\ntable = "notes"\ncode = "NEWS2"\nnumber = "score"\ntime = "at"\n'
    notes = "patient,spell,score,at\n2,11,3,2026-01-01 12:00\n"
    refused = bench.refusal(text, spells=SPELLS, notes=notes)
    assert "column patient: the subject key of the spell expected, found another one" in refused


def test_the_same_fact_told_twice_is_one_event(bench):
    text = '[fact.x]\ntable = "notes"\ncode = "NEWS2"\nnumber = "score"\ntime = "at"\n'
    notes = "spell,score,at\n11,3,2026-01-01 12:00\n11,3,2026-01-01 12:00\n11,4,2026-01-01 12:00\n"
    dataset = bench.run(MAPPING + text, spells=SPELLS, notes=notes)
    assert [row[3] for row in bench.told(dataset)] == [3.0, 4.0]
    assert dataset.manifest.counts["repeated_events"] == 1


def test_deaths_are_counted_once_however_often_they_are_told(bench):
    mapping = MAPPING.replace('end = "end"', 'end = "end"\ndied = { column = "c", values = ["7"] }')
    text = (
        mapping
        + '[fact.x]\ntable = "spells"\ncode = "DISCHARGE_METHOD//{c}"\nvalues = { 7 = "4" }\n'
    )
    dataset = bench.run(text, spells=SPELLS)
    assert dataset.manifest.counts["deaths"] == 1
    assert find_spells(dataset.read()).died.tolist() == [True, False]


def test_words_of_the_mapping_go_into_the_list_of_codes(bench):
    text = fact(
        'code = "LOCAL//{a}"\ndescription = "a thing"\nunit = "things"\n'
        'descriptions = { x = "unknown thing" }\ngroup = { family = "COARSE", prefix = 1 }'
    )
    descriptions = bench.run(text, spells=SPELLS).descriptions()
    assert descriptions["LOCAL//250.83"] == ("a thing: 250.83", "things")
    assert descriptions["LOCAL//x"] == ("a thing: unknown thing", "things")
    assert descriptions["COARSE//2"] == ("a thing, group: 2", "things")
    assert descriptions["SPELL_START"][0] == "admission"
