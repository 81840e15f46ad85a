"""The rooms are rooms of code: what may lie in them, under which names, how long."""

import ast
import importlib
import importlib.metadata
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("feature_store", "models", "training", "service", "homeward")

CODE = {".py", ".c", ".md"}
CARRIED = {".toml", ".html", ".css", ".js", ".json", ".svg"}  # small data a room reads or serves
COMPILED = {".so", ".pyc"}  # ignored by git

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}
MOST_LINES = 300
MOST_LINES_OF_A_TEST = 450  # a table of cases is read by looking things up, not in one go
LONGER_FOR_A_REASON = {
    "feature_store/vocabulary.py": "one file owns the words",
}
PICKLES = {"pickle", "joblib", "cloudpickle", "dill"}

# What names this machine or somebody's package index; nothing of either belongs in the repository.
ELSEWHERE = re.compile(
    r"files\.pythonhosted|pypi\.org/simple|--(?:extra-)?index-url|--find-links"
    r"|(?<![\w.])/(?:work|root|home|opt/pypi)/"
)


def tracked(*patterns: str) -> list[Path]:
    """Return the files that git knows or would add, as paths from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def imported_by(path: Path) -> set[str]:
    """Return the top-level names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_holds_code_and_never_a_fitted_model(room):
    allowed = CODE | CARRIED | COMPILED
    strange = [
        str(path.relative_to(ROOT))
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix not in allowed and path.name != "py.typed"
    ]
    assert strange == []


@pytest.mark.parametrize("room", ROOMS)
def test_git_keeps_nothing_compiled(room):
    assert [path for path in tracked(room) if path.suffix in COMPILED] == []


def test_a_file_is_named_after_what_it_holds():
    assert [path for path in tracked("*.py") if path.stem in VAGUE] == []
    assert [path for path in tracked("*.py") if VAGUE & set(path.parent.parts)] == []


def most_lines(path):
    return MOST_LINES_OF_A_TEST if path.parts[0] == "tests" else MOST_LINES


def test_a_file_can_be_read_in_one_sitting():
    long = {
        str(path): lines
        for path in tracked("*.py")
        if (lines := len((ROOT / path).read_text().splitlines())) > most_lines(path)
    }
    assert set(long) <= set(LONGER_FOR_A_REASON), long


def test_a_reason_for_length_is_still_needed():
    for path in LONGER_FOR_A_REASON:
        assert len((ROOT / path).read_text().splitlines()) > MOST_LINES, path


def test_every_folder_of_a_room_is_a_package():
    folders = {path.parent for room in ROOMS for path in tracked(f"{room}/*.py")}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").exists()] == []


def test_tests_have_no_packages_that_could_shadow_a_room():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_the_five_names_are_ours_and_nobody_elses():
    importlib.metadata.distribution("homeward")
    owners = importlib.metadata.packages_distributions()  # an editable install lists nothing
    for room in ROOMS:
        assert set(owners.get(room, ["homeward"])) == {"homeward"}
        assert Path(importlib.import_module(room).__file__).parent == ROOT / room


def test_nothing_is_pickled():
    guilty = {str(path): imported_by(path) & PICKLES for path in tracked("*.py")}
    assert {path: names for path, names in guilty.items() if names} == {}


def test_the_repository_names_no_machine_and_no_package_index():
    guilty = []
    for path in tracked():
        if path == Path(__file__).relative_to(ROOT):
            continue
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        guilty += [f"{path}: {found.group()}" for found in ELSEWHERE.finditer(text)]
    assert guilty == []
