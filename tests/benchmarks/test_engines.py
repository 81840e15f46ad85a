"""Engines agree on every window feature; small histories, without timings."""

import importlib

import numpy as np
import pytest

from benchmarks.engines.history import read_snapshots, write_history
from benchmarks.engines.windows import FEATURES

ENGINES = ("polars", "duckdb", "pandas")


@pytest.fixture(scope="module", params=[(40, 6_000, 200), (1, 300, 1)], ids=["many", "one"])
def folder(request, tmp_path_factory):
    patients, events, snapshots = request.param
    out = tmp_path_factory.mktemp("histories") / "history"
    write_history(out, patients=patients, events=events, snapshots=snapshots)
    return out


@pytest.fixture(scope="module")
def ours(folder):
    engine = importlib.import_module("benchmarks.engines.homeward_engine")
    matrix = engine.from_disk(folder)
    assert np.array_equal(matrix, engine.in_memory(folder)(), equal_nan=True)
    return matrix


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_gives_homewards_matrix_from_disk_and_from_memory(folder, ours, name):
    pytest.importorskip(name)
    engine = importlib.import_module(f"benchmarks.engines.{name}_engine")
    assert ours.shape == (len(read_snapshots(folder)), len(FEATURES))
    for theirs in (engine.from_disk(folder), engine.in_memory(folder)()):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-9, equal_nan=True)


def test_histories_are_uneven_late_and_repeatable(tmp_path):
    for name in ("first", "second"):
        write_history(tmp_path / name, patients=30, events=3_000, snapshots=50)
    first, second = (
        (tmp_path / name / "manifest.json").read_text() for name in ("first", "second")
    )
    assert first == second
