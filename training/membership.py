"""Which groups held-out rows belong to, found again in the data they came from.

A run keeps chances and outcomes under keyed numbers and nothing about who the patients are. Whoever
holds the data and the site's key can find the rows there, and compare two runs by group; the groups
never leave this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from feature_store.compute import compute_features
from feature_store.dataset import Dataset
from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.events import Events, Int64
from feature_store.landmarks import known_snapshots
from feature_store.snapshots import Snapshots
from models.judging.estimate import Float64
from models.judging.groups import Grouping
from training.facts import fact_set, groupings, months
from training.held_out import row_numbers
from training.survey import end_of


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Rows found in a dataset.

    Parameters
    ----------
    row : ndarray of int64, shape (n,)
        Keyed numbers.
    snapshots : Snapshots
    facts : ndarray of float64, shape (n, n_facts)
    """

    row: Int64
    snapshots: Snapshots
    facts: Float64

    @classmethod
    def joined(cls, parts: list[Found]) -> Self:
        """Rows of all shards."""
        columns = ("subject_id", "spell_id", "spell_start", "prediction_time")
        return cls(
            np.concatenate([part.row for part in parts]),
            Snapshots(
                *(
                    np.concatenate([getattr(part.snapshots, name) for part in parts])
                    for name in columns
                )
            ),
            np.concatenate([part.facts for part in parts]),
        )


def part_rows(row: Int64, *, dataset: Dataset, key: bytes) -> list[Grouping]:
    """Group rows as every model is judged (:func:`training.facts.groupings`), and by month.

    Parameters
    ----------
    row : ndarray of int64, shape (n,)
        Keyed numbers of snapshots (:mod:`training.held_out`).
    dataset : Dataset
        The data they came from, or data that hold them.
    key : bytes
        The site's secret.

    Raises
    ------
    BadInput
        Some of the rows are not in the data.
    """
    told = fact_set(dataset.descriptions())
    find = partial(_find, row=row, dataset=dataset, told=told, key=key)
    found = Found.joined([find(events) for events in dataset.read_shards(past=True)])
    order = np.argsort(found.row)
    place = np.minimum(np.searchsorted(found.row[order], row), max(order.size - 1, 0))
    if not order.size or not np.array_equal(found.row[order][place], row):
        missed = row.size - np.isin(row, found.row).sum()
        msg = (
            f"{dataset.path.name}: the data that both runs were judged on expected; {missed} of "
            f"{row.size} snapshots are not in them (another dataset, or another pseudonym key)"
        )
        raise BadInput(msg)
    rows = order[place]
    snapshots = found.snapshots.take(rows)
    parted = groupings(found.facts[rows], told, snapshots.days_so_far)
    if dataset.manifest.clock.calendar:
        parted.append(months(snapshots.prediction_time))
    return parted


def _find(events: Events, *, row: Int64, dataset: Dataset, told: FeatureSet, key: bytes) -> Found:
    mornings = dataset.manifest.clock.mornings
    _, asked = known_snapshots(events, until=end_of(dataset), mornings=mornings)
    numbers = row_numbers(asked, key)
    kept = np.isin(numbers, row)
    asked = asked.take(kept)
    return Found(numbers[kept], asked, compute_features(events, asked, told))
