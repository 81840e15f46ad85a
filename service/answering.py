"""The use case: bytes of requests to bytes of answers, by one model, with their account.

Holds no state and waits for nothing, so that it can run in the event loop or in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from models.forecast import Forecast, Refusal
from service import wire
from service.problems import Problem
from service.reading import read_requests
from service.record import About, Answer, AuditRow, Mode, account
from service.translate import Place, Question, to_question, to_score

if TYPE_CHECKING:
    from feature_store.events import Events
    from feature_store.snapshots import Snapshots
    from service.identifiers import Pseudonyms
    from service.sheet import RequestRead, Sheet

_NOWHERE: Place = (None, None)
_Said = Forecast | Refusal


Leaving = Callable[[Sequence[Forecast]], list[dict[str, float | None]]]
"""``models.scoring.leaving_soon`` with its model filled in."""


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
    leaving_soon : callable, optional
        Chances of leaving, by name, of forecasts that it made.
    """

    name: wire.ModelName
    score: Scorer
    feature_set_hash: str
    features: list[dict[str, Any]] = field(default_factory=list)
    card: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "folder"
    checksum: str | None = None
    leaving_soon: Leaving | None = None


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
    """An answer ready to be sent, and its account.

    Parameters
    ----------
    body : bytes
    answer : wire.ScoresAnswer
    ages : list of float
        Seconds since the newest event used, of each spell asked about that has one.
    audit : list of AuditRow
    """

    body: bytes
    answer: wire.ScoresAnswer
    ages: list[float]
    audit: list[AuditRow]


def answer_scores(
    bodies: Sequence[bytes], model: ServedModel, askers: Sequence[Asker], *, reasons: int | None
) -> list[Answered | Problem]:
    """Answer requests, each as if it were alone, in one pass of the model over all of them.

    Parameters
    ----------
    bodies : sequence of bytes
        JSON, as in ``wire.ScoresRequest``.
    model : ServedModel
    askers : sequence of Asker
        Of each.
    reasons : int or None
        How many reasons a score; None for all.

    Returns
    -------
    list of Answered or Problem
        In order; a problem for a request that cannot be used.
    """
    began = time.perf_counter()
    sheet, wrong = read_requests(bodies)
    question = to_question(sheet, [asker.sites for asker in askers])
    forecasts = model.score(sheet.events, question.snapshots, reasons=reasons)
    said = dict(zip(question.asked, forecasts, strict=True)) | question.refused
    done: list[Answered | Problem] = []
    for place, (request, asker) in enumerate(zip(sheet.requests, askers, strict=True)):
        if place in wrong:
            done.append(wrong[place])
        else:
            done.append(_answer(_Asked(request, asker, model, began), question, said))
    return done


def answer_alone(body: bytes, model: ServedModel, asker: Asker, *, reasons: int | None) -> Answered:
    """Answer one request; parameters as of :func:`answer_scores`.

    Raises
    ------
    Problem
        The request cannot be used.
    """
    (done,) = answer_scores([body], model, [asker], reasons=reasons)
    if isinstance(done, Problem):
        raise done
    return done


@dataclass(frozen=True, slots=True)
class _Asked:
    """One of the requests."""

    request: RequestRead
    asker: Asker
    model: ServedModel
    began: float


def _answer(asked: _Asked, question: Question, said: Mapping[int, _Said]) -> Answered:
    words = _words(asked.request, question.sheet, said)
    answer = wire.ScoresAnswer(
        model=asked.model.name,
        scores=[word for word in words if isinstance(word, wire.Score)],
        refused=[word for word in words if isinstance(word, wire.RefusedSpell)],
    )
    encoded = wire.encode(answer)
    rows = _account(asked, question, said, words)
    return Answered(encoded, answer, question.ages(asked.request), rows)


def _words(
    request: RequestRead, sheet: Sheet, said: Mapping[int, _Said]
) -> list[wire.Score | wire.RefusedSpell]:
    """What is said of each spell of a request, in order."""
    words: list[wire.Score | wire.RefusedSpell] = []
    moment = sheet.prediction_time(request)
    for position in range(request.first, request.first + request.spells):
        word, spell_id = said[position], sheet.spell_ids[position]
        if isinstance(word, Forecast):
            ignored = sheet.spells[position].ignored
            words.append(to_score(word, spell_id, moment, ignored=ignored))
        else:
            words.append(wire.RefusedSpell(spell_id, word.reason, word.detail))
    return words


def _account(
    asked: _Asked,
    question: Question,
    said: Mapping[int, _Said],
    words: list[wire.Score | wire.RefusedSpell],
) -> list[AuditRow]:
    """One row for each spell of a request, scored or refused."""
    sheet, request, model = question.sheet, asked.request, asked.model
    asker, pseudonyms = asked.asker, asked.asker.pseudonyms
    told = Answer(
        caller=asker.caller,
        request_id=asker.request_id,
        route=asker.route,
        mode=asker.mode,
        answered_at=asker.clock() // 1000,
        latency_us=round((time.perf_counter() - asked.began) * 1e6),
        prediction_time=request.now,
        model=model.name.name,
        model_version=model.name.version,
        model_hash=model.checksum,
        feature_set_hash=model.feature_set_hash,
    )
    rows = []
    for position, word in enumerate(words, request.first):
        site, ward = question.places.get(position, _NOWHERE)
        about = About(
            spell=pseudonyms.spell(sheet.spell_ids[position]),
            subject=pseudonyms.subject(sheet.subject_ids[position]),
            site=site,
            ward=ward,
            inputs_hash=pseudonyms.fingerprint(sheet.facts_of(sheet.spells[position])),
        )
        score_id = word.score_id if isinstance(word, wire.Score) else None
        rows.append(account(told, about, said[position], score_id=score_id))
    return rows
