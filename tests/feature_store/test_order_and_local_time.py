"""What the kernel does to order and local time is what NumPy and zoneinfo would do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from feature_store.clock import local_microseconds
from feature_store.events import NO_TIME, Events

LONDON = ZoneInfo("Europe/London")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def random_events(rng, size):
    """Events with many ties, missing values and missing times."""
    time = rng.integers(0, 6, size)
    return Events.build(
        subject_id=rng.integers(0, 5, size),
        spell_id=rng.integers(0, 3, size),
        time=np.where(rng.random(size) < 0.1, NO_TIME, time),
        recorded_at=np.where(rng.random(size) < 0.5, time, time + 3),
        code=[f"C{one}" for one in rng.integers(0, 4, size)],
        numeric_value=np.where(rng.random(size) < 0.3, np.nan, rng.integers(-2, 3, size)),
    )


@pytest.mark.parametrize("seed", range(60))
def test_order_is_that_of_a_stable_sort_by_every_key(seed):
    rng = np.random.default_rng(seed)
    events = random_events(rng, int(rng.integers(0, 200)))
    expected = np.lexsort(
        (
            events.numeric_value,
            events.code,
            events.recorded_at,
            events.time,
            events.subject_id,
        )
    )
    ordered = events.in_order()
    for column in ("subject_id", "time", "recorded_at", "code", "numeric_value", "spell_id"):
        assert np.array_equal(
            getattr(ordered, column), getattr(events, column)[expected], equal_nan=True
        )
    assert ordered.is_in_order()


def test_local_time_is_that_of_zoneinfo_also_where_clocks_change():
    rng = np.random.default_rng(1)
    around = []
    for year in (1972, 1996, 2024, 2026, 2037):
        for month, day in ((3, 25), (3, 31), (10, 25), (10, 31)):
            moment = datetime(year, month, day, tzinfo=UTC) - EPOCH
            around.append(int(moment / timedelta(microseconds=1)))
    moments = np.array(around)[:, None] + rng.integers(-4 * 86_400, 4 * 86_400, 200) * 1_000_000
    moments = moments.ravel()
    expected = [
        (EPOCH + timedelta(microseconds=one)).astimezone(LONDON).replace(tzinfo=UTC) - EPOCH
        for one in moments.tolist()
    ]
    told = local_microseconds(moments)
    assert told.tolist() == [int(one / timedelta(microseconds=1)) for one in expected]


def test_no_time_stays_no_time_whatever_was_asked_before():
    some = np.array([NO_TIME, 0, NO_TIME, 1_700_000_000_000_000])
    told = local_microseconds(some)
    assert (told[[0, 2]] == NO_TIME).all()
    assert local_microseconds(some[::-1])[1] == NO_TIME
