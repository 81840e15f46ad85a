"""The truth is the truth: it agrees with what happens, and never knows what only happens later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import SeedSequence, default_rng
from sklearn.metrics import roc_auc_score

from feature_store.clock import DAY, local_hour
from feature_store.events import Events
from feature_store.simulation import TrustSettings, Truth, simulate_events
from feature_store.simulation.chunk import Streams, _fill_chart
from feature_store.simulation.course import LAST_DAY, chances, expected
from feature_store.simulation.effects import EFFECTS, Profile, _units
from feature_store.simulation.record.chart import Chart
from feature_store.simulation.states import GONE, STATES
from feature_store.simulation.trust import Trust, open_sites
from feature_store.simulation.truth import true_chances
from feature_store.simulation.walk import walk
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import find_spells
from feature_store.vocabulary import LONG_STAY_DAYS

SETTINGS = TrustSettings(spells=20_000, seed=8, days=1500)
HORIZONS = ("p_7", "p_14", "p_21")


@pytest.fixture(scope="module")
def simulated() -> tuple[Events, Truth]:
    return simulate_events(SETTINGS)


@pytest.fixture(scope="module")
def chart() -> Chart:
    settings = TrustSettings(spells=400, sites=4, seed=3)
    trust = Trust(settings, open_sites(default_rng(3), 4))
    return _fill_chart(Streams.of(SeedSequence(3)), trust, 0, 400)


def snapshots_of(chart: Chart, rows: np.ndarray, hours: np.ndarray) -> Snapshots:
    """One snapshot a row, so many hours after its start."""
    start = chart.arrivals.start[rows]
    moments = start + (hours * (DAY // 24)).astype(np.int64)
    return Snapshots(chart.subject_id[rows], chart.spell_id[rows], start, moments)


@pytest.mark.parametrize("day", [0, 1, 5, 40, LAST_DAY])
def test_from_every_state_a_patient_goes_somewhere(chart: Chart, day: int) -> None:
    today = chances(chart.profile, day)
    for chance in (today.die, today.leave, today.wait, today.improve, today.worsen, today.support):
        assert ((chance >= 0) & (chance <= 1)).all()
    np.testing.assert_allclose(expected(today, np.ones((len(chart), STATES))), 1.0)
    assert (today.exit[:, :] <= 1).all()
    if day == LAST_DAY:
        np.testing.assert_array_equal(today.exit, 1.0)


def test_a_walk_ends_as_often_as_the_recursion_says(chart: Chart) -> None:
    """Two ways to the same numbers: draws forward, and expectation backward."""
    rows = np.flatnonzero(chart.arrivals.hour < 19.9)[:250]
    profile, acuity = chart.profile.take(rows), chart.seen.acuity[rows]
    many = np.repeat(np.arange(rows.size), 200)
    stays = walk(default_rng(5), profile.take(many), acuity[many])
    first = snapshots_of(chart, rows, np.full(rows.size, 4.0))
    truth = true_chances(first, rows, profile=chart.profile, stays=chart.stays)
    # The truth holds given that the first hours are over: take the early exits out of the walks.
    today = chances(profile, 0)
    gone = 0.25 * today.exit[np.arange(rows.size), acuity]
    dead = 0.25 * today.die[np.arange(rows.size), acuity]
    died = truth.p_death * (1 - gone) + dead
    for chance, happened in (
        *(
            (getattr(truth, f"p_{k}") * (1 - gone), stays.length_of_stay_days >= k)
            for k in LONG_STAY_DAYS
        ),
        (died, stays.died),
    ):
        error = np.sqrt((chance * (1 - chance)).sum() * 200)
        assert abs(happened.sum() - 200 * chance.sum()) < 4 * error


def test_by_hand_two_days_before_a_horizon(chart: Chart) -> None:
    """On day 5, a stay of 7 is staying today and staying tomorrow from wherever one is then."""
    rows = np.flatnonzero((chart.stays.length_of_stay_days > 5) & ~chart.profile.same_day)
    moments = snapshots_of(chart, rows, np.full(rows.size, 0.0))
    morning = moments.spell_start + 5 * DAY - ((moments.spell_start - 6 * DAY // 24) % DAY)
    asked = Snapshots(moments.subject_id, moments.spell_id, moments.spell_start, morning)
    keep = (asked.days_so_far == 5) & (local_hour(morning) >= 6)
    asked, rows = asked.take(keep), rows[keep]
    assert rows.size > 50
    truth = true_chances(asked, rows, profile=chart.profile, stays=chart.stays)
    profile, state = chart.profile.take(rows), chart.stays.state[rows, 5].astype(np.int64)
    today, tomorrow = chances(profile, 5), chances(profile, 6)
    at = np.arange(rows.size), state
    stay = (1 - today.exit[at]) / (1 - 0.25 * today.die[at])  # a quarter of the deaths are past
    by_hand = np.zeros(rows.size)
    for to in range(STATES):
        there = np.zeros((rows.size, STATES))
        there[:, to] = 1.0
        by_hand += stay * expected(today, there)[at] * (1 - tomorrow.exit[:, to])
    np.testing.assert_allclose(truth.p_7, by_hand, rtol=1e-12)


def test_the_truth_is_calibrated_wherever_it_is_asked(simulated: tuple[Events, Truth]) -> None:
    events, truth = simulated
    spells = find_spells(events)
    row = np.searchsorted(spells.spell_id, truth.spell_id)
    watched = spells.start[row] < SETTINGS.until - (LAST_DAY + 1) * DAY
    first = np.r_[True, truth.spell_id[1:] != truth.spell_id[:-1]]
    after_midnight = first & (truth.days_so_far == 1)
    stay = spells.length_of_stay_days[row]
    for asked in (first & ~after_midnight, after_midnight, ~first, truth.days_so_far >= 10):
        rows = asked & watched
        for name, happened in (
            *((f"p_{k}", stay >= k) for k in LONG_STAY_DAYS),
            ("p_death", spells.died[row]),
        ):
            residual = (getattr(truth, name) - happened)[rows]
            # Snapshots of one spell share their end: the spell is the unit.
            by_spell = np.bincount(row[rows], weights=residual, minlength=len(spells))
            assert abs(residual.sum()) <= 4 * np.sqrt((by_spell**2).sum()), name


def test_chances_are_in_order_and_certain_once_reached(simulated: tuple[Events, Truth]) -> None:
    _, truth = simulated
    assert (truth.p_7 >= truth.p_14).all()
    assert (truth.p_14 >= truth.p_21).all()
    assert ((truth.p_21 >= 0) & (truth.p_death >= 0) & (truth.p_death <= 1)).all()
    for days, name in zip(LONG_STAY_DAYS, HORIZONS, strict=True):
        chance, reached = getattr(truth, name), truth.days_so_far >= days
        assert (chance[reached] == 1).all()
        assert (chance[~reached] < 1).all()


def test_what_comes_later_does_not_change_the_truth(chart: Chart) -> None:
    rows = np.flatnonzero(chart.stays.length_of_stay_days >= 3)
    hours = np.full(rows.size, 4.0)
    before = true_chances(
        snapshots_of(chart, rows, hours), rows, profile=chart.profile, stays=chart.stays
    )
    state = chart.stays.state.copy()
    state[:, 1:] = GONE
    forgetful = replace(
        chart.stays,
        state=state,
        length_of_stay_days=np.zeros(len(chart), np.int64),
        died=~chart.stays.died,
    )
    after = true_chances(
        snapshots_of(chart, rows, hours), rows, profile=chart.profile, stays=forgetful
    )
    np.testing.assert_array_equal(before.p_14, after.p_14)


def test_no_referral_shows_before_the_truth_knows_of_it(simulated: tuple[Events, Truth]) -> None:
    """A referral tells of the next day: at the first snapshot it would beat the truth."""
    events, _ = simulated
    spells = find_spells(events)
    first = daily_snapshots(spells, until=SETTINGS.until)
    first = first.take(np.r_[True, first.spell_id[1:] != first.spell_id[:-1]])
    referrals = events.take(
        events.rows_of(*[code for code in events.codes if code.startswith("REFERRAL")])
    )
    row = np.searchsorted(first.spell_id, referrals.spell_id)
    known = first.spell_id[np.minimum(row, len(first) - 1)] == referrals.spell_id
    seen = referrals.visible_at[known] <= first.prediction_time[row[known]]
    assert len(referrals) > 1000
    assert not seen.any()


def test_the_best_possible_model_is_as_good_as_honest_ones_hope_for(
    simulated: tuple[Events, Truth],
) -> None:
    """Published honest scores at admission are .75 to .81 (docs/simulator.md)."""
    events, truth = simulated
    spells = find_spells(events)
    row = np.searchsorted(spells.spell_id, truth.spell_id)
    adult = np.isin(truth.spell_id, emergency_adults(events))
    asked = adult & (spells.start[row] < SETTINGS.until - 30 * DAY)
    first = np.r_[True, truth.spell_id[1:] != truth.spell_id[:-1]]
    stay = np.where(spells.ended, spells.length_of_stay_days, 999)[row]
    at_admission = roc_auc_score(stay[asked & first] >= 7, truth.p_7[asked & first])
    later = asked & ~first & (truth.days_so_far < 7)
    assert 0.80 <= at_admission <= 0.835
    assert roc_auc_score(stay[later] >= 7, truth.p_7[later]) > at_admission


def emergency_adults(events: Events) -> np.ndarray:
    emergency = events.take(
        events.rows_of(*[c for c in events.codes if c.startswith("ADMISSION_METHOD//2")])
    )
    ages = events.take(events.rows_of("AGE"))
    return np.intersect1d(emergency.spell_id, ages.spell_id[ages.numeric_value >= 18])


def test_every_effect_has_a_unit_and_every_unit_an_effect(chart: Chart) -> None:
    assert set(_units(chart.arrivals, chart.who, chart.seen)) == set(EFFECTS)


def test_an_effect_moves_the_chance_its_way(chart: Chart) -> None:
    rows = np.flatnonzero(~chart.profile.same_day & (chart.stays.length_of_stay_days >= 1))
    asked = snapshots_of(chart, rows, np.full(rows.size, 4.0))

    def chance(profile: Profile) -> Truth:
        return true_chances(asked, rows, profile=profile, stays=chart.stays)

    plain = chance(chart.profile)
    for name, sure in (("slow", 1.0), ("delay", 1.0), ("support", 0.98)):
        moved = chance(replace(chart.profile, **{name: getattr(chart.profile, name) + 0.5}))
        # Support has its own deaths, so that for the odd dying patient it shortens the stay.
        assert (moved.p_14 > plain.p_14).mean() >= sure, name
    worse = chance(replace(chart.profile, death=chart.profile.death + 1))
    assert (worse.p_death > plain.p_death).all()
