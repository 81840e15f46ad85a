"""Pages over HTTP: what they say, what they refuse, and that nothing sent becomes markup."""

import copy
import re
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.pages import beds, rows
from service.pages.assets import FILES, asset
from service.pages.session import Sessions
from service.problems import Problem, unavailable

HERE = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 50000)}


@pytest.fixture
def browser(desk, app_of):
    return TestClient(app_of(desk), **HERE)


def csrf_of(page):
    return re.search(r'name="csrf" value="(\w+)"', page.text)[1]


def test_the_list_is_whole_without_a_script(browser, desk):
    page = browser.get("/worklist")
    assert page.status_code == 200
    for one in desk.entries:
        assert f">Bed {one['bed']}</a>" in page.text
    assert "patients like this stay" in page.text
    assert "under 18 at admission" in page.text


def test_no_bare_decimal_chance_is_shown(browser):
    seen = re.sub(r"<[^>]+>", " ", browser.get("/worklist").text)
    assert not re.search(r"\b0\.\d+", seen)


def test_no_address_carries_an_identifier_of_a_patient(browser, desk):
    for path in ("/worklist", f"/worklist/score/{desk.entries[0]['score']['score_id']}"):
        links = re.findall(r'(?:href|action)="([^"]+)"', browser.get(path).text)
        spells = {one["spell_id"] for one in desk.entries}
        assert not [link for link in links if set(re.split(r"[/?=&#]", link)) & spells]


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '" onmouseover="alert(1)', "</li><img src=x onerror=a()>"]
)
def test_text_from_elsewhere_never_becomes_markup(text, entry, desk_of, app_of):
    hostile = entry(1, ward=text, bed=text, spell_id=text, site=text)
    hostile["score"]["reasons"][0] |= {"label": text, "value": text, "action": text}
    hostile["score"]["missing"] = [text]
    desk = desk_of([hostile])
    browser = TestClient(app_of(desk), **HERE)
    for path in ("/worklist", f"/worklist/score/{hostile['score']['score_id']}", "/worklist/beds"):
        page = browser.get(path)
        assert page.status_code == 200
        assert text not in page.text
        assert "<script>alert" not in page.text


def test_the_policy_lets_nothing_run_that_is_not_ours(browser):
    policy = browser.get("/worklist").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=|<script>|<style>|\son\w+=", browser.get("/worklist").text)


def test_a_first_visit_loads_less_than_300_kilobytes(made_up):
    many = TestClient(made_up(1000), **HERE)
    with many.stream("GET", "/worklist", headers={"Accept-Encoding": "gzip"}) as page:
        sizes = [sum(len(part) for part in page.iter_raw())]
    sizes += [len(asset(name).packed) for name in FILES]
    assert sum(sizes) < 300_000


def test_feedback_goes_on_the_record_once_and_thanks(browser, desk):
    chosen = desk.entries[2]["score"]["score_id"]
    form = {
        "csrf": csrf_of(browser.get(f"/worklist/score/{chosen}")),
        "score_id": chosen,
        "say": "overridden:end_of_life",
    }
    page = browser.post("/worklist/feedback", data=form)
    assert "on the record" in page.text
    (said,) = desk.said
    assert (said.verdict, said.reason, said.score_id) == ("overridden", "end_of_life", chosen)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"csrf": "0" * 64}, 403),
        ({"csrf": ""}, 403),
        ({"say": "overridden"}, 422),
        ({"say": "agreed:end_of_life"}, 422),
        ({"say": "nonsense"}, 422),
        ({"score_id": "0"}, 404),
    ],
)
def test_other_forms_than_ours_are_refused(browser, desk, change, status):
    chosen = desk.entries[0]["score"]["score_id"]
    csrf = csrf_of(browser.get(f"/worklist/score/{chosen}"))
    form = {"csrf": csrf, "score_id": chosen, "say": "agreed"} | change
    assert browser.post("/worklist/feedback", data=form).status_code == status
    assert not desk.said


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_feedback_from_another_site_is_refused(browser, desk, headers):
    chosen = desk.entries[0]["score"]["score_id"]
    csrf = csrf_of(browser.get(f"/worklist/score/{chosen}"))
    form = {"csrf": csrf, "score_id": chosen, "say": "agreed"}
    answer = browser.post("/worklist/feedback", data=form, headers=headers)
    assert answer.status_code == 403
    assert not desk.said


def test_a_large_form_is_not_read(browser):
    assert browser.post("/sign-in", data={"key": "k" * 10_000}).status_code == 413


def test_stale_and_empty_say_so(desk_of, app_of):
    page = TestClient(app_of(desk_of([], stale=True)), **HERE).get("/worklist")
    assert "data are stale" in page.text
    assert "Nobody here can be scored" in page.text


