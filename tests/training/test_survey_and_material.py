"""What is read, who is in scope, and what each part may know."""

import numpy as np
import pytest

from feature_store.clock import DAY
from feature_store.compute import compute_features
from feature_store.errors import BadInput
from feature_store.events import Events, concatenate
from feature_store.manifest import Clock
from models.scope import ScopeRules
from training.config import Features, SplitSettings
from training.facts import fact_set, groupings
from training.material import choose_features, gather
from training.split import PARTS, Part, split_spells
from training.survey import survey

START = 20_000 * DAY


def prepared(dataset, choice=Features.BOTH):
    found = survey(dataset, ScopeRules())
    split = split_spells(
        found.spells,
        SplitSettings(),
        clock=dataset.manifest.clock,
        until=found.until,
        site=found.site,
    )
    return found, split, choose_features(found, split, choice)


def test_shards_make_no_difference(tmp_path, make_events, write_events):
    events = make_events()
    one = write_events(tmp_path / "one", events, shards=1)
    four = write_events(tmp_path / "four", events, shards=4)
    results = []
    for dataset in (one, four):
        found, split, feature_set = prepared(dataset)
        material = gather(found, split, feature_set)[Part.TEST]
        order = np.lexsort((material.snapshots.prediction_time, material.snapshots.spell_id))
        results.append((feature_set.names, material.matrix[order]))
    assert set(results[0][0]) == set(results[1][0])
    columns = [results[1][0].index(name) for name in results[0][0]]
    np.testing.assert_array_equal(results[0][1], results[1][1][:, columns])


def test_large_datasets_are_read_again_not_held(dataset, monkeypatch):
    found, split, feature_set = prepared(dataset)
    held = gather(found, split, feature_set)
    monkeypatch.setattr("training.survey.MOST_EVENTS_HELD", 10)
    lean = survey(dataset, ScopeRules())
    assert not lean.held
    again = gather(lean, split, feature_set)
    for part in PARTS:
        np.testing.assert_array_equal(held[part].matrix, again[part].matrix)


def test_features_are_chosen_on_training_patients_alone(tmp_path, make_events, write_events):
    events = make_events(1200)
    late = Events.build(
        subject_id=[10**9],
        time=[START + 480 * DAY],
        code=["NEW_SCANNER"],
        numeric_value=[1.0],
        spell_id=[int(events.spell_id.max())],
    )
    dataset = write_events(tmp_path / "trust", concatenate([events, late]).in_order())
    _, _, feature_set = prepared(dataset)
    assert not any("scanner" in name for name in feature_set.names)


def test_choice_of_features(dataset):
    _, _, nhs = prepared(dataset, Features.NHS)
    _, _, automatic = prepared(dataset, Features.AUTOMATIC)
    assert "news2_latest" in nhs.names
    assert "news2_latest" not in automatic.names
    assert "news2" in automatic.names


def test_labels_of_training_are_censored_where_its_period_ends(dataset):
    found, split, feature_set = prepared(dataset)
    material = gather(found, split, feature_set)[Part.TRAIN]
    assert (material.snapshots.prediction_time < split.until[Part.TRAIN]).all()
    row = np.searchsorted(found.spells.spell_id, material.snapshots.spell_id)
    later = found.spells.end[row] > split.until[Part.TRAIN]
    assert later.any()
    assert material.outcomes.censored[later].all()
    assert not material.outcomes.died[later].any()


def test_target_is_unknown_once_the_horizon_is_passed(dataset):
    found, split, feature_set = prepared(dataset)
    material = gather(found, split, feature_set)[Part.TEST]
    passed = material.days_so_far >= 7
    assert passed.any()
    assert np.isnan(material.target(7)[passed]).all()
    assert set(np.unique(material.target(7)[~passed & ~np.isnan(material.target(7))])) == {0.0, 1.0}


def test_out_of_scope_is_counted_by_reason(tmp_path, make_events, write_events):
    events = make_events()
    found = survey(write_events(tmp_path / "trust", events), ScopeRules(least_age_years=60))
    assert found.refused["under 60 at admission"] > 0
    facts = compute_features(events, found.snapshots[0], found.told)
    assert np.nanmin(facts[:, 0]) >= 60


