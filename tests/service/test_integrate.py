"""docs/integrate.md, done step by step."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from homeward import client as client_module
from homeward.shell import run

PAGE = (Path(__file__).parents[2] / "docs" / "integrate.md").read_text()
BLOCKS = re.findall(r"```(\w+)(?: (\S+))?\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def drop(tmp_path, monkeypatch):
    """A folder with the files of the page."""
    monkeypatch.chdir(tmp_path)
    for _, name, content in BLOCKS:
        if name:
            Path(name).write_text(content)
    return tmp_path


def commands(program):
    """Commands of the page, as words."""
    lines = [line for kind, _, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(program)]


def as_request(words):
    """Address, headers and body of a curl command, of the few options that the page uses."""
    words = iter(words[1:])
    address, headers, body = "", {}, None
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value.replace("…", "key").encode()
        elif word == "--data":
            body = Path(next(words).removeprefix("@")).read_bytes()
        elif word != "-s":
            address = word
    return address.removeprefix("http://127.0.0.1:8000"), headers, body


@pytest.mark.usefixtures("drop")
def test_its_curl_commands_are_answered(client):
    assert len(commands("curl")) == 3
    for words in commands("curl"):
        path, headers, body = as_request(words)
        answer = client.request("POST" if body else "GET", path, headers=headers, content=body)
        assert answer.status_code == 200
    assert [one["spell_id"] for one in answer.json()["scores"]] == ["S456"]


def test_its_python_runs(client, monkeypatch, capsys):
    (code,) = (text for kind, _, text in BLOCKS if kind == "python")
    whole = client_module.Client.__init__

    def through_this_service(self, address, **options):
        whole(self, address, transport=client._transport, **options)

    monkeypatch.setattr(client_module.Client, "__init__", through_this_service)
    exec(compile(code.replace("…", "key"), "integrate.md", "exec"), {})
    assert capsys.readouterr().out.startswith("S456 ")


def test_its_files_are_scored(drop, bundle_folder, monkeypatch):
    monkeypatch.setenv("HOMEWARD_MODEL_URI", str(bundle_folder))
    monkeypatch.setenv("HOMEWARD_VAR", str(drop / "var"))
    for words in commands("homeward"):
        assert run(words[1:]) == 0
    with Path("scores.csv").open() as file:
        rows = {row["spell_id"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"1001", "1002"}  # the third had left
    assert all(0 < float(row["p_7"]) <= 1 for row in rows.values())


def test_a_file_and_a_request_say_the_same(drop, client, bundle_folder, monkeypatch):
    monkeypatch.setenv("HOMEWARD_MODEL_URI", str(bundle_folder))
    monkeypatch.setenv("HOMEWARD_VAR", str(drop / "var"))
    for words in commands("homeward"):
        run(words[1:])
    told = client.post("/v1/scores", json=json.loads(Path("request.json").read_text())).json()
    with Path("scores.csv").open() as file:
        (row,) = (row for row in csv.DictReader(file) if row["spell_id"] == "1001")
    assert float(row["p_7"]) == pytest.approx(told["scores"][0]["probability"]["7"], abs=1e-12)
