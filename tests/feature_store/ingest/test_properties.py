"""What holds for every extract: order of rows, size of batches and shards change nothing."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.errors import BadInput
from feature_store.events import NO_SPELL
from feature_store.identity import pseudonym
from feature_store.ingest import delimited, partitions
from feature_store.ingest.spell_index import SpellIndex
from feature_store.spells import STILL_HERE, find_spells

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
[spells]
table = "spells"
start = "start"
end = "end"
[fact.ward]
table = "spells"
code = "SITE//{site}"
[fact.news2]
table = "notes"
code = "NEWS2"
number = "score"
time = "at"
"""
ORDER = """\
name = "bench"
complete = true
[keys]
keep = ["subject", "spell"]
[table.spells]
subject = "patient"
spell = "spell"
[spells]
order = "place"
days = "days"
[fact.ward]
code = "LOCAL//{site}"
known = "after_discharge"
"""


def made_up(spells=400, notes=3, seed=7):
    """Return rows of made-up spells and notes, without headers."""
    chance = np.random.default_rng(seed)
    start = np.datetime64("2026-01-01T00:00") + chance.integers(0, 500_000, spells)
    end = start + chance.integers(0, 40_000, spells)
    rows = [
        f"{chance.integers(1, spells // 2)},{n},{start[n]},{end[n] if n % 9 else ''},R{n % 4}"
        for n in range(spells)
    ]
    told = [
        f"{n},{chance.integers(0, 20)},{start[n] + chance.integers(0, 9000)}"
        for n in range(spells)
        for _ in range(notes)
    ]
    return rows, told


def text_of(header, rows, order=None):
    """Return a CSV of these rows in some order."""
    chosen = rows if order is None else [rows[place] for place in order]
    return "\n".join([header, *chosen]) + "\n"


SPELLS, NOTES = "patient,spell,start,end,site", "spell,score,at"


def content(bench, spells, notes, **options):
    """Return the content hash of a run."""
    dataset = bench.run(
        MAPPING, spells=text_of(SPELLS, spells), notes=text_of(NOTES, notes), **options
    )
    return dataset.manifest.content_hash


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_does_not_change_a_byte(bench, seed, monkeypatch):
    monkeypatch.setattr(partitions, "SPELLS_IN_A_SHARD", 90)
    spells, notes = made_up()
    chance = np.random.default_rng(seed)
    shuffled = [spells[place] for place in chance.permutation(len(spells))]
    shuffled_notes = [notes[place] for place in chance.permutation(len(notes))]
    assert content(bench, spells, notes) == content(bench, shuffled, shuffled_notes)


def test_the_order_of_rows_does_not_change_an_invented_calendar(bench):
    rows = [f"{n % 7},{n},{(n * 37) % 50},{n % 5},R{n % 3}" for n in range(60)]
    header = "patient,spell,place,days,site"
    hashes = {
        bench.run(ORDER, spells=text_of(header, rows, order)).manifest.content_hash
        for order in (range(60), reversed(range(60)))
    }
    assert len(hashes) == 1


def test_the_size_of_a_batch_does_not_change_a_byte(bench, monkeypatch):
    spells, notes = made_up()
    whole = content(bench, spells, notes)
    monkeypatch.setattr(delimited, "_BLOCK", 997)
    assert content(bench, spells, notes) == whole


def test_row_numbers_do_not_depend_on_the_size_of_a_batch(bench, monkeypatch):
    spells, notes = made_up()
    spells[100] += ",more"
    spells[200] = "1,2"
    spells[317] = spells[317].replace("2026", "20x6", 1)
    monkeypatch.setattr(delimited, "_BLOCK", 997)
    text = bench.refusal(MAPPING, spells=text_of(SPELLS, spells), notes=text_of(NOTES, notes))
    assert "row 102, 5 cells as in the header expected, found 6 cells" in text
    assert "row 202, 5 cells as in the header expected, found 2 cells" in text
    assert "row 319, column start" in text


def test_shards_hold_whole_subjects_in_order(bench, monkeypatch):
    monkeypatch.setattr(partitions, "SPELLS_IN_A_SHARD", 50)
    spells, notes = made_up()
    dataset = bench.run(MAPPING, spells=text_of(SPELLS, spells), notes=text_of(NOTES, notes))
    assert len(dataset.shards) > 3
    subjects = [pq.read_table(shard)["subject_id"].to_numpy() for shard in dataset.shards]
    assert all(left.max() < right.min() for left, right in pairwise(subjects))
    assert all(events.is_in_order() for events in dataset.read_shards())
    assert find_spells(dataset.read()).spell_id.tolist() == list(range(400))


def test_parquet_and_csv_of_one_extract_make_one_dataset(bench, tmp_path):
    spells, notes = made_up()
    paths = {}
    for name, header, rows in (("spells", SPELLS, spells), ("notes", NOTES, notes)):
        columns = zip(*(row.split(",") for row in rows), strict=True)
        table = pa.table(dict(zip(header.split(","), map(list, columns), strict=True)))
        paths[name] = tmp_path / f"{name}.parquet"
        pq.write_table(table, paths[name], row_group_size=77)
    assert bench.run(MAPPING, **paths).manifest.content_hash == content(bench, spells, notes)


