"""Every contestant learns from the same cases and answers for others; tiny, no timings."""

import dataclasses

import numpy as np
import pytest

from benchmarks.cases import Cases, Trial, part_patients
from benchmarks.contest import HOMEWARD, Rules, hold
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Terms, choose_size, latest_patients
from feature_store.clock import DAY
from feature_store.definitions import Feature, FeatureSet, Read
from feature_store.outcome import Outcomes
from feature_store.snapshots import Snapshots

FEATURES = FeatureSet(
    (
        Feature(name="score", label="Score", read=Read.LATEST, codes=("SCORE",)),
        Feature(
            name="ward", label="Ward", read=Read.CATEGORY, codes=("WARD",), categories=("a", "b")
        ),
    )
)


def made_up(size: int, seed: int) -> Cases:
    """Snapshots at admission whose stay depends on a score and a ward, some of both missing."""
    generator = np.random.default_rng(seed)
    score, ward = generator.normal(size=size), generator.integers(0, 3, size).astype(float)
    stay = generator.exponential(np.exp(1.2 + 0.8 * score + 0.4 * (ward == 1))).astype(np.int64)
    matrix = np.column_stack([score, ward])
    matrix[generator.random((size, 2)) < 0.1] = np.nan
    start = np.sort(generator.integers(0, 365, size)) * DAY + 1_700_000_000_000_000
    subject = generator.integers(0, size, size) + 10_000 * seed
    snapshots = Snapshots(subject, np.arange(size) + 10_000 * seed, start, start)
    outcomes = Outcomes(stay, generator.random(size) < 0.05, np.full(size, 400))
    return Cases(matrix, snapshots, outcomes, FEATURES)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial(made_up(900, seed=1), made_up(400, seed=2), made_up(500, seed=3))


@pytest.fixture(scope="module")
def answers(trial):
    few = [dataclasses.replace(peer, sizes=peer.sizes[:2]) for peer in PEERS]
    installed = [peer for peer in few if peer.library in {"sklearn", "lightgbm"}]
    return hold(trial, installed, Rules(horizons=(7, 14), threads=1), says="test")


def test_every_contestant_answers_with_calibrated_chances_that_rank_well(trial, answers):
    assert list(answers)[-1] == HOMEWARD
    assert len(answers) == 5
    for chances in answers.values():
        for days, least in ((7, 0.6), (14, 0.55)):
            target = trial.test.target(days)
            assert chances[days].shape == target.shape
            long, short = chances[days][target == 1], chances[days][target == 0]
            assert (long[:, None] > short).mean() > least
            assert abs(chances[days].mean() - target.mean()) < 0.08


def test_a_peer_whose_library_is_missing_is_left_out_and_named(trial, capsys):
    absent = dataclasses.replace(PEERS[0], name="Elsewhere", library="no_such_library")
    answers = hold(trial, [absent], Rules(horizons=(7,), threads=1), says="test")
    assert list(answers) == [HOMEWARD]
    assert "Elsewhere: no_such_library is not installed" in capsys.readouterr().err


def test_a_model_that_is_refitted_on_all_is_calibrated_by_one_that_was_not(trial):
    joined = made_up(1300, seed=1)
    whole = Trial(
        joined.take(np.arange(900)), joined.take(np.arange(900, 1300)), trial.test, joined
    )
    peer = dataclasses.replace(PEERS[0], sizes=(0.1,))
    rules = Rules(horizons=(7,), threads=1)
    refitted = hold(whole, [peer], rules, says="test")["LR"][7]
    plain = hold(dataclasses.replace(whole, whole=None), [peer], rules, says="test")["LR"][7]
    assert not np.allclose(refitted, plain)
    assert np.corrcoef(refitted, plain)[0, 1] > 0.95


def test_size_is_the_smallest_where_there_is_too_little_to_choose_by(trial):
    few = trial.train.take(np.arange(60))
    assert choose_size(PEERS[0], few, few.target(14), Terms(14, 1)) == PEERS[0].sizes[0]


def test_latest_patients_are_a_quarter_and_whole(trial):
    snapshots = trial.train.snapshots
    later = latest_patients(snapshots)
    assert not set(snapshots.subject_id[later]) & set(snapshots.subject_id[~later])
    assert 0.15 < later.mean() < 0.35
    assert snapshots.spell_start[later].max() == snapshots.spell_start.max()


def test_parts_hold_whole_patients_and_depend_on_the_seed():
    subjects = np.repeat(np.arange(300), 3)
    part = part_patients(subjects, 5, seed=101)
    assert all(np.unique(part[subjects == subject]).size == 1 for subject in range(300))
    assert np.unique(part, return_counts=True)[1].tolist() == [180] * 5
    assert (part != part_patients(subjects, 5, seed=202)).any()
