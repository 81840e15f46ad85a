"""While a service starts no worker takes a connection without a model, if there is to be one."""

import threading
import time
from contextlib import suppress

import httpx
import pytest

from benchmarks.stand_in import Registry


@pytest.fixture
def slow_registry(bundle_folder):
    """A registry whose every answer takes a while."""

    class Slow(Registry):
        def answer(self, target):
            time.sleep(0.3)
            return super().answer(target)

    registry = Slow({"1": bundle_folder})
    yield f"http://127.0.0.1:{registry.http.server_port}"
    registry.http.shutdown()
    registry.http.server_close()


def test_nobody_is_refused_for_want_of_a_model_that_is_coming(start, slow_registry, request_body):
    service = start(
        "--workers",
        "2",
        HOMEWARD_MODEL_URI="models:/long-stay@champion",
        HOMEWARD_MLFLOW_TRACKING_URI=slow_registry,
    )
    statuses, over = [], threading.Event()

    def ask():
        while not over.is_set():
            with suppress(httpx.TransportError):  # nobody listens yet
                answer = httpx.post(f"{service.address}/v1/scores", json=request_body, timeout=60)
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        service.wait_until(lambda: service.log.read_text().count("model loaded") == 2)
        service.wait_until(lambda: len(statuses) > 40)
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert set(statuses) == {200}


def test_a_registry_that_is_not_there_holds_no_start_up(start):
    service = start(
        HOMEWARD_MODEL_URI="models:/long-stay@champion",
        HOMEWARD_MLFLOW_TRACKING_URI="http://127.0.0.1:9",
    )
    began = time.monotonic()
    service.wait_until(lambda: service.get("/health/live").status_code == 200)
    ready = service.get("/health/ready")
    assert (ready.status_code, service.get("/health/live").status_code) == (503, 200)
    assert time.monotonic() - began < 30
