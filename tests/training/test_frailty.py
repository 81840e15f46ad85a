"""The frailty score: published points, each once, and only once they were recorded."""

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR
from feature_store.compute import compute_features
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from training.frailty import WEIGHTS, frailty_scores, frailty_set

START = 20_000 * DAY


def test_points_are_the_published_ones():
    assert len(WEIGHTS) == 109
    assert sum(WEIGHTS.values()) == pytest.approx(173.2)
    assert (WEIGHTS["F00"], WEIGHTS["W19"], WEIGHTS["R50"]) == (7.1, 3.2, 0.1)


def _events(*rows):
    """(code, day, day recorded, spell) of one patient."""
    codes, days, recorded, spells = zip(*rows, strict=True)
    return Events.build(
        subject_id=[1] * len(rows),
        time=[START + day * DAY for day in days],
        code=list(codes),
        spell_id=spells,
        recorded_at=[START + day * DAY for day in recorded],
    ).in_order()


def _score(events, day):
    start = START + 100 * DAY
    asked = Snapshots(*(np.array([n]) for n in (1, 9, start, START + day * DAY + HOUR)))
    counted = frailty_set(events.codes)
    return float(frailty_scores(compute_features(events, asked, counted), counted)[0])


def test_a_category_counts_once_and_others_not_at_all():
    events = _events(
        ("DIAGNOSIS//F00.1", 10, 12, 8),
        ("DIAGNOSIS//F009", 20, 22, 8),
        ("DIAGNOSIS//I10X", 10, 12, 8),
    )
    assert _score(events, 101) == 7.1


def test_a_code_of_this_stay_counts_from_its_recording():
    events = _events(("DIAGNOSIS//W19X", 50, 52, 8), ("DIAGNOSIS//F059", 100, 130, 9))
    assert _score(events, 101) == 3.2
    assert _score(events, 131) == 6.4


def test_two_years_are_remembered():
    events = _events(("DIAGNOSIS//W19X", -700, -690, 8))
    assert _score(events, 101) == 0
    assert _score(_events(("DIAGNOSIS//W19X", -600, -590, 8)), 101) == 3.2


def test_without_codes_there_is_no_score():
    assert not len(frailty_set(["AGE", "DIAGNOSIS//I10X", "PROCEDURE//F00"]))
