"""A file of trackers: what it makes, and what is wrong with one that cannot be used."""

import base64
import json
import sys

import pytest

from feature_store.errors import BadInput
from homeward.relay.tracker import Kind
from homeward.relay.trackers_file import read_trackers

HOOK = {"kind": "webhook", "name": "tasks", "url": "https://t.example/h", "secret_file": "s"}


@pytest.fixture
def read(tmp_path):
    secret = tmp_path / "s"
    secret.write_text("whsec_" + base64.b64encode(b"s" * 32).decode())
    secret.chmod(0o600)

    def read(content):
        path = tmp_path / "trackers.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_trackers(path, dict)

    return read


def test_each_kind_is_made(read, tmp_path, monkeypatch):
    (tmp_path / "one_of_ours.py").write_text(
        "class Ours:\n    def __init__(self, name, settings):\n"
        "        self.name, self.settings = name, settings\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = read(
        {
            "look_seconds": 60,
            "trackers": [
                {**HOOK, "notices": ["risk.high"], "sites": ["RXX01"]},
                {"kind": "drop", "name": "warehouse", "folder": "drops", "keep": 3},
                {
                    "kind": "python",
                    "name": "ours",
                    "make": "one_of_ours:Ours",
                    "settings": {"a": 1},
                },
            ],
        }
    )
    hook, drop, ours = made.trackers
    assert (hook.kinds, hook.sites, made.look_seconds) == ({Kind.HIGH}, {"RXX01"}, 60)
    assert (drop.folder, drop.keep) == (tmp_path / "drops", 3)
    assert (ours.name, ours.settings) == ("ours", {"a": 1})
    del sys.modules["one_of_ours"]


@pytest.mark.parametrize(
    "content",
    [
        "nonsense",
        {"trackers": []},
        {"trackers": [{**HOOK, "kind": "fax"}]},
        {"trackers": [{**HOOK, "notices": ["risk.low"]}]},
        {"trackers": [{**HOOK, "secret": "whsec_written-here"}]},
        {"trackers": [HOOK, HOOK]},
        {"trackers": [{**HOOK, "secret_file": "nowhere"}]},
        {"trackers": [{**HOOK, "url": "http://t.example/h"}]},
        {"trackers": [{"kind": "python", "name": "ours", "make": "no_such_module_here:make"}]},
        {"trackers": [{"kind": "python", "name": "ours", "make": "json:no_such_function"}]},
        {"trackers": [HOOK], "look_seconds": 0},
    ],
)
def test_what_cannot_be_used_is_refused_without_repeating_it(read, content):
    with pytest.raises(BadInput) as raised:
        read(content)
    assert "written-here" not in str(raised.value)
    assert "t.example" not in str(raised.value)
