"""The windows that every engine computes."""

from __future__ import annotations

from itertools import product
from typing import Final

from feature_store.definitions import Feature, FeatureSet, Read, Scope

SNAPSHOTS: Final = "snapshots.parquet"
"""File of the questions, beside the events."""

CODES: Final = ("CRP", "NEWS2", "UREA")
HOURS: Final = (24, 72, 720, 8760)
READS: Final = (Read.LATEST, Read.MINIMUM, Read.MAXIMUM, Read.COUNT, Read.SUM, Read.HOURS_SINCE)

EMPTY: Final = {Read.COUNT: 0.0, Read.SUM: 0.0}
"""What nothing reads as; missing for every other reading."""

MICROSECONDS: Final = 3_600_000_000


def column(read: Read, hours: int) -> str:
    """Name of one reading of one window, the same for every code."""
    return f"{read.name.lower()}_{hours}"


COLUMNS: Final = tuple(column(read, hours) for hours, read in product(HOURS, READS))
"""Columns for one code; the matrix has them for each code in turn."""

FEATURES: Final = FeatureSet(
    tuple(
        Feature(
            name=f"{code}_{column(read, hours)}".lower(),
            label=code,
            read=read,
            codes=(code,),
            scope=Scope.ANY,
            window_hours=float(hours),
        )
        for code, hours, read in product(CODES, HOURS, READS)
    )
)

SAID_BY_FEAST: Final = tuple(
    column
    for column, feature in enumerate(FEATURES.features)
    if feature.read in {Read.LATEST, Read.HOURS_SINCE}
)
"""Columns that a point-in-time join can answer."""
