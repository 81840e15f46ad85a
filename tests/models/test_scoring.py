"""Events in, forecasts out."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR
from feature_store.events import Events, concatenate
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import LEAVING_WITHIN, PROTECTED_FAMILIES
from models.bundle import Bundle
from models.forecast import Band, Forecast, Refusal
from models.scoring import TOP_REASONS, band_of, leaving_soon, score

START = 20_000 * DAY


def one_patient(*facts, subject=1, now=START + DAY):
    """Return events and the question about a patient with these (code, value, hour) facts."""
    told = [("SPELL_START", np.nan, 0), *facts]
    code, value, hour = zip(*told, strict=True)
    events = Events.build(
        subject_id=[subject] * len(told),
        time=START + np.array(hour) * HOUR,
        code=code,
        numeric_value=value,
        spell_id=[subject] * len(told),
    )
    return events, Snapshots(*(np.array([one]) for one in (subject, subject, START, now)))


@pytest.fixture(scope="module")
def forecasts(bundle, site):
    """Return a forecast with all reasons for every tenth question."""
    some = site.take(np.arange(0, len(site.days), 10))
    return score(bundle, site.events, some.snapshots, reasons=None)


def test_every_question_in_scope_has_a_forecast(forecasts):
    assert all(isinstance(one, Forecast) for one in forecasts)


def test_reasons_and_base_value_sum_to_the_log_odds(forecasts):
    for one in forecasts:
        total = one.base_value + sum(reason.effect for reason in one.reasons)
        assert total == pytest.approx(one.log_odds, abs=1e-6)


def test_probabilities_never_rise_and_are_one_once_passed(forecasts):
    for one in forecasts:
        chances = [one.probability[days] for days in (7, 14, 21)]
        assert chances == sorted(chances, reverse=True)
        for days in (7, 14, 21):
            assert (one.probability[days] == 1.0) == (one.days_so_far >= days)


def test_the_discharge_range_lies_ahead_and_in_order(forecasts):
    for one in forecasts:
        days = [one.discharge_day.p10, one.discharge_day.p50, one.discharge_day.p90]
        known = [day for day in days if day is not None]
        assert known == days[: len(known)]
        assert known == sorted(known)
        assert all(day >= one.days_so_far for day in known)


def test_the_range_and_the_probabilities_agree(forecasts):
    for one in forecasts:
        median = one.discharge_day.p50
        for days in (7, 14, 21):
            if days > one.days_so_far and median is not None:
                assert (one.probability[days] > 0.5) == (median >= days)


def test_no_reason_names_a_protected_attribute(forecasts, bundle):
    families = {name.lower() for name in PROTECTED_FAMILIES}
    used = [feature.name for feature in bundle.model.feature_set.features if feature.protected]
    assert used  # they count in the sum, and so could be named
    for one in forecasts:
        for reason in one.reasons:
            assert reason.feature not in used
            assert not any(reason.feature.startswith(family) for family in families)


def test_a_forecast_is_made_of_plain_values(forecasts):
    one = forecasts[0]
    assert {type(days) for days in one.probability} == {int}
    assert {type(chance) for chance in one.probability.values()} == {float}
    for name in ("base_value", "log_odds", "completeness", "probability_of_death_in_hospital"):
        assert type(getattr(one, name)) is float
    assert type(one.days_so_far) is int


def test_completeness_is_a_share_and_gaps_are_families(forecasts, bundle):
    families = {
        code.split("//")[0]
        for feature in bundle.model.feature_set.features
        for code in feature.codes
    }
    for one in forecasts:
        assert 0.0 <= one.completeness <= 1.0 + 1e-12
        assert set(one.missing) <= families


@given(st.data())
def test_a_batch_of_one_is_a_row_of_many(bundle, site, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(site.days) - 1), min_size=2, max_size=8)))
    asked = site.snapshots.take(rows)
    together = score(bundle, site.events, asked, reasons=None)
    one = data.draw(st.integers(0, len(rows) - 1))
    own = site.events.take(site.events.subject_id == asked.subject_id[one])
    alone = score(bundle, own, asked.take(np.array([one])), reasons=None)[0]
    assert [getattr(alone, name) for name in Forecast.__struct_fields__] == [
        getattr(together[one], name) for name in Forecast.__struct_fields__
    ]


def test_what_is_recorded_later_changes_nothing(bundle, site):
    asked = site.snapshots.take(np.arange(40))
    before = score(bundle, site.events, asked)
    late = replace(
        site.events, recorded_at=np.full(len(site.events), int(asked.prediction_time.max()) + 1)
    )
    news = replace(late, numeric_value=late.numeric_value + 5)
    assert score(bundle, concatenate([site.events, news]), asked) == before


def test_refusals_stand_where_their_questions_stood(bundle):
    child, asked_child = one_patient(("AGE", 9.0, 0), subject=2)
    adult, asked_adult = one_patient(("AGE", 80.0, 0), subject=1)
    asked = Snapshots(
        *(
            np.concatenate([getattr(part, field.name) for part in (asked_child, asked_adult)])
            for field in fields(Snapshots)
        )
    )
    told = score(bundle, concatenate([child, adult]), asked)
    assert told[0] == Refusal("out_of_scope", "under 18 at admission")
    assert isinstance(told[1], Forecast)


def test_nobody_asked_nobody_answered(bundle, site):
    assert score(bundle, site.events, site.snapshots.take(np.zeros(0, np.intp))) == []
    child, asked = one_patient(("AGE", 9.0, 0))
    assert [type(one) for one in score(bundle, child, asked)] == [Refusal]


def test_missing_facts_never_refuse_and_are_named(bundle):
    bare = score(bundle, *one_patient())[0]
    assert isinstance(bare, Forecast)
    assert bare.completeness < 0.5
    assert {"NEWS2", "AGE"} <= set(bare.missing)
    more = score(bundle, *one_patient(("NEWS2", 3.0, 2), ("AGE", 80.0, 0)))[0]
    assert more.completeness > bare.completeness
    assert not {"NEWS2", "AGE"} & set(more.missing)


@pytest.mark.parametrize("most", [0, 1, TOP_REASONS])
def test_only_so_many_reasons_as_wanted(bundle, site, most):
    asked = site.snapshots.take(np.arange(5))
    everything = score(bundle, site.events, asked, reasons=None)
    for few, whole in zip(score(bundle, site.events, asked, reasons=most), everything, strict=True):
        shown = [reason for reason in whole.reasons if reason.feature != "not_shown"]
        assert list(few.reasons) == shown[:most]
        assert (few.log_odds, few.base_value) == (whole.log_odds, whole.base_value)


def test_a_horizon_the_model_never_saw_is_not_known_until_it_has_passed(model):
    blind = replace(model, grid=replace(model.grid, horizons=(7,)))
    events, asked = one_patient(("AGE", 80.0, 0))
    early = score(Bundle(model=blind), events, asked)[0]
    assert early.probability[14] is None
    assert early.probability[21] is None
    later = replace(asked, prediction_time=np.array([START + 15 * DAY]))
    assert score(Bundle(model=blind), events, later)[0].probability == {7: 1.0, 14: 1.0, 21: None}


def test_without_deaths_to_learn_from_the_chance_of_death_is_not_known(model):
    blind = replace(model, death_trees=None)
    told = score(Bundle(model=blind), *one_patient(("AGE", 80.0, 0)))[0]
    assert told.probability_of_death_in_hospital is None


def test_a_very_long_stay_is_still_answered(bundle):
    events, asked = one_patient(("AGE", 80.0, 0), now=START + 400 * DAY)
    told = score(bundle, events, asked)[0]
    assert told.probability == {7: 1.0, 14: 1.0, 21: 1.0}
    assert (told.discharge_day.p10, told.discharge_day.p90) == (None, None)
    assert told.probability_of_death_in_hospital is None
    assert told.band is Band.HIGH


@pytest.mark.parametrize(
    ("probability", "days", "band"),
    [
        ({7: 0.5, 14: 0.1, 21: 0.0}, 0, Band.HIGH),
        ({7: 0.4999, 14: 0.1, 21: 0.0}, 0, Band.MEDIUM),
        ({7: 0.25, 14: 0.1, 21: 0.0}, 6, Band.MEDIUM),
        ({7: 0.2499, 14: 0.1, 21: 0.0}, 6, Band.LOW),
        ({7: 1.0, 14: 0.1, 21: 0.0}, 7, Band.LOW),
        ({7: 1.0, 14: None, 21: None}, 7, Band.HIGH),
        ({7: 1.0, 14: 1.0, 21: 1.0}, 30, Band.HIGH),
    ],
)
def test_the_band_is_the_chance_of_passing_the_next_horizon(probability, days, band):
    assert band_of(probability, days) is band


def test_chances_of_leaving_soon_are_read_from_the_same_curve(forecasts, bundle):
    soon = leaving_soon(bundle.model, forecasts)
    assert leaving_soon(bundle.model, []) == []
    assert {type(chance) for one in soon for chance in one.values()} == {float}
    met = 0
    for one, chances in zip(forecasts, soon, strict=True):
        told = [chances[name] for name in ("24h", "48h", "72h", "5d")]
        assert told == sorted(told)
        for name, nights in LEAVING_WITHIN.items():
            if (day := one.days_so_far + nights) in one.probability:
                met += 1
                assert chances[name] == 1.0 - one.probability[day]
    assert met > 50
