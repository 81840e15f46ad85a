"""From a protocol and a simulated trust to estimates, the page and the refusals."""

import json
from datetime import date, timedelta

import pytest

from feature_store.clock import to_moment
from feature_store.dataset import open_dataset
from feature_store.errors import Refused
from feature_store.manifest import Clock
from feature_store.simulation import Change, TrustSettings, simulate
from homeward import shell
from training.impact.estimating import rollout_of
from training.impact.impact_page import impact_page, verdict
from training.impact.measures import BALANCING
from training.impact.protocol import Protocol
from training.impact.study import evaluate_impact

SITES = [f"SYN{number:02d}" for number in range(1, 6)]
STARTS = [date(2026, 2, 2) + timedelta(weeks=5 * number) for number in range(5)]
HEAD = """
title = "A <list> for the hub"
changed = "the hub works through a list"
design = "{design}"
by_lot = true
first = 2025-11-10
last = 2026-09-27
primary = "{primary}"
outcomes = ["ready_delay", "days_at_home"]
"""


def steps(units=tuple(SITES), starts=tuple(STARTS)):
    pairs = zip(units, starts, strict=True)
    return "".join(f'[[steps]]\nunit = "{unit}"\nstarts = {day}\n' for unit, day in pairs)


def plan(design="stepped_wedge", primary="bed_days_not_residing", more="", told=None):
    return HEAD.format(design=design, primary=primary) + more + (told or steps())


@pytest.fixture(scope="session")
def trust(tmp_path_factory):
    """Five sites that change one after the other, with a large planted effect."""
    changes = tuple(
        Change(site=site, start=start, sooner=2.0)
        for site, start in zip(SITES, STARTS, strict=True)
    )
    settings = TrustSettings(spells=14_000, sites=5, days=360, seed=2, changes=changes)
    folder = tmp_path_factory.mktemp("planted") / "trust"
    simulate(settings, folder)
    return open_dataset(folder)


@pytest.fixture
def evaluate(tmp_path, trust):
    def made(text, dataset=trust):
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return evaluate_impact(
            Protocol.read(path), dataset, folder=tmp_path, report=lambda _line: None
        )

    return made


@pytest.fixture(scope="session")
def told(trust, tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(plan(), encoding="utf-8")
    return evaluate_impact(
        Protocol.read(path), trust, folder=path.parent, report=lambda _line: None
    )


def test_a_planted_effect_is_found_with_the_balance_beside_it(told):
    primary = told["outcomes"]["bed_days_not_residing"]
    assert primary["high"] < 0
    assert primary["p_value"] <= 0.05
    assert told["outcomes"]["ready_delay"]["high"] < 0
    assert set(BALANCING) <= set(told["outcomes"])
    assert "naive_before_after" in primary
    assert told["synthetic"]
    json.dumps(told, allow_nan=False)


def test_released_bed_days_are_the_effect_times_beds_and_nights(told):
    released = told["outcomes"]["bed_days_not_residing"]["released"]
    days = released["bed_days"]
    assert 0 < days["low"] < days["estimate"] < days["high"]
    assert released["pounds"]["estimate"] == [
        round(days["estimate"] * price) for price in (395, 562)
    ]


def test_outcomes_not_due_are_cut_and_say_so(told):
    home = told["outcomes"]["days_at_home"]
    assert home["points"]["due"] < home["points"]["planned"]
    assert any("are not due" in limit for limit in home["limits"])


def test_groups_add_up_and_small_ones_are_named_but_not_judged(told):
    primary = told["outcomes"]["bed_days_not_residing"]
    for groups in primary["groups"].values():
        judged = [group["estimate"] for group in groups if not group["too_few"]]
        assert judged
        if len(judged) == len(groups):
            assert sum(judged) == pytest.approx(primary["estimate"], abs=1e-4)
    assert all(
        group["spells"] is None or group["spells"] % 5 == 0
        for groups in primary["groups"].values()
        for group in groups
    )


def test_the_page_is_self_contained_and_escapes(told):
    page = impact_page(told)
    assert "A &lt;list&gt; for the hub" in page
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "SYNTHETIC" in page
    assert page.count("<svg") >= 5


def test_an_interval_that_holds_nothing_is_not_called_an_effect(told):
    primary = dict(told["outcomes"]["bed_days_not_residing"])
    assert "fell: by estimate" in verdict(primary)
    assert "no effect was shown" in verdict(primary | {"high": 1.0})
    assert "cannot say" in verdict(primary | {"high": None})
    assert "WORSE" in verdict(primary | {"less_is_better": False})


def test_every_design_runs_on_the_same_data(evaluate):
    two = steps(("SYN01", "SYN02"), (STARTS[0], STARTS[1]))
    one = steps(("SYN01", "SYN02"), (date(2026, 6, 1),) * 2)
    controls = 'controls = ["SYN04", "SYN05"]\n'
    staggered = evaluate(plan("staggered", more=controls, told=two))
    assert any("smallest possible p" in limit for limit in _limits(staggered))
    assert staggered["outcomes"]["bed_days_not_residing"]["low"] is None
    difference = evaluate(plan("difference_in_differences", more=controls, told=one))
    assert difference["outcomes"]["bed_days_not_residing"]["trends_before"] is not None
    series = evaluate(plan("controlled_its", more=controls, told=one))
    assert any("less than a year" in limit for limit in _limits(series))


def _limits(told):
    return told["outcomes"]["bed_days_not_residing"]["limits"]


MODELS = '[[models]]\nversion = "{}"\nstarts = {}\n'


def test_a_model_that_changed_in_between_is_a_loud_limit(evaluate):
    models = MODELS.format(3, "2026-01-01") + MODELS.format(4, "2026-05-01")
    told = evaluate(plan(told=steps() + models))
    assert any("MODEL CHANGED" in limit and "4 from" in limit for limit in told["limits"])
    assert "MODEL CHANGED" in impact_page(told).split("All outcomes")[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("SYN05", "SYN09", "SYN09: no such site in the data; there are SYN01"),
        ("first = 2025-11-10", "first = 2025-10-06", "must begin 28 days after the data"),
        ("first = 2025-11-10", "first = 2024-11-10", "begins outside the data"),
        ("first = 2025-11-10", "first = 2026-01-26", "at least 8 points before"),
        ("last = 2026-09-27", "last = 2026-02-23", "changes outside the period"),
    ],
)
def test_what_the_data_cannot_answer_is_refused(evaluate, old, new, said):
    text = plan().replace(old, new)
    with pytest.raises(Refused, match=said):
        evaluate(text)


