"""The worked example of docs/mapping.md runs as it is printed."""

import re
from pathlib import Path

from homeward.shell import run

PAGE = Path(__file__).parents[3] / "docs" / "mapping.md"


def block_after(text, name):
    """Return the fenced block that follows the first mention of a file."""
    return re.search(rf"`{re.escape(name)}`.*?```\w+\n(.*?)```", text, re.DOTALL)[1]


def test_the_worked_example_gives_what_the_page_says(tmp_path, monkeypatch, capsys):
    page = PAGE.read_text(encoding="utf-8").partition("## A worked example")[2]
    for name in ("spells.csv", "scores.csv", "trust.toml"):
        (tmp_path / name).write_text(block_after(page, name), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command, *expected = re.search(r"```console\n\$ (.*?)```", page, re.DOTALL)[1].splitlines()
    assert run(command.split()[1:]) == 0
    assert capsys.readouterr().out.splitlines() == expected


def test_every_key_of_a_mapping_is_on_the_page():
    import msgspec

    from feature_store.ingest import mapping

    page = PAGE.read_text(encoding="utf-8")
    sections = (mapping.Mapping, mapping.TimeRules, mapping.Keys, mapping.Table, mapping.Spells)
    for section in (*sections, mapping.Fact):
        for field in msgspec.structs.fields(section):
            assert f"`{field.name}" in page or f"[{field.name}" in page, field.name
