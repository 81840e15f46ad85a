"""Feeds: families of facts that have stopped arriving, at each site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_store.clock import DAY, HOUR
from feature_store.events import NO_SPELL, NO_TIME, Events, Int64
from feature_store.vocabulary import family_of, value_of
from models.judging.estimate import Float64

RECENT_DAYS: Final = 3
PAST_WEEKS: Final = 8
LEAST_EXPECTED: Final = 10.0
"""Events expected in the recent days below which silence says little."""

SILENT: Final = 0.05
"""Share of the expected below which a feed counts as silent."""

CHANCE: Final = 0.01
"""Of any silence found where there is none, all feeds together, at one look."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Events of one family at one site.

    Parameters
    ----------
    family, site : str
    expected, seen : float
        In the last ``RECENT_DAYS``; expected from as many days of each of the weeks before.
    spread : float
        Variance of those over their mean, at least 1: more than 1 where days differ.
    state : str
        ``ok``, ``watch`` (far fewer than chance explains) or ``breach`` (and next to nothing).
    silent_hours : float
        Since the last became known.
    """

    family: str
    site: str
    expected: float
    seen: float
    spread: float
    state: str
    silent_hours: float


def feeds(events: Events, *, until: int) -> list[Feed]:
    """State of every feed that had anything to expect.

    Parameters
    ----------
    events : Events
        Of the live store; counted when they became known.
    until : int
        UTC microseconds.
    """
    period = RECENT_DAYS * DAY
    ago = (until - events.recorded_at) // period
    rows = (events.time != NO_TIME) & (ago >= 0) & (ago < PAST_WEEKS * 7 // RECENT_DAYS)
    rows &= events.spell_id != NO_SPELL
    chosen = events.take(np.flatnonzero(rows))
    family_names, family = _families(chosen)
    site_names, site = _sites(events, chosen)
    periods = int(PAST_WEEKS * 7 // RECENT_DAYS)
    counts = np.zeros((len(family_names), len(site_names), periods))
    np.add.at(counts, (family, site, ago[rows]), 1.0)
    last = np.full((len(family_names), len(site_names)), np.iinfo(np.int64).min)
    np.maximum.at(last, (family, site), chosen.recorded_at)
    hours = (until - last) / HOUR
    tests = max(int((counts[:, :, 1:].mean(axis=2) >= LEAST_EXPECTED).sum()), 1)
    return [
        _feed(name, place, counts[row, column], (tests, float(hours[row, column])))
        for row, name in enumerate(family_names)
        for column, place in enumerate(site_names)
        if _usual(counts[row, column])[0] >= LEAST_EXPECTED
    ]


def _usual(counts: Float64) -> tuple[float, float, int]:
    """Mean of the periods before, how far they differ beyond chance, and how many they are."""
    past = counts[1:]
    past = past[: int(np.max(np.flatnonzero(past), initial=0)) + 1]  # since the feed began
    mean = float(past.mean()) if past.size else 0.0
    spread = float(past.var(ddof=1) / mean) if past.size > 1 and mean > 0 else 1.0
    return mean, max(spread, 1.0), past.size


def _feed(family: str, site: str, counts: Float64, told: tuple[int, float]) -> Feed:
    tests, hours = told
    expected, spread, periods = _usual(counts)
    seen = float(counts[0])
    # Anscombe's root makes a count of this spread nearly normal with deviation 1.
    score = 2.0 * (np.sqrt(seen + 0.375) - np.sqrt(expected + 0.375)) / np.sqrt(spread)
    state = "ok"
    if score < -_limit(CHANCE / tests, max(periods - 1, 2)):
        state = "breach" if seen < SILENT * expected else "watch"
    return Feed(family, site, expected, seen, spread, state, hours)


def _limit(chance: float, degrees: int) -> float:
    """Upper point of Student's distribution; Abramowitz & Stegun 26.2.23 and 26.7.5.

    The spread is itself estimated, from few periods: a normal limit would be too near.

    >>> round(_limit(0.025, 10_000), 2), round(_limit(0.025, 16), 2)
    (1.96, 2.12)
    """
    t = float(np.sqrt(-2.0 * np.log(chance)))
    above = 2.515517 + t * (0.802853 + t * 0.010328)
    z = t - above / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    first = (z**3 + z) / (4 * degrees)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def _families(events: Events) -> tuple[list[str], Int64]:
    of_code = [family_of(code) for code in events.codes]
    names = sorted(set(of_code))
    place = {name: row for row, name in enumerate(names)}
    table = np.array([place[name] for name in of_code], np.int64)
    return names, table[events.code] if table.size else np.zeros(0, np.int64)


def _sites(events: Events, chosen: Events) -> tuple[list[str], Int64]:
    """Site of each chosen event: the first that its spell was at."""
    codes = [code for code in events.codes if family_of(code) == "SITE"]
    marks = events.take(np.flatnonzero(events.rows_of(*codes)))
    spells, first = np.unique(marks.spell_id, return_index=True)
    names = sorted(map(value_of, codes))
    place = {name: row for row, name in enumerate(names)}
    at = np.array([place[value_of(events.codes[code])] for code in marks.code[first]], np.int64)
    found = np.minimum(np.searchsorted(spells, chosen.spell_id), max(spells.size - 1, 0))
    known = spells.size > 0
    site = np.full(len(chosen), len(names), np.int64)
    if known:
        site = np.where(spells[found] == chosen.spell_id, at[found], len(names))
    return [*names, ""], site
