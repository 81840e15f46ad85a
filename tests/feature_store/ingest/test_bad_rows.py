"""Bad input: told by file, row, column, what was expected and the kind of thing found."""

import csv
import shutil
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.dataset import open_dataset
from feature_store.errors import BadInput, BadRows
from feature_store.ingest.run import ingest
from feature_store.spells import find_spells

MAPPING = """\
name = "bench"
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
[spells]
table = "spells"
start = "start"
end = "end"
died = { column = "died", values = ["Y"] }
[fact.method]
table = "spells"
code = "ADMISSION_METHOD//{method}"
[fact.age]
table = "spells"
code = "AGE"
number = "age"
[fact.news2]
table = "notes"
code = "NEWS2"
number = "score"
time = "at"
"""
HEADER = "patient,spell,start,end,died,method,age\n"
GOOD = "1,11,2026-01-01 10:00,2026-01-03 09:00,N,21,80\n"
NOTES = "spell,score,at\n11,3,2026-01-01 12:00\n"
DAYS = MAPPING.replace('end = "end"', 'days = "end"')


def second(**cells):
    """Return a good row with some cells changed."""
    row = {
        "patient": "2",
        "spell": "21",
        "start": "2026-01-05 10:00",
        "end": "",
        "died": "N",
        "method": "21",
        "age": "80",
    }
    return ",".join((row | cells).values()) + "\n"


WHOLE = "key that is a whole number without leading zeros expected, found"


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("start", "01/02/2026", "an ISO 8601 date and time expected, found text that looks like"),
        ("start", "soon", "an ISO 8601 date and time expected, found words"),
        ("start", "", "an admission expected, found nothing"),
        ("end", "2026-01-04 10:00", "an end after the start expected, found an earlier one"),
        ("end", "2056-01-05 10:00", "a length of stay in whole days from 0 to 3660 expected"),
        ("died", "Y", "an end of the spell where the patient died expected, found none"),
        ("method", "77", "a value of ADMISSION_METHOD expected, found a whole number"),
        ("age", "150", "a number from 0 to 130 expected, found one outside"),
        ("age", "-4", "a number from 0 to 130 expected, found one outside"),
        ("age", "eighty", "a number expected, found words"),
        ("age", "nan", "a number expected, found words"),
        ("spell", "", "a spell key expected, found nothing"),
        ("patient", "", "a subject key expected, found nothing"),
        ("patient", "P2", f"a subject {WHOLE} other text"),
        ("patient", "002", f"a subject {WHOLE} a whole number"),
        ("patient", "9" * 19, f"a subject {WHOLE} a whole number"),
    ],
)
def test_a_bad_cell_is_told_by_row_column_and_kind(bench, column, cell, message):
    text = bench.refusal(MAPPING, spells=HEADER + GOOD + second(**{column: cell}))
    assert f"spells.csv: row 3, column {column}: {message}" in text
    assert not cell or cell in "Ynan" or cell not in text.replace("ISO 8601", "")


@pytest.mark.parametrize("cells", [1, 6, 8])
def test_a_row_that_does_not_fit_the_header_is_bad(bench, cells):
    row = ",".join([*second().strip().split(","), "Smith"][:cells])
    text = bench.refusal(MAPPING, spells=f"{HEADER}{GOOD}{row}\n")
    found = f"{cells} cell{'s' if cells > 1 else ''}"
    assert f"spells.csv: row 3, 7 cells as in the header expected, found {found}" in text
    assert "Smith" not in text


@pytest.mark.parametrize(
    ("days", "kind"),
    [
        ("-1", "a negative number"),
        ("2.5", "a decimal number"),
        ("a", "words"),
        ("4000", "a whole number"),
    ],
)
def test_a_length_of_stay_that_is_none_is_a_bad_row(bench, days, kind):
    text = bench.refusal(DAYS, spells=f"{HEADER}2,21,2026-01-05 10:00,{days},N,21,80\n")
    assert (
        f"column end: a length of stay in whole days from 0 to 3660 expected, found {kind}" in text
    )


