"""Scores change what they foresee: how much, where some patients' scores were not shown.

Once staff act on a high score, fewer of those patients stay long, and a model that was right looks
wrong. A slice whose scores are kept but not shown (mode ``shadow``, or the time before go-live) has
no such effect, so the difference between the two is an estimate of it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.judging.estimate import Float64
from training.monitor.findings import Finding, State
from training.monitor.lived import Lived, horizons

LEAST: Final = 50
"""Outcomes on each side below which nothing is said."""

REPLICATES: Final = 1000


def watch_untreated(
    lived: Lived, shown: NDArray[np.bool_], *, rng: np.random.Generator
) -> tuple[Finding, dict[str, Any] | None]:
    """Compare what came about with what was foreseen, scores shown against not shown.

    Parameters
    ----------
    lived : Lived
        First scores of spells.
    shown : ndarray of bool, shape (n,)
        Whether staff could see the score.
    rng : numpy.random.Generator
        Of the bootstrap.
    """
    days = next(iter(horizons(lived)), None)
    known = np.zeros(len(lived), bool) if days is None else ~np.isnan(lived.outcome(days))
    counts = int((known & shown).sum()), int((known & ~shown).sum())
    if days is None or min(counts) < LEAST:
        text = (
            "How much acting on scores changed their outcomes cannot be told: no slice of at least "
            f"{LEAST} due scores was kept from view. Falling accuracy may be success."
        )
        return Finding("untreated", State.UNKNOWN, text), None
    outcome, chance = lived.outcome(days), lived.chance(days)
    ratios = [_ratio(outcome[known & side], chance[known & side], rng) for side in (shown, ~shown)]
    gap = ratios[0] / ratios[1]
    low, high = np.quantile(gap[1:], (0.025, 0.975))
    told = {
        "horizon": days,
        "shown": round(float(ratios[0][0]), 3),
        "not_shown": round(float(ratios[1][0]), 3),
        "ratio": {"value": float(gap[0]), "low": float(low), "high": float(high)},
    }
    text = (
        f"Long stays came about {ratios[0][0]:.2f} times as often as foreseen where scores were "
        f"shown and {ratios[1][0]:.2f} times where not: a ratio of {gap[0]:.2f} "
        f"({low:.2f} to {high:.2f})."
    )
    return Finding("untreated", State.OK, text), told


def _ratio(outcome: Float64, chance: Float64, rng: np.random.Generator) -> Float64:
    """Came about over foreseen: of all, then of bootstrap samples."""
    rows = rng.integers(0, outcome.size, (REPLICATES, outcome.size))
    drawn = outcome[rows].sum(axis=1) / chance[rows].sum(axis=1)
    return np.concatenate([[outcome.sum() / chance.sum()], drawn])
