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
from service.audit import AuditRow
from service.reading import read_scores_request
from service.sites import within_sites
from service.translate import Question, to_question, to_score

if TYPE_CHECKING:
    from feature_store.events import Events
    from feature_store.snapshots import Snapshots
    from service.identifiers import Pseudonyms


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
    """

    name: wire.ModelName
    score: Scorer
    feature_set_hash: str
    features: list[dict[str, Any]] = field(default_factory=list)
    card: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asked, under which request."""

    caller: str
    request_id: str
    pseudonyms: Pseudonyms
    sites: frozenset[str] | None = None
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
    request, columns = read_scores_request(body)
    question = to_question(request, columns)
    if asker.sites is not None:
        question = within_sites(question, asker.sites)
    forecasts = model.score(question.events, question.snapshots, reasons=reasons)
    words = _words(request, question, forecasts)
    answer = wire.ScoresAnswer(
        model=model.name,
        scores=[word for word in words if isinstance(word, wire.Score)],
        refused=[word for word in words if isinstance(word, wire.RefusedSpell)],
    )
    encoded = wire.encode(answer)
    took = round((time.perf_counter() - began) * 1e6)
    rows = _account(request, words, model, asker, latency_us=took)
    return Answered(encoded, answer, question, rows)


def _words(
    request: wire.ScoresRequest, question: Question, forecasts: Sequence[Forecast | Refusal]
) -> list[wire.Score | wire.RefusedSpell]:
    """What is said of each spell, in the order of the request."""
    said = dict(zip(question.asked, forecasts, strict=True)) | question.refused
    words: list[wire.Score | wire.RefusedSpell] = []
    for position, spell in enumerate(request.spells):
        word = said[position]
        if isinstance(word, Forecast):
            ignored = question.ignored[position]
            words.append(to_score(word, spell, request.prediction_time, ignored=ignored))
        else:
            words.append(wire.RefusedSpell(spell.spell_id, word.reason, word.detail))
    return words


def _account(
    request: wire.ScoresRequest,
    words: list[wire.Score | wire.RefusedSpell],
    model: ServedModel,
    asker: Asker,
    *,
    latency_us: int,
) -> list[AuditRow]:
    """One row for each spell of a request, scored or refused; no clinical value in it."""
    answered_at = asker.clock() // 1000
    rows = []
    for spell, word in zip(request.spells, words, strict=True):
        score = word if isinstance(word, wire.Score) else None
        rows.append(
            AuditRow(
                score_id=score.score_id if score else None,
                answered_at=answered_at,
                caller=asker.caller,
                request_id=asker.request_id,
                spell=asker.pseudonyms.spell(spell.spell_id),
                prediction_time=request.prediction_time.isoformat(),
                model=model.name.name,
                model_version=model.name.version,
                feature_set_hash=model.feature_set_hash,
                inputs_hash=asker.pseudonyms.fingerprint(wire.encode(spell)),
                probability=wire.encode(score.probability).decode() if score else None,
                refused=word.reason if isinstance(word, wire.RefusedSpell) else None,
                latency_us=latency_us,
            )
        )
    return rows
