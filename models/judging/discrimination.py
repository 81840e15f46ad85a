"""Whether those who stay long are ranked above those who do not."""

from __future__ import annotations

import numpy as np

from models.judging.estimate import Float64
from models.judging.sample import Sample


def auroc(sample: Sample) -> Float64:
    """Area under the receiver operating characteristic, of each replicate.

    The chance that a long stay is ranked above a short one, ties counting half.

    Returns
    -------
    ndarray of float64, shape (n_replicates,)
        NaN where a replicate has one class only.
    """
    ranking = sample.ranking
    long = np.flatnonzero(ranking.outcome == 1.0)
    short = sample.cumulative - sample.cumulative_events
    beaten = (short[:, ranking.tie_start[long]] + short[:, ranking.tie_end[long]]) / 2.0
    wins = np.einsum("ij,ij->i", sample.weights[:, long], beaten)
    return _divide(wins, sample.events * short[:, -1])


def auprc(sample: Sample) -> Float64:
    """Average precision: area under the precision-recall curve, stepwise.

    Returns
    -------
    ndarray of float64, shape (n_replicates,)
        NaN where a replicate has no long stay.
    """
    ranking = sample.ranking
    long = np.flatnonzero(ranking.outcome == 1.0)
    start = ranking.tie_start[long]
    listed = sample.total[:, None] - sample.cumulative[:, start]
    found = sample.events[:, None] - sample.cumulative_events[:, start]
    precision = _divide(found, listed)
    weights = sample.weights[:, long]
    return _divide(
        np.einsum("ij,ij->i", weights, np.where(weights > 0, precision, 0.0)), sample.events
    )


def _divide(above: Float64, below: Float64) -> Float64:
    answer = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=answer, where=below > 0)
    return answer