def test_gzip_and_plain_text_of_one_extract_make_one_dataset(bench):
    spells, notes = made_up()
    packed = {"spells_csv_gz": text_of(SPELLS, spells), "notes_csv_gz": text_of(NOTES, notes)}
    assert bench.run(MAPPING, **packed).manifest.content_hash == content(bench, spells, notes)


# ---- keys ---------------------------------------------------------------------------------------


HASHED = MAPPING.replace('keep = ["subject", "spell"]', 'remove = " -"')


@given(st.text(max_size=20), st.binary(min_size=16, max_size=40))
def test_a_pseudonym_fits_into_an_integer_and_needs_its_secret(key, secret):
    number = pseudonym(key, "subject", secret)
    assert 0 <= number < 2**63
    assert number == pseudonym(key, "subject", secret)
    assert number != pseudonym(key, "subject", secret + b"x")
    assert number != pseudonym(key, "spell", secret)


def test_without_a_secret_two_runs_cannot_be_linked(bench):
    spells, notes = made_up(20)
    files = {"spells": text_of(SPELLS, spells), "notes": text_of(NOTES, notes)}
    runs = [bench.run(HASHED, **files) for _ in range(2)]
    first, second = (set(run.read().subject_id.tolist()) for run in runs)
    assert not first & second
    assert not first & set(range(400))
    assert "used once" in runs[0].manifest.settings["subject_key"]


def test_a_short_secret_is_refused(bench, tmp_path):
    from feature_store.ingest import ingest

    spells, _ = made_up(5, 1)
    bench.write(tmp_path, "spells", text_of(SPELLS, spells))
    (tmp_path / "mapping.toml").write_text(HASHED, encoding="utf-8")
    with pytest.raises(BadInput, match="16 bytes or more expected, got 5"):
        ingest(
            tmp_path / "mapping.toml",
            [
                tmp_path / "spells.csv",
                bench.write(tmp_path, "notes", f"{NOTES}\n1,1,2026-01-01 10:00"),
            ],
            tmp_path / "events",
            pseudonym_key=b"short",
        )


# ---- spells in memory ---------------------------------------------------------------------------


@given(
    spells=st.lists(
        st.tuples(st.integers(-5, 5), st.integers(-100, 100), st.integers(0, 50), st.booleans()),
        max_size=30,
    ),
    asked=st.lists(st.tuples(st.integers(-6, 6), st.integers(-150, 200)), min_size=1, max_size=20),
)
def test_the_spell_at_a_moment_is_the_last_begun_that_holds_it(spells, asked):
    second = 1_000_000
    count = len(spells)
    columns = [np.array([row[place] for row in spells], np.int64) for place in range(3)]
    subject, start = columns[0], columns[1] * second
    open_ = np.array([row[3] for row in spells], bool)
    end = np.where(open_, STILL_HERE, start + columns[2] * second)
    none = np.zeros(count, bool)
    index = SpellIndex(np.arange(count), subject, start, end, none, np.zeros(0, np.int64))
    whose, when = (np.array([row[place] for row in asked], np.int64) for place in range(2))
    found = index.spell_at(whose, when * second)
    for patient, moment, spell in zip(whose.tolist(), (when * second).tolist(), found, strict=True):
        last = [n for n in range(count) if subject[n] == patient and start[n] <= moment]
        begun = max(last, key=lambda n: (start[n], n), default=None)
        inside = begun is not None and moment <= end[begun]
        assert spell == (begun if inside else NO_SPELL)
    row, position = index.spells_of(whose)
    pairs = sorted(zip(row.tolist(), position.tolist(), strict=True))
    assert pairs == [
        (r, n) for r in range(len(asked)) for n in range(count) if subject[n] == whose[r]
    ]


def test_nhs_numbers_are_not_kept_as_keys(bench):
    numbers = ["9990000018", "9990000026", "9990000034", "9990000042"]
    rows = [f"{number},{n},2026-01-01 10:00,,R1" for n, number in enumerate(numbers)]
    files = {"spells": text_of(SPELLS, rows), "notes": f"{NOTES}\n0,1,2026-01-01 10:00\n"}
    text = bench.refusal(MAPPING, **files)
    assert 'what look like NHS numbers; take "subject" out of keep' in text
    assert bench.run(HASHED, **files).manifest.counts["subjects"] == 4


def test_other_numbers_of_ten_digits_are_kept(bench):
    rows = [f"{1_000_000_000 + 7 * n},{n},2026-01-01 10:00,,R1" for n in range(50)]
    files = {"spells": text_of(SPELLS, rows), "notes": f"{NOTES}\n0,1,2026-01-01 10:00\n"}
    assert bench.run(MAPPING, **files).manifest.counts["subjects"] == 50
