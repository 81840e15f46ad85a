"""Tests that controls and answers name: do they exist, and did they pass.

Tests are not part of an installation, so ``trace.json`` says which of those named exist in the
version it was built from; a test of the tree holds it to the tree. Where the tree itself is at
hand, it is asked instead.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from feature_store.errors import BadInput
from homeward.assurance.items import TABLES, read_table

TREE: Final = Path(__file__).resolve().parents[2]
FILE: Final = "trace.json"


def named() -> list[str]:
    """Every test that a table names, sorted."""
    of_hazards = (
        control.get("tests", ())
        for hazard in read_table("hazards")["hazards"]
        for control in hazard["controls"]
    )
    of_items = (
        item.get("evidence", ())
        for table in ("transparency", "dtac")
        for item in read_table(table)["items"]
    )
    everything = (one for some in (*of_hazards, *of_items) for one in some)
    return sorted({one for one in everything if one.startswith("tests/")})


def in_tree(tree: Path, tests: Iterable[str]) -> list[str]:
    """Those of the tests that a source tree has.

    Parameters
    ----------
    tree : Path
    tests : iterable of str
        ``path::name``, or a path alone.
    """
    names: dict[str, set[str]] = {}
    found = []
    for test in tests:
        path, _, name = test.partition("::")
        if path not in names:
            names[path] = _functions(tree / path)
        if name in names[path] or (not name and names[path]):
            found.append(test)
    return found


def _functions(path: Path) -> set[str]:
    try:
        parsed = ast.parse(path.read_text(encoding="utf-8"))
    except OSError:
        return set()
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(parsed) if isinstance(node, kinds)}


def known(tree: Path = TREE) -> list[str]:
    """Tests that exist: of the source tree if this is one, else as the installation knows them."""
    if (tree / "tests").is_dir():
        return in_tree(tree, named())
    told: list[str] = json.loads((TABLES / FILE).read_text(encoding="utf-8"))["tests"]
    return told


def check(tests: Iterable[str], there: Iterable[str]) -> None:
    """Refuse names of tests that do not exist.

    Raises
    ------
    BadInput
        Naming them: a control that nothing proves must not stand in a pack.
    """
    absent = sorted(set(tests) - set(there))
    if absent:
        msg = (
            "assurance: tests that exist expected as evidence, these do not: "
            f"{', '.join(absent)}; name the tests that prove the control, or say whose it is"
        )
        raise BadInput(msg)


def results_of(path: Path) -> dict[str, str]:
    """Outcome of each test in a JUnit file, worst first among parametrised cases.

    Parameters
    ----------
    path : Path
        As ``pytest --junitxml FILE`` writes it.

    Raises
    ------
    BadInput
        Not such a file.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - the release's own test run
        cases = list(root.iter("testcase"))
    except (OSError, ET.ParseError) as error:
        msg = f"{path.name}: results as pytest --junitxml writes them expected"
        raise BadInput(f"{msg} ({type(error).__name__})") from error
    if not cases:
        msg = f"{path.name}: test cases expected, found none"
        raise BadInput(msg)
    found: dict[str, str] = {}
    for case in cases:
        module = case.get("classname", "").replace(".", "/") + ".py"
        for test in (f"{module}::{case.get('name', '').partition('[')[0]}", module):
            found[test] = max(found.get(test, "passed"), _outcome(case), key=_WORSE.index)
    return found


_WORSE: Final = ("passed", "skipped", "failed")


def _outcome(case: ET.Element) -> str:
    tags: Mapping[str, str] = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    return max(
        (tags.get(child.tag, "passed") for child in case), default="passed", key=_WORSE.index
    )


def text(tree: Path = TREE) -> str:
    """What ``trace.json`` holds of a source tree.

    Raises
    ------
    BadInput
        A test that is named is not in the tree.
    """
    tests = named()
    check(tests, in_tree(tree, tests))
    return json.dumps({"tests": tests}, indent=1) + "\n"


def main() -> None:
    """Write it: ``python -m homeward.assurance.trace``, after a table was changed."""
    Path(str(TABLES / FILE)).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
