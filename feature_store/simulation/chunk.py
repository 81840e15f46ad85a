"""One chunk of a trust: whole patients, from the door to their events and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from feature_store.events import Events
from feature_store.simulation.arrivals import Arrivals, History, first_days, receive
from feature_store.simulation.chance import Ints, happens
from feature_store.simulation.changes import plant
from feature_store.simulation.departures import departure_moments
from feature_store.simulation.effects import Profile, profile_of
from feature_store.simulation.people import People, meet_people
from feature_store.simulation.presentation import Presentation, examine
from feature_store.simulation.record import write_events
from feature_store.simulation.record.chart import Chart
from feature_store.simulation.trust import Trust
from feature_store.simulation.truth import Truth, true_chances
from feature_store.simulation.walk import Stays, walk
from feature_store.snapshots import daily_snapshots
from feature_store.spells import Spells, find_spells

CHUNK_SPELLS: Final = 10_000
"""Spells made at once: bounds memory, and is one file of events."""

_MOST_SPELLS_EACH: Final = 8
_ROOM: Final = 8
"""Numbers per identifier used: too few used in a row to say anything."""

_FIRST_SUBJECT: Final = 10_000_000
_FIRST_SPELL: Final = 100_000_000
"""Eight and nine digits: never mistaken for an NHS number, which has ten."""

_YEAR_DAYS: Final = 365


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Spells of one round (the first of each person, the second, ...), each a row."""

    arrivals: Arrivals
    seen: Presentation
    profile: Profile
    stays: Stays

    @classmethod
    def stack(cls, rounds: list[Round]) -> Round:
        """One table from several rounds."""
        return cls(
            Arrivals.stack([each.arrivals for each in rounds]),
            Presentation.stack([each.seen for each in rounds]),
            Profile.stack([each.profile for each in rounds]),
            Stays.stack([each.stays for each in rounds]),
        )


@dataclass(frozen=True, slots=True)
class Streams:
    """One generator a stage: a change in one stage leaves the draws of the others as they were."""

    people: Generator
    arrivals: Generator
    presentation: Generator
    course: Generator
    departures: Generator
    record: Generator
    identifiers: Generator

    @classmethod
    def of(cls, seed: SeedSequence) -> Streams:
        """Independent streams from one seed."""
        return cls(*(default_rng(child) for child in seed.spawn(7)))


def make_chunk(trust: Trust, number: int, spells: int) -> tuple[Events, Truth, Spells]:
    """Events of ``spells`` spells, the truth at each of their snapshots, and the spells found.

    Parameters
    ----------
    trust : Trust
    number : int
        Of the chunk; chunks are alike in distribution and independent.
    spells : int
    """
    streams = Streams.of(SeedSequence(trust.settings.seed, spawn_key=(1, number)))
    chart = _fill_chart(streams, trust, number, spells)
    events = write_events(streams.record, chart)
    found = find_spells(events)
    snapshots = daily_snapshots(found, until=trust.settings.until)
    order = np.argsort(chart.spell_id)
    row = order[np.searchsorted(chart.spell_id[order], snapshots.spell_id)]
    return events, true_chances(snapshots, row, profile=chart.profile, stays=chart.stays), found


def _fill_chart(streams: Streams, trust: Trust, number: int, spells: int) -> Chart:
    people = meet_people(streams.people, spells, trust.sites)
    admitted = _admit(streams, trust, people, spells)
    person = admitted.arrivals.person
    first_subject = _FIRST_SUBJECT + number * CHUNK_SPELLS * _ROOM
    first_spell = _FIRST_SPELL + number * CHUNK_SPELLS * _ROOM
    subject_id = first_subject + streams.identifiers.permutation(spells * _ROOM)[:spells]
    return Chart(
        trust=trust,
        subject_id=subject_id[person],
        spell_id=first_spell + streams.identifiers.permutation(spells * _ROOM)[: person.size],
        end=departure_moments(streams.departures, admitted.arrivals, admitted.stays),
        who=people.take(person),
        arrivals=admitted.arrivals,
        seen=admitted.seen,
        profile=admitted.profile,
        stays=admitted.stays,
    )


def _admit(streams: Streams, trust: Trust, people: People, spells: int) -> Round:
    """Exactly ``spells`` spells: those planned that fit in time, then first spells of others."""
    wanted = np.cumsum(people.planned) <= spells
    several = np.flatnonzero(wanted).astype(np.int64)
    rounds = _rounds(streams, trust, people, several)
    missing = spells - sum(each.arrivals.person.size for each in rounds)
    if missing:
        others = several.size + np.arange(missing)
        once = replace(people, planned=np.ones_like(people.planned))
        rounds += _rounds(streams, trust, once, others)
    return Round.stack(rounds)


def _rounds(streams: Streams, trust: Trust, people: People, person: Ints) -> list[Round]:
    settings = trust.settings
    day = first_days(streams.arrivals, people.kind[person], settings)
    ends = np.full((people.kind.size, _MOST_SPELLS_EACH), np.iinfo(np.int64).min // 2)
    rounds = []
    for number in range(_MOST_SPELLS_EACH):
        if not person.size:
            break
        one = _one_round(streams, trust, people, person, day, _history(ends[person], day))
        rounds.append(one)
        ends[person, number] = day + one.stays.length_of_stay_days
        day = ends[person, number] + _gap_days(streams.arrivals, person.size)
        in_time = day < settings.first_day + settings.days
        again = (people.planned[person] > number + 1) & in_time & ~one.stays.died
        person, day = person[again], day[again]
    return rounds


def _one_round(
    streams: Streams, trust: Trust, people: People, person: Ints, day: Ints, history: History
) -> Round:
    arrivals = receive(streams.arrivals, person, day, people=people, trust=trust, history=history)
    seen = examine(streams.presentation, arrivals, people)
    profile = plant(profile_of(arrivals, people, seen, trust.sites), arrivals, trust)
    return Round(arrivals, seen, profile, walk(streams.course, profile, seen.acuity))


def _history(ends: Ints, day: Ints) -> History:
    last = day - ends.max(axis=1)
    recent = (day[:, None] - ends <= _YEAR_DAYS).sum(axis=1)
    return History(recent, np.where(last > 100 * _YEAR_DAYS, np.inf, last))


def _gap_days(rng: Generator, size: int) -> Ints:
    """Days to the next spell: soon after discharge, or some time."""
    soon = happens(rng, 0.45, size)
    days = np.where(soon, rng.exponential(13, size), rng.exponential(100, size))
    return 1 + days.astype(np.int64)
