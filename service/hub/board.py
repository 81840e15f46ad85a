"""The whole worklist of an installation: made once, answered many times, put on the record once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from feature_store.clock import to_moment
from feature_store.live.census import Present
from feature_store.live.spell_index import Inpatient
from service import wire
from service.answering import ServedModel
from service.hub.live import Live
from service.hub.present import (
    Facts,
    days_since_ready,
    expected_discharge_at,
    facts_of,
    newest_by_site,
)
from service.hub.ranking import READY, next_horizon, ranked
from service.hub.scoring import Asking, Identity, identity_of, score_present
from service.hub.yesterday import Morning, bring_up_to_date, change_of
from service.record import AuditRow
from service.wire_live import RefusedInpatient, WorklistEntry


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Board:
    """Every inpatient at a moment, ranked or refused.

    Parameters
    ----------
    at : int
        UTC microseconds.
    change : int
        Last change of the store that is in it.
    model : ModelName
    made_by : tuple of (str or None)
        ``identity_of`` the model.
    entries : list of WorklistEntry
        Of all sites, in order.
    refused : list of RefusedInpatient
    spells : dict of str to int
        Pseudonym of each spell by its name.
    newest : dict of site to int
        When each site was last heard of.
    """

    at: int
    change: int
    model: wire.ModelName
    made_by: Identity
    entries: list[WorklistEntry]
    refused: list[RefusedInpatient]
    spells: dict[str, int]
    newest: dict[str | None, int]


def make_board(
    live: Live, asking: Asking, morning: Morning, *, at: int, capacity: int
) -> tuple[Board, Morning, list[AuditRow]]:
    """Read, score and rank everybody in hospital; blocks.

    Parameters
    ----------
    live : Live
    asking : Asking
    morning : Morning
        What is known so far of yesterday.
    at : int
        UTC microseconds.
    capacity : int

    Returns
    -------
    board : Board
    morning : Morning
    rows : list of AuditRow
        For the record.

    Raises
    ------
    StoreUnavailable
    """
    present = live.census.question(at)
    names = live.names([one.spell_id for one in present.inpatients])
    scored = score_present(asking, present, names)
    morning, before = bring_up_to_date(morning, live, asking, present)
    facts = facts_of(present.events, present.inpatients)
    entries, refused = [], []
    for one, word in zip(present.inpatients, scored.words, strict=True):
        if isinstance(word, wire.Score):
            entries.append(_entry(one, word, facts.get(one.spell_id, Facts()), morning, at))
        else:
            refused.append(_refused(one, word))
    board = Board(
        at=at,
        change=present.change,
        model=asking.model.name,
        made_by=identity_of(asking.model),
        entries=ranked(entries, capacity),
        refused=sorted(refused, key=lambda one: one.spell_id),
        spells={name: spell for spell, name in names.items()},
        newest=_newest(present),
    )
    return board, morning, [*scored.rows, *before]


def shadow_rows(live: Live, asking: Asking, at: int, challenger: ServedModel) -> list[AuditRow]:
    """What another model says of everybody on a board, for the record alone; blocks."""
    present = live.census.question(at)
    names = dict.fromkeys((one.spell_id for one in present.inpatients), "")
    asker = replace(asking.asker, mode="shadow")
    return score_present(
        replace(asking, model=challenger, asker=asker, reasons=0), present, names
    ).rows


def _newest(present: Present) -> dict[str | None, int]:
    return newest_by_site(present.events, present.inpatients)


def _entry(
    one: Inpatient, score: wire.Score, facts: Facts, morning: Morning, at: int
) -> WorklistEntry:
    horizon = next_horizon(score.probability, score.days_so_far)
    expected = expected_discharge_at(one.start, facts.expected_days)
    waiting = days_since_ready(facts.ready_at, at)
    return WorklistEntry(
        rank=1,
        within_capacity=True,
        section="stay_risk" if waiting is None else READY,
        spell_id=score.spell_id,
        site=one.site,
        ward=one.ward,
        bed=one.bed,
        specialty=facts.specialty,
        admitted_at=to_moment(one.start),
        change=change_of(morning, one, score.probability, horizon),
        probability_yesterday=morning.chances.get(one.spell_id),
        days_since_ready=waiting,
        expected_discharge_at=None if expected is None else to_moment(expected),
        score=score,
    )


def _refused(one: Inpatient, word: wire.RefusedSpell) -> RefusedInpatient:
    return RefusedInpatient(word.spell_id, one.site, one.ward, word.reason, word.detail)
