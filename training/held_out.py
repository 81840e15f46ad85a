"""Held-out predictions kept with a run, so that two runs can be compared on the same rows.

Rows and patients are numbers keyed with the site's secret: the same snapshot has the same number in
every run made with that secret, and nobody without it can tell whose it is. Kept are the chances
and whether each horizon was reached; no other value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.errors import BadInput
from feature_store.events import Int64
from feature_store.identity import pseudonym
from feature_store.snapshots import Snapshots
from models.judging.estimate import Float64

FILE: Final = "held_out.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutRows:
    """Chances and outcomes of snapshots, by keyed number.

    Parameters
    ----------
    row, patient : ndarray of int64, shape (n,)
    chance, target : mapping of int to ndarray of float64
        By horizon; target 1, 0, or NaN where not known or already passed.
    """

    row: Int64
    patient: Int64
    chance: Mapping[int, Float64]
    target: Mapping[int, Float64]

    @property
    def horizons(self) -> tuple[int, ...]:
        """Horizons that were judged."""
        return tuple(self.chance)

    def write(self, path: Path) -> None:
        """Write as Parquet, in order of row number: the order tells nothing either."""
        order = np.argsort(self.row)
        columns: dict[str, Int64 | Float64] = {
            "row": self.row[order],
            "patient": self.patient[order],
        }
        for days in self.horizons:
            columns[f"p_{days}"] = self.chance[days][order]
            columns[f"reached_{days}"] = self.target[days][order]
        pq.write_table(pa.table(columns), path, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises
        ------
        BadInput
            Not such a file.
        """
        try:
            table = pq.read_table(path)
            columns = {name: table[name].to_numpy() for name in table.column_names}
            days = [int(name.removeprefix("p_")) for name in columns if name.startswith("p_")]
            return cls(
                row=columns["row"],
                patient=columns["patient"],
                chance={day: columns[f"p_{day}"] for day in days},
                target={day: columns[f"reached_{day}"] for day in days},
            )
        except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
            msg = f"{path.name}: held-out predictions expected ({type(error).__name__})"
            raise BadInput(msg) from error


def held_out_rows(
    snapshots: Snapshots,
    chance: Mapping[int, Float64],
    target: Mapping[int, Float64],
    *,
    key: bytes,
) -> HeldOutRows:
    """Key the rows of a judged part.

    Parameters
    ----------
    snapshots : Snapshots
    chance, target : mapping of int to ndarray of float64, shape (n,)
        By horizon.
    key : bytes
        The site's secret.
    """
    return HeldOutRows(
        row=row_numbers(snapshots, key),
        patient=_keyed(
            [str(one) for one in snapshots.subject_id.tolist()], "held-out patient", key
        ),
        chance=chance,
        target=target,
    )


def row_numbers(snapshots: Snapshots, key: bytes) -> Int64:
    """Keyed number of each snapshot."""
    rows = zip(snapshots.spell_id.tolist(), snapshots.prediction_time.tolist(), strict=True)
    return _keyed([f"{spell}\0{moment}" for spell, moment in rows], "held-out snapshot", key)


def _keyed(texts: list[str], what: str, key: bytes) -> Int64:
    numbers = (pseudonym(text, what, key) for text in texts)
    return np.fromiter(numbers, np.int64, count=len(texts))


def in_common(first: HeldOutRows, second: HeldOutRows) -> tuple[Int64, Int64]:
    """Positions, in each of two, of the rows they share."""
    _, here, there = np.intersect1d(first.row, second.row, return_indices=True)
    return here.astype(np.int64), there.astype(np.int64)
