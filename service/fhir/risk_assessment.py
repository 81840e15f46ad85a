"""One score of the record as one RiskAssessment.

Probabilities are percentages, 0 to 100 with one decimal: so FHIR defines ``probabilityDecimal``,
and a fraction there would be read as a hundredth of it. One resource a score; what it says is never
edited, only that it no longer stands may be said later.

References
----------
HL7 FHIR R4, RiskAssessment.prediction.probability; the models are those of R4B, which leaves this
resource as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from feature_store.clock import to_moment
from feature_store.vocabulary import INTENDED_PURPOSE, LONG_STAY_DAYS, TIME_ZONE
from models.scoring import HIGH, MEDIUM
from service.fhir import words

if TYPE_CHECKING:
    from service.record import AuditRow

TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/risk-probability"
MOST_REASONS: Final = 3
WITHDRAWN: Final = "Withdrawn: the admission it was about was taken back, or was another patient's."
_ZONE: Final = ZoneInfo(TIME_ZONE)


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a score is about, in the words of whoever asks.

    Parameters
    ----------
    encounter, subject : dict
        References of FHIR.
    basis : sequence of dict
        References to what is known to have been used.
    """

    encounter: dict[str, Any]
    subject: dict[str, Any]
    basis: Sequence[dict[str, Any]]


def named_by_spell(row: AuditRow, spell: str) -> Named:
    """Names of a score of the record: its spell as it was sent, the patient by a pseudonym."""
    encounter = {"identifier": {"system": words.SPELL, "value": _text(spell)}}
    return Named(encounter, subject_of(row.subject), [encounter])


def subject_of(pseudonym: int | None) -> dict[str, Any]:
    """Reference to a patient by a pseudonym, which names nobody."""
    if pseudonym is None:
        return {"display": "not told"}
    return {"identifier": {"system": words.SUBJECT, "value": f"{pseudonym:016x}"}}


def risk_assessment(
    row: AuditRow, named: Named, *, withdrawn_at: int | None = None
) -> dict[str, Any]:
    """Resource of a score, as plain data.

    Parameters
    ----------
    row : AuditRow
        Of a score, not of a refusal.
    named : Named
    withdrawn_at : int, optional
        When it ceased to stand, UTC microseconds.
    """
    reasons = [] if row.reasons is None else msgspec.json.decode(row.reasons)
    made = {
        "resourceType": "RiskAssessment",
        "id": row.score_id,
        "meta": {
            "lastUpdated": _moment(max(row.answered_at, withdrawn_at or 0)),
            "profile": [words.PROFILE],
            "tag": [{"system": words.MODE, "code": row.mode}],
        },
        "extension": _extensions(row, withdrawn_at),
        "identifier": [{"system": words.SCORE, "value": row.score_id}],
        "status": "final" if withdrawn_at is None else "entered-in-error",
        "method": {"coding": [_model(row)]},
        "code": {"coding": [{"system": words.ASSESSMENT, "code": "long-stay-risk"}]},
        "subject": named.subject,
        "encounter": named.encounter,
        "occurrenceDateTime": _moment(row.answered_at),
        "performer": {"display": "Homeward"},
        "basis": list(named.basis),
        "prediction": _predictions(row, _rationale(reasons)),
        "note": [{"text": text} for text in _notes(row, withdrawn_at)],
    }
    if actions := list(dict.fromkeys(one["action"] for one in reasons if one["action"])):
        made["mitigation"] = _text("; ".join(actions))
    return {name: value for name, value in made.items() if value != []}


def _text(said: str) -> str:
    r"""Text as FHIR allows it: no blanks but plain ones, none at the ends.

    >>> _text("a\u00a0b\u2003 ")
    'a b'
    """
    return " ".join(said.split()) or "-"


def _moment(microseconds: int) -> str:
    return to_moment(microseconds).isoformat()


def _model(row: AuditRow) -> dict[str, str]:
    version = row.model_version or "unregistered"
    return {"system": words.MODEL, "code": _text(row.model), "version": version}


def _extensions(row: AuditRow, withdrawn_at: int | None) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [
        {"url": words.INPUT_CUTOFF, "valueDateTime": _moment(row.prediction_time)}
    ]
    if row.completeness is not None:
        told.append({"url": words.COMPLETENESS, "valueDecimal": round(row.completeness, 2)})
    if withdrawn_at is not None:
        told.append({"url": words.WITHDRAWN, "valueDateTime": _moment(withdrawn_at)})
    return told


def _notes(row: AuditRow, withdrawn_at: int | None) -> list[str]:
    notes = [INTENDED_PURPOSE] if withdrawn_at is None else [WITHDRAWN, INTENDED_PURPOSE]
    return [*notes, f"Not known: {', '.join(row.missing.split())}."] if row.missing else notes


def _predictions(row: AuditRow, rationale: str) -> list[dict[str, Any]]:
    chances = (row.probability_7, row.probability_14, row.probability_21)
    told = [
        _prediction(row, days, chance)
        for days, chance in zip(LONG_STAY_DAYS, chances, strict=True)
        if chance is not None
    ]
    if told and rationale:
        told[0]["rationale"] = _text(rationale)
    return told


def _prediction(row: AuditRow, days: int, chance: float) -> dict[str, Any]:
    today = to_moment(row.prediction_time).astimezone(_ZONE).date()
    end = today + timedelta(days=max(days - (row.days_so_far or 0), 0))
    return {
        "outcome": {
            "coding": [{"system": words.OUTCOME, "code": f"in-hospital-night-{days}"}],
            "text": f"Still an inpatient {days} midnights after admission",
        },
        "probabilityDecimal": percent(chance),
        "qualitativeRisk": {"coding": [{"system": TERMINOLOGY, "code": _word(chance)}]},
        "whenPeriod": {"start": today.isoformat(), "end": end.isoformat()},
    }


def percent(chance: float) -> float:
    """A chance as FHIR wants it.

    >>> percent(0.7149), percent(1.0)
    (71.5, 100.0)
    """
    return round(100.0 * chance, 1)


def _word(chance: float) -> str:
    if chance >= HIGH:
        return "high"
    return "moderate" if chance >= MEDIUM else "low"


def _rationale(reasons: Iterable[Any]) -> str:
    told = list(reasons)
    parts = []
    for direction, word in (("longer", "Raises"), ("shorter", "Lowers")):
        found = [
            f"{one['label']} {one['value']}".strip()
            for one in told
            if one["direction"] == direction
        ][:MOST_REASONS]
        if found:
            parts.append(f"{word}: {'; '.join(found)}.")
    return " ".join([*parts, "Associations, not causes."]) if parts else ""
