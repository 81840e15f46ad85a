"""What a service answered, computed again without it: from its record, its question, its data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import structs

from feature_store.clock import to_microseconds, to_moment
from feature_store.events import NO_TIME, Events
from feature_store.hl7.retelling import FACILITY, retell, visit_number
from feature_store.hl7.writing import TICK
from feature_store.snapshots import Snapshots
from feature_store.spells import find_spells
from models.bundle import Bundle
from models.forecast import Forecast, Refusal
from models.scoring import leaving_soon, score
from service.reading import read_scores_request
from service.record import Record
from service.record.replay import replay
from service.record.verification import verify
from service.translate import to_question, to_score
from service.wire import Score, encode

_OF_THE_HUB: Final = frozenset({"stale", "too_incomplete"})
"""Refusals that no model is asked about."""


def disproved_by_record(
    database: str, scores: Mapping[str, Mapping[str, Any]], bundles: Mapping[str, Bundle]
) -> tuple[list[str], Counter[str | None]]:
    """Scores not on the record, or not what their model says; and how often each model spoke."""
    faults: list[str] = []
    models: Counter[str | None] = Counter()
    with closing(Record(database)) as record:
        faults += verify(record.engine).faults
        for score_id, told in scores.items():
            row = record.score(score_id)
            if row is None:
                faults.append(f"{score_id}: answered and not on the record")
                continue
            models[row.model_version] += 1
            chances = [row.probability_7, row.probability_14, row.probability_21]
            if list(told["probability"].values()) != chances or told["log_odds"] != row.log_odds:
                faults.append(f"{score_id}: answered otherwise than recorded")
            differing = replay(row, bundles[row.model_version or ""]).differing
            faults += [f"{score_id}: {name} computed otherwise" for name in differing]
    return faults, models


def disproved_by_question(
    body: bytes, scores: Iterable[Mapping[str, Any]], bundles: Iterable[Bundle]
) -> list[str]:
    """Answers to one question that no model gives to it."""
    sheet = read_scores_request(body)
    question = to_question(sheet, [None])
    (request,) = sheet.requests
    moment = to_moment(request.now)
    expected = [
        _without_id(to_score(word, sheet.spell_ids[at], moment, ignored=sheet.spells[at].ignored))
        for bundle in bundles
        for at, word in zip(
            question.asked, score(bundle, sheet.events, question.snapshots), strict=True
        )
        if isinstance(word, Forecast)
    ]
    return [
        f"{one['score_id']}: what no model says of this question"
        for one in scores
        if one | {"score_id": ""} not in expected
    ]


def disproved_by_data(
    board: Mapping[str, Any], events: Events, bundle: Bundle
) -> tuple[list[str], int]:
    """Words of a worklist that are not what the model says of a dataset, and how many there are.

    Parameters
    ----------
    board : mapping
        Answer of ``GET /v1/worklist``, made after the last fact was in.
    events : Events
        All that was sent, as it was told.
    bundle : Bundle
        The model that made it.
    """
    at = to_microseconds(datetime.fromisoformat(board["at"]))
    known = events.take(events.visible_at <= at).in_order()
    spells = find_spells(known)
    here = spells.take((spells.start <= at) & (spells.end > at))
    asked = Snapshots(here.subject_id, here.spell_id, here.start, np.full(len(here), at, np.int64))
    told = {entry["spell_id"]: entry["score"] for entry in board["entries"]}
    told |= {entry["spell_id"]: entry["reason"] for entry in board["refused"]}
    faults = []
    for spell, word in zip(here.spell_id.tolist(), score(bundle, known, asked), strict=True):
        name = f"{FACILITY}|{visit_number(spell)}"
        said = told.pop(name, None)
        if isinstance(word, Refusal):
            faults += [f"{name}: refused otherwise"] * (said != word.reason)
        elif isinstance(said, dict):
            (soon,) = leaving_soon(bundle.model, [word])
            told_of = to_score(word, name, to_moment(at), ignored=0)
            same = _without_id(structs.replace(told_of, probability_of_leaving=soon))
            faults += [f"{name}: scored otherwise"] * (said | {"score_id": ""} != same)
        elif said not in _OF_THE_HUB:
            faults.append(f"{name}: in hospital, and {said or 'not on the worklist'}")
    faults += [f"{name}: on the worklist, and not in hospital" for name in told]
    return faults, len(here)


def as_told(events: Events) -> Events:
    """Events as a service knows them that was told of them through ADT."""
    retold = retell(events)
    finer = retold.of_adt & (events.time != NO_TIME)
    return replace(
        events,
        time=events.time - np.where(finer, events.time % TICK, 0),
        recorded_at=events.recorded_at - np.where(finer, events.recorded_at % TICK, 0),
    ).take(retold.told | ~retold.of_adt)


def _without_id(said: Score) -> Any:
    return msgspec.json.decode(encode(structs.replace(said, score_id="")))
