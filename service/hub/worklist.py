"""The worklist as one caller asked for it: from the board, by site and ward, with what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from feature_store.clock import SECOND, to_moment
from feature_store.events import NO_TIME
from service.access import Caller, may_see
from service.hub.board import Board
from service.hub.present import is_stale
from service.hub.queries import Wanted
from service.record import FeedbackRow
from service.wire_live import DataState, RefusedInpatient, Said, WorklistAnswer, WorklistEntry

Feedback = Mapping[int, FeedbackRow]

_AGED: Final = 1 / SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Now, and the settings that apply.

    Parameters
    ----------
    now : int
        UTC microseconds: the age of the data is counted up to it.
    capacity, stale_hours : int
    """

    now: int
    capacity: int
    stale_hours: int


def shown(entries: Sequence[WorklistEntry], wanted: Wanted, caller: Caller) -> list[WorklistEntry]:
    """Entries that a caller may see and asked for."""
    return [one for one in entries if _is_wanted(one, wanted, caller)]


def _is_wanted(one: WorklistEntry | RefusedInpatient, wanted: Wanted, caller: Caller) -> bool:
    """Whose patients a caller may see is decided here and nowhere else."""
    asked = wanted.site in {None, one.site} and wanted.ward in {None, one.ward}
    return asked and may_see(caller, one.site)


def with_feedback(
    entries: Sequence[WorklistEntry], board: Board, feedback: Feedback
) -> list[WorklistEntry]:
    """Entries with what was last said of each spell by the moment of the board."""
    told = []
    for entry in entries:
        row = feedback.get(board.spells[entry.spell_id])
        told.append(entry if row is None else _with(entry, row))
    return told


def _with(entry: WorklistEntry, row: FeedbackRow) -> WorklistEntry:
    own = row.expected_discharge_at
    expected = None if own is None else to_moment(own)
    said = Said(row.verdict, row.reason, row.action, expected, to_moment(row.given_at))
    return msgspec.structs.replace(
        entry, feedback=said, expected_discharge_at=expected or entry.expected_discharge_at
    )


def answer(
    board: Board,
    entries: Sequence[WorklistEntry],
    wanted: Wanted,
    caller: Caller,
    at: Moment,
) -> WorklistAnswer:
    """The whole answer.

    Parameters
    ----------
    board : Board
    entries : sequence of WorklistEntry
        As shown to this caller; ``wanted.limit`` is applied here.
    wanted : Wanted
    caller : Caller
    at : Moment
    """
    refused = [one for one in board.refused if _is_wanted(one, wanted, caller)]
    sites = {one.site for one in entries} | {one.site for one in refused}
    newest = max((board.newest.get(site, NO_TIME) for site in sites), default=NO_TIME)
    is_known = newest != NO_TIME
    return WorklistAnswer(
        at=to_moment(board.at),
        model=board.model,
        site=wanted.site,
        ward=wanted.ward,
        capacity=at.capacity,
        inpatients=len(entries) + len(refused),
        data=DataState(
            newest_recorded_at=to_moment(newest) if is_known else None,
            age_seconds=(at.now - newest) * _AGED if is_known else None,
            stale=any(is_stale(board.newest, site, at.now, at.stale_hours) for site in sites),
        ),
        entries=list(entries[: wanted.limit]),
        refused=refused,
    )
