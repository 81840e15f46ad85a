"""Write down what happened: from the chart of each spell to events, with gaps, noise and delay."""

from numpy.random import Generator

from feature_store.events import Events
from feature_store.simulation.record.assessments import record_assessments
from feature_store.simulation.record.bloods import record_bloods
from feature_store.simulation.record.chart import Chart, Ledger
from feature_store.simulation.record.coding import record_coding
from feature_store.simulation.record.door import (
    record_admission,
    record_emergency_department,
    record_people,
)
from feature_store.simulation.record.ending import (
    record_discharge,
    record_expectation,
    record_readiness,
)
from feature_store.simulation.record.moves import record_moves
from feature_store.simulation.record.observations import record_observations
from feature_store.simulation.record.referrals import record_referrals


def write_events(rng: Generator, chart: Chart) -> Events:
    """Events of these spells, as recorded by the end of the period."""
    ledger = Ledger(chart)
    record_people(chart, ledger)
    record_admission(rng, chart, ledger)
    record_emergency_department(rng, chart, ledger)
    record_assessments(rng, chart, ledger)
    record_observations(rng, chart, ledger)
    record_bloods(rng, chart, ledger)
    record_moves(rng, chart, ledger)
    record_referrals(rng, chart, ledger)
    record_expectation(rng, chart, ledger)
    record_readiness(rng, chart, ledger)
    record_discharge(rng, chart, ledger)
    record_coding(rng, chart, ledger)
    return ledger.close(chart.trust.settings.until)