def test_an_outcome_that_is_not_due_anywhere_is_refused(evaluate):
    late = steps(starts=[date(2026, 8, 1) + timedelta(weeks=number) for number in range(5)])
    with pytest.raises(Refused, match="not due: no point after a change"):
        evaluate(plan(primary="days_at_home", told=late))


def test_data_without_dates_have_no_before(evaluate, tmp_path, write_events, make_events):
    undated = write_events(tmp_path / "order", make_events(200), clock=Clock.ORDER)
    with pytest.raises(Refused, match="no dates"):
        evaluate(plan(), undated)


def test_readiness_that_is_not_recorded_is_refused(evaluate, tmp_path, write_events, make_events):
    dataset = write_events(tmp_path / "unready", make_events(2000, days=300), days=300)
    first = to_moment(20_030 * 86_400_000_000).date()
    text = HEAD.format(design="difference_in_differences", primary="bed_days_not_residing")
    text = text.replace("2025-11-10", str(first))
    text = text.replace("2026-09-27", str(first + timedelta(weeks=30)))
    told = steps(("A",), (first + timedelta(weeks=15),))
    with pytest.raises(Refused, match="readiness to leave is not recorded"):
        evaluate(text + 'controls = ["B"]\n' + told, dataset)


def test_a_step_within_a_week_belongs_to_the_transition_or_to_the_time_before(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(plan(told=steps(("SYN01", "SYN02"), (date(2026, 2, 4), date(2026, 3, 4)))))
    assert rollout_of(Protocol.read(path), 40).start.tolist() == [12, 16]
    path.write_text("transition_weeks = 0\n" + path.read_text())
    assert rollout_of(Protocol.read(path), 40).start.tolist() == [13, 17]


def test_the_command_writes_page_and_figures_and_refuses_with_three(trust, tmp_path, capsys):
    path, out = tmp_path / "plan.toml", tmp_path / "out"
    path.write_text(plan(), encoding="utf-8")
    words = ["impact", str(trust.path), "--protocol", str(path)]
    assert shell.run([*words, "--out", str(out)]) == 0
    assert "Beds of patients without criteria to reside" in capsys.readouterr().out
    assert sorted(file.name for file in out.iterdir()) == ["impact.html", "impact.json"]
    assert json.loads((out / "impact.json").read_text())["primary"] == "bed_days_not_residing"
    path.write_text(plan().replace("SYN05", "SYN09"), encoding="utf-8")
    again = tmp_path / "again"
    assert shell.run([*words, "--out", str(again)]) == 3
    assert "SYN09" in capsys.readouterr().err
    assert not again.exists()
