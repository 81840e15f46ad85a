"""One codebook, three doors for ADT messages: what its codes mean is the same at each."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest
from starlette.testclient import TestClient

from feature_store.dataset import open_dataset
from feature_store.errors import BadInput
from feature_store.identity import make_key
from feature_store.live import open_store
from feature_store.live.export import read_all
from homeward.shell import run
from service.app import create_app
from service.settings import Settings

BOOK = """\
name = "three doors"
[fact.SEX]
values = { Female = "2" }
[fact.ADMISSION_METHOD]
values = { AE = "21" }
[fact.PATIENT_CLASSIFICATION]
values = { IP = "1", OP = "O" }
"""


def message(number, visit, kind="IP", method="AE"):
    lines = [
        f"MSH|^~\\&|PAS|RXX|HOMEWARD|RXX|20260112214500||ADT^A01|{number}|P|2.4",
        "EVN|A01|20260112214500||||20260112214000",
        "PID|||1234567^^^RXX^MR||||19420301|Female",
        f"PV1||{kind}|W12^^B04^RXX01|{method}" + "|" * 15 + visit,
    ]
    return ("\r".join(lines) + "\r").encode()


MESSAGES = [
    message(1, "V1"),
    message(2, "V2", method="21"),  # a national code, and not in the book
    message(3, "V3", kind="OP"),
    message(4, "V4", kind="XX"),
]
UNUSED = {"PV1-4": 1, "PV1-2": 1}


@pytest.fixture
def setting(tmp_path):
    """Settings of a site with a codebook."""
    key = tmp_path / "pseudonym.key"
    make_key(key)
    (tmp_path / "adt.toml").write_text(BOOK)
    return {
        "HOMEWARD_PSEUDONYM_KEY_FILE": str(key),
        "HOMEWARD_DATABASE_URL": f"sqlite:///{tmp_path / 'live.db'}",
        "HOMEWARD_VAR": str(tmp_path / "var"),
        "HOMEWARD_ADT_CODEBOOK": str(tmp_path / "adt.toml"),
    }


def facts(events):
    """Code, subject, spell, time and value of every event."""
    told = zip(
        (events.codes[code] for code in events.code.tolist()),
        *(getattr(events, name).tolist() for name in ("subject_id", "spell_id", "time")),
        map(str, events.numeric_value.tolist()),
        strict=True,
    )
    return sorted(told)


def stored(setting):
    with closing(open_store(setting["HOMEWARD_DATABASE_URL"])) as store:
        return facts(read_all(store, at=time.time_ns() // 1000))


# ---- the doors: each gives what is stored and what was counted -----------------------------------


def by_http(setting, _folder):
    app = create_app(Settings.from_environment(setting))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as client:
        for raw in MESSAGES:
            answer = client.post(
                "/v1/adt", content=raw, headers={"Content-Type": "application/hl7-v2"}
            )
            assert "MSA|AA" in answer.text
        lines = client.get("/metrics").text.splitlines()
    name = "homeward_adt_unused_codes_total"
    counted = [line.removeprefix(name) for line in lines if line.startswith(name)]
    return stored(setting), {
        place: int(float(line.split()[-1])) for line in counted for place in UNUSED if place in line
    }


def answered_by_mllp(setting, messages, *options):
    """Answers of ``homeward listen``, and what it said."""
    program = "import sys\nfrom homeward.__main__ import main\nsys.exit(main())"
    command = [sys.executable, "-c", program, "listen", "--port", "0", "--json", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    answers = []
    with subprocess.Popen(command, env=os.environ | setting, **pipes) as running:
        lines = [running.stdout.readline() for _ in range(6)]
        port = json.loads("".join(lines))["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for raw in messages:
                connection.sendall(b"\x0b" + raw + b"\x1c\r")
                answers.append(connection.recv(4096))
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=20)
    return answers, told


def by_mllp(setting, _folder):
    answers, told = answered_by_mllp(setting, MESSAGES)
    assert all(b"MSA|AA" in answer for answer in answers)
    assert told.count("nobody said the meaning of") == len(UNUSED)
    counts = [line.split() for line in told.splitlines() if "that were not used" in line]
    return stored(setting), {words[3]: int(words[0]) for words in counts}


def by_archive(setting, folder):
    (folder / "a.hl7").write_bytes(b"".join(MESSAGES))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in setting.items():
            patch.setenv(name, value)
        out = str(folder / "events")
        assert run(["ingest", "--format", "hl7v2", "--out", out, str(folder / "a.hl7")]) == 0
    dataset = open_dataset(folder / "events")
    assert dataset.manifest.settings["codebook"] == "three doors"
    counts = dataset.manifest.counts
    return facts(dataset.read()), {
        name.removeprefix("unused: "): count
        for name, count in counts.items()
        if name.startswith("unused: ")
    }


@pytest.mark.parametrize("door", [by_http, by_mllp, by_archive])
def test_a_codebook_means_the_same_at_every_door(setting, tmp_path, door):
    told, counted = door(setting, tmp_path)
    assert sorted({fact[0] for fact in told}) == [
        *("ADMISSION_METHOD//21", "AGE", "BED//B04", "PATIENT_CLASSIFICATION//1", "SEX//2"),
        *("SITE//RXX01", "SPELL_START", "WARD//W12"),
    ]
    starts = [fact for fact in told if fact[0] == "SPELL_START"]
    methods = [fact for fact in told if fact[0].startswith("ADMISSION_METHOD")]
    assert (len(starts), len(methods)) == (2, 1)  # V3 and V4 are no stays, the method of V2 unknown
    assert counted == UNUSED


def test_the_three_doors_make_the_same_events(setting, tmp_path):
    told = []
    for number, door in enumerate((by_http, by_mllp, by_archive)):
        url = f"sqlite:///{tmp_path / str(number)}.db"
        told.append(door(setting | {"HOMEWARD_DATABASE_URL": url}, tmp_path)[0])
    assert told[0] == told[1] == told[2]


def test_the_option_of_a_command_goes_before_the_setting(setting, tmp_path, monkeypatch, capsys):
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "other.toml").write_text('name = "other"\n')
    (tmp_path / "a.hl7").write_bytes(message(1, "V1", kind="I", method="21"))
    told = ["ingest", "--format", "hl7v2", "--codebook", str(tmp_path / "other.toml")]
    assert run([*told, "--out", str(tmp_path / "events"), str(tmp_path / "a.hl7")]) == 0
    assert "1  unused: PID-8" in capsys.readouterr().out
    assert open_dataset(tmp_path / "events").manifest.settings["codebook"] == "other"


def test_a_codebook_that_is_none_stops_every_door_at_the_start(
    setting, tmp_path, monkeypatch, capsys
):
    (tmp_path / "adt.toml").write_text('name = "x"\n[fact.SEX]\nvalues = { Female = "F9" }')
    with pytest.raises(BadInput, match=r"adt\.toml: \[fact\.SEX\]"):
        create_app(Settings.from_environment(setting))
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "a.hl7").write_bytes(MESSAGES[0])
    for command in (
        ["listen", "--port", "0"],
        ["ingest", "--format", "hl7v2", "--out", str(tmp_path / "out"), str(tmp_path / "a.hl7")],
    ):
        assert run(command) == 2
        assert "adt.toml: [fact.SEX]" in capsys.readouterr().err


def test_the_settings_say_at_the_listener_too_who_may_send(setting):
    of_others = setting | {"HOMEWARD_ADT_FACILITIES": "RYY, RZZ"}
    (refused,), _ = answered_by_mllp(of_others, MESSAGES[:1])
    assert b"MSA|AR" in refused
    (taken,), _ = answered_by_mllp(of_others, MESSAGES[:1], "--facility", "RXX")
    assert b"MSA|AA" in taken


def test_the_settings_say_at_the_listener_too_whether_tests_are_taken(setting):
    training = MESSAGES[0].replace(b"|1|P|2.4", b"|1|T|2.4")
    (refused,), _ = answered_by_mllp(setting, [training])
    assert b"MSA|AR" in refused
    (taken,), _ = answered_by_mllp(setting | {"HOMEWARD_ADT_TEST": "yes"}, [training])
    assert b"MSA|AA" in taken
