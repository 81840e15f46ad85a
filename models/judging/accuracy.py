"""How far probabilities are from what happened."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from models.judging.estimate import Float64
from models.judging.sample import Sample


def brier(sample: Sample) -> Float64:
    """Mean squared distance of probability and outcome, of each replicate."""
    squares = (sample.ranking.probability - sample.ranking.outcome) ** 2
    return np.asarray((sample.weights @ squares) / np.maximum(sample.total, 1e-12))


def brier_scaled(sample: Sample) -> Float64:
    """1 minus the Brier score over that of the prevalence alone: 0 no use, 1 perfect."""
    prevalence = sample.events / np.maximum(sample.total, 1e-12)
    spread = prevalence * (1.0 - prevalence)
    scaled = np.full(spread.shape, np.nan)
    np.divide(brier(sample), spread, out=scaled, where=spread > 0)
    return 1.0 - scaled


def brier_parts(outcome: Float64, probability: Float64) -> dict[str, float]:
    """Brier score as miscalibration - discrimination + uncertainty; the parts add up exactly.

    Recalibration is isotonic, so that no bins need be chosen.

    Returns
    -------
    dict of str to float
        ``miscalibration`` (0 is best), ``discrimination`` (more is better), ``uncertainty``.

    References
    ----------
    Dimitriadis, Gneiting & Jordan 2021, PNAS 118 (8), section 4 (the CORP decomposition).
    """
    if not outcome.size:
        return {}
    prevalence = float(outcome.mean())
    recalibrated = IsotonicRegression(out_of_bounds="clip").fit_transform(probability, outcome)
    score = float(np.mean((probability - outcome) ** 2))
    best = float(np.mean((recalibrated - outcome) ** 2))
    uncertainty = prevalence * (1.0 - prevalence)
    return {
        "miscalibration": score - best,
        "discrimination": uncertainty - best,
        "uncertainty": uncertainty,
    }
