"""Outcomes by site and week against counting by hand, spell by spell and midnight by midnight."""

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR
from feature_store.events import Events
from training.impact.measures import MEASURES
from training.impact.outcomes import WINDOW, Calendar, census, count, days_at_home
from training.impact.stays import CARE_HOMES, Level, read_stays

FIRST_DAY = 20_000  # of tests/training/conftest.py


def spell(number, subject, start, nights, *, site="A", facts=(), wards=()):
    """Events of one adult emergency spell that starts at noon of day ``start``."""
    moment = (FIRST_DAY + start) * DAY + 12 * HOUR
    rows = [
        (subject, moment, "SPELL_START", np.nan, number),
        (subject, moment, "AGE", 80.0, number),
        (subject, moment, "ADMISSION_METHOD//21", np.nan, number),
        (subject, moment, f"SITE//{site}", np.nan, number),
    ]
    for ward, day in wards:
        rows.append((subject, moment + day * DAY, f"WARD//{ward}", np.nan, number))
    for code, day in facts:
        rows.append((subject, moment + day * DAY - HOUR * (day > 0), code, np.nan, number))
    if nights is not None:
        rows.append((subject, moment + nights * DAY + HOUR, "SPELL_END", nights, number))
    return rows


def read(tmp_path, write_events, rows, level=Level.SITE, days=200):
    columns = list(zip(*rows, strict=True))
    events = Events.build(
        subject_id=columns[0],
        time=columns[1],
        code=list(columns[2]),
        numeric_value=columns[3],
        spell_id=columns[4],
    ).in_order()
    folder = tmp_path / "hand"
    return read_stays(write_events(folder, events, days=days, shards=1), level)


WEEKS = Calendar(first=FIRST_DAY, points=20, days=7)


def test_bed_days_are_the_midnights_from_the_threshold_on(tmp_path, write_events):
    stays = read(tmp_path, write_events, spell(1, 1, 0, 10))
    assert census(stays, WEEKS).sum() == 10  # a length of stay of ten
    # By midnights 7, 8, 9 and 10 seven nights had passed: those at the end of days 6 to 9.
    assert census(stays, WEEKS, nights=7)[0, :3].tolist() == [1, 3, 0]
    assert census(stays, WEEKS, nights=14).sum() == 0


def test_a_patient_still_here_counts_to_the_end_of_the_data(tmp_path, write_events):
    stays = read(tmp_path, write_events, spell(1, 1, 180, None))
    assert stays.open.tolist() == [True]
    assert census(stays, Calendar(first=FIRST_DAY, points=29, days=7)).sum() == 20


def test_nights_without_criteria_end_when_they_are_met_again(tmp_path, write_events):
    facts = [
        ("CRITERIA_TO_RESIDE//N", 3),
        ("DISCHARGE_READY", 3),
        ("CRITERIA_TO_RESIDE//Y", 5),
        ("CRITERIA_TO_RESIDE//N", 8),
    ]
    stays = read(tmp_path, write_events, spell(1, 1, 0, 12, facts=facts))
    assert census(stays, WEEKS, waiting=True).sum() == (5 - 3) + (12 - 8)
    assert stays.ready - stays.admitted == [8]
    told = count(stays, MEASURES["ready_delay"], WEEKS)
    assert told.total.sum() == 4


def test_moves_part_the_nights_between_wards(tmp_path, write_events):
    wards = [("AMU", 0), ("OLD", 2), ("OLD2", 9)]
    facts = [("DISCHARGE_READY", 7)]
    stays = read(tmp_path, write_events, spell(1, 1, 0, 12, wards=wards, facts=facts), Level.WARD)
    assert stays.units == ("AMU", "OLD", "OLD2")
    assert census(stays, WEEKS).sum(axis=1).tolist() == [2, 7, 3]
    assert census(stays, WEEKS, waiting=True).sum(axis=1).tolist() == [0, 2, 3]
    assert stays.unit.tolist() == [0]


