"""A missing data file is said plainly, with where it was looked for."""

import pytest

from benchmarks.real_data import main
from benchmarks.uci_source import source
from feature_store.errors import BadInput


def test_a_missing_file_is_bad_input_and_names_no_folder_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HOMEWARD_SHARED_DATA", str(tmp_path))
    with pytest.raises(BadInput, match=r"\$HOMEWARD_SHARED_DATA") as told:
        source()
    assert str(tmp_path) not in str(told.value)


def test_a_table_without_its_data_ends_with_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOMEWARD_SHARED_DATA", str(tmp_path))
    assert main(["--quick", "--sets", "A"]) == 2
    assert "data set 296" in capsys.readouterr().err


def test_the_file_is_found_where_the_setting_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOMEWARD_SHARED_DATA", str(tmp_path))
    (tmp_path / "uci_diabetes130").mkdir()
    path = tmp_path / "uci_diabetes130" / "diabetic_data.csv.gz"
    path.touch()
    assert source() == path.resolve()
