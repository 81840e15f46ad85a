"""The use case: bytes of a request to bytes of an answer, by one model, with its account.

Holds no state and waits for nothing, so that it can run in the event loop or in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from models.forecast import Forecast, Refusal
from service import wire
from service.reading import read_scores_request
from service.record import About, Answer, AuditRow, Mode, account
from service.sites import within_sites
from service.translate import Place, Question, to_question, to_score

if TYPE_CHECKING:
    from feature_store.events import Events
    from feature_store.snapshots import Snapshots
    from service.identifiers import Pseudonyms
    from service.sheet import Sheet

_NOWHERE: Place = (None, None)


class Scorer(Protocol):
    """What the service needs of a model: ``models.scoring.score`` with its bundle filled in."""

    def __call__(
        self, events: Events, snapshots: Snapshots, *, reasons: int | None
    ) -> Sequence[Forecast | Refusal]:
        """Score snapshots, one answer each, in order; ``reasons`` None means all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServedModel:
    """A loaded model and what is told about it.

    Parameters
    ----------
    name : wire.ModelName
    score : Scorer
    feature_set_hash : str
    features : list of dict
        Name, label, unit and the like of each feature, as in the feature set.
    card, provenance : mapping
    origin : str
        Where it was loaded from: registry, local copy, folder.
    checksum : str, optional
        Of the whole bundle.
    """

    name: wire.ModelName
    score: Scorer
    feature_set_hash: str
    features: list[dict[str, Any]] = field(default_factory=list)
    card: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "folder"
    checksum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asked, under which request, at which address."""

    caller: str
    request_id: str
    route: str
    pseudonyms: Pseudonyms
    sites: frozenset[str] | None = None
    mode: Mode = "live"
    clock: Callable[[], int] = time.time_ns


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """An answer ready to be sent, and its account."""

    body: bytes
    answer: wire.ScoresAnswer
    question: Question
    audit: list[AuditRow]


def answer_scores(
    body: bytes, model: ServedModel, asker: Asker, *, reasons: int | None
) -> Answered:
    """Answer one request.

    Parameters
    ----------
    body : bytes
        JSON, as in ``wire.ScoresRequest``.
    model : ServedModel
    asker : Asker
    reasons : int or None
        How many reasons a score; None for all.

    Raises
    ------
    Problem
        The request cannot be used.
    """
    began = time.perf_counter()
    sheet = read_scores_request(body)
    question = to_question(sheet)
    if asker.sites is not None:
        question = within_sites(question, asker.sites)
    forecasts = model.score(sheet.events, question.snapshots, reasons=reasons)
    said = dict(zip(question.asked, forecasts, strict=True)) | question.refused
    words = _words(sheet, said)
    answer = wire.ScoresAnswer(
        model=model.name,
        scores=[word for word in words if isinstance(word, wire.Score)],
        refused=[word for word in words if isinstance(word, wire.RefusedSpell)],
    )
    encoded = wire.encode(answer)
    took = round((time.perf_counter() - began) * 1e6)
    told = _told(sheet, model, asker, latency_us=took)
    rows = _account(question, said, words, asker, told)
    return Answered(encoded, answer, question, rows)


def _words(
    sheet: Sheet, said: Mapping[int, Forecast | Refusal]
) -> list[wire.Score | wire.RefusedSpell]:
    """What is said of each spell, in the order of the request."""
    words: list[wire.Score | wire.RefusedSpell] = []
    for position, (spell, spell_id) in enumerate(zip(sheet.spells, sheet.spell_ids, strict=True)):
        word = said[position]
        if isinstance(word, Forecast):
            words.append(to_score(word, spell_id, sheet.prediction_time, ignored=spell.ignored))
        else:
            words.append(wire.RefusedSpell(spell_id, word.reason, word.detail))
    return words


def _told(sheet: Sheet, model: ServedModel, asker: Asker, *, latency_us: int) -> Answer:
    """What the rows of this answer share."""
    return Answer(
        caller=asker.caller,
        request_id=asker.request_id,
        route=asker.route,
        mode=asker.mode,
        answered_at=asker.clock() // 1000,
        latency_us=latency_us,
        prediction_time=sheet.now,
        model=model.name.name,
        model_version=model.name.version,
        model_hash=model.checksum,
        feature_set_hash=model.feature_set_hash,
    )


def _account(
    question: Question,
    said: Mapping[int, Forecast | Refusal],
    words: list[wire.Score | wire.RefusedSpell],
    asker: Asker,
    told: Answer,
) -> list[AuditRow]:
    """One row for each spell of a request, scored or refused."""
    sheet, pseudonyms = question.sheet, asker.pseudonyms
    places = dict(zip(question.asked, question.places, strict=True))
    rows = []
    for position, (spell, word) in enumerate(zip(sheet.spells, words, strict=True)):
        site, ward = places.get(position, _NOWHERE)
        about = About(
            spell=pseudonyms.spell(sheet.spell_ids[position]),
            subject=pseudonyms.subject(sheet.subject_ids[position]),
            site=site,
            ward=ward,
            inputs_hash=pseudonyms.fingerprint(sheet.facts_of(spell)),
        )
        score_id = word.score_id if isinstance(word, wire.Score) else None
        rows.append(account(told, about, said[position], score_id=score_id))
    return rows