def test_a_spell_told_twice_is_bad_both_times(bench):
    text = bench.refusal(MAPPING, spells=HEADER + GOOD + GOOD)
    assert (
        "row 2, column spell: one row a spell expected, found a spell with several (2 rows in all)"
        in text
    )


def test_a_complete_extract_has_no_open_spell(bench):
    text = "complete = true\n" + MAPPING
    row = "2,21,2026-01-05 10:00,,N,21,80\n"
    assert "an end (the mapping says complete = true) expected" in bench.refusal(
        text, spells=HEADER + row
    )
    assert "an end (the mapping says complete = true) expected" in bench.refusal(
        text.replace('end = "end"', 'days = "end"'), spells=HEADER + row
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "99,3,2026-01-01 12:00",
            "column spell: a spell of the table of spells expected, found another key",
        ),
        ("11,3,", "a time of NEWS2 expected, found nothing"),
        ("11,21,2026-01-01 12:00", "column score: a number from 0 to 20 expected"),
        (",3,2026-01-01 12:00", "column spell: a spell key expected, found nothing"),
    ],
)
def test_a_bad_row_of_another_table_is_told_with_its_file(bench, row, message):
    text = bench.refusal(MAPPING, spells=HEADER + GOOD, notes=f"{NOTES}{row}\n")
    assert f"notes.csv: row 3, {message}" in text


def test_every_kind_of_fault_is_told_once_with_its_count(bench):
    rows = "".join(f"{n},{n},2026-01-05 10:00,,N,77,200\n" for n in range(20, 30))
    with pytest.raises(BadRows) as caught:
        bench.run(MAPPING, spells=HEADER + GOOD + rows, notes=f"{NOTES}99,3,2026-01-01 12:00\n")
    faults = caught.value.faults
    assert len(faults) == 4
    assert sum("(10 rows in all)" in fault for fault in faults) == 2
    assert "--reject-file" in faults[-1]
    assert any(fault.startswith("notes.csv row 3,") for fault in faults)


def test_the_number_of_a_row_survives_blank_lines_broken_lines_and_bad_rows(bench):
    rows = '3,"3\n",2026-01-05 10:00,,N,21,80\n\n1,2\n5,5,2026-01-05 10:00,,N,xx,80\n'
    text = bench.refusal(MAPPING, spells=HEADER + GOOD + rows)
    assert "row 5, 7 cells as in the header expected, found 2 cells" in text
    assert "row 6, column method" in text


# ---- kept apart ---------------------------------------------------------------------------------


@pytest.fixture
def rejected(bench, tmp_path):
    """Return a run that keeps bad rows apart, its dataset and the rows."""
    path = tmp_path / "rejected.csv"
    spells = (
        HEADER
        + GOOD
        + "2,21,2026-01-05 10:00,,N,77,80\n"  # a bad fact: the spell is bad
        + "3,31,2026-01-05 10:00,,N,21,80,more\n"  # does not fit the header
        + "4,41,2026-01-05 10:00,,N,21,\n"
    )
    notes = NOTES + "11,99,2026-01-01 12:00\n21,3,2026-01-05 12:00\n41,4,2026-01-05 12:00\n"
    dataset = bench.run(MAPPING, reject_file=path, spells=spells, notes=notes)
    with path.open(encoding="utf-8", newline="") as file:
        return dataset, list(csv.DictReader(file)), path


def test_good_rows_stay_and_bad_spells_go_whole(rejected, bench):
    dataset, _, _ = rejected
    assert find_spells(dataset.read()).spell_id.tolist() == [11, 41]
    assert [row[1:4] for row in bench.told(dataset, family="NEWS2")] == [
        (11, "NEWS2", 3.0),
        (41, "NEWS2", 4.0),
    ]


