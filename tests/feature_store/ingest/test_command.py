"""``homeward ingest``: exit codes, what it prints and where."""

import json

import pytest

from homeward.shell import run

MAPPING = """\
name = "bench"
[table.spells]
subject = "patient"
spell = "spell"
[spells]
start = "start"
end = "end"
"""
SPELLS = "patient,spell,start,end\nA,11,2026-01-01 10:00,2026-01-03 09:00\nB,12,2026-01-02 10:00,\n"
BAD = SPELLS + "C,13,MARKED,\n"


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Return a function that runs the command in a folder with a mapping and an extract."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mapping.toml").write_text(MAPPING, encoding="utf-8")

    def command(*options, spells=SPELLS):
        (tmp_path / "spells.csv").write_text(spells, encoding="utf-8")
        return run(
            ["ingest", "--mapping", "mapping.toml", "--out", "events", *options, "spells.csv"]
        )

    return command


def test_a_good_extract_ends_with_0_and_a_short_account(ask, tmp_path, capsys):
    assert ask() == 0
    told = capsys.readouterr()
    assert "events (clock: exact)" in told.out
    assert "3  events" in told.out
    assert "2  spells" in told.out
    assert "1  spells still open" in told.out
    assert told.err == ""
    assert (tmp_path / "events" / "manifest.json").is_file()


def test_json_is_the_manifest(ask, tmp_path, capsys):
    assert ask("--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "events" / "manifest.json").read_text("utf-8"))


def test_bad_rows_end_with_2_and_leave_nothing(ask, tmp_path, capsys):
    assert ask(spells=BAD) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "spells.csv: row 4, column start:" in told.err
    assert "MARKED" not in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mapping.toml", "spells.csv"]


def test_with_a_reject_file_the_rest_is_kept_and_the_number_told(ask, tmp_path, capsys):
    assert ask("--reject-file", "rejected.csv", spells=BAD) == 0
    told = capsys.readouterr().out
    assert "1  rows rejected, in rejected.csv" in told
    assert "1  spells rejected with them" in told
    assert "MARKED" in (tmp_path / "rejected.csv").read_text(encoding="utf-8")


def test_the_end_of_the_data_can_be_told(ask, capsys):
    assert ask("--json", "--observed-until", "2026-02-01T00:00+00:00") == 0
    assert json.loads(capsys.readouterr().out)["observed_until"] == "2026-02-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        ("tomorrow", "ISO 8601 expected"),
        ("2026-02-01T00:00", "an offset expected"),
        ("2026-01-01T12:00Z", "1 spells start later"),
    ],
)
def test_an_end_of_the_data_that_cannot_be_is_refused(ask, capsys, moment, message):
    assert ask("--observed-until", moment) == 2
    assert message in capsys.readouterr().err


def test_one_secret_makes_one_set_of_keys(ask, tmp_path, capsys, monkeypatch):
    assert run(["key", "key"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("HOMEWARD_PSEUDONYM_KEY_FILE", str(tmp_path / "key"))
    assert ask("--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert first["settings"]["subject_key"] == "HMAC-SHA256 with the site's key"
    (tmp_path / "events").rename(tmp_path / "before")
    assert ask("--json") == 0
    assert json.loads(capsys.readouterr().out)["content_hash"] == first["content_hash"]


def test_a_secret_that_is_not_there_is_told(ask, capsys, monkeypatch):
    monkeypatch.setenv("HOMEWARD_PSEUDONYM_KEY_FILE", "absent")
    assert ask() == 2
    assert "absent: the pseudonym key cannot be read" in capsys.readouterr().err


def test_a_folder_that_is_there_is_not_touched(ask, tmp_path, capsys):
    (tmp_path / "events").mkdir()
    assert ask() == 2
    assert "a new folder expected" in capsys.readouterr().err


def test_help_has_an_example_and_says_what_a_reject_file_holds(capsys):
    assert run(["ingest", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Example: homeward ingest --mapping" in told
    assert "only its owner can read it" in told
