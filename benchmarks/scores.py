"""Figures of many contestants on the same rows, with intervals and paired differences.

Ranks are judged within each fold, for the models of two folds are not one model; a figure is the
mean over folds and partitions. Every interval comes from one bootstrap by patient that all
contestants, folds and partitions share, so that every difference is paired.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.cases import Float64, Int64
from benchmarks.contest import HOMEWARD
from models.judging import METRICS, Estimate, difference
from models.judging.estimate import Resamples
from models.judging.sample import Ranking, Sample

REPLICATES: Final = 300

DIGITS: Final[Mapping[str, int]] = {
    "auroc": 4,
    "auprc": 4,
    "brier": 4,
    "calibration_slope": 3,
    "calibration_intercept": 3,
}
"""Metrics that tables may show, and how finely."""

LABELS: Final[Mapping[str, str]] = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier",
    "calibration_slope": "slope",
    "calibration_intercept": "in the large",
}


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """The rows of a table.

    Parameters
    ----------
    subject_id : ndarray of int64, shape (n,)
    drawn : Resamples
        Bootstrap by patient over all rows.
    """

    subject_id: Int64
    drawn: Resamples

    @classmethod
    def of(cls, subject_id: Int64, *, replicates: int = REPLICATES) -> Judge:
        """Draw once for the whole table."""
        return cls(subject_id, Resamples.draw(subject_id, replicates=replicates, seed=0))

    def measure(
        self, metric: str, outcome: Float64, chance: Float64, fold: Int64 | None = None
    ) -> Estimate:
        """Mean over folds of a metric.

        Parameters
        ----------
        metric : str
            Name in :data:`models.judging.METRICS`.
        outcome, chance : ndarray of float64, shape (n,)
            Rows with an outcome of NaN are left out.
        fold : ndarray of int64, shape (n,), optional
            Which model each chance is of; -1 for none.
        """
        parts = np.zeros(outcome.size, np.int64) if fold is None else fold
        return mean(
            self._within(metric, outcome, chance, np.flatnonzero(parts == part))
            for part in np.unique(parts[parts >= 0])
        )

    def _within(self, metric: str, outcome: Float64, chance: Float64, rows: Int64) -> Estimate:
        rows = rows[~np.isnan(outcome[rows])]
        ranking = Ranking.of(outcome[rows], chance[rows])
        measured = METRICS[metric].measure
        value = measured(Sample(ranking, np.ones((1, rows.size))))
        few, order, starts = ranking.condensed()
        weights = self.drawn.take(rows[ranking.order[order]]).group_sums(starts)
        return Estimate(float(value[0]), measured(Sample(few, weights)))


def mean(estimates: Iterable[Estimate]) -> Estimate:
    """Mean of figures that share their bootstrap."""
    several = list(estimates)
    return Estimate(
        float(np.mean([estimate.value for estimate in several])),
        np.mean([estimate.replicates for estimate in several], axis=0),
    )


Figures = Mapping[str, Mapping[str, Estimate]]
"""By contestant, then by column such as ``auroc_7``."""


def best_peer(figures: Figures, column: str) -> str:
    """Name of the best contestant besides Homeward: chosen after the fact, in the peers' favour."""
    sign = METRICS[column.rpartition("_")[0]].better
    peers = [name for name, of in figures.items() if name != HOMEWARD and column in of]
    return max(peers, key=lambda name: sign * figures[name][column].value)


def figure_rows(
    figures: Figures, columns: Sequence[str], *, wide: Collection[str]
) -> list[list[str]]:
    """Cells of a table, a contestant a row; intervals are shown for the columns in ``wide``."""
    return [
        [
            name,
            *(
                shown(of[column], column, interval=column in wide) if column in of else ""
                for column in columns
            ),
        ]
        for name, of in figures.items()
    ]


def difference_rows(figures: Figures, columns: Sequence[str]) -> list[list[str]]:
    """Cells of the paired differences of Homeward and the best peer of each column."""
    rows = []
    for column in columns:
        peer = best_peer(figures, column)
        ours, theirs = figures[HOMEWARD][column], figures[peer][column]
        gap = difference(ours, theirs)
        rows.append(
            [
                heading(column),
                shown(ours, column),
                f"{peer} {shown(theirs, column)}",
                shown(gap, column, interval=True, sign=True),
                _verdict(gap, METRICS[column.rpartition("_")[0]].better),
            ]
        )
    return rows


DIFFERENCE_HEAD: Final = ("figure", "Homeward", "best peer", "difference [95 %]", "Homeward is")


def _verdict(gap: Estimate, better: int) -> str:
    low, high = gap.interval
    if low <= 0.0 <= high:
        return "level"
    return "ahead" if better * low > 0 else "behind"


def heading(column: str) -> str:
    """``auroc_7`` as a reader would say it."""
    metric, _, days = column.rpartition("_")
    return f"{LABELS[metric]} {days} d"


def shown(estimate: Estimate, column: str, *, interval: bool = False, sign: bool = False) -> str:
    """Return a figure as text, with its interval if asked."""
    digits = DIGITS[column.rpartition("_")[0]]
    form = f"{'+' if sign else ''}.{digits}f"
    text = format(estimate.value, form)
    if interval:
        low, high = estimate.interval
        text += f" [{low:{form}}, {high:{form}}]"
    return text


def plain(figures: Figures) -> dict[str, dict[str, object]]:
    """Figures as JSON data."""
    return {
        name: {column: estimate.to_json() for column, estimate in of.items()}
        for name, of in figures.items()
    }
