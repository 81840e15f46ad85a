"""A marked surname, number and value go through every route and every failure, and show nowhere.

Responses, the log, the metrics, the audit and everything else on disk are searched for them.
"""

import json
import logging
from dataclasses import replace

import pytest

from service.logs import JsonLines

SURNAME = "Featherstonehaugh"
NHS_NUMBER = "9434765919"
VALUE = "31.4159"
SEEN = '{"verdict": "seen"}'
MARKS = (SURNAME, NHS_NUMBER, VALUE)


class Collected(logging.Handler):
    """Every line that any logger would write, as it would be written."""

    def __init__(self):
        super().__init__(level=0)
        self.setFormatter(JsonLines())
        self.lines = []

    def emit(self, record):
        if not record.name.startswith("httpx"):  # the caller in this test, not the service
            self.lines.append(self.format(record))


@pytest.fixture
def log():
    """All log lines of a test, of our loggers and of everybody's, at every level."""
    handler = Collected()
    names = (None, "homeward", "uvicorn.error", "asyncio", "fastapi", "starlette")
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    yield handler.lines
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def marked_bodies(request_body):
    """Bodies with a mark wherever one fits: good, wrong by a field, wrong by a byte."""
    good = json.dumps(request_body)
    spell = request_body["spells"][0]
    event = spell["events"][2]
    yield good.replace("84", VALUE)
    for name in MARKS:
        yield good.replace("S456", name)
        yield good.replace("P123", name)
        yield good.replace("2026-01-14T06:00:00Z", name)
        yield good.replace("2026-01-12T21:40:00Z", name)
        yield good.replace("NEWS2", name)
        yield good.replace('"AGE"', f'"{name}": "{name}", "code"')
        yield good.replace("84", f'"{name}"')
        yield good[:-40] + name
        yield name
        yield json.dumps({name: name})
        yield json.dumps([name])
        yield json.dumps(request_body | {name: name})
        yield json.dumps(request_body | {"spells": [spell | {name: 1}]})
        yield json.dumps(request_body | {"spells": [spell | {"events": [event | {name: 1}]}]})
        yield json.dumps(request_body | {"spells": [spell | {"events": name}]})
        yield good.replace("ADMISSION_METHOD//21", f"ADMISSION_METHOD//{name}")
    yield good.replace('"NEWS2"', f'"{SURNAME}\\u0000"')
    yield good.replace("84", f"-{VALUE}e9")
    yield good.replace("84", f'84, "numeric_value": {VALUE}')


def marked_calls(body):
    """Addresses, queries and headers with marks."""
    for mark in MARKS:
        yield "GET", f"/v1/spells/{mark}/score", {}, None
        yield "GET", f"/{mark}", {}, None
        yield "POST", f"/v1/scores/{mark}/feedback", {"Content-Type": "application/json"}, SEEN
        for said in ({"verdict": mark}, {"verdict": "seen", mark: mark}, {"reason": mark}, mark):
            body_of = json.dumps(said)
            yield "POST", "/v1/scores/x/feedback", {"Content-Type": "application/json"}, body_of
        yield "GET", f"/docs?{mark}={mark}", {}, None
        yield "GET", f"/v1/model?{mark}={mark}", {"X-Request-ID": f"{mark} {mark}"}, None
        yield mark.upper(), "/v1/model", {}, None
        yield "POST", f"/v1/scores?reasons={mark}", {"Content-Type": "application/json"}, body
        yield "POST", f"/v1/scores?{mark}=all", {"Content-Type": "application/json"}, body
        yield "POST", "/v1/scores", {"Content-Type": f"text/{mark}"}, body
        yield "POST", "/v1/scores", {"Authorization": f"Bearer {mark}", "User-Agent": mark}, mark
        yield "POST", "/v1/scores", {"Host": f"{mark}.example"}, body
        yield "POST", "/v1/scores", {"Content-Length": mark, "X-Forwarded-For": mark}, ""


def echoed_on_purpose(answer):
    """Text of an answer without the identifiers of spells that it is about."""
    text = str(answer.headers) + answer.text
    if answer.status_code == 200 and answer.headers["Content-Type"] == "application/json":
        told = answer.json()
        for one in (*told.get("scores", ()), *told.get("refused", ())):
            text = text.replace(json.dumps(one["spell_id"]), "")
            for reason in one.get("reasons", ()):
                text = text.replace(json.dumps(reason["value"]), "")
    return text


def files_below(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def failing(model, error):
    def fail(*_arguments, **_options):
        raise error

    return replace(model, score=fail)


@pytest.mark.parametrize("state", ["good", "faulty", "without a model", "guarded"])
def test_no_mark_shows_anywhere(make_client, real_model, request_body, settings, log, state):
    changed, model = {"max_body_mib": 1}, real_model
    if state == "faulty":
        model = failing(real_model, ValueError(" ".join(MARKS)))
    if state == "without a model":
        model, changed = None, {"mlflow_tracking_uri": f"sqlite:///{settings.var}/none.db"}
    if state == "guarded":
        keys = settings.var.parent / "keys.json"
        key = {"name": "hub", "sha256": "0" * 64, "scopes": ["scores"]}
        keys.write_text(json.dumps({"keys": [key]}))
        changed = {"api_keys_file": keys}
    client = make_client(model, **changed)

    shown, statuses = [], set()
    json_kind = {"Content-Type": "application/json"}
    bodies = list(marked_bodies(request_body))
    calls = [("POST", "/v1/scores", json_kind, body) for body in bodies]
    calls.append(("POST", "/v1/scores", json_kind, SURNAME * 100_000))
    for method, path, headers, content in [*calls, *marked_calls(bodies[0])]:
        answer = client.request(method, path, headers=headers, content=content)
        shown.append(echoed_on_purpose(answer))
        statuses.add(answer.status_code)
    shown += [client.get(path).text for path in ("/metrics", "/health/ready", "/docs")]
    shown += log
    everything = "\n".join(shown).encode() + files_below(settings.var)
    for mark in MARKS:
        assert mark.encode() not in everything
        assert mark.lower().encode() not in everything.lower()
    assert log
    expected = {
        "good": {200, 403, 404, 405, 413, 415, 422},
        "faulty": {403, 404, 405, 413, 415, 422, 500},
        "without a model": {200, 403, 404, 405, 415, 422, 503},
        "guarded": {200, 401, 404, 405},
    }
    assert statuses >= expected[state]
