"""The locks agree with each other and with what pyproject.toml declares."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("serve", "train", "dev", "bench")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_FOR_SERVING = {
    "catboost", "duckdb", "lightgbm", "matplotlib", "mlflow", "mlflow-skinny", "pandas", "plotly",
    "pyarrow", "pytest", "rich", "scikit-learn", "scipy", "statsmodels", "xgboost-cpu",
}  # fmt: skip


def locked(name: str) -> dict[str, str]:
    """Return the locked version of each distribution."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(distribution): version for distribution, version in pins}


def declared(extra: str) -> list[Requirement]:
    """Return what an extra asks for, beside the core."""
    extras = PROJECT["optional-dependencies"]
    asked = [Requirement(line) for line in [*PROJECT["dependencies"], *extras.get(extra, [])]]
    inner = [name for one in asked if one.name == "homeward" for name in one.extras]
    return [one for one in asked if one.name != "homeward"] + [
        one for name in inner for one in declared(name)
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_satisfies_what_is_declared(name):
    pins = locked(name)
    for requirement in declared(name):
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not locked: make lock"
        assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize(
    ("smaller", "larger"), [("serve", "dev"), ("train", "dev"), ("train", "bench")]
)
def test_one_environment_can_hold_them_all(smaller, larger):
    assert locked(smaller).items() <= locked(larger).items()


def test_dev_and_bench_agree_where_they_meet():
    dev, bench = locked("dev"), locked("bench")
    assert {name for name in dev.keys() & bench.keys() if dev[name] != bench[name]} == set()


def test_the_serving_lock_is_light():
    assert locked("serve").keys() & NOT_FOR_SERVING == set()


@pytest.mark.parametrize("name", [*LOCKS, "build", "installer"])
def test_every_pin_has_a_hash_and_nothing_else_is_in_a_lock(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    odd = [
        entry.splitlines()[0]
        for entry in entries
        if not re.fullmatch(
            r"[\w.-]+==\S+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", entry
        )
    ]
    assert odd == []