def test_trouble_is_a_page_with_a_reference_and_when_to_come_back(browser, desk):
    desk.down = unavailable("The live store cannot be read.", retry_after_seconds=2)
    page = browser.get("/worklist", headers={"X-Request-ID": "ward-7"})
    assert page.status_code == 503
    assert page.headers["retry-after"] == "2"
    assert "live store cannot be read" in page.text
    assert "ward-7" in page.text


class OneKey:
    """Access by one key."""

    is_open, told, trouble = False, "one key", ""

    def caller(self, headers, client):
        from service.access import Caller, Scope

        if headers.get(b"authorization") != b"Bearer right":
            raise Problem(401)
        return Caller("ward", frozenset({Scope.SCORES}))


def test_a_browser_signs_in_by_key_and_out(desk, app_of):
    browser = TestClient(app_of(desk, access=OneKey()), **HERE)
    assert browser.get("/worklist").url.path == "/sign-in"
    assert browser.post("/sign-in", data={"key": "wrong"}).status_code == 403
    page = browser.post("/sign-in", data={"key": "right"})
    assert page.url.path == "/worklist"
    assert "right" not in browser.cookies["homeward"]
    assert "Feedback" not in page.text  # the key may read only
    browser.post("/sign-out", data={"csrf": csrf_of(page)})
    assert browser.get("/worklist").url.path == "/sign-in"


def test_a_cookie_of_another_service_or_altered_signs_nobody_in(desk, app_of):
    browser = TestClient(app_of(desk, access=OneKey()), **HERE)
    foreign = Sessions(b"x" * 32, tls=True).begin("right")
    assert "Secure" in foreign
    for value in (foreign.split(";")[0].split("=", 1)[1], "a" * 120, ""):
        browser.cookies.clear()
        browser.cookies.set("homeward", value)
        assert browser.get("/worklist").url.path == "/sign-in"


def test_beds_of_certain_stays_are_certain(score):
    certain = score(1, 3, 1.0)
    days = beds.long_stay_beds([certain] * 4, 7)
    assert beds.untold([certain] * 4) == 0
    assert [one.expected for one in days[:3]] == [0, 0, 0]
    assert [(one.expected, one.low, one.high) for one in days[3:]] == [(4, 4, 4)] * 4


def test_who_passed_every_horizon_still_holds_a_bed(score):
    leaves = {"p10": 30, "p50": 37, "p90": 58}
    here_long = score(1, 29, 1.0) | {"discharge_day": leaves}
    untold = score(2, 90, 1.0) | {"discharge_day": dict.fromkeys(leaves)}
    days = beds.long_stay_beds([here_long, untold], 21)
    expected = [one.expected for one in days]
    assert expected == sorted(expected, reverse=True)
    assert 1.5 < expected[-1] < expected[0] < 2  # one of whom nothing is told counts as staying
    assert beds.untold([here_long, untold]) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_chance_of_being_here_never_rises_and_meets_what_the_score_says(seed, score):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        one = score(1, int(rng.integers(0, 30)), float(rng.uniform(0.05, 0.99)))
        first = one["days_so_far"] + int(rng.integers(0, 5))
        one["discharge_day"] = {"p10": first, "p50": first + 9, "p90": first + 30}
        chances = [beds.still_here(one, ahead) for ahead in range(1, 60)]
        assert all(0 <= after <= before <= 1 for before, after in pairwise(chances))
        for days, chance in one["probability"].items():
            if int(days) > one["days_so_far"]:
                told = beds.still_here(one, int(days) - one["days_so_far"])
                assert told == pytest.approx(chance)


@pytest.mark.parametrize("seed", range(5))
def test_the_range_of_beds_holds_as_often_as_it_says(seed):
    rng = np.random.default_rng(seed)
    chances = rng.random(40)
    spread = beds.distribution(chances)
    drawn = (rng.random((20_000, 40)) < chances).sum(axis=1)
    assert spread.sum() == pytest.approx(1)
    assert np.arange(41) @ spread == pytest.approx(chances.sum())
    assert np.bincount(drawn, minlength=41) / 20_000 == pytest.approx(spread, abs=0.015)


def test_every_asset_is_there_and_loads_nothing_from_elsewhere(browser):
    for name in FILES:
        answer = browser.get(f"/assets/{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert not re.search(r"url\(['\"]?(https?:)?//", answer.text)
    assert browser.get("/assets/settings.py").status_code == 404


def test_a_row_is_made_once_and_anew_when_anything_of_it_changes(entry):
    one = entry(1, days_so_far=3, chance=0.7)
    row = partial(rows.row, may_feed_back=True)
    assert row(one)["html"] is row(copy.deepcopy(one))["html"]
    assert "Feedback" not in rows.row(one, may_feed_back=False)["html"]
    said = {"verdict": "agreed", "reason": None, "action": None}
    for change in ({"feedback": said}, {"ward": "ELM"}, {"rank": 9}, {"change": "falling"}):
        assert row(one | change)["html"] != row(one)["html"]
    assert "&lt;b&gt;" in row(one | {"ward": "<b>"})["html"]
