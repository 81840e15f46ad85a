"""The sites of a synthetic trust: how large, how slow, whom they serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from feature_store.simulation.chance import Columns, Floats
from feature_store.simulation.settings import TrustSettings


@dataclass(frozen=True, slots=True, eq=False)
class Sites(Columns):
    """One row a site; 0 is the average of the trust, except for ``share``.

    Parameters
    ----------
    share : ndarray of float64, shape (sites,)
        Of the spells; sums to 1.
    slow : ndarray of float64
        Added to the slowness of recovery and discharge, log-odds a day.
    delay : ndarray of float64
        Added to the slowness of social care and beds in the community, log-odds a day.
    older : ndarray of float64
        Years by which patients are older.
    deprived : ndarray of float64
        Tilt to the deprived deciles.
    white : ndarray of float64
        Log of the relative share of White patients.
    """

    share: Floats
    slow: Floats
    delay: Floats
    older: Floats
    deprived: Floats
    white: Floats

    @property
    def codes(self) -> tuple[str, ...]:
        """Site codes; no real organisation has one of this form."""
        return site_codes(self.share.size)


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """The settings and the sites drawn for them.

    Parameters
    ----------
    settings : TrustSettings
    sites : Sites
    """

    settings: TrustSettings
    sites: Sites


def site_codes(count: int) -> tuple[str, ...]:
    """Codes of the first ``count`` sites.

    >>> site_codes(2)
    ('SYN01', 'SYN02')
    """
    return tuple(f"SYN{number:02d}" for number in range(1, count + 1))


def open_sites(rng: Generator, count: int) -> Sites:
    """Draw sites; effects are centred over spells, so that the trust is the same on the whole."""
    size = rng.uniform(0.6, 1.4, count)
    share = size / size.sum()

    def centred(spread: float) -> Floats:
        drawn = rng.normal(0.0, spread, count)
        return np.asarray(drawn - share @ drawn, dtype=np.float64)

    return Sites(
        share=share,
        slow=centred(0.15),
        delay=centred(0.30),
        older=centred(2.0),
        deprived=centred(0.12),
        white=centred(0.4),
    )
