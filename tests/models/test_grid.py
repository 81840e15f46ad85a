"""The day grid: which intervals there are, and who was at risk in which."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from feature_store.outcome import Outcomes
from models.grid import CANDIDATES, LEAST_EXITS, Grid, choose_grid, risks_of

FULL = Grid(CANDIDATES, (7, 14, 21))

GRIDS = st.sets(st.integers(1, 40), min_size=1, max_size=8).map(
    lambda days: Grid((0, *sorted(days)), ())
)


def outcomes_for(stay, follow_up, died=None):
    """Return outcomes as an observer at the end of the data would have them."""
    stay, follow_up = np.asarray(stay), np.asarray(follow_up)
    ended = stay <= follow_up
    died = np.zeros(stay.size, bool) if died is None else np.asarray(died)
    return Outcomes(np.where(ended, stay, -1), died & ended, follow_up)


def drawn(rng, size=60):
    """Return days so far and outcomes; every spell is still there when it is asked about."""
    stay, days = rng.integers(0, 45, size), rng.integers(0, 30, size)
    stay = np.maximum(stay, days)
    follow_up = np.maximum(rng.integers(0, 60, size), days)
    return days, outcomes_for(stay, follow_up, rng.random(size) < 0.2)


@given(GRIDS, st.integers(0, 45))
def test_what_lies_ahead_runs_without_a_gap_to_the_end(grid, days):
    ahead = grid.ahead(days)
    edges = [days, *(start + width for start, width in ahead)]
    assert [start for start, _ in ahead] == edges[:-1]
    assert (ahead[:, 1] > 0).all()
    assert edges[-1] == max(days, grid.last)
    assert set(edges[1:]) <= set(grid.boundaries)


@pytest.mark.parametrize(
    ("days", "horizon"), [(0, 7), (6, 7), (7, 14), (8, 14), (21, 120), (130, 120)]
)
def test_the_next_horizon(days, horizon):
    assert FULL.next_horizon(days) == horizon


@given(st.integers(0, 2**32), GRIDS)
def test_risks_are_those_of_a_plain_expansion(seed, grid):
    days, outcomes = drawn(np.random.default_rng(seed))
    expected = []
    for lower, upper in pairwise(grid.boundaries):
        for row in range(days.size):
            begin = max(int(days[row]), lower)
            stay, watched = (
                int(outcomes.length_of_stay_days[row]),
                int(outcomes.follow_up_days[row]),
            )
            if begin >= upper or watched < upper:
                continue
            if stay < 0 or stay >= upper:
                expected.append((row, begin, upper - begin, False, False))
            elif stay >= begin:
                expected.append((row, begin, upper - begin, True, bool(outcomes.died[row])))
    risks = risks_of(grid, days, outcomes)
    columns = (risks.row, risks.start, risks.width, risks.left, risks.died)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


@given(st.integers(0, 2**32))
def test_a_spell_leaves_at_most_once_and_is_never_at_risk_after(seed):
    days, outcomes = drawn(np.random.default_rng(seed))
    risks = risks_of(FULL, days, outcomes)
    assert np.bincount(risks.row, risks.left, minlength=days.size).max() <= 1
    assert not (risks.died & ~risks.left).any()
    last = {}
    for row, start, left in zip(risks.row, risks.start, risks.left, strict=True):
        last[row] = max(last.get(row, (-1, False)), (start, left))
    for row, start, left in zip(risks.row, risks.start, risks.left, strict=True):
        assert not left or last[row][0] == start


@given(st.integers(0, 2**32))
def test_pooled_hazards_are_kaplan_meier_with_the_last_day_unseen(seed):
    """A day counts if it was watched to its end: censoring a day before the data end."""
    rng = np.random.default_rng(seed)
    stay, follow_up = rng.geometric(0.1, 300) - 1, rng.integers(1, 40, 300)
    daily = Grid(tuple(range(41)), ())
    risks = risks_of(daily, np.zeros(300, np.int64), outcomes_for(stay, follow_up))
    left = np.bincount(risks.start.astype(int), risks.left, minlength=40)
    at_risk = np.bincount(risks.start.astype(int), minlength=40)
    seen = at_risk > 0
    staying = np.cumprod(1 - left[seen] / at_risk[seen])
    ends, seen_until = np.minimum(stay, follow_up - 1), stay <= follow_up - 1
    curve = ecdf(CensoredData(uncensored=ends[seen_until], right=ends[~seen_until])).sf
    np.testing.assert_allclose(staying, curve.evaluate(np.arange(seen.sum())), atol=1e-12)


def test_a_horizon_needs_spells_on_both_sides():
    stay = np.r_[np.zeros(LEAST_EXITS), np.full(LEAST_EXITS, 7), np.full(LEAST_EXITS - 1, 14)]
    grid = choose_grid(outcomes_for(stay.astype(int), np.full(stay.size, 200)))
    assert grid.horizons == (7,)
    one_less = choose_grid(outcomes_for(stay[1:].astype(int), np.full(stay.size - 1, 200)))
    assert one_less.horizons == ()


def test_a_horizon_that_nobody_was_watched_for_is_not_supported():
    stay = np.r_[np.zeros(100), np.full(100, 30)].astype(int)
    assert choose_grid(outcomes_for(stay, np.full(200, 13))).horizons == (7,)
    assert choose_grid(outcomes_for(stay, np.full(200, 14))).horizons == (7, 14)


@given(st.integers(0, 2**32), st.integers(0, 2000))
def test_every_interval_has_enough_ends_or_closes_at_a_horizon(seed, size):
    rng = np.random.default_rng(seed)
    outcomes = outcomes_for(rng.geometric(0.12, size) - 1, rng.integers(0, 200, size))
    grid = choose_grid(outcomes)
    assert grid.boundaries[0] == 0
    assert list(grid.boundaries) == sorted(set(grid.boundaries))
    assert set(grid.horizons) <= set(grid.boundaries) <= set(CANDIDATES)
    risks = risks_of(grid, np.zeros(size, np.int64), outcomes)
    for lower, upper in pairwise(grid.boundaries):
        ends = int(risks.left[risks.start == lower].sum())
        assert ends >= LEAST_EXITS or upper in grid.horizons


def test_no_spells_no_intervals_and_no_risks():
    nobody = outcomes_for(np.zeros(0, int), np.zeros(0, int))
    grid = choose_grid(nobody)
    assert grid == Grid((0,), ())
    assert risks_of(grid, np.zeros(0, np.int64), nobody).row.size == 0