def test_a_corrected_admission_is_learnt_as_it_was_known_and_judged_as_it_was(
    tmp_path, make_events, write_events, corrected
):
    events = make_events()
    plain = survey(write_events(tmp_path / "plain", events), ScopeRules())
    found, split, feature_set = prepared(
        write_events(tmp_path / "corrected", corrected(events)), Features.NHS
    )
    assert found.spells.start.tolist() == plain.spells.start.tolist()
    material = gather(found, split, feature_set)
    nights = feature_set.names.index("days_so_far")
    moved = 0
    for part in PARTS:
        own = material[part]
        row = np.searchsorted(found.spells.spell_id, own.snapshots.spell_id)
        moved += int((own.snapshots.spell_start != found.spells.start[row]).sum())
        np.testing.assert_array_equal(own.matrix[:, nights], own.days_so_far)
        known = ~own.outcomes.censored
        stays = found.spells.length_of_stay_days[row]
        np.testing.assert_array_equal(own.outcomes.length_of_stay_days[known], stays[known])
    assert moved > 20


def test_nobody_in_scope_is_refused(dataset):
    with pytest.raises(BadInput, match="spells in scope expected, found none"):
        survey(dataset, ScopeRules(least_age_years=120))


def test_source_without_dates_has_complete_spells(tmp_path, make_events, write_events):
    dataset = write_events(tmp_path / "trust", make_events(), clock=Clock.ORDER)
    found, split, feature_set = prepared(dataset)
    material = gather(found, split, feature_set)[Part.TEST]
    known = ~material.outcomes.censored
    assert not np.isnan(material.target(21)[known]).any()
    assert (material.days_so_far == 0).all()
    assert "admission_month" not in feature_set.names


def test_one_spell_number_for_two_patients_is_refused(tmp_path, make_events, write_events):
    events = make_events(600)
    other = Events.build(
        subject_id=[10**9],
        time=[START + DAY],
        code=["SPELL_START"],
        spell_id=[int(events.spell_id[0])],
    )
    both = concatenate([events, other]).in_order()
    shard = np.where(both.subject_id == 10**9, 1, 0)
    both = both.take(np.argsort(shard, kind="stable"))
    dataset = write_events(tmp_path / "trust", both, shards=7)
    with pytest.raises(BadInput, match="two"):
        survey(dataset, ScopeRules())


def test_constant_and_missing_features_leave_nothing_to_learn_from(
    tmp_path, make_events, write_events
):
    events = make_events(900)
    bare = events.take(events.rows_of("SPELL_START", "SPELL_END"))
    dataset = write_events(tmp_path / "trust", bare, clock=Clock.ORDER)
    found = survey(dataset, ScopeRules())
    split = split_spells(
        found.spells, SplitSettings(), clock=Clock.ORDER, until=found.until, site=found.site
    )
    with pytest.raises(BadInput, match="every one constant or missing"):
        choose_features(found, split, Features.AUTOMATIC)


def test_groups_cover_every_snapshot():
    told = fact_set(["SITE//A", "SITE//B", "AGE"])
    facts = np.array([[70, 5, 0, 0, 1, 0, 0, 1], [np.nan] * 8, [17, 99, 2, 12, 10, 2.0, 1, 0]])
    made = {one.name: one for one in groupings(facts, told, np.array([0, 3, 40]))}
    labels = {name: [one.labels[position] for position in one.member] for name, one in made.items()}
    assert labels["age"] == ["65 to 74", "not recorded", "under 18"]
    assert labels["ethnicity"] == ["White", "not recorded", "Black"]
    assert labels["deprivation"] == ["1 (most deprived)", "not recorded", "5 (least deprived)"]
    assert labels["site"] == ["A", "not recorded", "other"]
    assert labels["elapsed"] == ["day 0", "days 2-3", "day 21 on"]
    assert labels["language"] == ["no interpreter needed", "not recorded", "interpreter needed"]
