"""Planted changes: they shorten the wait where and from when they are planted, and nothing else."""

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from feature_store.clock import midnights_between
from feature_store.errors import BadInput
from feature_store.simulation import Change, TrustSettings, simulate_events
from feature_store.spells import find_spells

PLAIN = {"spells": 3000, "seed": 5, "sites": 2, "days": 120}
DAY = date(2025, 12, 1)


def planted(sooner, site="SYN01"):
    changes = (Change(site=site, start=DAY, sooner=sooner),)
    return TrustSettings(**PLAIN, changes=changes)


@pytest.fixture(scope="module")
def plain():
    return simulate_events(TrustSettings(**PLAIN))


def nights_by_site(events):
    spells = find_spells(events)
    site = np.full(len(spells), -1)
    for number, code in enumerate(("SITE//SYN01", "SITE//SYN02")):
        rows = events.rows_of(code)
        site[np.searchsorted(spells.spell_id, events.spell_id[rows])] = number
    end = np.where(spells.ended, spells.end, TrustSettings(**PLAIN).until)
    return [midnights_between(spells.start, end)[site == number].sum() for number in range(2)]


def test_settings_without_a_change_are_what_they_were():
    assert "changes" not in TrustSettings().as_dict()
    assert (
        TrustSettings().digest()
        == "6a1aab677496ce60303daeb286ebe1726e1dcdfe5be0461032e19fa9cdf89a7e"
    )


def test_a_change_of_nothing_changes_no_event(plain):
    events, truth = simulate_events(planted(0.0))
    for column in ("subject_id", "time", "code", "spell_id", "recorded_at"):
        assert np.array_equal(getattr(events, column), getattr(plain[0], column))
    assert np.array_equal(truth.p_7, plain[1].p_7)


def test_the_wait_gets_shorter_where_it_was_planted(plain):
    events, truth = simulate_events(planted(1.5))
    before, after = nights_by_site(plain[0]), nights_by_site(events)
    assert after[0] < 0.98 * before[0]
    # Who comes back, and when, is drawn anew: the other site moves by chance alone.
    assert after[1] > 0.9 * before[1]
    assert truth.p_14.mean() < plain[1].p_14.mean()


def test_chances_still_fall_from_one_horizon_to_the_next():
    _, truth = simulate_events(planted(3.0))
    for shorter, longer in pairwise((truth.p_7, truth.p_14, truth.p_21)):
        assert (shorter >= longer - 1e-12).all()


@pytest.mark.parametrize("site", ["SYN03", "elsewhere"])
def test_a_site_that_is_not_there_is_bad_input(site):
    with pytest.raises(BadInput, match="SYN01, SYN02"):
        simulate_events(planted(1.0, site))
