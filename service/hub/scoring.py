"""Inpatients of the live store to scores and refusals, each with its account for the record."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from feature_store.clock import to_moment
from feature_store.events import COLUMNS, Events
from feature_store.live.census import Present
from feature_store.live.spell_index import Inpatient
from models.forecast import Forecast, Refusal
from service import wire
from service.answering import Asker, ServedModel
from service.hub.present import is_stale, newest_by_site
from service.record import About, Answer, AuditRow, account
from service.translate import to_score

STALE = Refusal("stale", "nothing was recorded at this site for too long; look at the feed")
TOO_INCOMPLETE = Refusal("too_incomplete", "too little of what the model uses is known")


Identity = tuple[str | None, ...]


def identity_of(model: ServedModel) -> Identity:
    """What tells models apart, in whichever process."""
    return model.name.name, model.name.version, model.checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is not scored although it is in scope.

    Parameters
    ----------
    stale_hours : int
    least_completeness : float
    """

    stale_hours: int
    least_completeness: float


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """An answer about inpatients at one moment.

    Parameters
    ----------
    words : list of Score or RefusedSpell
        One for each inpatient, in order.
    rows : list of AuditRow
        The same for the record.
    """

    words: list[wire.Score | wire.RefusedSpell]
    rows: list[AuditRow]

    @property
    def scores(self) -> list[wire.Score]:
        """Those that were scored."""
        return [word for word in self.words if isinstance(word, wire.Score)]

    @property
    def refused(self) -> list[wire.RefusedSpell]:
        """Those that were not."""
        return [word for word in self.words if isinstance(word, wire.RefusedSpell)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question about inpatients.

    Parameters
    ----------
    model : ServedModel
    asker : Asker
    limits : Limits
    reasons : int or None
        How many a score; None for all.
    newest : mapping of site to int, optional
        When a site was last heard of, where more is known of it than ``present`` holds.
    """

    model: ServedModel
    asker: Asker
    limits: Limits
    reasons: int | None
    newest: Mapping[str | None, int] | None = None


def score_present(asking: Asking, present: Present, names: Mapping[int, str]) -> Scored:
    """Score everybody who was there.

    Parameters
    ----------
    asking : Asking
    present : Present
    names : mapping of int to str
        Of each spell.
    """
    began = time.perf_counter()
    snapshots, model = present.snapshots, asking.model
    said = model.score(present.events, snapshots, reasons=asking.reasons)
    newest = asking.newest
    if newest is None:
        newest = newest_by_site(present.events, present.inpatients)
    judged = [
        _judged(one, word, asking.limits, newest, present.at)
        for one, word in zip(present.inpatients, said, strict=True)
    ]
    words = [
        _word(word, names[one.spell_id], present.at)
        for one, word in zip(present.inpatients, judged, strict=True)
    ]
    words = _with_leaving(model, judged, words)
    told = _told(asking, present.at, round((time.perf_counter() - began) * 1e6))
    prints = _fingerprints(present.events, present.inpatients, asking.asker)
    return Scored(words, _rows(told, present.inpatients, judged, words, prints))


def _judged(
    one: Inpatient,
    word: Forecast | Refusal,
    limits: Limits,
    newest: Mapping[str | None, int],
    now: int,
) -> Forecast | Refusal:
    if isinstance(word, Refusal):
        return word
    if is_stale(newest, one.site, now, limits.stale_hours):
        return STALE
    return TOO_INCOMPLETE if word.completeness < limits.least_completeness else word


def _word(word: Forecast | Refusal, name: str, at: int) -> wire.Score | wire.RefusedSpell:
    if isinstance(word, Refusal):
        return wire.RefusedSpell(name, word.reason, word.detail)
    return to_score(word, name, to_moment(at), ignored=0)


def _with_leaving(
    model: ServedModel,
    judged: Sequence[Forecast | Refusal],
    words: list[wire.Score | wire.RefusedSpell],
) -> list[wire.Score | wire.RefusedSpell]:
    """The same words, scores with their chances of leaving soon where the model can tell them."""
    if model.leaving_soon is None:
        return words
    soon = iter(model.leaving_soon([said for said in judged if isinstance(said, Forecast)]))
    return [
        replace(word, probability_of_leaving=next(soon)) if isinstance(word, wire.Score) else word
        for word in words
    ]


# ---- the account ---------------------------------------------------------------------------------


def _told(asking: Asking, at: int, latency_us: int) -> Answer:
    model, asker = asking.model, asking.asker
    return Answer(
        caller=asker.caller,
        request_id=asker.request_id,
        route=asker.route,
        answered_at=asker.clock() // 1000,
        latency_us=latency_us,
        prediction_time=at,
        model=model.name.name,
        model_version=model.name.version,
        model_hash=model.checksum,
        feature_set_hash=model.feature_set_hash,
        mode=asker.mode,
    )


def _rows(
    told: Answer,
    inpatients: Sequence[Inpatient],
    judged: Sequence[Forecast | Refusal],
    words: Sequence[wire.Score | wire.RefusedSpell],
    prints: Sequence[str],
) -> list[AuditRow]:
    return [
        account(
            told,
            About(one.spell_id, one.subject_id, one.site, one.ward, inputs_hash),
            said,
            score_id=word.score_id if isinstance(word, wire.Score) else None,
        )
        for one, said, word, inputs_hash in zip(inpatients, judged, words, prints, strict=True)
    ]


def refused_row(
    asking: Asking, one: Inpatient, refusal: Refusal, at: int, *, subject: int | None
) -> AuditRow:
    """Account of a refusal that no model was asked about."""
    about = About(one.spell_id, subject, one.site, one.ward)
    return account(_told(asking, at, 0), about, refusal, score_id=None)


def _fingerprints(events: Events, inpatients: Sequence[Inpatient], asker: Asker) -> list[str]:
    """Keyed hash of all that was known of each inpatient, the same for the same facts."""
    names = np.array([_digest(code) for code in events.codes], np.uint64)
    columns = [getattr(events, column) for column in COLUMNS if column != "code"]
    columns.append(names[events.code] if len(events) else np.zeros(0, np.uint64))
    subjects = np.array([one.subject_id for one in inpatients], np.int64)
    first = np.searchsorted(events.subject_id, subjects, side="left").tolist()
    end = np.searchsorted(events.subject_id, subjects, side="right").tolist()
    return [
        asker.pseudonyms.fingerprint(_bytes(columns, begins, ends))
        for begins, ends in zip(first, end, strict=True)
    ]


def _bytes(columns: Sequence[NDArray[np.generic]], first: int, end: int) -> bytes:
    return b"".join(column[first:end].tobytes() for column in columns)


def _digest(code: str) -> int:
    return int.from_bytes(hashlib.sha256(code.encode(errors="surrogatepass")).digest()[:8])
