"""The kernel of ``models.trees`` beside LightGBM, on the same model and the same rows.

Ratios are what to read: the two ways to get an answer take turns in every round, and the table
gives the median over rounds of each, in time of one thread (a busy machine counts for less). The
model: binary, 300 trees, 60 features of which 8 are categorical and 22 have missing values.

Usage: ``python -m benchmarks.reasons``
"""

import statistics
import time
from collections.abc import Callable, Iterator

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.trees import Trees

Float64 = NDArray[np.float64]

TREES, FEATURES, BATCH = 300, 60, 200
CATEGORIES = (2, 3, 4, 6, 8, 12, 20, 40)  # values of the first eight columns
MISSING = slice(8, 30)
INTERVAL = (58, 59)  # columns: start of an interval and its width, in days
INTERVALS = np.array([[0, 1], [1, 1], [2, 1], [3, 2], [5, 2], [7, 7], [14, 7], [21, 7]], np.float64)
ROUNDS, SECONDS_A_TURN = 15, 0.02


def synthetic(rows: int, seed: int) -> tuple[Float64, Float64]:
    """Rows and labels; the interval matters most, as elapsed time does in a hazard model."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, FEATURES))
    score = np.tanh(matrix[:, 8:40]) @ (rng.normal(size=32) * np.exp(-np.arange(32) / 12))
    score += 0.7 * matrix[:, 10] * matrix[:, 11] + np.abs(matrix[:, 12])
    for column, count in enumerate(CATEGORIES):
        matrix[:, column] = rng.integers(0, count, rows)
        score += 0.3 * rng.normal(size=count)[matrix[:, column].astype(int)]
    matrix[:, INTERVAL] = INTERVALS[rng.integers(0, len(INTERVALS), rows)]
    score += 0.4 * np.sin(matrix[:, INTERVAL[0]]) - 0.08 * matrix[:, INTERVAL[0]]
    score += 0.1 * matrix[:, INTERVAL[0]] * matrix[:, 9]
    label = rng.random(rows) < 1 / (1 + np.exp(1 - score))
    matrix[:, MISSING][rng.random((rows, 22)) < 0.15] = np.nan
    return matrix, label.astype(np.float64)


def fit(leaves: int) -> lgb.Booster:
    """Fit a model of trees with so many leaves."""
    matrix, label = synthetic(20_000, seed=1)
    settings = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": 0.05,
        "num_threads": 1,
        "verbosity": -1,
    }
    categorical = list(range(len(CATEGORIES)))
    data = lgb.Dataset(matrix, label, categorical_feature=categorical)
    return lgb.train(settings, data, TREES)


Way = Callable[[int], object]


def compare(ours: Way, theirs: Way) -> tuple[float, float]:
    """Seconds of a call of either, medians of interleaved rounds; a way takes a call's number."""
    calls = {}
    for way in (ours, theirs):
        way(0)  # lays out the model
        start = time.thread_time()
        way(1)
        way(2)
        calls[way] = max(2, round(2 * SECONDS_A_TURN / (time.thread_time() - start)))
    times: dict[Way, list[float]] = {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for way, taken in times.items():
            start = time.thread_time()
            for call in range(calls[way]):
                way(call)
            taken.append((time.thread_time() - start) / calls[way])
    return statistics.median(times[ours]), statistics.median(times[theirs])


def tasks(booster: lgb.Booster) -> Iterator[tuple[str, Way, Way]]:
    """What is asked, our way, LightGBM's way."""
    trees = Trees.from_text(booster.model_to_string())
    matrix, _ = synthetic(BATCH, seed=2)
    rows = [np.ascontiguousarray(row[None]) for row in matrix]
    stacked = np.repeat(matrix, len(INTERVALS), axis=0)
    stacked[:, INTERVAL] = np.tile(INTERVALS, (BATCH, 1))
    spells = np.split(stacked, BATCH)
    weights = np.full((1, len(INTERVALS)), 1 / len(INTERVALS))

    def theirs(of: list[Float64], **wanted: bool) -> Way:
        return lambda call: booster.predict(of[call % BATCH], num_threads=1, **wanted)

    def mean_of_intervals(call: int) -> object:
        return weights @ booster.predict(spells[call % BATCH], num_threads=1, pred_contrib=True)

    batch = [matrix] * BATCH
    reasons, scores = {"pred_contrib": True}, {"raw_score": True}
    yield (
        "reasons, 1 row",
        lambda call: trees.contributions(rows[call % BATCH]),
        theirs(rows, **reasons),
    )
    yield f"reasons, {BATCH} rows", lambda _: trees.contributions(matrix), theirs(batch, **reasons)
    yield (
        f"reasons, 1 spell x {len(INTERVALS)} intervals",
        lambda call: trees.contributions_grid(rows[call % BATCH], INTERVAL, INTERVALS, weights),
        mean_of_intervals,
    )
    yield (
        "score, 1 row",
        lambda call: trees.predict_raw(rows[call % BATCH]),
        theirs(rows, **scores),
    )
    yield f"score, {BATCH} rows", lambda _: trees.predict_raw(matrix), theirs(batch, **scores)
    yield (
        f"score, 1 spell x {len(INTERVALS)} intervals",
        lambda call: trees.predict_raw_grid(rows[call % BATCH], INTERVAL, INTERVALS),
        theirs(spells, **scores),
    )


def main() -> None:
    """Print the table."""
    print("| leaves | question | ours us | LightGBM us | times faster |")
    print("|---|---|---|---|---|")
    for leaves in (31, 63):
        for question, ours, theirs in tasks(fit(leaves)):
            fast, slow = (1e6 * seconds for seconds in compare(ours, theirs))
            print(f"| {leaves} | {question} | {fast:.1f} | {slow:.1f} | {slow / fast:.1f} |")


if __name__ == "__main__":
    main()
