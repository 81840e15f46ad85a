"""A synthetic trust read back from nothing but its events, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import pytest
from numpy.random import SeedSequence, default_rng

from feature_store.clock import DAY, midnights_between
from feature_store.events import NO_SPELL, Events, concatenate
from feature_store.simulation import TrustSettings
from feature_store.simulation.chunk import CHUNK_SPELLS, Streams, _fill_chart
from feature_store.simulation.record import write_events
from feature_store.simulation.trust import Trust, open_sites
from feature_store.spells import find_spells
from feature_store.vocabulary import EMERGENCY_METHODS, family_of, value_of

FOLLOWED_DAYS = 60


class Ward:
    """Columns of one row a spell, read back from nothing but events."""

    def __init__(self, events: Events, settings: TrustSettings) -> None:
        self.events, self.settings, self.until = events, settings, settings.until
        self.spells = find_spells(events)
        self.family = np.array([family_of(code) for code in events.codes])
        self.value = np.array([value_of(code) for code in events.codes])

    def rows_of(self, family: str) -> Events:
        return self.events.take(np.isin(self.events.code, np.flatnonzero(self.family == family)))

    def place(self, spell_id: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.spells.spell_id, spell_id)

    def text(self, family: str) -> np.ndarray:
        """Last value of a family, empty where there is none."""
        found = np.full(len(self.spells), "", dtype=object)
        some = self.rows_of(family)
        found[self.place(some.spell_id)] = self.value[some.code]
        return found

    def number(self, family: str) -> np.ndarray:
        """First number of a family, NaN where there is none."""
        found = np.full(len(self.spells), np.nan)
        some = self.rows_of(family)
        found[self.place(some.spell_id)[::-1]] = some.numeric_value[::-1]
        return found

    def count(self, family: str) -> np.ndarray:
        return np.bincount(self.place(self.rows_of(family).spell_id), minlength=len(self.spells))

    @cached_property
    def age(self) -> np.ndarray:
        return self.number("AGE")

    @cached_property
    def emergency(self) -> np.ndarray:
        return np.isin(self.text("ADMISSION_METHOD"), list(EMERGENCY_METHODS))

    @cached_property
    def scope(self) -> np.ndarray:
        return self.emergency & (self.age >= 18)

    @cached_property
    def followed(self) -> np.ndarray:
        end = np.full(len(self.spells), self.until)
        return self.scope & (midnights_between(self.spells.start, end) >= FOLLOWED_DAYS)

    @cached_property
    def stay(self) -> np.ndarray:
        """Length of stay; of the few still here, how long so far."""
        end = np.where(self.spells.ended, self.spells.end, self.until)
        return midnights_between(self.spells.start, end).astype(np.float64)

    @cached_property
    def ready_delay(self) -> np.ndarray:
        """Midnights from the last discharge-ready date to discharge alive; NaN without one."""
        ready = np.full(len(self.spells), np.nan)
        some = self.rows_of("DISCHARGE_READY")
        row = self.place(some.spell_id)
        gone = self.spells.ended[row] & ~self.spells.died[row]
        row = row[gone]
        ready[row] = midnights_between(some.time[gone], self.spells.end[row])
        return ready

    @cached_property
    def ethnicity(self) -> np.ndarray:
        some = self.rows_of("ETHNICITY")
        assert (some.spell_id == NO_SPELL).all()
        return self.value[some.code][np.searchsorted(some.subject_id, self.spells.subject_id)]

    def share_staying(self, days: int) -> float:
        return float((self.stay[self.followed] >= days).mean())

    def census_share(self, days: int) -> float:
        """Of the beds on mornings through the second half of the period."""
        shares = []
        for morning in range(self.until - 180 * DAY, self.until, 15 * DAY):
            here = self.scope & (self.spells.start < morning) & (self.spells.end > morning)
            so_far = midnights_between(self.spells.start[here], np.full(here.sum(), morning))
            shares.append((so_far >= days).mean())
        return float(np.mean(shares))

    def mean_stay(self, where: np.ndarray) -> float:
        return float(self.stay[self.followed & where].mean())


def events_alone(settings: TrustSettings) -> Events:
    """The events of ``simulate_events``, without the long work of the truth."""
    trust = Trust(
        settings,
        open_sites(default_rng(SeedSequence(settings.seed, spawn_key=(0,))), settings.sites),
    )
    parts = []
    for number in range(settings.spells // CHUNK_SPELLS):
        streams = Streams.of(SeedSequence(settings.seed, spawn_key=(1, number)))
        parts.append(
            write_events(streams.record, _fill_chart(streams, trust, number, CHUNK_SPELLS))
        )
    return concatenate(parts)


@pytest.fixture(scope="session")
def read_ward() -> Callable[[TrustSettings], Ward]:
    """Read a trust of these settings, ``spells`` a multiple of the chunk."""
    return lambda settings: Ward(events_alone(settings), settings)


@pytest.fixture(scope="session")
def ward(read_ward: Callable[[TrustSettings], Ward]) -> Ward:
    return read_ward(TrustSettings(spells=40_000, seed=21))


@pytest.fixture(scope="session")
def long_ward(read_ward: Callable[[TrustSettings], Ward]) -> Ward:
    """One site over four years: no site effects, four winters."""
    return read_ward(TrustSettings(spells=60_000, seed=23, sites=1, days=1461))
