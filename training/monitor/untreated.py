"""Scores change what they foresee: how much, where some patients' scores were not shown.

Once staff act on a high score, fewer of those patients stay long, and a model that was right looks
wrong. Patients none of whose scores was shown (places kept from view, the time before go-live, or
scores in the shadow where nobody saw another) show no such effect, so the difference between the
two is an estimate of it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.judging.estimate import Float64
from models.judging.groups import rounded
from training.monitor.findings import Finding, State
from training.monitor.lived import Lived, horizons

LEAST: Final = 50
"""Outcomes on each side below which nothing is said."""

REPLICATES: Final = 1000


def watch_untreated(
    lived: Lived, shown: NDArray[np.bool_], *, rng: np.random.Generator
) -> tuple[Finding, dict[str, Any] | None]:
    """Compare what came about with what was foreseen, patients with scores shown and without.

    Of the first, the first score that was shown counts; of the others, the first of all. A patient
    one of whose scores was shown is never among those without.

    Parameters
    ----------
    lived : Lived
        Every score.
    shown : ndarray of bool, shape (n,)
        Whether staff could see the score.
    rng : numpy.random.Generator
        Of the bootstrap.
    """
    without = ~np.isin(lived.snapshots.spell_id, lived.snapshots.spell_id[shown])
    days = next(iter(horizons(lived)), None)
    sides = [] if days is None else [_known(lived.take(rows), days) for rows in (shown, without)]
    if not sides or days is None or min(len(one) for one in sides) < LEAST:
        text = (
            "How much acting on scores changed their outcomes cannot be told: no slice of at least "
            f"{LEAST} patients was kept from view whose outcomes are due. Falling accuracy may be "
            "success."
        )
        return Finding("untreated", State.UNKNOWN, text), None
    ratios = [_ratio(one.outcome(days), one.chance(days), rng) for one in sides]
    gap = ratios[0] / ratios[1]
    low, high = np.quantile(gap[1:], (0.025, 0.975))
    told = {
        "horizon": days,
        "patients_shown": rounded(len(sides[0])),
        "patients_not_shown": rounded(len(sides[1])),
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


def _known(lived: Lived, days: int) -> Lived:
    """First scores whose outcome is due."""
    first = lived.take(lived.firsts())
    return first.take(~np.isnan(first.outcome(days)))


def _ratio(outcome: Float64, chance: Float64, rng: np.random.Generator) -> Float64:
    """Came about over foreseen: of all, then of bootstrap samples."""
    rows = rng.integers(0, outcome.size, (REPLICATES, outcome.size))
    drawn = outcome[rows].sum(axis=1) / chance[rows].sum(axis=1)
    return np.concatenate([[outcome.sum() / chance.sum()], drawn])
