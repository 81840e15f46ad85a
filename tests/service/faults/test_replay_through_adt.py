"""A trust through ADT, hubs that poll, two new champions: no error, and every score proved."""

import pytest

from benchmarks.load_test import Pace, run
from benchmarks.stand_in import CHAMPIONS


@pytest.fixture
def proved(tmp_path, database_url):
    """A day of a small trust in seconds, with two workers; what came of it."""
    return run(tmp_path, database_url, Pace(days=1, speed=9000), spells=250, workers=2)


def test_a_day_through_adt_is_answered_without_an_error_and_every_score_is_proved(proved):
    assert proved["faults"] == []
    assert set(proved["requests"]) == {
        f"{path} 200" for path in ("/v1/adt", "/v1/events", "/v1/worklist", "/v1/scores")
    }
    assert set(proved["scores by model"]) == set(CHAMPIONS)
    assert sum(proved["scores by model"].values()) == proved["scores"] > 100
    assert proved["of the last worklist computed from the data"] > 5
