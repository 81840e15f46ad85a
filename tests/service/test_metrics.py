"""Numbers and log lines."""

import json
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.logs import JsonLines, set_up_logs


def numbers_of(client):
    text = client.get("/metrics").text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_was_asked_and_said_is_counted(make_client, fake_model, request_body, the_spell):
    client = make_client(fake_model)
    request_body["spells"].append(the_spell | {"spell_id": "S2", "events": []})
    client.post("/v1/scores", json=request_body)
    client.get("/v1/nowhere")
    numbers = numbers_of(client)
    at_scores = (("method", "POST"), ("route", "/v1/scores"), ("status", "200"))
    assert numbers[("homeward_requests_total", *at_scores)] == 1
    lost = (("method", "GET"), ("route", "unmatched"), ("status", "404"))
    assert numbers[("homeward_requests_total", *lost)] == 1
    assert numbers[("homeward_scores_total",)] == 1
    assert numbers[("homeward_refusals_total", ("reason", "not_admitted"))] == 1
    assert numbers[("homeward_request_spells_sum",)] == 2
    assert numbers[("homeward_request_seconds_count", ("route", "/v1/scores"))] == 1
    assert numbers[("homeward_score_probability_sum", ("horizon", "7"))] == 0.75
    assert ("homeward_score_probability_count", ("horizon", "21")) not in numbers  # not knowable
    assert numbers[("homeward_data_age_seconds_sum",)] == 40 * 60  # recorded 05:20, asked 06:00
    model = (("alias", "champion"), ("name", "long-stay"), ("version", "7"))
    assert numbers[("homeward_model_info", *model)] == 1
    assert numbers[("homeward_model_from_local_copy",)] == 0


def test_a_spell_of_timeless_facts_alone_has_no_age(
    make_client, fake_model, request_body, the_spell
):
    client = make_client(fake_model)
    the_spell["events"] = the_spell["events"][3:4]
    client.post("/v1/scores", json=request_body)
    assert numbers_of(client)[("homeward_data_age_seconds_count",)] == 0


def test_methods_that_nobody_knows_are_one(make_client, fake_model):
    client = make_client(fake_model)
    for number in range(5):
        client.request(f"BREW{number}", "/v1/model")
    brewed = [name for name in numbers_of(client) if "BREW" in str(name)]
    assert brewed == []


@pytest.fixture
def written(capsys):
    """Return a function that gives the log lines written to stderr."""
    loggers = [logging.getLogger(name) for name in ("homeward", "uvicorn", "uvicorn.error")]
    kept = [(logger, logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for logger, handlers, level, propagate in kept:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_a_log_line_is_one_json_object(written):
    set_up_logs("info")
    log = logging.getLogger("homeward")
    log.info("one\nof two", extra={"fields": {"ms": 1.5}})
    log.debug("not asked for")
    logging.getLogger("uvicorn.error").info("Started")
    try:
        int("Smith")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    one, started, failed = written()
    assert (one["event"], one["level"], one["ms"]) == ("one\nof two", "info", 1.5)
    assert started["event"] == "Started"
    assert failed["error"] == "ValueError"
    assert failed["at"][0].startswith("test_metrics.py:")
    assert "Smith" not in json.dumps(failed)


def test_what_a_record_carries_of_an_exception_is_not_written():
    record = logging.LogRecord("x", logging.ERROR, "p", 1, "failed", (), None)
    record.exc_text = "ValueError: Smith"
    assert "Smith" not in JsonLines().format(record)


def test_the_age_of_each_spell_is_its_own(make_client, fake_model, request_body, the_spell):
    client = make_client(fake_model)
    start, *_, last = the_spell["events"]
    hour_old = {"code": "NEWS2", "time": "2026-01-14T05:00:00Z", "numeric_value": 3}
    later = {"code": "NEWS2", "time": "2026-01-14T07:00:00Z", "numeric_value": 3}
    request_body["spells"] = [
        the_spell | {"spell_id": "S0", "events": []},
        the_spell | {"spell_id": "S1", "events": [start, hour_old, later]},
        the_spell | {"spell_id": "S2", "events": []},
        the_spell | {"spell_id": "S3", "events": [last, start]},
        the_spell | {"spell_id": "S4", "events": []},
    ]
    client.post("/v1/scores", json=request_body)
    numbers = numbers_of(client)
    assert numbers[("homeward_data_age_seconds_count",)] == 2
    assert numbers[("homeward_data_age_seconds_sum",)] == (60 + 40) * 60
