"""Enough patients: how many a model of so many features needs, and how many there are.

References
----------
Riley et al. 2020, BMJ 368:m441, boxes 3 and 4: criteria for a binary outcome (overall risk within
.05, and a shrinkage of at least .9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

SHRINKAGE: Final = 0.9
NAGELKERKE: Final = 0.15
"""Explained variation assumed, as a share of the most possible: cautious, as the authors advise."""

MARGIN: Final = 0.05


@dataclass(frozen=True, slots=True)
class Enough:
    """One horizon.

    Parameters
    ----------
    horizon : int
    spells, events : int
        Followed long enough; and of these, as long as the horizon.
    needed : int
        Spells that the rule asks for; 0 where no spell reached the horizon.
    """

    horizon: int
    spells: int
    events: int
    needed: int

    @property
    def met(self) -> bool:
        """Whether there are as many as the rule asks for."""
        return 0 < self.needed <= self.spells


def spells_needed(parameters: int, share: float) -> int:
    """Spells that a model of so many parameters needs for an outcome of this share.

    >>> spells_needed(20, 0.2), spells_needed(20, 0.5)
    (1796, 1498)
    """
    if not 0.0 < share < 1.0:
        return 0
    precise = (1.96 / MARGIN) ** 2 * share * (1 - share)
    most = 1.0 - np.exp(2.0 * (share * np.log(share) + (1 - share) * np.log(1 - share)))
    explained = NAGELKERKE * most
    shrunk = parameters / ((SHRINKAGE - 1.0) * np.log(1.0 - explained / SHRINKAGE))
    return int(np.ceil(max(precise, shrunk)))
