"""How often a caller may ask."""

import hypothesis
import pytest
from hypothesis import strategies as st

from service import rates
from service.problems import Problem
from service.rates import Rates


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def passes(limit, name="hub"):
    try:
        limit.take(name)
    except Problem as problem:
        return problem.kind.status != 429
    return True


def test_a_minute_s_worth_at_once_and_then_steadily():
    clock = Clock()
    limit = Rates(60, clock)
    assert [passes(limit) for _ in range(61)] == [True] * 60 + [False]
    clock.now = 0.99
    assert not passes(limit)
    clock.now = 1.0
    assert [passes(limit), passes(limit)] == [True, False]
    clock.now = 1000.0
    assert sum(passes(limit) for _ in range(100)) == 60


def test_one_caller_does_not_use_up_another_s():
    limit = Rates(1, Clock())
    assert passes(limit, "hub")
    assert passes(limit, "ward")
    assert not passes(limit, "hub")


@hypothesis.given(
    per_minute=st.integers(1, 500),
    waits=st.lists(st.floats(0, 90), min_size=1, max_size=60),
)
def test_never_more_than_the_bucket_and_what_flowed_in(per_minute, waits):
    clock = Clock()
    limit = Rates(per_minute, clock)
    passed = 0
    for wait in waits:
        clock.now += wait
        passed += passes(limit)
        assert passed <= per_minute + clock.now * per_minute / 60 + 1e-6


@hypothesis.given(per_minute=st.integers(1, 500), used=st.floats(0, 30))
def test_whoever_waits_as_told_may_ask(per_minute, used):
    clock = Clock()
    limit = Rates(per_minute, clock)
    for _ in range(per_minute):
        limit.take("hub")
    clock.now += used / per_minute
    with pytest.raises(Problem) as caught:
        limit.take("hub")
    clock.now += int(caught.value.headers["Retry-After"])
    assert passes(limit)


def test_more_callers_than_keys_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(rates, "MOST_CALLERS", 3)
    limit = Rates(1, Clock())
    for number in range(100):
        limit.take(f"caller-{number}")
    assert len(limit._buckets) <= 3


def test_over_http(make_client, fake_model, request_body):
    client = make_client(fake_model, requests_per_minute=2)
    first = client.post("/v1/scores", json=request_body)
    assert first.headers["RateLimit-Policy"] == '"caller";q=2;w=60'
    assert first.headers["RateLimit"].startswith('"caller";r=1;')
    assert client.get("/v1/model").status_code == 200
    refused = client.post("/v1/scores", json=request_body)
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"caller";r=0;')
    assert client.get("/health/ready").status_code == 200  # never limited
    assert "RateLimit" not in client.get("/health/ready").headers


def test_without_a_limit_nothing_is_told(make_client, fake_model):
    assert "RateLimit" not in make_client(fake_model).get("/v1/model").headers
