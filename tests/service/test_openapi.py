"""The OpenAPI document: current, true, and held to by the service whatever is sent.

``HOMEWARD_TEST_RENEW=1 python -m pytest tests/service/test_openapi.py`` renews the committed copy;
``HOMEWARD_TEST_EXAMPLES=500`` makes some ten thousand calls of it, in place of a thousand.
"""

import json
import os
from pathlib import Path

import hypothesis
import msgspec
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

from service import wire
from service.app import create_app
from service.openapi import EXAMPLE_ANSWER, EXAMPLE_REQUEST
from service.problems import KINDS, ProblemDocument

schemathesis.serializer.alias("application/hl7-v2", "text/plain")
COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture
def document(make_client, fake_model):
    """The document as the service tells it."""
    return make_client(fake_model).get("/openapi.json").json()


def test_the_committed_copy_is_current(document):
    if "HOMEWARD_TEST_RENEW" in os.environ:
        COMMITTED.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    assert json.loads(COMMITTED.read_text()) == document


def test_every_path_of_the_interface_is_in_it_and_every_path_in_it_answers(
    make_client, fake_model, document
):
    paths = {
        "/v1/scores",
        "/v1/scores/{score_id}/feedback",
        "/v1/events",
        "/v1/events/retract",
        "/v1/adt",
        "/v1/spells/{spell_id}/score",
        "/v1/worklist",
        "/v1/model",
        "/health/live",
        "/health/ready",
        "/metrics",
    }
    assert set(document["paths"]) == paths
    client = make_client(fake_model)
    for path, operations in document["paths"].items():
        for method in operations:
            answer = client.request(method, path)
            assert answer.status_code != 405
            assert KINDS[404].usual not in answer.text


def test_the_example_request_is_a_good_one_and_gets_the_example_s_shape(client):
    answer = client.post("/v1/scores", json=EXAMPLE_REQUEST)
    assert answer.status_code == 200
    told = msgspec.json.decode(answer.content, type=wire.ScoresAnswer)
    assert [one.spell_id for one in told.scores] == ["S456"]
    assert [(one.spell_id, one.reason) for one in told.refused] == [("S457", "out_of_scope")]
    shown = msgspec.convert(EXAMPLE_ANSWER, wire.ScoresAnswer)
    assert msgspec.to_builtins(shown) == EXAMPLE_ANSWER


def test_every_example_of_a_problem_is_one(document):
    for status in KINDS:
        answer = document["components"]["responses"][f"Problem{status}"]
        example = answer["content"]["application/problem+json"]["example"]
        assert msgspec.convert(example, ProblemDocument).status == status


def test_every_reference_leads_somewhere(document):
    text = json.dumps(document)
    for kind in ("schemas", "responses"):
        told = set(document["components"][kind])
        asked = {part.partition('"')[0] for part in text.split(f'"#/components/{kind}/')[1:]}
        assert asked <= told


# ---- what it says is what happens ----------------------------------------------------------------

bounded = hypothesis.settings(
    max_examples=int(os.environ.get("HOMEWARD_TEST_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture
def api(settings, fake_model):
    """The API as schemathesis sees it."""
    app = create_app(settings, model=fake_model)

    async def from_this_machine(scope, receive, send):
        await app({**scope, "client": ("127.0.0.1", 50000)}, receive, send)

    return schemathesis.openapi.from_asgi("/openapi.json", from_this_machine)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_call_whatever_brings_a_fault_or_an_undocumented_answer(api, mode):
    for operation in (found.ok() for found in api.get_all_operations()):
        if mode is GenerationMode.NEGATIVE and (
            operation.method == "get" or "adt" in operation.path
        ):
            continue  # nothing can be sent to it, or any text

        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        @bounded
        def holds(case):
            # Good by the schema is not always acceptable: a spell sent twice, an NHS number.
            case.call_and_validate(
                headers={"Host": "127.0.0.1"}, excluded_checks=[positive_data_acceptance]
            )

        holds()
