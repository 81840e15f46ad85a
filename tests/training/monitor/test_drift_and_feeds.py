"""Drift and silent feeds: planted ones are found, chance is not."""

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR
from feature_store.events import Events
from training.monitor.drift import Reference, shifts
from training.monitor.feeds import feeds

START = 20_300 * DAY


def patients(rng, size, *, moved=0.0, missing=0.2):
    """Columns: a number, one with missing values, a category."""
    number = rng.normal(moved, 1.0, size)
    gaps = np.where(rng.random(size) < missing, np.nan, rng.gamma(2.0, 10.0, size))
    return np.column_stack([number, gaps, rng.choice(4, size, p=[0.5, 0.3, 0.19, 0.01])])


def reference():
    made = patients(np.random.default_rng(0), 5000)
    return Reference.of(made, ("number", "gaps", "kind"), categorical=(2,))


def test_without_a_shift_nothing_is_found():
    found = 0
    for seed in range(1, 101):
        rng = np.random.default_rng(seed)
        told = shifts(reference(), patients(rng, 150), rng=rng)
        found += any(one.state != "ok" for one in told)
    assert found <= 5  # 1 in 100 is meant


@pytest.mark.parametrize(
    ("change", "name"), [({"moved": 1.0}, "number"), ({"missing": 0.9}, "gaps")]
)
def test_a_shift_is_found_and_named(change, name):
    rng = np.random.default_rng(5)
    told = {
        one.name: one.state for one in shifts(reference(), patients(rng, 300, **change), rng=rng)
    }
    assert told.pop(name) == "breach"
    assert set(told.values()) == {"ok"}


def test_too_few_patients_tell_nothing():
    rng = np.random.default_rng(1)
    assert shifts(reference(), patients(rng, 20, moved=3.0), rng=rng) == []


def test_the_reference_survives_being_written_and_names_no_extreme_value():
    made = patients(np.random.default_rng(0), 5000)
    kept = reference()
    assert Reference.from_json(kept.to_json()) == kept
    extremes = {f"{one:.3g}" for column in made.T for one in (np.nanmin(column), np.nanmax(column))}
    edges = {f"{one:.3g}" for column in kept.columns for one in column.edges}
    assert not extremes & edges


def trust(rng, *, silent=None, days=80):
    """Observations of one site, 8 a day but half as many at weekends; one may fall silent."""
    rows = []
    for spell in range(days):
        for code in ("NEWS2", "CRP", "SITE//RXX01"):
            if code.startswith("SITE"):
                rows.append((spell, code, START + spell * DAY))
                continue
            daily = 8 if (START // DAY + spell) % 7 < 5 else 4
            if silent == code and spell >= days - 3:
                continue
            rows += [
                (spell, code, START + spell * DAY + int(rng.integers(0, 24)) * HOUR)
                for _ in range(rng.poisson(daily))
            ]
    spell, code, time = zip(*rows, strict=True)
    return Events.build(subject_id=spell, spell_id=spell, code=code, time=time).in_order()


def test_a_feed_that_fell_silent_is_found_within_three_days():
    events = trust(np.random.default_rng(1), silent="CRP")
    told = {one.family: one.state for one in feeds(events, until=START + 80 * DAY)}
    assert told["CRP"] == "breach"
    assert told["NEWS2"] == "ok"


def test_feeds_that_go_on_are_left_alone():
    found = 0
    for seed in range(60):
        events = trust(np.random.default_rng(seed))
        told = feeds(events, until=START + 80 * DAY)
        assert {one.site for one in told} == {"RXX01"}
        found += any(one.state != "ok" for one in told)
    assert found <= 3
