"""A protocol that cannot answer is refused before any figure is made."""

from datetime import date
from pathlib import Path

import pytest

from feature_store.errors import BadInput, Refused
from training.impact.measures import BALANCING
from training.impact.national import control_series
from training.impact.protocol import Design, Protocol

ROOT = Path(__file__).parents[3]
PLAN = """
title = "t"
changed = "x"
design = "difference_in_differences"
first = 2025-11-03
last = 2026-10-25
primary = "bed_days_7"
controls = ["C"]
[[steps]]
unit = "A"
starts = 2026-04-06
"""
STEP_B = '[[steps]]\nunit = "B"\nstarts = 2026-05-04\n'
HEAD = "Period,Level,Region,ICB,Org Code,Org Name,Metric,Metric Type,Metric Group,Value\n"


@pytest.fixture
def read(tmp_path):
    def made(text):
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return Protocol.read(path)

    return made


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "protocols").glob("*.toml")))
def test_the_templates_are_protocols(name):
    told = Protocol.read(ROOT / "protocols" / name)
    assert name.startswith(told.design.value)
    assert set(BALANCING) <= set(told.asked)


def test_a_protocol_counts_whole_points(read):
    told = read(PLAN)
    assert told.design is Design.DIFFERENCE
    assert (told.points, told.days, told.transition) == (51, 7, 2)
    assert told.units == ("A", "C")


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        ('title = "t"', 'titel = "t"', BadInput, "did you mean 'title'"),
        ('title = "t"\n', "", BadInput, "title expected, and missing"),
        ("2026-10-25", '"2026-10-25"', BadInput, "last: date expected, got str"),
        ("bed_days_7", "happiness", BadInput, "outcomes among"),
        ("last = 2026-10-25", "last = 2025-10-25", BadInput, "a last day after the first"),
        ('controls = ["C"]', "", Refused, "a bare before and after is not an evaluation"),
        ('["C"]', '["C", "A"]', Refused, "A: named more than once"),
        ("starts = 2026-04-06", "starts = 2027-04-06", Refused, "outside the period"),
        ("starts = 2026-04-06\n", f"starts = 2026-04-06\n{STEP_B}", Refused, "one date for all"),
    ],
)
def test_bad_protocols_are_refused(read, old, new, error, said):
    with pytest.raises(error, match=said):
        read(PLAN.replace(old, new))


def test_everybody_at_once_without_controls_leaves_nothing_to_compare_with(read):
    text = PLAN.replace("difference_in_differences", "stepped_wedge")
    with pytest.raises(Refused, match="nothing to compare with"):
        read(text.replace('controls = ["C"]', ""))


OTHER = '[[other_changes]]\nwhat = "virtual ward"\nstarts = 2026-03-02\n'


def test_another_change_at_some_units_overlaps_and_at_all_units_does_not(read):
    with pytest.raises(Refused, match=r"virtual ward.*overlap"):
        read(PLAN + OTHER + 'units = ["A"]\n')
    assert read(PLAN + OTHER).other_changes[0].units == ()


EXTERNAL = '[[external]]\nfile = "x.csv"\nlevel = "Provider"\nmetric = "NCTR"\n'


@pytest.fixture
def series(tmp_path, read):
    """Read a published file of these lines as the control of a series."""
    text = PLAN.replace("difference_in_differences", "controlled_its")
    told = read(text + EXTERNAL + 'organisations = ["RXX", "RYY"]\n')

    def made(lines, head=HEAD):
        path = tmp_path / "x.csv"
        path.write_text("\ufeff" + head + "\n".join(lines) + "\n", encoding="utf-8")
        return control_series(path, told.external[0], told)

    return made


def published(step=1, value=lambda _day, _code: "10", form="{0:%d/%m/%Y}"):
    days = range(date(2025, 11, 3).toordinal(), date(2026, 10, 26).toordinal(), step)
    return [
        f"{form.format(date.fromordinal(day))},Provider,L,I,{code},N,NCTR,Count,G,"
        f'"{value(day, code)}"'
        for day in days
        for code in ("RXX", "RYY")
    ]


@pytest.mark.parametrize("form", ["{0:%d/%m/%Y}", "{0:%Y-%m-%d}"])
def test_published_figures_become_a_mean_by_week(series, form):
    lines = published(value=lambda _day, code: "1,000" if code == "RXX" else "500", form=form)
    lines += [line.replace("NCTR", "Other").replace("500", "9") for line in lines]
    lines[0] = lines[0].replace("1,000", "-")
    told = series(lines)
    assert told.shape == (51,)
    assert told[1:] == pytest.approx(750.0)
    assert told[0] == pytest.approx((6 * 1000 + 7 * 500) / 13)


@pytest.mark.parametrize(
    ("lines", "head", "error", "said"),
    [
        (published(30), HEAD, Refused, "a figure in each of 51 points expected"),
        ([line for line in published() if "RYY" not in line], HEAD, Refused, "rows of RYY"),
        (published(value=lambda *_: "many"), HEAD, BadInput, "line 2: a number as Value"),
        (published(form="{0:%B %Y}"), HEAD, BadInput, "line 2: a day as Period"),
        (published(), HEAD.replace("Value", "Wert"), BadInput, "columns Value expected"),
    ],
)
def test_files_of_another_shape_are_refused(series, lines, head, error, said):
    with pytest.raises(error, match=said):
        series(lines, head)
