"""The command line: help without weight, one line for a failure, exit codes as promised."""

import errno
import json
import os
import subprocess
import sys

import click
import pytest

from feature_store.errors import BadInput, BadRows, HomewardError, Refused
from homeward import shell
from homeward.output import json_option, reporter, show

HEAVY = {
    "duckdb",
    "fastapi",
    "lightgbm",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
}


@pytest.fixture
def command(monkeypatch):
    """Return a function that makes a function the command ``homeward serve``."""

    def become(body):
        made = click.command(name="serve", epilog="Example: homeward serve")(body)
        module = type(sys)("homeward.commands.serve")
        module.command = made
        monkeypatch.setitem(sys.modules, "homeward.commands.serve", module)

    return become


def raising(error):
    def body():
        raise error

    return body


def test_asking_for_help_names_every_command_and_loads_none(capsys):
    assert shell.run(["--help"]) == 0
    told = capsys.readouterr().out
    for name, line in shell.COMMANDS.items():
        assert f"  {name} " in told
        assert line in told


def test_help_of_every_command_has_an_example_and_loads_nothing_heavy():
    program = (
        "import sys\n"
        "from homeward import shell\n"
        "for name in shell.COMMANDS:\n"
        "    print('#', name, shell.run([name, '--help']))\n"
        "print('loaded', *{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    helps, _, loaded = done.stdout.rpartition("loaded ")
    texts = helps.split("# ")
    for name, text in zip(shell.COMMANDS, texts[:-1], strict=True):
        assert f"Example: homeward {name}" in " ".join(text.split()), name
    assert all(f"{name} 0\n" in helps for name in shell.COMMANDS)
    assert set(loaded.split()) & HEAVY == set()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadInput("data.csv: column AGE expected"), 2, "homeward: data.csv: column AGE expected\n"),
        (
            BadRows("a.csv", ["row 7: a date expected"]),
            2,
            "homeward: a.csv: row 7: a date expected\n",
        ),
        (Refused(["worse than the champion"]), 3, "homeward: worse than the champion\n"),
        (HomewardError("it did not start"), 1, "homeward: it did not start\n"),
        (
            click.UsageError("--spells: a number expected"),
            2,
            "Error: --spells: a number expected\n",
        ),
        (click.FileError("x.csv", "no such file"), 2, "Error: "),
        (KeyboardInterrupt(), 130, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "no space left on the disk"),
        (ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm"), 2, "'train' extra"),
        (ModuleNotFoundError("No module named 'pyspark'", name="pyspark"), 2, "'spark' extra"),
        (ModuleNotFoundError("No module named 'models.x'", name="models.x"), 1, "unforeseen"),
    ],
)
def test_a_failure_is_an_exit_code_and_a_line(command, capsys, error, code, said):
    command(raising(error))
    assert shell.run(["serve"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert "Traceback" not in shown.err


def test_what_nobody_foresaw_is_told_by_kind_and_place_alone(command, capsys):
    command(raising(ValueError("could not convert 'Smith'")))
    assert shell.run(["serve"]) == 1
    said = capsys.readouterr().err
    assert "unforeseen ValueError (test_shell.py, line" in said
    assert "Smith" not in said
    assert len(said.splitlines()) == 1


def test_a_traceback_is_shown_to_who_asks_for_it(command, capsys):
    command(raising(ValueError("x")))
    assert shell.run(["--traceback", "serve"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nope"], ["--nope"], ["serve", "--nope"], ["serve", "x"]])
def test_bad_usage_is_2(command, capsys, arguments):
    command(lambda: None)
    assert shell.run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_unknown_setting_stops_every_command(command, capsys, monkeypatch):
    monkeypatch.setenv("HOMEWARD_HUB_CAPACTIY", "12")
    command(lambda: pytest.fail("it went on"))
    assert shell.run(["serve"]) == 2
    said = capsys.readouterr().err
    assert "did you mean HOMEWARD_HUB_CAPACITY" in said
    assert len(said.splitlines()) == 1


def test_done_is_0(command):
    command(lambda: None)
    assert shell.run(["serve"]) == 0


def test_the_version_is_told(capsys):
    assert shell.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("homeward")


# ---- what commands show --------------------------------------------------------------------------


def test_json_is_one_document_on_stdout_and_nothing_else(command, capsys):
    @json_option
    def body(as_json):
        reporter()("half-way")
        show({"spells": 7}, "seven spells", as_json=as_json)

    command(body)
    assert shell.run(["serve", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"spells": 7}
    assert shown.err == ""  # not a terminal: quiet
    assert shell.run(["serve"]) == 0
    assert capsys.readouterr().out == "seven spells\n"


def test_nan_is_not_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        show({"x": float("nan")}, "", as_json=True)


def test_progress_is_for_a_person_who_watches(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    reporter()("half-way")
    assert capsys.readouterr().err == "half-way\n"


# ---- as a process --------------------------------------------------------------------------------


def test_python_m_homeward_leaves_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "homeward", "nope"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_a_reader_who_leaves_early_sees_no_traceback():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "homeward", "--help"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
