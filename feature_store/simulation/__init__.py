"""A synthetic acute trust: events that look like a hospital's, and the truth behind them.

Nothing here comes from a patient. It exists so that everything can be tried, tested and shown
without real data, and so that the distance between a model and the best possible model is known.
It proves nothing about real patients. docs/simulator.md says what is modelled, and from what.
"""

from feature_store.simulation.run import simulate, simulate_events
from feature_store.simulation.settings import Change, TrustSettings
from feature_store.simulation.truth import Truth

__all__ = ["Change", "TrustSettings", "Truth", "simulate", "simulate_events"]
