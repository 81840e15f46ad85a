"""Mapping files: what they may say, and how mistakes in them are told."""

from pathlib import Path

import pytest

from feature_store.errors import BadInput
from feature_store.ingest.mapping_file import read_mapping

MAPPINGS = Path(__file__).parents[3] / "mappings"

START = """\
name = "bench"
[table.spells]
subject = "patient"
spell = "spell"
"""
SPELLS = START + '[spells]\nstart = "start"\nend = "end"\n'


def fault_in(tmp_path, text):
    """Return the message of a mapping that must be refused."""
    path = tmp_path / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_mapping(path)
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.name)
def test_every_mapping_that_ships_is_good(path):
    mapping, digest = read_mapping(path)
    assert mapping.fact
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPELLS + "complet = true\n", 'unknown key "complet" in [spells]'),
        ("nam = 1\n" + SPELLS, 'unknown key "nam" in the mapping; did you mean "name"?'),
        (
            SPELLS + '[fact.x]\ncode = "AGE"\nnumbr = "age"\n',
            '"numbr" in [fact.x]; did you mean "number"?',
        ),
        (
            SPELLS + '[table.other]\nfile = "o"\nsubject = "s"\ndelimeter = ";"\n',
            '[table.other]; did you mean "delimiter"?',
        ),
        (SPELLS + '[time]\nambigous = "first"\n', 'in [time]; did you mean "ambiguous"?'),
        (START + '[spells]\nstart = { colum = "start" }\nend = "end"\n', 'did you mean "column"?'),
    ],
)
def test_an_unknown_key_is_an_error_with_a_suggestion(tmp_path, text, message):
    assert message in fault_in(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = [", "TOML in UTF-8 expected"),
        ("", "required field `name`"),
        (SPELLS.replace('"bench"', "3"), "Expected `str`"),
        (SPELLS + '[time]\nambiguous = "later"\n', "ambiguous"),
        (SPELLS + '[time]\nzone = "Europe/Londres"\n', "[time] zone"),
        (SPELLS + "[time]\nyears = [2030, 2020]\n", "[time] years"),
        (START + '[spells]\nend = "end"\n', "either start or order"),
        (START + '[spells]\nstart = "start"\n', "end or days expected"),
        (START + '[spells]\nstart = "s"\nend = "e"\ndays = "d"\n', "not both"),
        (START + '[spells]\norder = "o"\ndays = "d"\n', "complete = true"),
        (
            START.replace('spell = "spell"\n', "") + '[spells]\nstart = "s"\nend = "e"\n',
            "subject and spell",
        ),
        (SPELLS.replace("[spells]\n", '[spells]\ntable = "stays"\n'), "[spells] table"),
        (SPELLS + '[table.b]\nsubject = "s"\n', "file expected"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(tmp_path, text, message):
    assert message in fault_in(tmp_path, text)


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ('code = "{a}"\nknown = "admission"', "FAMILY or FAMILY//{COLUMN}"),
        ('code = "SPELL_END"\nknown = "own_time"', "made by [spells]"),
        ('code = "LOCAL//{a}"', "known expected"),
        ('code = "LOCAL//{a}"\nknown = "sometimes"', "known: one of"),
        ('code = "LOCAL//{a}"\nknown = "own_time"', "time expected"),
        ('code = "LOCAL//{a}"\nknown = "admission"\ndelay_days = 3', "delay_days"),
        ('code = "AGE"', "AGE carries a number"),
        ('code = "SEX//{a}"\nnumber = "a"', "SEX carries no number"),
        ('code = "SEX"', "SEX//value expected"),
        ('code = "AGE"\nnumber = "a"\nunit = "months"', "AGE is in years"),
        (
            'code = "LOCAL//{value}"\nknown = "admission"\ncolumns = []\nnumber = "{value}"',
            "columns expected",
        ),
        ('code = "LOCAL//{a}"\ncolumns = ["b"]\nknown = "admission"', "{value} expected"),
        ('code = "LOCAL//{a}//{b}"\nprefix = 3\nknown = "admission"', "one placeholder"),
        ('code = "LOCAL//{a}"\nvalues = "absent"\nknown = "admission"', "[values.NAME]"),
        (
            'code = "LOCAL//{a}"\ngroup = { family = "SEX", prefix = 1 }\nknown = "admission"',
            "choose another",
        ),
        ('code = "DISCHARGE_METHOD//9"', "value of DISCHARGE_METHOD"),
        ('table = "other"\ncode = "LOCAL//{a}"\nknown = "admission"', "[table.NAME]"),
    ],
)
def test_a_fact_that_makes_no_sense_is_refused(tmp_path, fact, message):
    text = fault_in(tmp_path, f"{SPELLS}[fact.odd]\n{fact}\n")
    assert "[fact.odd]" in text
    assert message in text


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        # the end of a spell
        ('code = "DISCHARGE_METHOD//{a}"\nknown = "admission"', "never known at admission"),
        (
            'code = "EXPECTED_DISCHARGE"\nnumber = "a"\nknown = "admission"',
            "never known at admission",
        ),
        # coded after discharge
        ('code = "DIAGNOSIS//{a}"\nknown = "admission"', "only after discharge"),
        ('code = "DIAGNOSIS//{a}"\nknown = "own_time"\ntime = "t"', "only after discharge"),
        # measured at a time
        ('code = "NEWS2"\nnumber = "a"\nknown = "admission"', "at its own time"),
    ],
)
def test_nothing_becomes_known_earlier_than_the_vocabulary_allows(tmp_path, fact, message):
    assert message in fault_in(tmp_path, f"{SPELLS}[fact.early]\n{fact}\n")


