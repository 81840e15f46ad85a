"""What must hold for the serving image, read off the Dockerfile: no engine is needed."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments) with comments dropped and continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for instruction, arguments in instructions():
        if instruction == "FROM":
            found.append([])
        if not found:
            assert instruction == "ARG"  # nothing else may stand before the first stage
            continue
        found[-1].append((instruction, arguments))
    return found


@pytest.fixture(scope="module")
def final(stages) -> dict[str, str]:
    """Return the last stage; of an instruction that comes twice, both."""
    stage: dict[str, str] = {}
    for instruction, arguments in stages[-1]:
        stage[instruction] = f"{stage.get(instruction, '')} {arguments}".strip()
    return stage


def test_it_is_built_in_one_stage_and_runs_in_another(stages):
    assert len(stages) > 1
    assert "--from=builder" in " ".join(arguments for _, arguments in stages[-1])


def test_the_last_stage_has_no_build_tools(final):
    assert not re.search(r"\bapt|\bgcc\b|\bpip install|\buv\b|ziglang", " ".join(final.values()))
    assert "pip uninstall" in final["RUN"]


def test_it_serves_unless_told_to_be_the_training_image():
    assert instructions()[0] == ("ARG", "LOCK=serve")


def test_it_does_not_run_as_root(final):
    assert int(final["USER"].partition(":")[0]) > 0


def test_its_health_is_its_readiness(final):
    command = json.loads(final["HEALTHCHECK"].partition("CMD ")[2])
    assert command[0] == "python"
    assert "/health/ready" in command[-1]
    compile(command[-1], "HEALTHCHECK", "exec")


def test_it_serves_by_default_and_takes_any_command(final):
    assert json.loads(final["ENTRYPOINT"]) == ["homeward"]
    assert json.loads(final["CMD"])[:3] == ["serve", "--host", "0.0.0.0"]


def test_it_writes_to_its_volume_only(final):
    assert final["VOLUME"] == final["WORKDIR"] == "/var/lib/homeward"
    assert "PYTHONDONTWRITEBYTECODE=1" in final["ENV"]


def test_nothing_in_it_calls_home(final):
    assert "MLFLOW_DISABLE_TELEMETRY=true" in final["ENV"]
    assert "DO_NOT_TRACK=true" in final["ENV"]


def test_what_the_build_copies_is_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"!feature_store", "!models", "!training", "!service", "!homeward"} <= set(ignored)
    assert {"!hatch_build.py", "!pyproject.toml", "!requirements", "!LICENSE"} <= set(ignored)
