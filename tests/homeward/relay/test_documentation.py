"""docs/trackers.md: its tracker works, its file is one, its table is the code's."""

import json
import re
from pathlib import Path

import pytest

from homeward.relay.columns import COLUMNS
from homeward.relay.outbox import WAITS
from homeward.relay.tracker import Kind
from homeward.relay.trackers_file import read_trackers

PAGE = (Path(__file__).parents[3] / "docs" / "trackers.md").read_text()
BLOCKS = {
    name: content for _, name, content in re.findall(r"```(\w+) (\S+)\n(.*?)```", PAGE, re.DOTALL)
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files of the page, and a secret."""
    for name, content in BLOCKS.items():
        (tmp_path / name).write_text(content)
    secret = tmp_path / "tasks.secret"
    secret.write_text("whsec_" + "c2VjcmV0" * 4)
    secret.chmod(0o600)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tracker_of_the_page_takes_notices(folder, relay_of, world, made):
    trackers = read_trackers(folder / "trackers.json", dict).trackers
    ours = next(one for one in trackers if one.name == "ours")
    relay = relay_of(ours)
    world.list = made.list(made.entry("S1"), made.entry("S2", band="low", change="rising"))
    relay.look()
    assert [relay.tell(ours), relay.tell(ours)] == ["taken", None]
    (task,) = (folder / "tasks").iterdir()
    assert json.loads(task.read_text())["spell"] == "S1"


def test_the_page_names_what_the_code_has():
    table = re.search(r"<!-- canonical -->(.*?)<!-- /canonical -->", PAGE, re.DOTALL)[1]
    told = dict(re.findall(r"\| `(\w+)` \| `([\w.]+)` \|", table))
    assert told == {one.name: one.canonical for one in COLUMNS if one.canonical}
    assert all(f"`{kind}`" in PAGE for kind in Kind)
    assert (5, 300, 1800, *(3600 * hours for hours in (2, 5, 10, 14, 20, 24))) == WAITS
    assert "5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 hours" in PAGE
