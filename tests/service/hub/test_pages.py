"""The pages on a real store, model and record: what the list says, the API says too."""

import re
import time

import pytest

from feature_store.clock import DAY


@pytest.fixture
def filled(trust, make_client, real_model, database_url):
    """A service with three patients in it, whose data are not too old to score."""
    hub = make_client(
        real_model, database_url=database_url, least_completeness=0.0, stale_hours=24 * 30
    )
    for number, days in enumerate((1, 4, 9), start=1):
        start = trust.now - days * DAY
        trust.add(hub, trust.stay(f"A{number}", start, ward=f"W{number}", bed=f"B{number}"))
    return hub


def links(page):
    return re.findall(r'href="(/worklist/score/[^"#]+)"', page.text)


def test_the_list_is_that_of_the_api(filled, trust):
    told = trust.worklist(filled)
    page = filled.get("/worklist")
    assert page.status_code == 200
    assert len(told["entries"]) == 3
    for entry in told["entries"]:
        assert f"/worklist/score/{entry['score']['score_id']}" in page.text
        assert f">Bed {entry['bed']}</a>" in page.text


def test_a_patient_has_a_history_facts_and_takes_feedback(filled, trust):
    first = links(filled.get("/worklist"))[0]
    page = filled.get(first)
    assert page.status_code == 200
    assert "Through the stay" in page.text
    csrf = re.search(r'name="csrf" value="(\w+)"', page.text)[1]
    form = {"csrf": csrf, "score_id": first.rpartition("/")[2], "say": "overridden:end_of_life"}
    thanks = filled.post("/worklist/feedback", data=form)
    assert "on the record" in thanks.text
    assert "care at the end of life decides where the patient is" in thanks.text
    verdicts = [
        one["feedback"]["verdict"] for one in trust.worklist(filled)["entries"] if one["feedback"]
    ]
    assert verdicts == ["overridden"]


def test_wards_and_model_answer_on_real_scores(filled):
    beds = filled.get("/worklist/beds")
    assert all(f"W{number}" in beds.text for number in (1, 2, 3))
    assert "long-stay" not in filled.get("/worklist").headers.get("location", "")
    model = filled.get("/worklist/model")
    assert "Champion" in model.text


def test_a_score_that_is_not_there_is_a_page_not_a_fault(filled):
    answer = filled.get("/worklist/score/0198aaaa-0000-7000-8000-000000000000")
    assert answer.status_code == 404
    assert "text/html" in answer.headers["content-type"]


def test_a_challenger_scores_the_same_list_and_the_page_compares_them(
    trust, make_client, real_model, bundle_folder
):
    hub = make_client(
        real_model,
        challenger_uri=str(bundle_folder),
        least_completeness=0.0,
        stale_hours=24 * 30,
    )
    for number in range(3):
        trust.add(hub, trust.stay(f"C{number}", trust.now - 2 * DAY))
    assert "No challenger has scored" in hub.get("/worklist/model").text
    trust.worklist(hub)
    for _ in range(100):
        page = hub.get("/worklist/model").text
        if "On the same patients" in page and "No challenger has scored" not in page:
            break
        time.sleep(0.05)
    rows = re.findall(r'<th scope="row">(\d+)\+ nights</th><td>(\d+)</td><td>(\d+)</td>', page)
    assert ("14", "3", "3") in rows
    assert "+0 to +0" in page or "-0 to +0" in page  # the same model under two names
