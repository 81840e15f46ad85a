"""A codebook says what a hospital's own codes mean; what it does not say nobody guesses."""

import re
from pathlib import Path

import pytest

from feature_store.clock import DAY
from feature_store.errors import BadInput
from feature_store.hl7 import Feed
from feature_store.hl7.codebook import NATIONAL, Fact, FeedCodebook, codebook_of
from feature_store.hl7.fields import PERSON, VISIT

ROOT = Path(__file__).parents[3]
NOW = 20_500 * DAY


def book(**facts):
    """A codebook; a fact is its values, or (values, other)."""
    told = {
        name: Fact(*fact) if isinstance(fact, tuple) else Fact(fact) for name, fact in facts.items()
    }
    return FeedCodebook("test", fact=told)


def taught(ward, **facts):
    """The ward, with a codebook."""
    ward.feed = Feed(codebook=book(**facts))
    return ward


def of(ward, family):
    return [code for code in ward.codes() if code.startswith(family)]


@pytest.mark.parametrize(
    ("family", "said", "code", "value"),
    [
        ("SEX", {"sex": "Female"}, "Female", "2"),
        ("ETHNICITY", {"ethnicity": "WBRI"}, "WBRI", "A"),
        ("PATIENT_CLASSIFICATION", {"class": "IP"}, "IP", "1"),
        ("WARD", {"ward": "7 WEST"}, "7 WEST", "W07"),
        ("BED", {"ward": "A", "bed": "bed 3"}, "bed 3", "B03"),
        ("SITE", {"site": "Main"}, "Main", "RXX01"),
        ("ADMISSION_METHOD", {"method": "A&E"}, "A&E", "21"),
        ("SPECIALTY", {"specialty": "GERI"}, "GERI", "430"),
        ("ADMISSION_SOURCE", {"source": "Home"}, "Home", "19"),
    ],
)
def test_a_code_of_the_hospital_is_read_as_what_it_means(one_ward, family, said, code, value):
    taught(one_ward, **{family: {code: value}})
    raw = one_ward.message("A01", **said).replace(b"A&E", b"A\\T\\E")  # & is a separator
    ack = one_ward.receive(raw)
    assert (ack.code, ack.unused) == ("AA", ())
    assert of(one_ward, family) == [f"{family}//{value}"]


def test_codes_at_the_end_are_read_too(one_ward):
    taught(one_ward, DISCHARGE_METHOD={"RIP": "4"}, DISCHARGE_DESTINATION={"MORT": "79"})
    one_ward.send("A01", ward="A")
    one_ward.send("A03", way_out="RIP", destination="MORT")
    assert of(one_ward, "DISCHARGE") == ["DISCHARGE_DESTINATION//79", "DISCHARGE_METHOD//4"]


@pytest.mark.parametrize("code", ["ZZ", "female", "F", "2", "Female x"])
def test_a_code_that_is_not_listed_is_unknown_and_counted(one_ward, code):
    """Also one that would be a national code: in this feed it may mean anything."""
    taught(one_ward, SEX={"Female": "2"})
    ack = one_ward.send("A01", ward="A", sex=code)
    assert ack.unused == ("PID-8",)
    assert of(one_ward, "SEX") == []


def test_others_are_kept_where_the_codebook_says_so_but_never_guessed(one_ward):
    taught(one_ward, SEX=({"Female": "2"}, "keep"), WARD=({"7W": "W07"}, "keep"))
    assert one_ward.send("A01", ward="C3", sex="M").unused == ()
    assert (of(one_ward, "WARD"), of(one_ward, "SEX")) == (["WARD//C3"], ["SEX//1"])
    assert one_ward.send("A08", sex="Woman").unused == ("PID-8",)
    assert of(one_ward, "SEX") == ["SEX//1"]


def test_a_class_that_is_no_stay_is_none_and_one_that_nobody_knows_is_none_and_counted(one_ward):
    taught(one_ward, PATIENT_CLASSIFICATION={"IP": "1", "OP": "O"})
    assert one_ward.send("A01", visit="V1", **{"class": "OP"}).unused == ()
    assert one_ward.send("A01", visit="V2", **{"class": "XX"}).unused == ("PV1-2",)
    assert one_ward.codes() == []
    one_ward.send("A01", visit="V3", **{"class": "IP"})
    assert of(one_ward, "SPELL_START") == ["SPELL_START"]


def test_without_a_codebook_national_codes_are_read(one_ward):
    assert codebook_of(None) is NATIONAL
    ack = one_ward.send("A01", sex="F", method="21", ward="A", **{"class": "Inpatient"})
    assert ack.unused == ("PV1-2",)


def test_the_same_message_is_a_repeat_also_by_another_codebook(one_ward):
    raw = one_ward.message("A01", ward="A", sex="Female")
    one_ward.receive(raw)
    again = taught(one_ward, SEX={"Female": "2"}).receive(raw)
    assert (again.outcome, again.unused) == ("duplicate", ())
    assert of(one_ward, "SEX") == []  # understood as when it came
    other = one_ward.receive(raw.replace(b"|A^^", b"|B^^"))
    assert (other.outcome, other.code) == ("rejected", "AE")


# ---- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "TOML in UTF-8 expected"),
        ("", "missing required field `name`"),
        ('name = "x"\nfacts = 1', "unknown field `facts`"),
        ('name = "x"\n[fact.SEX]\nvalue = 1', "unknown field `value`"),
        ('name = "x"\n[fact.SEX]\nvalues = { M = 1 }', "Expected `str`, got `int`"),
        ('name = "x"\n[fact.SEX]\nvalues = { M = "3" }', '"3" is not a value of its family'),
        ('name = "x"\n[fact.SEX]\nvalues = { " M" = "1" }', "without blanks around it"),
        ('name = "x"\n[fact.SEX]\nvalues = {}\nother = "bad"', "Invalid enum value"),
        ('name = "x"\n[fact.NEWS2]\nvalues = {}', "[fact.NEWS2]: one of ADMISSION_METHOD"),
        ('name = "x"\n[fact.WARD]\nvalues = { A = "a;b" }', '"a;b" is not a value'),
    ],
)
def test_a_file_that_is_no_codebook_is_refused_with_its_fault(tmp_path, text, told):
    path = tmp_path / "adt.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=re.escape(told)) as refusal:
        codebook_of(path)
    assert str(refusal.value).startswith("adt.toml: ")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"absent\.toml: a codebook of an ADT feed expected"):
        codebook_of(tmp_path / "absent.toml")


def test_the_documentation_names_every_family_and_its_example_is_a_codebook(tmp_path):
    page = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    (tmp_path / "adt.toml").write_text(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])
    assert codebook_of(tmp_path / "adt.toml").meant("ADMISSION_METHOD", "AE") == "21"
    families = page.partition("Families:")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", families)) == {one.family for one in (*PERSON, *VISIT)}


def test_the_codebook_of_the_repository_can_be_read():
    told = codebook_of(ROOT / "codebooks" / "adt_example.toml")
    assert told.meant("SEX", "Female") == "2"
    assert told.digest != NATIONAL.digest
