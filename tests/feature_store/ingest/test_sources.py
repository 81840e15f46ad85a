"""Files: which table each is, and what happens to damaged, empty or foreign ones."""

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.ingest.text_stream import FOREIGN, TextStream

TABLE = """\
name = "bench"
missing = ["NULL"]
[keys]
keep = ["subject", "spell"]
[table.spells]
subject = "patient"
spell = "spell"
{more}
[spells]
start = "start"
end = "end"
[fact.ward]
code = "WARD//{{ward}}"
time = "start"
"""
MAPPING = TABLE.format(more="")
SPELLS = "patient,spell,start,end,ward\n1,11,2026-01-01 10:00,2026-01-03 09:00,A\n"
ROWS = "".join(f"{n},{n},2026-01-01 10:00,2026-01-03 09:00,W{n % 7}\n" for n in range(2, 4000))


def wards(bench, dataset):
    """Return the ward codes, in order of patient."""
    return [row[2] for row in bench.told(dataset, family="WARD")]


def test_a_missing_column_is_named_with_what_looks_like_it(bench):
    text = bench.refusal(MAPPING, spells=SPELLS.replace("ward", "wards"))
    assert 'spells.csv: header (row 1): column "ward"; did you mean "wards"? expected' in text


def test_a_file_without_a_header_is_not_quoted(bench):
    text = bench.refusal(MAPPING, spells="9990000001,11,2026-01-01 10:00,,Ward 7\n")
    assert "header (row 1)" in text
    assert "among 5 columns" in text
    assert "999" not in text
    assert "Ward 7" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a header and rows expected, found an empty file"),
        ("patient,spell,start,end,ward\n", "rows expected under the header, found none"),
        ("patient,spell,start,end,ward", "rows expected under the header, found none"),
        ("patient,spell,start,end,ward\n\n\n", "rows expected under the header, found none"),
        ("\npatient\n", "a header (row 1) expected, found a blank row"),
        (SPELLS.replace("end", "start"), "column names expected once each"),
        (SPELLS.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "an Excel or zip file"),
        (SPELLS + '2,21,"2026-01-01 10:00,,A\n3,31,2026-01-01 10:00,,A\n', "quote marks in pairs"),
        (SPELLS.replace("ward", "wärd").encode("latin-1"), "header (row 1) in utf-8 expected"),
    ],
)
def test_a_file_that_is_no_table_is_refused(bench, content, message):
    assert message in bench.refusal(MAPPING, spells=content)


def test_a_row_that_is_not_utf_8_is_a_bad_row(bench):
    content = (SPELLS + "2,21,2026-01-01 10:00,,Böhm\n").encode("latin-1")
    text = bench.refusal(MAPPING, spells=content)
    assert "spells.csv: row 3, text in UTF-8 expected, found other bytes" in text


def test_another_encoding_can_be_named(bench):
    content = (SPELLS + "2,21,2026-01-01 10:00,,Böhm\n").encode("latin-1")
    mapping = TABLE.format(more='encoding = "latin-1"')
    assert wards(bench, bench.run(mapping, spells=content)) == ["WARD//A", "WARD//Böhm"]


def test_gzip_is_read_whatever_its_name(bench):
    packed = gzip.compress(SPELLS.encode())
    assert wards(bench, bench.run(MAPPING, spells_csv_gz=packed)) == ["WARD//A"]
    assert wards(bench, bench.run(MAPPING, spells=packed)) == ["WARD//A"]


@pytest.mark.parametrize("kept", [5, 0.5, -9, -1])
def test_a_truncated_gzip_is_refused(bench, kept):
    packed = gzip.compress((SPELLS + ROWS).encode())
    cut = packed[: int(len(packed) * kept) if isinstance(kept, float) else kept]
    assert "truncated" in bench.refusal(MAPPING, spells_csv_gz=cut)


def test_a_damaged_gzip_is_refused(bench):
    packed = bytearray(gzip.compress((SPELLS + ROWS).encode()))
    packed[-6] ^= 0xFF  # the checksum
    assert "damaged" in bench.refusal(MAPPING, spells_csv_gz=bytes(packed))
    assert "gzip expected" in bench.refusal(MAPPING, spells_csv_gz=SPELLS.encode())


