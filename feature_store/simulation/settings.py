"""What a synthetic trust is asked to be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from feature_store.clock import at_local_hour
from feature_store.errors import BadInput

RANGES: Final = {
    "spells": (1, 50_000_000),
    "sites": (1, 50),
    "seed": (0, 2**63 - 1),
    "days": (1, 3660),
}
"""Least and most of each setting."""

_FIRST_YEAR, _LAST_YEAR = 1990, 2100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change planted at one site: synthetic, so that an evaluation can be put to the test.

    Parameters
    ----------
    site : str
        Code of the site.
    start : date
        Local day from which it works, for whoever is in hospital then or comes later.
    sooner : float
        Added to the log-odds, each day, of leaving while waiting once ready; 0 plants nothing.
    """

    site: str
    start: date
    sooner: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    """Size, period and seed of a synthetic acute trust.

    Parameters
    ----------
    spells : int
        Hospital provider spells that start in the period, all kinds together.
    sites : int
        Hospital sites, each with its own baseline and case mix.
    seed : int
        Equal settings and seed give equal files, byte for byte.
    start : date
        First local day of the period.
    days : int
        Length of the period; what lies after it has not happened yet in the data.
    changes : tuple of Change
        Planted effects; none is the trust as it was.

    Raises
    ------
    BadInput
        A number or a year outside its range.
    """

    spells: int = 20_000
    sites: int = 3
    seed: int = 1
    start: date = date(2025, 10, 1)
    days: int = 365
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                msg = f"{name}: a whole number from {low} to {high} expected, got one outside"
                raise BadInput(msg)
        if not _FIRST_YEAR <= self.start.year <= _LAST_YEAR:
            msg = f"start: a date from {_FIRST_YEAR} to {_LAST_YEAR} expected, got one outside"
            raise BadInput(msg)

    @property
    def first_day(self) -> int:
        """Number of the first local day since 1970-01-01."""
        return (self.start - date(1970, 1, 1)).days

    @property
    def until(self) -> int:
        """Local midnight at the end of the last day, UTC microseconds."""
        return int(at_local_hour(np.array([self.first_day + self.days]), 0)[0])

    def as_dict(self) -> dict[str, Any]:
        """Settings as JSON values."""
        told = asdict(self) | {"start": self.start.isoformat()}
        changes = [asdict(one) | {"start": one.start.isoformat()} for one in self.changes]
        del told["changes"]
        return told | ({"changes": changes} if changes else {})

    def digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()
