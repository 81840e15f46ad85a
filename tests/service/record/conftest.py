"""Accounts of answers, and databases of each kind to keep them in."""

import asyncio
import threading
from contextlib import closing

import pytest

from service.record import AuditRow, open_audit
from service.record.writing import open_database, prepare

ROW = {
    "score_id": "019bb9f6-5b00-7c41-9d4e-2f5a7b1c8e90",
    "answered_at": 1,
    "caller": "hub",
    "request_id": "r",
    "mode": "live",
    "route": "/v1/scores",
    "spell": 2**62 + 1,
    "subject": 3,
    "site": "RXX01",
    "ward": None,
    "prediction_time": 2,
    "model": "long-stay",
    "model_version": "1",
    "model_hash": "m",
    "feature_set_hash": "f",
    "inputs_hash": "i",
    "days_so_far": 2,
    "probability_7": 0.1 + 0.2,
    "probability_14": 1.0,
    "probability_21": None,
    "discharge_p10": 4,
    "discharge_p50": 9,
    "discharge_p90": None,
    "probability_of_death": 5e-324,
    "base_value": -1.31,
    "log_odds": 0.0,
    "completeness": 0.5,
    "missing": "CFS",
    "refused": None,
    "latency_us": 5,
    "features": b"\0" * 16,
    "reasons": b"[]",
}


def row_of(number=None, **changed):
    """Account of a score; the same but for what is changed, or for its number."""
    own = {} if number is None else {"score_id": f"score-{number}", "answered_at": number}
    return AuditRow(**ROW | own | changed)


@pytest.fixture
def a_row():
    """Return a function that makes rows."""
    return row_of


class Loop:
    """An event loop in a thread, to append from anywhere."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def __call__(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def wait():
    """Return a function that waits for a coroutine, on one loop for the whole test."""
    with closing(Loop()) as loop:
        yield loop


@pytest.fixture
def audit(database_url):
    """A writer of the record in a database of each kind."""
    with closing(open_audit(database_url)) as opened:
        yield opened


@pytest.fixture
def engine(database_url):
    """The same database, for looking and for tampering."""
    made = open_database(database_url)
    prepare(made)
    yield made
    made.dispose()
