"""The table of metrics, and one pass that measures all of them with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from feature_store.errors import BadInput
from models.judging.accuracy import brier, brier_scaled
from models.judging.discrimination import auprc, auroc
from models.judging.estimate import REPLICATES, Estimate, Float64, Int64, Resamples
from models.judging.reliability import (
    calibration_intercept,
    calibration_slope,
    e_90,
    e_average,
    ece,
)
from models.judging.sample import Ranking, Sample


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Parameters
    ----------
    label : str
        For a reader.
    measure : callable
        Sample to one value a replicate.
    better : int
        1 if more is better, -1 if less is, 0 if a target is.
    target : float, optional
        The value a perfect model has.
    """

    label: str
    measure: Callable[[Sample], Float64]
    better: int
    target: float | None = None


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        "auroc": Metric("AUROC", auroc, 1, 1.0),
        "auprc": Metric("AUPRC", auprc, 1, 1.0),
        "brier": Metric("Brier score", brier, -1, 0.0),
        "brier_scaled": Metric("Brier score, scaled", brier_scaled, 1, 1.0),
        "calibration_slope": Metric("Calibration slope", calibration_slope, 0, 1.0),
        "calibration_intercept": Metric("Calibration in the large", calibration_intercept, 0, 0.0),
        "ece": Metric("Expected calibration error", ece, -1, 0.0),
        "e_average": Metric("E-avg", e_average, -1, 0.0),
        "e_90": Metric("E-90", e_90, -1, 0.0),
    }
)
"""Metrics of a probability against a yes-or-no outcome, in the order they are shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Patients, and how often each replicate draws them.

    Parameters
    ----------
    subjects : ndarray of int64, shape (n_patients,)
        Ascending.
    drawn : Resamples
    """

    subjects: Int64
    drawn: Resamples

    def rows_of(self, subject_id: Int64) -> Resamples:
        """Draws for rows of some of the patients."""
        wanted, patient = np.unique(subject_id, return_inverse=True)
        place = np.searchsorted(self.subjects, wanted)
        if wanted.size and not np.array_equal(self.subjects.take(place, mode="clip"), wanted):
            msg = "bootstrap: patients of the population expected, got others"
            raise KeyError(msg)
        return Resamples(self.drawn.counts[:, place], patient.ravel())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How intervals are made.

    Parameters
    ----------
    replicates : int
        0 gives figures without intervals.
    seed : int
    population : Population, optional
        Patients drawn already (:meth:`over`).
    """

    replicates: int = REPLICATES
    seed: int = 0
    population: Population | None = field(default=None, repr=False, compare=False)

    def over(self, subject_id: Int64) -> Bootstrap:
        """The same bootstrap with these patients drawn once, for every figure of some of them.

        A figure of a part then comes from draws of the whole: how many of the part are drawn is
        left to chance, as it is in the next sample, and any two figures are paired.
        """
        drawn = Resamples.draw(subject_id, replicates=self.replicates, seed=self.seed)
        return replace(self, population=Population(np.unique(subject_id), drawn))

    def resamples(self, subject_id: Int64) -> Resamples:
        """Draws for rows of these patients.

        Raises
        ------
        KeyError
            Somebody is not of the population that was drawn.
        """
        if self.population is None:
            return Resamples.draw(subject_id, replicates=self.replicates, seed=self.seed)
        return self.population.rows_of(subject_id)


def judge(
    outcome: Float64,
    probability: Float64,
    subject_id: Int64,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    bootstrap: Bootstrap | None = None,
) -> dict[str, Estimate]:
    """Measure metrics, each with its bootstrap by patient.

    Parameters
    ----------
    outcome : ndarray of float64, shape (n,)
        1, 0, or NaN where not known: such rows are left out.
    probability : ndarray of float64, shape (n,)
    subject_id : ndarray of int64, shape (n,)
        Rows of one patient are drawn together.
    metrics : sequence of str
        Names in :data:`METRICS`.
    bootstrap : Bootstrap, optional

    Returns
    -------
    dict of str to Estimate
        Two calls with the same outcome, subjects and bootstrap are paired, replicate by replicate.

    Raises
    ------
    BadInput
        A probability that is missing or outside 0 to 1 where the outcome is known.
    """
    chosen = bootstrap or Bootstrap()
    known = ~np.isnan(outcome)
    outcome, probability, subject_id = outcome[known], probability[known], subject_id[known]
    if not ((probability >= 0.0) & (probability <= 1.0)).all():
        msg = "judging: probabilities from 0 to 1 expected wherever the outcome is known"
        raise BadInput(msg)
    ranking = Ranking.of(outcome, probability)
    value = _measure(Sample(ranking, np.ones((1, outcome.size))), metrics)
    few, order, starts = ranking.condensed()
    drawn = chosen.resamples(subject_id).take(ranking.order[order])
    replicates = _measure(Sample(few, drawn.group_sums(starts)), metrics)
    return {name: Estimate(float(value[name][0]), replicates[name]) for name in metrics}


def _measure(sample: Sample, metrics: Sequence[str]) -> dict[str, Float64]:
    if not sample.ranking.outcome.size:
        return {name: np.full(sample.weights.shape[0], np.nan) for name in metrics}
    return {name: METRICS[name].measure(sample) for name in metrics}
