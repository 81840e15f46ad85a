"""What makes a synthetic stay long, late, unequal or unknown: the directions that studies found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from feature_store.clock import local_day, local_hour

Ward = Any  # conftest.Ward: a folder of tests is no package to import from


def returning(ward: Ward) -> np.ndarray:
    order = np.lexsort((ward.spells.start, ward.spells.subject_id))
    again = np.zeros(len(ward.spells), dtype=bool)
    subject = ward.spells.subject_id[order]
    again[order[1:]] = subject[1:] == subject[:-1]
    return again


@pytest.mark.parametrize(
    ("longer", "than"),
    [
        (lambda w: w.number("CFS") >= 6, lambda w: w.number("CFS") <= 3),
        (lambda w: w.number("FOUR_AT") >= 4, lambda w: w.number("FOUR_AT") < 4),
        (lambda w: w.number("ALBUMIN") < 34, lambda w: w.number("ALBUMIN") >= 34),
        (lambda w: w.number("NEWS2") > 5, lambda w: w.number("NEWS2") < 3),
        (lambda w: w.number("UREA") > 10, lambda w: w.number("UREA") < 6),
        (lambda w: w.number("HAEMOGLOBIN") < 100, lambda w: w.number("HAEMOGLOBIN") > 120),
        (
            lambda w: w.text("PRESENTING_PROBLEM") == "stroke",
            lambda w: w.text("PRESENTING_PROBLEM") == "collapse",
        ),
        (
            lambda w: w.text("PRESENTING_PROBLEM") == "hip_fracture",
            lambda w: w.text("PRESENTING_PROBLEM") == "fall",
        ),
        (
            lambda w: w.text("PRESENTING_PROBLEM") == "pneumonia",
            lambda w: w.text("PRESENTING_PROBLEM") == "chest_pain",
        ),
        (lambda w: w.text("LIVES_ALONE") == "Y", lambda w: w.text("LIVES_ALONE") == "N"),
        (lambda w: w.text("DEMENTIA") == "Y", lambda w: w.text("DEMENTIA") == "N"),
        (lambda w: w.text("MOBILITY") == "Y", lambda w: w.text("MOBILITY") == "N"),
        (
            lambda w: np.isin(w.text("ADMISSION_SOURCE"), ("54", "65", "85")),
            lambda w: w.text("ADMISSION_SOURCE") == "19",
        ),
        (
            lambda w: local_hour(w.spells.start) >= 18,
            lambda w: np.abs(local_hour(w.spells.start) - 10) < 2,
        ),
        (lambda w: w.age >= 85, lambda w: w.age < 65),
        (returning, lambda w: ~returning(w)),
    ],
    ids=[
        "frailty",
        "delirium",
        "albumin",
        "NEWS2",
        "urea",
        "haemoglobin",
        "stroke",
        "hip fracture",
        "pneumonia",
        "alone",
        "dementia",
        "mobility",
        "care home",
        "hour of arrival",
        "age",
        "prior use",
    ],
)
def test_a_predictor_points_the_way_the_studies_say(
    ward: Ward, longer: Callable[[Ward], np.ndarray], than: Callable[[Ward], np.ndarray]
) -> None:
    assert ward.mean_stay(longer(ward)) > ward.mean_stay(than(ward)) + 0.2


def test_sodium_says_nothing_of_the_stay(ward: Ward) -> None:
    """A small North West London study found no association, so the trust has none."""
    sodium = ward.number("SODIUM")
    known = ward.followed & ~np.isnan(sodium)
    assert abs(np.corrcoef(sodium[known], np.log1p(ward.stay[known]))[0, 1]) < 0.03


def test_values_are_missing_not_at_random(ward: Ward) -> None:
    scored, gas = ~np.isnan(ward.number("CFS")), ~np.isnan(ward.number("LACTATE"))
    assert scored[ward.scope & (ward.age >= 65)].mean() > 0.8
    assert scored[ward.scope & (ward.age < 60)].mean() < 0.3
    ill = ward.number("NEWS2") > 5
    assert gas[ward.scope & ill].mean() > 2 * gas[ward.scope & ~ill].mean()


def test_waiting_is_longer_by_pathway_and_unequal(long_ward: Ward) -> None:
    """Deprivation and ethnicity lengthen the wait for a service: a fairness test has a signal."""
    ward = long_ward
    pathway, delay = ward.text("DISCHARGE_PATHWAY"), ward.ready_delay
    means = [np.nanmean(delay[ward.scope & (pathway == which)]) for which in "0123"]
    assert means == sorted(means)
    waiting = ward.scope & np.isin(pathway, ("1", "2", "3"))
    decile = ward.number("DEPRIVATION_DECILE")
    assert np.nanmean(delay[waiting & (decile <= 3)]) > 1.15 * np.nanmean(
        delay[waiting & (decile >= 8)]
    )
    white, black, asian = (
        np.nanmean(delay[waiting & np.isin(ward.ethnicity, list(group))])
        for group in ("ABC", "MNP", "HJKL")
    )
    assert black > 1.05 * white
    assert asian > 1.05 * white


def test_winter_is_slower(long_ward: Ward) -> None:
    long = long_ward
    month = (local_day(long.spells.start) % 365.25) // 30.44
    assert (
        long.mean_stay(np.isin(month, (11, 0, 1))) > long.mean_stay(np.isin(month, (5, 6, 7))) + 0.1
    )


def test_sites_differ(ward: Ward) -> None:
    site = ward.text("SITE")
    means = [ward.mean_stay(site == name) for name in sorted(set(site))]
    assert len(means) == ward.settings.sites
    assert max(means) - min(means) > 0.3


def test_staff_expect_less_than_comes(ward: Ward) -> None:
    """An ideal recovery without waits, as guidance asks: a comparator, not the truth."""
    guess = ward.number("EXPECTED_DISCHARGE")
    known = ward.followed & ~np.isnan(guess)
    assert guess[known].mean() < ward.stay[known].mean()
    rank = np.corrcoef(
        np.argsort(np.argsort(guess[known])), np.argsort(np.argsort(ward.stay[known]))
    )[0, 1]
    assert 0.15 < rank < 0.6
