"""No patient on two sides, no time overlap, nothing known from after the end of a part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.clock import DAY
from feature_store.errors import BadInput
from feature_store.manifest import Clock
from feature_store.spells import Spells
from training.config import SplitSettings
from training.split import DROPPED, PARTS, Part, everything, split_spells

UNTIL = 500 * DAY


def spells(size, *, patients, seed=0):
    generator = np.random.default_rng(seed)
    start = np.sort(generator.integers(0, 400 * DAY, size))
    identifier = generator.permutation(size).astype(np.int64)
    order = np.argsort(identifier)
    return Spells(
        identifier[order],
        generator.integers(0, patients, size)[order],
        start[order],
        start[order] + 5 * DAY,
        np.zeros(size, bool),
    )


def split(found, *, clock=Clock.EXACT, site=None, **settings):
    names = np.full(len(found), "A") if site is None else site
    return split_spells(found, SplitSettings(**settings), clock=clock, until=UNTIL, site=names)


def starts(made, found, part):
    return found.start[made.part == PARTS.index(part)]


@given(seed=st.integers(0, 10_000), patients=st.integers(1500, 9000))
def test_parts_are_disjoint_in_time_and_by_patient(seed, patients):
    found = spells(2000, patients=patients, seed=seed)
    made = split(found)
    patients_of = [set(found.subject_id[made.part == at]) for at in range(3)]
    assert not patients_of[0] & patients_of[1]
    assert not patients_of[0] & patients_of[2]
    assert not patients_of[1] & patients_of[2]
    train, calibration, test = (starts(made, found, part) for part in PARTS)
    assert train.max() < made.until[Part.TRAIN] <= calibration.min()
    assert calibration.max() < made.until[Part.CALIBRATION] <= test.min()


@given(seed=st.integers(0, 1000))
def test_every_spell_is_in_a_part_or_counted_as_dropped(seed):
    found = spells(1500, patients=2000, seed=seed)
    made = split(found)
    assert sum(made.counts.values()) + sum(made.dropped.values()) == len(found)


def test_held_out_patients_are_those_a_live_service_would_meet():
    found = spells(3000, patients=800)
    made = split(found)
    late = found.start >= made.until[Part.CALIBRATION]
    assert (made.part[late] == PARTS.index(Part.TEST)).all()  # returning patients included


def test_shares_are_those_asked_for():
    made = split(spells(4000, patients=1_000_000), train=0.5, calibration=0.2, test=0.3)
    assert made.counts == pytest.approx({"train": 2000, "calibration": 800, "test": 1200}, abs=5)


def test_order_parts_a_source_without_dates_and_knows_no_end():
    found = spells(1200, patients=1_000_000)
    same = Spells(found.spell_id, found.subject_id, np.zeros(1200, np.int64), found.end, found.died)
    made = split(same, clock=Clock.ORDER)
    assert made.counts == {"train": 720, "calibration": 180, "test": 300}
    assert set(made.until.values()) == {UNTIL}
    first = made.part[np.argsort(same.spell_id)]
    assert (np.diff(first) >= 0).all()


def test_admissions_of_one_moment_stay_together():
    found = spells(1000, patients=1_000_000)
    days = Spells(
        found.spell_id, found.subject_id, found.start // (20 * DAY), found.end, found.died
    )
    made = split(days, clock=Clock.DAYS)
    for moment in np.unique(days.start):
        parts = made.part[days.start == moment]
        assert np.unique(parts[parts != DROPPED]).size <= 1


def test_held_out_site_is_in_the_test_alone():
    found = spells(3000, patients=1_000_000)
    site = np.where(np.arange(3000) % 3 == 0, "B", "A")
    made = split(found, site=site, hold_out_site="B")
    assert set(site[made.part == PARTS.index(Part.TEST)]) == {"B"}
    assert set(site[made.part == PARTS.index(Part.TRAIN)]) == {"A"}
    assert sum(made.counts.values()) + sum(made.dropped.values()) == 3000


def test_unknown_site_to_hold_out_lists_those_there_are():
    with pytest.raises(BadInput, match="its sites are A, B"):
        split(
            spells(900, patients=10_000),
            site=np.where(np.arange(900) % 2, "A", "B"),
            hold_out_site="Z",
        )


@pytest.mark.parametrize("size", [0, 50, 299])
def test_too_few_spells_are_refused(size):
    with pytest.raises(BadInput, match="at least 300 spells"):
        split(spells(size, patients=max(size, 1)))


def test_a_part_emptied_by_returning_patients_is_refused():
    with pytest.raises(BadInput, match="in each part expected"):
        split(spells(900, patients=40))


def test_the_least_size_is_a_setting():
    assert split(spells(150, patients=1500), least_spells=20).counts["calibration"] >= 20
    with pytest.raises(BadInput, match="at least 60 spells in scope expected, got 59"):
        split(spells(59, patients=1500), least_spells=20)
    with pytest.raises(BadInput, match="least_spells of 20 or more"):
        SplitSettings(least_spells=19)


def test_everything_is_judged_or_what_came_later():
    found = spells(500, patients=500)
    assert everything(found, until=UNTIL).counts["test"] == 500
    later = everything(found, until=UNTIL, since=200 * DAY)
    assert later.counts["test"] == int((found.start >= 200 * DAY).sum())
    assert (later.part[found.start < 200 * DAY] == DROPPED).all()
