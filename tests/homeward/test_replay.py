"""A replay tells every fact of its period once, when it became known, and real data never."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR, midnights_between
from feature_store.dataset import fresh_folder, open_dataset, write_dataset
from feature_store.errors import BadInput, Refused
from feature_store.hl7 import sent_at_of
from feature_store.hl7.retelling import FAMILIES_OF_ADT
from feature_store.simulation import TrustSettings, simulate
from feature_store.spells import find_spells
from feature_store.table import to_table
from feature_store.vocabulary import family_of
from homeward.bedding import with_beds
from homeward.replaying import BATCH, Stage, play, read_story

NOW = 20_800 * DAY + 15 * HOUR


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    """A small synthetic trust."""
    folder = tmp_path_factory.mktemp("trusts") / "trust"
    simulate(TrustSettings(spells=200, days=40, seed=5), folder)
    return folder


class World:
    """A world whose time passes only while somebody sleeps."""

    def __init__(self):
        self.now, self.sent, self.messages = 0.0, [], []

    def sleep(self, seconds):
        self.now += seconds

    def stage(self):
        return Stage(
            post=lambda batch: self.sent.append((self.now, batch)),
            seconds=lambda: self.now,
            sleep=self.sleep,
            told=lambda _line: None,
            tell=lambda message: self.messages.append((self.now, message)),
        )


def test_through_adt_every_fact_is_told_once_by_a_message_or_as_an_event(trust):
    plain = read_story(trust, start=None, days=7, now=NOW)
    story, world = read_story(trust, start=None, days=7, now=NOW, by_adt=True), World()
    sent = play(story, world.stage(), speed=10_000)
    assert sent == (len(story.events), len(story.messages))
    assert [message for _, message in world.messages] == [one.raw for one in story.messages]
    events = plain.events
    of_adt = np.array([family_of(code) in FAMILIES_OF_ADT for code in events.codes])[events.code]
    assert len(story.events) == int((~of_adt).sum())
    told = [fact for _, batch in world.sent for fact in batch]
    assert not {family_of(fact["code"]) for fact in told} & FAMILIES_OF_ADT
    names = {fact["spell_id"] for fact in told} - {None}
    assert names
    assert all(name.startswith("SIM|S") for name in names)
    visits = {raw.split(b"\rPV1|")[1].split(b"|")[18].split(b"^")[0] for _, raw in world.messages}
    assert {name.removeprefix("SIM|").encode() for name in names} <= visits
    for at, raw in world.messages:  # each when it was entered, not before
        if at > 0:
            sent_at = sent_at_of(raw)
            due = (sent_at - story.begin) / 1e6 / 10_000
            assert due <= at <= due + 0.51


def test_every_fact_is_told_once_and_in_time(trust):
    story, world = read_story(trust, start=None, days=7, now=NOW), World()
    assert play(story, world.stage(), speed=10_000) == (len(story.events), 0)
    told = [fact for _, batch in world.sent for fact in batch]
    assert len({str(sorted(fact.items(), key=str)) for fact in told}) == len(told)
    assert max(len(batch) for _, batch in world.sent) <= BATCH
    later = [one for one in world.sent if one[0] > 0]
    assert later
    assert world.now == pytest.approx(7 * 86_400 / 10_000, abs=1.0)


def test_the_period_ends_now_and_keeps_the_time_of_day(trust):
    events = open_dataset(trust).read()
    story = read_story(trust, start=None, days=7, now=NOW)
    assert NOW - DAY < story.end <= NOW
    assert story.end - story.begin == 7 * DAY
    timed = story.events.time[story.events.time > 0]
    assert set((timed % DAY).tolist()) <= set((events.time % DAY).tolist())
    assert (story.known_at < story.end).all()
    assert (story.known_at[1:] >= story.known_at[:-1]).all()


def test_a_length_of_stay_is_that_of_the_days_it_was_moved_to(trust):
    autumn = 20_751 * DAY + 15 * HOUR  # 2026-10-25, when the clocks go back
    for now in (autumn - DAY, autumn + DAY, autumn + 3 * DAY):
        events = read_story(trust, start=None, days=7, now=now).events
        spells = find_spells(events)
        ends = spells.take(spells.ended)
        told = {
            int(events.spell_id[row]): float(events.numeric_value[row])
            for row in np.flatnonzero(events.rows_of("SPELL_END"))
        }
        nights = midnights_between(ends.start, ends.end)
        assert told == dict(zip(ends.spell_id.tolist(), nights.tolist(), strict=True))
        by_adt = read_story(trust, start=None, days=7, now=now, by_adt=True)
        assert by_adt.untold < 10


def test_a_period_without_patients_is_refused(trust):
    with pytest.raises(BadInput, match="inpatients expected"):
        read_story(trust, start="1999-01-01", days=3, now=NOW)


def test_data_that_are_not_synthetic_are_refused(trust, tmp_path):
    dataset = open_dataset(trust)
    with fresh_folder(tmp_path / "real") as folder:
        tables = iter([to_table(dataset.read())])
        write_dataset(folder, tables, replace(dataset.manifest, synthetic=False))
    with pytest.raises(Refused, match="synthetic data only"):
        read_story(tmp_path / "real", start=None, days=7, now=NOW)


def test_no_two_patients_are_ever_in_one_bed(trust):
    events = with_beds(open_dataset(trust).read())
    places = []
    rows = np.lexsort((events.recorded_at, events.time))
    stays, where = {}, {}
    for row in rows.tolist():
        spell, code = int(events.spell_id[row]), events.codes[events.code[row]]
        family, _, value = code.partition("//")
        if family == "WARD":
            where[spell] = value
        if family in {"WARD", "SPELL_END"} and spell in stays:
            places.append((*stays.pop(spell), int(events.time[row])))
        if family == "BED":
            stays[spell] = (f"{where[spell]} {value}", int(events.time[row]))
    by_bed = {}
    for place, start, end in places:
        by_bed.setdefault(place, []).append((start, end))
    assert len(by_bed) > 10
    for visits in by_bed.values():
        ordered = sorted(visits)
        assert all(end <= start for (_, end), (start, _) in pairwise(ordered))
