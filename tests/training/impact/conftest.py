"""Panels with noise that remembers, drawn fast."""

from __future__ import annotations

import numpy as np
import pytest

from training.impact.panel import Panel, Rollout
from training.impact.power import Noise


@pytest.fixture(scope="session")
def draw_panel():
    """Units of their own level, weeks in common, AR(1) noise of variance 1, a planted effect."""

    def draw(rng, rollout: Rollout, *, effect=0.0, autocorrelation=0.5, growing=0.0) -> Panel:
        units, points = rollout.start.size, rollout.points
        noise = Noise(sd=1.0, autocorrelation=autocorrelation).draw(rng, 1, units, points)[0]
        level = 10.0 + 3.0 * rng.normal(size=(units, 1))
        season = 2.0 * np.sin(2.0 * np.pi * np.arange(points) / 52.0) + rng.normal(size=points)
        since = np.maximum(np.arange(points) - rollout.start[:, None] - rollout.transition, 0)
        values = level + season + noise + rollout.exposed * (effect + growing * since)
        return Panel(tuple(f"U{unit}" for unit in range(units)), 20_000, 7, values)

    return draw