@pytest.mark.parametrize("kept", [100, 0.5, -4])
def test_a_truncated_parquet_is_refused(bench, tmp_path, kept):
    names, *rows = [line.split(",") for line in (SPELLS + ROWS).splitlines()]
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    pq.write_table(table, tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    cut = whole[: int(len(whole) * kept) if isinstance(kept, float) else kept]
    assert "a whole Parquet file expected" in bench.refusal(MAPPING, spells_parquet=cut)
    assert "Parquet expected" in bench.refusal(MAPPING, spells_parquet=SPELLS)


def test_parquet_is_read_as_text(bench, tmp_path):
    table = pa.table(
        {
            "patient": [1, 2],
            "spell": [11.0, 21.0],  # how pandas keeps whole numbers beside a missing one
            "start": ["2026-01-01 10:00", "2026-01-01 10:00"],
            "end": [None, "NULL"],
            "ward": pa.array(["A", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "spells.parquet")
    dataset = bench.run(MAPPING, spells=tmp_path / "spells.parquet")
    assert wards(bench, dataset) == ["WARD//A"]
    assert dataset.manifest.counts["open_spells"] == 2
    nested = table.set_column(4, "ward", pa.array([["A"], ["B"]]))
    pq.write_table(nested, tmp_path / "nested.parquet")
    assert "column ward: text, numbers or dates" in bench.refusal(
        MAPPING, spells=tmp_path / "nested.parquet"
    )


def test_a_number_of_a_row_in_parquet_counts_records(bench, tmp_path):
    table = pa.table({"patient": ["1"], "spell": ["x"], "start": ["a"], "end": [""], "ward": ["A"]})
    pq.write_table(table, tmp_path / "spells.parquet")
    assert "row 1, column spell" in bench.refusal(MAPPING, spells=tmp_path / "spells.parquet")


def test_rejected_rows_of_parquet_are_kept_too(bench, tmp_path):
    columns = {"patient": [1, 2], "spell": [1, 2], "end": ["", ""], "ward": ["A", "B"]}
    table = pa.table({**columns, "start": ["2026-01-01 10:00", "soon"], "more": [[1], [2]]})
    pq.write_table(table, tmp_path / "spells.parquet")
    path = tmp_path / "rejected.csv"
    bench.run(MAPPING, reject_file=path, spells=tmp_path / "spells.parquet")
    header, row = path.read_text(encoding="utf-8").splitlines()
    assert header.endswith("patient,spell,end,ward,start")
    assert row.startswith("spells.parquet,2,")


def test_delimiters_quotes_and_blanks_around_cells(bench):
    mapping = TABLE.format(more='delimiter = ";"')
    spells = 'patient;spell;start;end;ward\n 1 ; 11;2026-01-01 10:00 ; NULL ;"A; ""B"""\n'
    assert wards(bench, bench.run(mapping, spells=spells)) == ['WARD//A; "B"']
    plain = TABLE.format(more='delimiter = "\\t"\nquotes = false')
    spells = 'patient\tspell\tstart\tend\tward\n1\t11\t2026-01-01 10:00\t\t5" ward\n'
    assert wards(bench, bench.run(plain, spells=spells)) == ['WARD//5" ward']


def test_a_byte_order_mark_and_windows_line_ends_are_read_over(bench):
    content = ("\ufeff" + SPELLS).replace("\n", "\r\n").encode()
    assert wards(bench, bench.run(MAPPING, spells=content)) == ["WARD//A"]


# ---- which file is which table ------------------------------------------------------------------

TWO = """\
name = "bench"
[keys]
keep = ["subject", "spell"]
[table.spells]
file = "spells*"
subject = "patient"
spell = "spell"
[table.wards]
file = "wards*.csv"
spell = "spell"
[spells]
table = "spells"
start = "start"
end = "end"
[fact.ward]
table = "wards"
code = "WARD//{ward}"
time = "at"
"""
MOVES = "spell,ward,at\n11,A,2026-01-01 11:00\n"


def test_a_table_may_come_in_several_files(bench):
    more = SPELLS.replace("1,11", "2,21")
    dataset = bench.run(TWO, spells1=SPELLS, spells2=more, wards=MOVES)
    assert dataset.manifest.counts["spells"] == 2
    twice = bench.refusal(TWO, spells1=SPELLS, spells2=SPELLS, wards=MOVES)
    assert "spells1.csv row 2, column spell: one row a spell" in twice
    assert "spells2.csv row 2, column spell: one row a spell" in twice


def test_every_source_is_one_table_and_every_table_has_one(bench):
    assert 'a file expected for table wards ("wards*.csv")' in bench.refusal(TWO, spells=SPELLS)
    assert "the name fits none of" in bench.refusal(TWO, spells=SPELLS, other=MOVES)
    both = TWO.replace("wards*.csv", "*")
    assert "the name fits several of" in bench.refusal(both, spells=SPELLS)


def test_a_table_may_be_left_out_if_the_mapping_says_so(bench):
    optional = TWO.replace('file = "wards*.csv"', 'file = "wards*.csv"\noptional = true')
    assert bench.run(optional, spells=SPELLS).manifest.counts["events"] == 2


def test_a_source_that_is_not_there_is_told_without_its_folder(bench, tmp_path):
    text = bench.refusal(MAPPING, spells=tmp_path / "spells.csv")
    assert text.startswith("spells.csv: a source file expected")
    assert str(tmp_path) not in text


def test_a_row_longer_than_a_batch_is_refused(bench, monkeypatch):
    from feature_store.ingest import delimited

    monkeypatch.setattr(delimited, "_BLOCK", 200)
    spells = SPELLS + '2,21,"' + "2026-01-01 10:00\n" * 30 + '",,A\n'
    assert "found one longer: an unclosed quote?" in bench.refusal(MAPPING, spells=spells)


def test_a_wrong_encoding_is_told(bench):
    mapping = TABLE.format(more='encoding = "cp1252"')
    content = SPELLS.encode() + b"2,21,2026-01-01 10:00,,\x81\n"
    text = bench.refusal(mapping, spells=content)
    assert "row 3, text in CP1252 expected, found other bytes" in text
    unknown = TABLE.format(more='encoding = "klingon"')
    assert "[table.spells] encoding" in bench.refusal(unknown, spells=SPELLS)


def test_a_row_of_other_bytes_that_does_not_fit_the_header_is_told_and_kept_apart(bench, tmp_path):
    content = SPELLS.encode() + b"2,21,B\xf6hm\n3,31,2026-01-01 10:00,,B\xf6hm\n"
    text = bench.refusal(MAPPING, spells=content)
    assert "row 3, 5 cells as in the header expected, found 3 cells" in text
    assert "row 4, text in UTF-8 expected, found other bytes" in text
    path = tmp_path / "rejected.csv"
    bench.run(MAPPING, reject_file=path, spells=content)
    rows = path.read_text(encoding="utf-8").splitlines()
    assert any(row.endswith('found 3 cells","2,21,B\\xf6hm",,,,,') for row in rows)
    assert any(row.endswith("3,31,2026-01-01 10:00,,B\\xf6hm") for row in rows)


@given(
    content=st.binary(max_size=60),
    encoding=st.sampled_from(["utf-8", "latin-1", "cp1252"]),
    size=st.integers(1, 9),
)
def test_a_text_stream_gives_utf_8_in_pieces_of_the_size_asked_for(content, encoding, size):
    stream = TextStream(io.BytesIO(content), encoding)
    pieces = list(iter(lambda: stream.read(size), b""))
    assert all(len(piece) <= size for piece in pieces)
    text = b"".join(pieces).decode("utf-8")
    assert stream.has_foreign == (FOREIGN in text)
    assert stream.quotes == text.count('"')
    assert stream.has_foreign or text == content.decode(encoding)


def test_a_file_of_nothing_but_rows_that_do_not_fit_is_refused(bench):
    text = bench.refusal(MAPPING, spells="patient,spell,start,end,ward\n1\n2,2\n")
    assert "row 2, 5 cells as in the header expected, found 1 cell" in text


def test_two_sources_of_one_name_are_refused(bench, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "spells.csv").write_text(SPELLS, encoding="utf-8")
    paths = {folder: tmp_path / folder / "spells.csv" for folder in ("a", "b")}
    assert "files of different names expected" in bench.refusal(MAPPING, **paths)