def test_points_that_are_not_followed_up_are_not_there():
    calendar = Calendar(first=FIRST_DAY, points=20, days=7)
    until = FIRST_DAY + 70
    assert calendar.due(MEASURES["bed_days_7"], until) == 10
    assert calendar.due(MEASURES["readmission_30"], until) == 5  # (70 - 30) // 7
    assert calendar.due(MEASURES["days_at_home"], until) == 0


def test_home_is_neither_hospital_nor_a_new_care_home_nor_death(tmp_path, write_events):
    home = ("DISCHARGE_DESTINATION//19", 5)
    care = ("DISCHARGE_DESTINATION//65", 20)
    rows = [
        *spell(1, 1, 0, 5, facts=[home]),  # home, back at day 30 for 10 nights
        *spell(2, 1, 30, 10, facts=[("DISCHARGE_DESTINATION//19", 10)]),
        *spell(3, 2, 0, 20, facts=[care]),  # to a new care home for good
        *spell(4, 3, 0, 20, facts=[care, ("ADMISSION_SOURCE//85", 0)]),  # back to the old one
        *spell(5, 4, 0, 8, facts=[("DISCHARGE_METHOD//4", 8)]),  # died
    ]
    rows = [
        (subject, time + (HOUR if code.startswith("DISCHARGE_M") else 0), code, value, number)
        for subject, time, code, value, number in rows
    ]
    stays = read(tmp_path, write_events, rows)
    assert days_at_home(stays).tolist() == [90 - 15, 90 - 10, 0, 70, 0]


def test_days_at_home_of_many_agree_with_a_diary(tmp_path, write_events, make_events):
    events = make_events(400, days=300, patients=60, died=0.1)
    rng = np.random.default_rng(0)
    stays = read_stays(write_events(tmp_path / "many", events, days=300), Level.SITE)
    order = np.lexsort((stays.left, stays.admitted, stays.subject))
    told = days_at_home(stays)
    for row in rng.choice(len(stays), 80, replace=False):
        at = int(np.flatnonzero(order == row)[0])
        away = np.zeros(WINDOW, bool)
        for later in order[at:]:
            if stays.subject[later] != stays.subject[row]:
                break
            begin = max(stays.admitted[later] - stays.admitted[row], 0)
            away[begin : max(stays.left[later] - stays.admitted[row], begin)] = True
            if stays.died[later]:
                away[max(stays.left[later] - stays.admitted[row], 0) :] = True
        assert told[row] == WINDOW - away.sum()
    assert CARE_HOMES


def test_readmissions_are_emergencies_within_thirty_days_of_leaving(tmp_path, write_events):
    rows = [
        *spell(1, 1, 0, 5),
        *spell(2, 1, 35, 2),  # 30 days after: counts
        *spell(3, 2, 0, 5),
        *spell(4, 2, 36, 2),  # 31 days after: does not
    ]
    told = count(read(tmp_path, write_events, rows), MEASURES["readmission_30"], WEEKS)
    assert told.total.sum() == 1
    assert told.size.sum() == 4


def test_census_of_a_trust_is_what_counting_every_midnight_gives(
    tmp_path, write_events, make_events
):
    stays = read_stays(
        write_events(tmp_path / "trust", make_events(300, days=120), days=120), "site"
    )
    calendar = Calendar(first=FIRST_DAY + 10, points=10, days=7)
    told = census(stays, calendar, nights=7)
    by_hand = np.zeros_like(told)
    for row in range(len(stays)):
        for midnight in range(stays.admitted[row] + 1, stays.left[row] + 1):
            point = (midnight - 1 - calendar.first) // 7
            if midnight - stays.admitted[row] >= 7 and 0 <= point < 10:
                by_hand[stays.unit[row], point] += 1
    assert told == pytest.approx(by_hand)


def test_readiness_that_is_never_recorded_is_known_not_to_be(dataset):
    assert not read_stays(dataset, Level.SITE).records_readiness
