"""Processes are killed, databases cut and disks filled under load: nothing answered is lost."""

import os
import signal

import pytest


def ids(scores):
    return {score["score_id"] for score in scores}


def test_a_service_killed_under_load_has_the_row_of_every_answer(
    start, callers, record, database_url
):
    service = start(HOMEWARD_DATABASE_URL=database_url).ready()
    asking = callers(service)
    asking.heard(30)
    service.end(signal.SIGKILL)
    asking.end()
    assert asking.statuses.count(200) == len(asking.statuses)
    assert record.kept_in(database_url) >= ids(asking.scored)


@pytest.mark.postgres
def test_workers_killed_and_a_database_cut_off_under_load_lose_nothing(
    start, callers, record, wire, postgres_url
):
    service = start("--workers", "2", HOMEWARD_DATABASE_URL=wire.url).ready()
    service.wait_until(lambda: len(service.workers) == 2)
    asking = callers(service, number=4)
    asking.heard(20)
    killed = service.workers[0]
    os.kill(killed, signal.SIGKILL)
    service.wait_until(lambda: len(set(service.workers) - {killed}) == 2)
    asking.heard(20)
    assert set(asking.statuses) == {200}
    cut_off = asking.cut_off
    for trouble in (wire.cut, wire.hold, wire.swallow):
        trouble()
        before = asking.statuses.count(503)
        service.wait_until(lambda: asking.statuses.count(503) > before)  # noqa: B023
        wire.mend()
        asking.heard(20)
    asking.end()
    assert set(asking.statuses) == {200, 503}
    assert asking.cut_off == cut_off
    assert record.kept_in(postgres_url) >= ids(asking.scored)


def test_a_worker_killed_under_load_is_replaced_and_its_answers_stay(
    start, callers, record, database_url
):
    service = start("--workers", "2", HOMEWARD_DATABASE_URL=database_url).ready()
    service.wait_until(lambda: len(service.workers) == 2)
    asking = callers(service)
    asking.heard(20)
    for _ in range(2):
        killed = service.workers[0]
        os.kill(killed, signal.SIGKILL)
        service.wait_until(lambda: len(set(service.workers) - {killed}) == 2)  # noqa: B023
        asking.heard(20)
    asking.end()
    assert set(asking.statuses) == {200}
    assert record.kept_in(database_url) >= ids(asking.scored)
