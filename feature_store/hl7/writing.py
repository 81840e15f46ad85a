"""A statement to the ADT message that says it: the inverse of reading one."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from feature_store.clock import to_moment
from feature_store.hl7.fields import PERSON, VISIT
from feature_store.hl7.statement import MERGES, MOVES, TIMES, Statement

TRAINING: Final = "T"
"""Processing id (MSH-11) of made-up patients: a live store refuses it."""

TICK: Final = 100
"""Microseconds of the finest time that HL7 tells."""

_ESCAPES: Final = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
_Fields = dict[int, dict[int, str]]


def write_message(
    statement: Statement, *, patient: str, visit: str = "", processing: str = TRAINING
) -> bytes:
    """Message that a door reads as this statement.

    Parameters
    ----------
    statement : Statement
        About one patient: merges and moves are not written, a made-up patient has one number.
    patient, visit : str
        Numbers of the hospital (PID-3, PV1-19), given out by the sending facility.
    processing : str
        ``P`` for production, ``T`` for training.

    Returns
    -------
    bytes
        HL7 v2.4 in UTF-8, without the frame of MLLP; times in UTC, what is finer than ``TICK``
        left out.

    Raises
    ------
    ValueError
        A merge or a move.
    """
    if statement.trigger in MERGES | MOVES:
        msg = f"a statement about one patient expected, got {statement.trigger}"
        raise ValueError(msg)
    facility = _escaped(statement.facility)
    trigger, told = statement.trigger, _stamp(statement.told_at)
    control, sent = _escaped(statement.control_id), _stamp(statement.sent_at)
    kind = f"ADT^{trigger}|{control}|{processing}|2.4||||||UNICODE UTF-8"
    lines = [
        f"MSH|^~\\&|HOMEWARD|{facility}|||{sent}||{kind}",
        f"EVN|{trigger}|{told}||||{_stamp(statement.happened_at)}",
    ]
    segments = _said(statement)
    segments["PID"][3] = {1: patient, 4: statement.facility, 5: "MR"}
    if visit:
        segments["PV1"][19] = {1: visit, 4: statement.facility}
    lines += [_segment(name, fields) for name, fields in segments.items() if fields]
    return ("\r".join(lines) + "\r").encode()


def _said(statement: Statement) -> dict[str, _Fields]:
    """What is said of the patient and of the visit, where HL7 has it."""
    segments: dict[str, _Fields] = {"PID": defaultdict(dict), "PV1": defaultdict(dict)}
    for fields, said in ((PERSON, statement.person), (VISIT, statement.visit)):
        for one in fields:
            if said.get(one.name) is not None:
                segments[one.segment][one.number][one.component] = str(said[one.name])
    born = statement.person.get("born")
    if born is not None:
        segments["PID"][7] = {1: born.replace("-", "")}
    for name, (segment, number) in TIMES.items():
        if statement.visit.get(name) is not None:
            segments[segment][number] = {1: _stamp(statement.visit[name])}
    return segments


def _segment(name: str, fields: _Fields) -> str:
    return "|".join([name, *(_field(fields.get(one, {})) for one in range(1, max(fields) + 1))])


def _field(components: dict[int, str]) -> str:
    last = max(components, default=0)
    return "^".join(_escaped(components.get(one, "")) for one in range(1, last + 1))


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


def _stamp(moment: int) -> str:
    return to_moment(moment).strftime("%Y%m%d%H%M%S.%f")[:-2] + "+0000"
