"""What the synthetic trust is like, held to what is published; docs/simulator.md lists the sources.

Emergency adults in ordinary admissions that could be watched for 60 days, unless said otherwise.
Tolerances allow for the sampling error of 40,000 spells of one seed, for sites that differ, and for
what the sources themselves leave open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from feature_store.clock import local_weekday

Ward = Any  # conftest.Ward: a folder of tests is no package to import from


def first_news2(ward: Ward, low: float, high: float) -> float:
    points = ward.number("NEWS2")[ward.scope]
    points = points[~np.isnan(points)]
    return float(((points >= low) & (points <= high)).mean())


def of_ended(ward: Ward, family: str, *values: str) -> float:
    ended = ward.scope & ward.spells.ended
    return float(np.isin(ward.text(family)[ended], values).mean())


def weekend_rate(ward: Ward) -> float:
    days = np.bincount(
        local_weekday(ward.spells.end[ward.followed & ward.spells.ended]), minlength=7
    )
    return float(days[5:].mean() / days[:5].mean())


def not_met_share_of_beds(ward: Ward) -> float:
    """Beds with patients ready to leave: midnights after the ready date, over all midnights."""
    waited = np.nansum(ward.ready_delay[ward.followed])
    return float(waited / ward.stay[ward.followed].sum())


def delirium_of_screened(ward: Ward) -> float:
    score = ward.number("FOUR_AT")[ward.scope & (ward.age >= 65)]
    return float((score[~np.isnan(score)] >= 4).mean())


def ethnic_share(ward: Ward, *values: str) -> float:
    stated = ~np.isin(ward.ethnicity, ("Z", "99"))
    return float(np.isin(ward.ethnicity[stated], values).mean())


Measure = Callable[[Ward], float]
GHFT = "Gloucestershire long-stay baseline, adult emergency"
NEWS_PAPER = "BMJ Open 165918, table 1"
TARGETS: dict[str, tuple[Measure, float, float, str]] = {
    "stay of 0 days": (lambda w: 1 - w.share_staying(1), 0.139, 0.015, GHFT),
    "stay >= 3 days": (lambda w: w.share_staying(3), 0.495, 0.025, GHFT),
    "stay >= 7 days": (lambda w: w.share_staying(7), 0.260, 0.020, GHFT),
    "stay >= 14 days": (lambda w: w.share_staying(14), 0.113, 0.015, GHFT),
    "stay >= 21 days": (lambda w: w.share_staying(21), 0.057, 0.012, GHFT),
    "stay >= 29 days": (lambda w: w.share_staying(29), 0.031, 0.010, GHFT),
    "median stay": (lambda w: float(np.median(w.stay[w.followed])), 2.0, 0.0, GHFT),
    "mean stay": (lambda w: w.mean_stay(w.followed), 5.8, 0.6, GHFT),
    "bed days by stays >= 21": (
        lambda w: w.stay[w.followed & (w.stay >= 21)].sum() / w.stay[w.followed].sum(),
        0.34,
        0.06,
        GHFT,
    ),
    "beds with stays so far >= 7": (lambda w: w.census_share(7), 0.45, 0.06, "derived from GHFT"),
    "beds with stays so far >= 21": (
        lambda w: w.census_share(21),
        0.16,
        0.05,
        "derived; 17-19 % in 2017-18",
    ),
    "deaths": (lambda w: w.spells.died[w.followed].mean(), 0.05, 0.008, GHFT),
    "deaths of stays >= 21": (
        lambda w: w.spells.died[w.followed & (w.stay >= 21)].mean(),
        0.11,
        0.04,
        GHFT,
    ),
    "emergency share of spells": (lambda w: w.emergency.mean(), 0.79, 0.02, NEWS_PAPER),
    "median age": (
        lambda w: float(np.median(w.age[w.scope])),
        68.5,
        3.5,
        "66.6 (BMJ Open), 72 (Northumbria)",
    ),
    "first NEWS2 below 3": (lambda w: first_news2(w, 0, 2), 0.74, 0.03, NEWS_PAPER),
    "first NEWS2 3 to 5": (lambda w: first_news2(w, 3, 5), 0.20, 0.03, NEWS_PAPER),
    "first NEWS2 above 5": (lambda w: first_news2(w, 6, 20), 0.06, 0.025, NEWS_PAPER),
    "delirium, 65+ screened": (delirium_of_screened, 0.147, 0.03, "BMC Medicine 2019, 1458"),
    "by ambulance": (
        lambda w: (w.text("ARRIVAL_MODE")[w.scope] == "ambulance").mean(),
        0.38,
        0.03,
        "UCLH",
    ),
    "moved at least once, 65+": (
        lambda w: (w.count("WARD")[w.followed & (w.age >= 65) & (w.stay >= 1)] >= 2).mean(),
        0.722,
        0.04,
        "Imperial, BMJ Quality & Safety 30:457",
    ),
    "spells of returning patients": (
        lambda w: 1 - np.unique(w.spells.subject_id).size / len(w.spells),
        0.21,
        0.05,
        "Northumbria",
    ),
    "to the usual residence": (
        lambda w: of_ended(w, "DISCHARGE_DESTINATION", "19"),
        0.865,
        0.03,
        "memory",
    ),
    "to a care home": (
        lambda w: of_ended(w, "DISCHARGE_DESTINATION", "54", "65", "85"),
        0.04,
        0.015,
        "memory",
    ),
    "to another hospital": (
        lambda w: of_ended(w, "DISCHARGE_DESTINATION", "51"),
        0.035,
        0.012,
        "memory",
    ),
    "ready to discharge, mean days": (
        lambda w: float(np.nanmean(w.ready_delay[w.followed])),
        1.0,
        0.3,
        "1.0 London, 1.3 England",
    ),
    "beds without criteria to reside": (
        not_met_share_of_beds,
        0.13,
        0.05,
        "13 % of beds, range 9-33",
    ),
    "weekend discharge rate": (weekend_rate, 0.70, 0.07, "memory: 65-75 %"),
    "ethnic category not stated": (
        lambda w: np.isin(w.ethnicity, ("Z", "99")).mean(),
        0.145,
        0.015,
        "PMC9062795",
    ),
    "White, of those stated": (
        lambda w: ethnic_share(w, "A", "B", "C"),
        0.50,
        0.06,
        "NW London, older so whiter",
    ),
    "Asian, of those stated": (
        lambda w: ethnic_share(w, "H", "J", "K", "L"),
        0.29,
        0.05,
        "NW London",
    ),
    "Black, of those stated": (lambda w: ethnic_share(w, "M", "N", "P"), 0.08, 0.02, "NW London"),
    "events a spell": (lambda w: len(w.events) / len(w.spells), 38.0, 5.0, "[judgement]"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_marginal_is_near_its_source(ward: Ward, name: str) -> None:
    measure, target, tolerance, source = TARGETS[name]
    assert measure(ward) == pytest.approx(target, abs=tolerance), source


def test_scope_rules_have_work(ward: Ward) -> None:
    assert 0.01 < (ward.age < 18).mean() < 0.08
    assert 0.04 < (ward.text("PATIENT_CLASSIFICATION") == "2").mean() < 0.15
    assert 0.03 < np.isin(ward.text("ADMISSION_METHOD"), ("31", "32")).mean() < 0.10
    assert 0.03 < np.isin(ward.text("ADMISSION_METHOD"), ("11", "12", "13")).mean() < 0.20
    assert 0.005 < (~ward.spells.ended).mean() < 0.03
