"""Tables, fuzzed: a dataset, bad rows kept apart, or an error of Homeward's own; nothing half."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.dataset import open_dataset
from feature_store.errors import HomewardError
from feature_store.ingest import ingest
from feature_store.spells import find_spells
from tests.hostile import MOMENTS, WORDS, harmed

MAPPING = """\
name = "fuzz"
missing = ["?"]
[time]
zone = "Europe/London"
[table.spells]
file = "spells*"
subject = "patient"
spell = "spell"
[table.scores]
file = "scores*"
spell = "spell"
optional = true
[spells]
table = "spells"
start = "admitted"
end = "discharged"
[fact.method]
table = "spells"
code = "ADMISSION_METHOD//{method}"
[fact.sex]
table = "spells"
code = "SEX//{sex}"
values = { M = "1", F = "2" }
[fact.age]
table = "spells"
code = "AGE"
number = "age"
[fact.ward]
table = "spells"
code = "SITE//{site}"
[fact.news2]
table = "scores"
code = "NEWS2"
number = "score"
time = "scored"
known = "recorded:entered"
"""
HEADER = ["patient", "spell", "admitted", "discharged", "method", "sex", "age", "site"]
SURNAME, NHS_NUMBER = "Featherstonehaugh", "9434765919"
SPELLS = [
    [SURNAME, "S1", "2026-01-12 21:40", "2026-01-20 11:05", "21", "F", "84", "R1"],
    [NHS_NUMBER, "S2", "2026-03-28 23:30", "2026-03-29 14:00", "21", "M", "41", "R1"],
    [NHS_NUMBER, "S3", "2026-03-30 09:00", "", "11", "M", "?", "R2"],
]
SCORES = [
    ["S1", "6", "2026-01-12 22:10", "2026-01-12 22:40"],
    ["S2", "3", "2026-03-29 01:30", "2026-03-29 02:30"],
]
LOCAL = [
    *("1970-01-01 00:00", "2999-12-31 23:59", "2026-03-29 01:30", "2026-10-25 01:30", "2026-02-30"),
    *("2026-01-12T21:40Z", "2026-01-12 24:00", "12/01/2026", "0000-00-00 00:00", "46034.9"),
]
cells = st.sampled_from(
    [*LOCAL, *MOMENTS, *WORDS, "-1", "1e400", "0x10", "84,5", " 84 ", "NULL", '"']
)


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\r\n') else cell


def table(header, rows, end="\n"):
    return end.join(",".join(map(quoted, row)) for row in [header, *rows]) + end


@st.composite
def changed(draw, rows):
    """Rows with some cells replaced, or rows lost, doubled or of another length."""
    told = [list(row) for row in rows]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.sampled_from(told)) if told else []
        kind = draw(st.sampled_from(["cell", "cell", "cell", "more", "fewer", "double", "lose"]))
        if kind == "cell" and row:
            row[draw(st.integers(0, len(row) - 1))] = draw(cells | st.text(max_size=6))
        elif kind == "more":
            row.append(draw(cells))
        elif kind == "fewer" and row:
            row.pop()
        elif kind == "double":
            told.append(list(row))
        elif kind == "lose" and told:
            told.pop()
    return told


@st.composite
def sources(draw):
    """Bytes of both tables, in some encoding, seldom sound."""
    end = draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    spells = table(HEADER, draw(changed(SPELLS)), end)
    scores = table(["spell", "score", "scored", "entered"], draw(changed(SCORES)), end)
    found = {}
    for name, text in (("spells.csv", spells), ("scores.csv", scores)):
        coding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "latin-1"]))
        errors = "replace" if coding == "latin-1" else "surrogatepass"
        whole = text.encode(coding, errors)
        found[name] = draw(harmed(whole)) if draw(st.integers(0, 4)) == 0 else whole
    return found


def ingested(files, *, rejects):
    """What becomes of tables: a manifest or None; checks what must hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mapping.toml").write_text(MAPPING)
        for path, content in files.items():
            (folder / path).write_bytes(content)
        out, bad = folder / "out", folder / "bad.csv"
        try:
            manifest = ingest(
                folder / "mapping.toml",
                [folder / path for path in files],
                out,
                pseudonym_key=b"k" * 32,
                reject_file=bad if rejects else None,
            )
        except HomewardError as error:
            assert sorted(one.name for one in folder.iterdir()) == sorted([*files, "mapping.toml"])
            told = f"{error} {error.__cause__}"
            assert SURNAME not in told
            assert NHS_NUMBER not in told
            return None
        events = open_dataset(out).read()
        events.check()
        counts = manifest.counts
        assert len(find_spells(events)) == counts["spells"]
        assert rejects or not counts["rejected_rows"]
        stored = b"".join(one.read_bytes() for one in out.rglob("*") if one.is_file())
        assert SURNAME.encode() not in stored
        assert NHS_NUMBER.encode() not in stored
        return manifest


def test_what_is_changed_was_good():
    scores = table(["spell", "score", "scored", "entered"], SCORES)
    files = {"spells.csv": table(HEADER, SPELLS).encode(), "scores.csv": scores.encode()}
    counts = ingested(files, rejects=False).counts
    assert (counts["spells"], counts["subjects"], counts["rejected_rows"]) == (3, 2, 0)


@settings(max_examples=30)
@given(files=sources(), rejects=st.booleans())
def test_any_tables_are_taken_or_refused_whole(files, rejects):
    ingested(files, rejects=rejects)


@settings(max_examples=15)
@given(cell=cells, row=st.integers(0, 2), column=st.integers(0, len(HEADER) - 1))
def test_a_bad_cell_costs_its_spell_at_most(cell, row, column):
    """Everything of the other rows is stored, whatever stands in one."""
    rows = [list(one) for one in SPELLS]
    rows[row][column] = cell
    try:
        content = table(HEADER, rows).encode()
    except UnicodeEncodeError:
        content = table(HEADER, rows).encode(errors="surrogatepass")
    manifest = ingested({"spells.csv": content}, rejects=True)
    assert manifest is not None
    kept, rejected = manifest.counts["spells"], manifest.counts["rejected_rows"]
    assert kept + rejected == len(rows)
    assert kept >= len(rows) - (2 if column == 1 else 1)  # one key for two spells is bad for both


@pytest.mark.parametrize("column", range(len(HEADER)))
def test_a_header_without_a_column_is_refused(column):
    header = [name for place, name in enumerate(HEADER) if place != column]
    rows = [[cell for place, cell in enumerate(row) if place != column] for row in SPELLS]
    assert ingested({"spells.csv": table(header, rows).encode()}, rejects=True) is None