def test_rejected_rows_are_counted_and_kept_with_file_row_and_reason(rejected):
    dataset, rows, _ = rejected
    assert dataset.manifest.counts["rejected_rows"] == len(rows) == 4
    assert dataset.manifest.counts["rejected_spells"] == 1
    told = {(row["homeward_file"], int(row["homeward_row"])): row for row in rows}
    assert set(told) == {("notes.csv", 3), ("notes.csv", 4), ("spells.csv", 3), ("spells.csv", 4)}
    assert "ADMISSION_METHOD" in told["spells.csv", 3]["homeward_reason"]
    assert told["spells.csv", 3]["method"] == "77"
    assert told["spells.csv", 4]["homeward_unread"] == "3,31,2026-01-05 10:00,,N,21,80,more"
    assert told["notes.csv", 3]["score"] == "99"
    assert told["notes.csv", 4]["homeward_reason"] == "its spell was rejected"


def test_only_the_owner_can_read_rejected_rows(rejected):
    _, _, path = rejected
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_run_without_bad_rows_leaves_an_empty_list(bench, tmp_path):
    path = tmp_path / "rejected.csv"
    dataset = bench.run(MAPPING, reject_file=path, spells=HEADER + GOOD)
    assert dataset.manifest.counts["rejected_rows"] == 0
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_when_every_row_is_bad_nothing_is_left(bench, tmp_path):
    path = tmp_path / "rejected.csv"
    with pytest.raises(BadRows):
        bench.run(MAPPING, reject_file=path, spells=HEADER + "1,11,,,N,21,80\n")
    assert not path.exists()
    assert not bench.out.exists()


def test_nothing_is_ever_overwritten(bench, tmp_path):
    path = tmp_path / "rejected.csv"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match="this one exists"):
        bench.run(MAPPING, reject_file=path, spells=HEADER + GOOD)
    assert path.read_text(encoding="utf-8") == "mine"
    with pytest.raises(BadInput, match="a folder expected"):
        bench.run(MAPPING, reject_file=tmp_path / "no" / "rejected.csv", spells=HEADER + GOOD)
    bench.run(MAPPING, spells=HEADER + GOOD)
    mapping, source = (
        bench.out.parent.parent / "mapping.toml",
        bench.out.parent.parent / "spells.csv",
    )
    with pytest.raises(BadInput, match="a new folder expected"):
        ingest(mapping, [source], bench.out)


def test_rejected_rows_are_taken_back_if_the_dataset_cannot_be_written(
    bench, tmp_path, monkeypatch
):
    def full(*_args, **_named):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("feature_store.ingest.run.write_dataset", full)
    with pytest.raises(OSError, match="no space"):
        bench.run(
            MAPPING,
            reject_file=tmp_path / "rejected.csv",
            spells=HEADER + GOOD + "2,21,,,N,21,80\n",
        )
    assert not list(tmp_path.rglob("*rejected*"))
    assert not bench.out.exists()
    assert list(bench.out.parent.iterdir()) == []


# ---- whatever comes ------------------------------------------------------------------------------

TRICKY = ["1", "11", "21", "-1", "1e400", "1e-400", "Y", '"', ",", "2026-01-01T10:00"]
TRICKY += ["2026-03-29T01:30", "0001-01-01T00:00", "9999-12-31T23:59", "2026-01-05T10:00+99:99"]
CELL = st.sampled_from([*TRICKY, "", "\n", "\r", "\x00", "\u2028"]) | st.text(max_size=6)


@given(
    rows=st.lists(st.lists(CELL, min_size=6, max_size=8), min_size=1, max_size=4), data=st.data()
)
@settings(max_examples=60)
def test_whatever_the_rows_hold_a_run_ends_in_a_dataset_or_in_bad_input(
    tmp_path_factory, rows, data
):
    folder = tmp_path_factory.mktemp("fuzz")
    body = "\n".join(",".join(row) for row in rows).encode("utf-8", errors="surrogatepass")
    noise = data.draw(st.binary(max_size=3))
    (folder / "spells.csv").write_bytes((HEADER + GOOD).encode() + body + noise)
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    for reject in (None, folder / "rejected.csv"):
        try:
            ingest(
                folder / "mapping.toml", [folder / "spells.csv"], folder / "out", reject_file=reject
            )
        except BadInput:
            assert not (folder / "out").exists()
        else:
            assert find_spells(open_dataset(folder / "out").read()).spell_id.size
            shutil.rmtree(folder / "out")