def test_everything_may_become_known_later(tmp_path):
    path = tmp_path / "mapping.toml"
    later = '[fact.age]\ncode = "AGE"\nnumber = "age"\nknown = "after_discharge"\n'
    path.write_text(SPELLS + later, encoding="utf-8")
    assert read_mapping(path)[0].fact["age"].known == "after_discharge"


def test_facts_of_the_end_need_the_key_of_the_spell(tmp_path):
    text = (
        SPELLS.replace("[table.spells]\n", '[table.spells]\nfile = "s"\n').replace(
            "[spells]\n", '[spells]\ntable = "spells"\n'
        )
        + '[table.labs]\nfile = "l"\nsubject = "patient"\n'
        + '[fact.late]\ntable = "labs"\ncode = "LOCAL//{a}"\nknown = "after_discharge"\n'
    )
    assert "needs a table with the spell key" in fault_in(tmp_path, text)


def test_a_mapping_extends_another_and_changes_only_what_it_says(tmp_path):
    base = SPELLS + '[fact.a]\ncode = "LOCAL//{a}"\nknown = "after_discharge"\ndescription = "a"\n'
    (tmp_path / "base.toml").write_text(base, encoding="utf-8")
    child = 'extends = "base.toml"\nname = "child"\n[fact.a]\nknown = "admission"\n'
    (tmp_path / "child.toml").write_text(child, encoding="utf-8")
    mapping, digest = read_mapping(tmp_path / "child.toml")
    assert (mapping.name, mapping.fact["a"].known) == ("child", "admission")
    assert mapping.fact["a"].description == "a"
    (tmp_path / "base.toml").write_text(base + "# changed\n", encoding="utf-8")
    assert read_mapping(tmp_path / "child.toml")[1] != digest


def test_mappings_that_extend_each_other_in_a_circle_are_refused(tmp_path):
    text = fault_in(tmp_path, 'extends = "mapping.toml"\n' + SPELLS)
    assert "extends more than" in text


def test_all_faults_of_a_mapping_are_told_at_once(tmp_path):
    facts = '[fact.a]\ncode = "AGE"\n[fact.b]\ncode = "SEX"\n'
    text = fault_in(tmp_path, SPELLS + facts)
    assert "[fact.a]" in text
    assert "[fact.b]" in text
