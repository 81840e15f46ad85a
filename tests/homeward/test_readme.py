"""The README says what is true: settings, files and commands."""

import re
from dataclasses import fields
from pathlib import Path

from homeward.shell import COMMANDS
from service.setting_kinds import variable
from service.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_listed_and_nothing_else():
    listed = set(re.findall(r"^\| `(HOMEWARD_\w+)`", README, flags=re.MULTILINE))
    assert listed == {variable(entry.name) for entry in fields(Settings)}


def test_every_file_it_points_to_is_there():
    linked = re.findall(r"\]\(([\w./-]+)\)", README)
    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []


def test_every_command_it_shows_exists():
    shown = set(re.findall(r"^homeward (\w+)", README, flags=re.MULTILINE))
    assert shown
    assert shown <= set(COMMANDS)
