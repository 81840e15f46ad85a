"""The client, against the service itself, and against one that fails."""

from datetime import UTC, datetime

import httpx
import msgspec
import pytest
from starlette.testclient import TestClient

from homeward import client as client_module
from homeward.client import Client, Event, Problem, Spell, Unreachable
from models.forecast import Band, DischargeRange, Forecast
from service import wire
from service.answering import ServedModel
from service.app import create_app
from service.settings import Settings

AT = datetime(2026, 1, 14, 6, tzinfo=UTC)
ADMITTED = datetime(2026, 1, 12, 21, 40, tzinfo=UTC)
SURNAME = "Featherstonehaugh"


def spell(number=1, *events):
    facts = [Event("SPELL_START", ADMITTED), Event("SEX//2", None), Event("AGE", ADMITTED, 84)]
    return Spell(f"S{number}", "P1", [*facts, *events])


def say_the_same(_events, snapshots, *, reasons):  # noqa: ARG001 - a scorer's
    return [
        Forecast(
            days_so_far=int(days),
            probability={7: 0.75, 14: 0.5, 21: None},
            band=Band.HIGH,
            discharge_day=DischargeRange(p10=4, p50=9, p90=None),
            probability_of_death_in_hospital=None,
            reasons=(),
            base_value=-1.0,
            log_odds=-0.5,
            missing=(),
            completeness=0.5,
            features=b"",
        )
        for days in snapshots.days_so_far
    ]


@pytest.fixture
def service(tmp_path):
    """A service as a transport."""
    model = ServedModel(
        name=wire.ModelName("long-stay", "7", "champion"), score=say_the_same, feature_set_hash="f"
    )
    app = create_app(Settings(var=tmp_path), model=model)
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5000)) as running:
        yield running._transport


@pytest.fixture
def client(service):
    """A client of it."""
    with Client("http://127.0.0.1", transport=service) as opened:
        yield opened


def test_scores_come_back_typed(client):
    answer = client.score([spell(1), Spell("S2", "P2", [])], at=AT, all_reasons=True)
    assert (answer.model.name, answer.model.version) == ("long-stay", "7")
    (score,) = answer.scores
    assert (score.spell_id, score.probability["7"], score.days_so_far) == ("S1", 0.75, 2)
    assert score.prediction_time == AT
    assert [(one.spell_id, one.reason) for one in answer.refused] == [("S2", "not_admitted")]


def test_feedback_and_model(client):
    score_id = client.score([spell()], at=AT).scores[0].score_id
    kept = client.feedback(score_id, "agreed", expected_discharge_at=AT)
    assert kept.score_id == score_id
    assert client.feedback(score_id, "agreed", expected_discharge_at=AT) == kept  # once
    assert client.model().version == "7"
    assert client.get("v1/model")["alias"] == "champion"


@pytest.mark.parametrize("score_id", ["nobody", "../../v1/model", "a?b#c"])
def test_a_score_that_is_not_known_is_a_problem(client, score_id):
    with pytest.raises(Problem) as caught:
        client.feedback(score_id, "seen")
    assert caught.value.status in {404, 405}
    assert len(caught.value.request_id) == 32


def test_a_refused_request_tells_where_and_never_what(client):
    with pytest.raises(Problem) as caught:
        client.score([spell(1, Event(SURNAME * 10, ADMITTED))], at=AT)
    assert caught.value.status == 422
    assert caught.value.errors[0].pointer.startswith("#/spells/0/events/3")
    assert SURNAME not in str(caught.value) + str(caught.value.errors)


def test_what_cannot_be_meant_is_not_sent(client):
    with pytest.raises(ValueError, match="offset"):
        client.score([spell()], at=datetime(2026, 1, 14))  # noqa: DTZ001 - the mistake itself
    with pytest.raises(ValueError, match="offset"):
        client.score([spell(1, Event("NEWS2", datetime(2026, 1, 14), 3))], at=AT)  # noqa: DTZ001
    for count in (0, 1001):
        with pytest.raises(ValueError, match="1 to 1000 spells"):
            client.score([spell()] * count, at=AT)


def test_its_words_are_the_service_s():
    for ours, theirs in (
        (client_module.Score, wire.Score),
        (client_module.Reason, wire.Reason),
        (client_module.Refused, wire.RefusedSpell),
        (client_module.Scores, wire.ScoresAnswer),
        (client_module.DischargeDay, wire.DischargeDay),
        (client_module.Model, wire.ModelName),
    ):
        told = {field.name: field.type for field in msgspec.structs.fields(theirs)}
        known = [field.name for field in msgspec.structs.fields(ours)]
        assert known == list(told)
    assert {field.name for field in msgspec.structs.fields(Event)} == {
        field.name for field in msgspec.structs.fields(wire.Event)
    }


# ---- when it fails -------------------------------------------------------------------------------


class Failing(httpx.MockTransport):
    """Answers by a list, one for each attempt, and remembers the requests."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        super().__init__(self.answer)

    def answer(self, request):
        self.requests.append(
            (request.headers["X-Request-ID"], request.headers.get("Authorization"))
        )
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


GOOD = {"name": "long-stay", "version": "7", "alias": None}


def test_it_waits_as_told_and_asks_again_under_the_same_request_id():
    waits = []
    service = Failing(
        httpx.Response(503, headers={"Retry-After": "5"}),
        httpx.Response(429, headers={"Retry-After": "86400"}),
        httpx.ReadTimeout(SURNAME),
        httpx.Response(200, json=GOOD),
    )
    client = Client("http://h", transport=service, sleep=waits.append)
    assert client.model().version == "7"
    assert waits == [5.0, 60.0, 2.0]
    assert len({request_id for request_id, _ in service.requests}) == 1


def test_it_gives_up():
    failing = Failing(*[httpx.ConnectError(SURNAME)] * 4)
    with pytest.raises(Unreachable, match=r"4 attempts \(ConnectError\)") as caught:
        Client("http://h", transport=failing, sleep=lambda _: None).model()
    assert SURNAME not in str(caught.value)
    failing = Failing(*[httpx.Response(503, headers={"Retry-After": "1"})] * 2)
    with pytest.raises(Problem, match="503"):
        Client("http://h", attempts=2, transport=failing, sleep=lambda _: None).model()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500])
def test_what_waiting_does_not_mend_is_not_tried_again(status):
    failing = Failing(httpx.Response(status, text="<html>"))
    with pytest.raises(Problem) as caught:
        Client("http://h", transport=failing).model()
    assert caught.value.status == status


def test_a_token_is_fresh_for_each_attempt():
    tokens = iter(["one", "two"])
    service = Failing(httpx.Response(503), httpx.Response(200, json=GOOD))
    Client(
        "http://h", credential=lambda: next(tokens), transport=service, sleep=lambda _: None
    ).model()
    assert [sent for _, sent in service.requests] == ["Bearer one", "Bearer two"]


def test_it_writes_no_log(client, caplog):
    with caplog.at_level(0):
        client.score([Spell(SURNAME, SURNAME, spell().events)], at=AT)
        with pytest.raises(Problem):
            client.get(f"v1/{SURNAME}")
    assert SURNAME not in caplog.text
