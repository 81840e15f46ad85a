"""Rows of a shard to events: each code by its rule, each fact when it can have been known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from feature_store.clock import local_microseconds
from feature_store.events import NO_SPELL, NO_TIME, Events, Held, Int64, concatenate
from feature_store.identity import pseudonym
from feature_store.meds import spells
from feature_store.meds.codebook import Codebook, fits, matches, target
from feature_store.meds.timing import Loose, Said, known_late
from feature_store.vocabulary import (
    DEATH,
    FAMILIES,
    OUTCOME_FAMILIES,
    SPELL_END,
    SPELL_START,
    Shape,
    family_of,
    limits_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from feature_store.ingest.spell_index import SpellIndex
    from feature_store.meds.source import Rows

IMPLAUSIBLE: Final = "values that their family cannot have"
_NO_MOMENT: Final = "facts known only after discharge, without a time or a spell that ended"
_NOTED_AT: Final = frozenset({SPELL_START, SPELL_END, DEATH})


@dataclass(slots=True)
class Tally:
    """What a run counts; ``faults`` stop it, ``counts`` go into the manifest."""

    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Translator:
    """Translates shards by one codebook.

    Parameters
    ----------
    book : Codebook
    secret : bytes
        Of pseudonyms of keys that are not kept.
    tally : Tally
    ours : bool
        The dataset is an export of Homeward, which knows when each fact was known.
    """

    book: Codebook
    secret: bytes
    tally: Tally
    ours: bool = False

    def events(self, rows: Rows) -> tuple[Events, SpellIndex]:
        """Events and spells of a shard, under the dataset's own subjects and spells."""
        index = self._spells(rows)
        made = [self._spell_events(rows, index), self._ages(rows, index)]
        return concatenate([*made, self.stated(rows, index)]), index

    def stated(self, rows: Rows, index: SpellIndex) -> Events:
        """Events that rows state themselves; spells are of the rows that hold in the end."""
        parts = []
        used = np.zeros(len(rows.codes), bool)
        order = np.argsort(rows.code, kind="stable")
        edges = np.searchsorted(rows.code[order], np.arange(len(rows.codes) + 1))
        for number, code in enumerate(rows.codes):
            mine = order[edges[number] : edges[number + 1]]
            for said in self._said(code):
                used[number] = True
                parts.append(self._facts(rows, mine, said, index))
        spent = used | np.array([self._is_mark(code) for code in rows.codes], bool)
        self.tally.counts["unused_rows"] += int((~spent[rows.code]).sum())
        self.tally.counts["unused_codes"] += int((~spent).sum())
        return concatenate(parts)

    def relabelled(self, events: Events) -> Events:
        """Events under pseudonyms where the codebook does not keep the keys; in order."""
        subject = self._relabel(events.subject_id, "subject", kept="subject" in self.book.keep)
        unnamed = not self.book.columns.spell  # made here, from a pseudonym on
        spell = self._relabel(events.spell_id, "spell", kept=unnamed or "spell" in self.book.keep)
        return replace(
            events, subject_id=subject, spell_id=spell, held=self._relabelled_held(events.held)
        ).in_order()

    def _relabelled_held(self, held: Held | None) -> Held | None:
        if held is None:
            return None
        copied = held.subject_id < 0  # of another person, whose complement it is
        plain = np.where(copied, ~held.subject_id, held.subject_id)
        whose = self._relabel(plain, "subject", kept="subject" in self.book.keep)
        return replace(held, subject_id=np.where(copied, ~whose, whose))

    def _relabel(self, keys: Int64, what: str, *, kept: bool) -> Int64:
        if kept:
            return keys
        names, place = np.unique(keys, return_inverse=True)
        table = [
            NO_SPELL if name == NO_SPELL else pseudonym(str(name), what, self.secret)
            for name in names.tolist()
        ]
        return np.array(table, np.int64)[place.ravel()]

    # ---- spells ----------------------------------------------------------------------------------

    def _spells(self, rows: Rows) -> SpellIndex:
        marks = spells.Marks(
            rows.subject,
            rows.time,
            rows.spell,
            *(
                self._mask(rows, getattr(self.book.spells, name))
                for name in ("start", "end", "died")
            ),
        )
        return spells.find(
            marks,
            named=bool(self.book.columns.spell),
            complete=self.book.complete,
            secret=self.secret,
            faults=self.tally.faults,
        )

    def _mask(self, rows: Rows, prefixes: Sequence[str]) -> NDArray[np.bool_]:
        told = [any(matches(code, prefix) for prefix in prefixes) for code in rows.codes]
        return np.array(told, bool)[rows.code]

    def _is_mark(self, code: str) -> bool:
        told = self.book.spells
        every = (*told.start, *told.end, *told.died, *told.born)
        return any(matches(code, prefix) for prefix in every)

    def _spell_events(self, rows: Rows, index: SpellIndex) -> Events:
        """Start, end with length of stay, and death of each spell, but what says so already."""
        told = self.book.spells
        every, ended = np.arange(len(index)), np.flatnonzero(index.ended)
        dead = np.flatnonzero(index.died)
        nothing = np.full(every.size, np.nan)
        days = index.length_of_stay_days.astype(np.float64)
        made = [
            (told.start, told.start, every, index.start, SPELL_START, nothing),
            (told.end, told.end, ended, index.end, SPELL_END, days),
            (told.died, told.end, dead, index.end, DEATH, nothing),
        ]
        return concatenate(
            [
                replace(events, recorded_at=self._noted(rows, prefixes, events))
                for codes, prefixes, which, time, code, value in made
                if codes != [code]
                for events in [_made(index, which, time, code, value)]
            ]
        )

    def _noted(self, rows: Rows, prefixes: Sequence[str], events: Events) -> Int64:
        """When the openings or closings of spells were recorded; their time where nothing says."""
        mine = np.flatnonzero(self._mask(rows, prefixes) & (rows.recorded != NO_TIME))
        known: dict[tuple[int, int], int] = {}
        for subject, time, recorded in zip(
            *(column[mine].tolist() for column in (rows.subject, rows.time, rows.recorded)),
            strict=True,
        ):
            known[subject, time] = min(recorded, known.get((subject, time), recorded))
        pairs = zip(events.subject_id.tolist(), events.time.tolist(), strict=True)
        return np.array([known.get(pair, pair[1]) for pair in pairs], np.int64)

    def _ages(self, rows: Rows, index: SpellIndex) -> Events:
        """Whole years from birth to each admission."""
        born = self._mask(rows, self.book.spells.born) & (rows.time != NO_TIME)
        subjects, first = np.unique(rows.subject[born], return_index=True)
        which, spell = index.spells_of(subjects)
        birth = rows.time[born][first][which]
        years = _years(birth, index.start[spell])
        family = FAMILIES["AGE"]
        sound = (years >= family.low) & (years <= family.high)
        self._count_implausible(~sound)
        values = np.full(len(index), np.nan)
        values[spell] = years
        return _made(index, spell[sound], index.start, "AGE", values)

    # ---- facts -----------------------------------------------------------------------------------

    def _said(self, code: str) -> Iterator[Said]:
        """What a source code becomes; its part in opening and closing spells is said elsewhere."""
        rule = self.book.rule_of(code)
        if code in _NOTED_AT and self._is_mark(code):
            yield Said(code, None)
        elif rule is None:
            if self.book.other_codes == "keep" and not self._is_mark(code):
                yield Said(code, None)
        else:
            yield from (Said(target(code, rule, wanted), rule) for wanted in rule.to)

    def _facts(self, rows: Rows, mine: Int64, said: Said, index: SpellIndex) -> Events:
        value = rows.value[mine]
        if said.rule is not None:
            value = value * said.rule.factor + said.rule.offset
        sound = self._sound(said.code, value)
        if family_of(said.code) in OUTCOME_FAMILIES:
            sound &= rows.time[mine] != NO_TIME  # known at every moment, it would be a leak
        mine, value = mine[sound], value[sound]
        subject, time = rows.subject[mine], rows.time[mine]
        spell = rows.spell[mine]
        if not self.book.columns.spell:
            spell = np.where(time == NO_TIME, NO_SPELL, index.spell_at(subject, time))
        recorded = np.where(rows.recorded[mine] == NO_TIME, time, rows.recorded[mine])
        if said.late and not self.ours:
            spell, time, recorded = known_late(
                Loose(subject, spell, time, recorded), said.delay, index
            )
            known = recorded != NO_TIME
            self.tally.counts["not_yet_known"] += int((~known).sum())
            subject, spell, time, recorded, value = (
                column[known] for column in (subject, spell, time, recorded, value)
            )
        else:
            recorded = np.where(recorded == NO_TIME, NO_TIME, recorded + said.delay)
        built = _built(subject, spell, time, recorded, said.code, value)
        return built if rows.held is None else replace(built, held=rows.held.take(mine))

    def _sound(self, code: str, value: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Rows whose value the family of their code can have; of an unknown family, all."""
        family = FAMILIES.get(family_of(code))
        if family is None:
            return np.ones(value.size, bool)
        if self.ours:  # the rule of the live store, which most of it may come from
            low, high = limits_of(code)
            sound = ~((value < low) | (value > high) | (low > high))
        elif not fits(code):
            sound = np.zeros(value.size, bool)
        elif family.shape is Shape.NUMBER:
            sound = (value >= family.low) & (value <= family.high)
        else:
            return np.ones(value.size, bool)
        self._count_implausible(~sound)
        return sound

    def _count_implausible(self, bad: NDArray[np.bool_]) -> None:
        where = self.tally.counts if self.book.implausible == "leave out" else self.tally.faults
        name = "rejected_rows" if self.book.implausible == "leave out" else IMPLAUSIBLE
        where[name] += int(bad.sum())


def _years(birth: Int64, at: Int64) -> NDArray[np.float64]:
    """Whole years between two moments, by the local calendar."""
    (year, month, day), (first, birth_month, birth_day) = (
        _calendar(local_microseconds(moment)) for moment in (at, birth)
    )
    early = (month < birth_month) | ((month == birth_month) & (day < birth_day))
    return np.asarray(year - first - early, np.float64)


def _calendar(wall: Int64) -> tuple[Int64, Int64, Int64]:
    date = wall.view("datetime64[us]").astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    number = month.astype(np.int64)
    return number // 12, number % 12, (date - month.astype("datetime64[D]")).astype(np.int64)


def _made(
    index: SpellIndex, rows: Any, time: Int64, code: str, value: NDArray[np.float64]
) -> Events:
    at = time[rows]
    return _built(index.subject_id[rows], index.spell_id[rows], at, at, code, value[rows])


def _built(
    subject: Int64,
    spell: Int64,
    time: Int64,
    recorded: Int64,
    code: str,
    value: NDArray[np.float64],
) -> Events:
    return Events(
        subject_id=subject,
        time=time,
        code=np.zeros(subject.size, np.int32),
        numeric_value=value.astype(np.float32),
        spell_id=spell,
        recorded_at=recorded,
        codes=(code,),
    )
