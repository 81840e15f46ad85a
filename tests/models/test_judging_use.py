"""Decision curves, warning in time and alerts: against oracles, and by hand."""

import dcurves
import numpy as np
import pandas as pd
import pytest

from feature_store.clock import DAY, HOUR
from feature_store.snapshots import Snapshots
from models.judging import judge_alerts, judge_decision, judge_lead
from models.judging.decision import THRESHOLDS
from models.judging.estimate import Resamples
from models.judging.metrics import Bootstrap

START = 20_000 * DAY


def _case(seed, size=800):
    generator = np.random.default_rng(seed)
    chance = generator.beta(1.2, 3.0, size)
    outcome = (generator.random(size) < chance**1.3).astype(float)
    return outcome, chance, generator.integers(0, size // 3, size)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_net_benefit_is_that_of_dcurves(seed):
    outcome, chance, subject = _case(seed)
    told = dcurves.dca(
        data=pd.DataFrame({"long": outcome, "chance": chance}),
        outcome="long",
        modelnames=["chance"],
        thresholds=list(THRESHOLDS),
    ).set_index(["model", "threshold"])["net_benefit"]
    for name, probability in (("chance", chance), ("all", np.ones_like(chance))):
        ours = judge_decision(outcome, probability, subject, bootstrap=Bootstrap(replicates=0))
        for threshold, figure in zip(THRESHOLDS, ours, strict=True):
            assert figure.value == pytest.approx(told[name, threshold], abs=1e-12)


def test_net_benefit_leaves_out_what_is_not_known():
    outcome, chance, subject = _case(1)
    more = np.concatenate([outcome, np.full(50, np.nan)])
    padded = judge_decision(more, np.append(chance, np.ones(50)), np.append(subject, np.arange(50)))
    plain = judge_decision(outcome, chance, subject)
    assert [one.value for one in padded] == [one.value for one in plain]


def test_replicates_are_those_of_rows_repeated():
    outcome, chance, subject = _case(2, size=60)
    drawn = Resamples.draw(subject, replicates=5, seed=3)
    (figure,) = judge_decision(
        outcome, chance, subject, thresholds=(0.3,), bootstrap=Bootstrap(replicates=5, seed=3)
    )
    for replicate, counts in enumerate(drawn.counts):
        rows = np.repeat(np.arange(outcome.size), counts[drawn.patient])
        (again,) = judge_decision(
            outcome[rows], chance[rows], np.arange(rows.size), thresholds=(0.3,)
        )
        assert figure.replicates[replicate] == pytest.approx(again.value)


def _mornings(stays):
    """Each spell asked about every morning before the end of its stay."""
    spell = np.repeat(np.arange(len(stays)), stays)
    day = np.concatenate([np.arange(stay) for stay in stays])
    start = np.full(spell.size, START + 10 * HOUR)
    return Snapshots(spell, spell, start, START + day * DAY + 14 * HOUR)


def test_lead_is_the_days_from_the_first_flag_to_the_horizon():
    snapshots = _mornings([7, 7, 7, 7, 3])
    day, spell = snapshots.days_so_far, snapshots.spell_id
    outcome = np.where(spell < 4, 1.0, 0.0)
    # Flagged on day 0 and not again; from day 4; on the last morning; never; and a short stay.
    flagged = ((spell == 0) & (day == 0)) | ((spell == 1) & (day >= 4))
    flagged |= ((spell == 2) & (day == 6)) | (spell == 4)
    lead = judge_lead(flagged, outcome, 7, snapshots)
    assert lead.spells == 4
    assert lead.flagged.value == 0.75
    assert [one.value for one in lead.at_least] == [0.75, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert lead.median_days.value == 3


def test_lead_of_nobody_is_not_known():
    snapshots = _mornings([3, 3])
    lead = judge_lead(np.ones(6, bool), np.zeros(6), 7, snapshots)
    assert lead.spells == 0
    assert lead.to_json()["flagged"] == {"value": None, "low": None, "high": None}


def test_alerts_count_the_first_of_a_spell_once_in_its_shift():
    days = 60
    moments = START + np.arange(days) * DAY
    # One patient a day, admitted at noon and asked about in the evening and the next morning.
    spell = np.repeat(np.arange(days), 2)
    asked = np.column_stack([moments + 19 * HOUR, moments + 31 * HOUR]).ravel()
    snapshots = Snapshots(spell, spell, np.repeat(moments + 12 * HOUR, 2), asked)
    told = judge_alerts(np.ones(2 * days, bool), snapshots, site=np.zeros(2 * days, np.int64))
    assert told["new"]["value"] == pytest.approx(1.0, abs=0.05)
    assert told["night_shift"]["value"] == told["new"]["value"]
    assert told["day_shift"]["value"] == 0
    assert told["standing"]["value"] == pytest.approx(2.0, abs=0.05)
    assert told["busy_day"] == 1


def test_alerts_need_days_to_be_counted_on():
    snapshots = _mornings([20])
    assert judge_alerts(np.ones(20, bool), snapshots, site=np.zeros(20, np.int64)) is None
