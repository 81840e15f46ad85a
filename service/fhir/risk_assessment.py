"""One score of the record as one RiskAssessment.

Probabilities are percentages, 0 to 100 with one decimal: so FHIR defines ``probabilityDecimal``,
and a fraction there would be read as a hundredth of it. One resource a score, never edited.

References
----------
HL7 FHIR R4, RiskAssessment.prediction.probability; the models are those of R4B, which leaves this
resource as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from feature_store.clock import to_moment
from feature_store.vocabulary import INTENDED_PURPOSE, LONG_STAY_DAYS

if TYPE_CHECKING:
    from service.record import AuditRow

SYSTEM: Final = "urn:homeward"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/risk-probability"
HIGH, MODERATE = 0.5, 0.25
MOST_REASONS: Final = 3


def risk_assessment(row: AuditRow, *, spell: str) -> dict[str, Any]:
    """Resource of a score, as plain data.

    Parameters
    ----------
    row : AuditRow
        Of a score, not of a refusal.
    spell : str
        Name of the spell, as it was sent.
    """
    asked = to_moment(row.prediction_time)
    reasons = [] if row.reasons is None else msgspec.json.decode(row.reasons)
    predictions = [
        _prediction(row, days, chance)
        for days, chance in zip(
            LONG_STAY_DAYS,
            (row.probability_7, row.probability_14, row.probability_21),
            strict=True,
        )
        if chance is not None
    ]
    if predictions and (words := _rationale(reasons)):
        predictions[0]["rationale"] = words
    resource = {
        "resourceType": "RiskAssessment",
        "id": row.score_id,
        "meta": {"tag": [{"system": f"{SYSTEM}:mode", "code": row.mode}]},
        "extension": [
            {"url": f"{SYSTEM}:input-cutoff", "valueDateTime": asked.isoformat()},
            *_completeness(row),
        ],
        "identifier": [{"system": f"{SYSTEM}:score", "value": row.score_id}],
        "status": "final",
        "method": {
            "coding": [
                {
                    "system": f"{SYSTEM}:model",
                    "code": row.model,
                    "version": row.model_version or "unregistered",
                }
            ]
        },
        "code": {"coding": [{"system": f"{SYSTEM}:assessment", "code": "long-stay-risk"}]},
        "subject": _subject(row),
        "encounter": {"identifier": {"system": f"{SYSTEM}:spell", "value": spell}},
        "occurrenceDateTime": to_moment(row.answered_at).isoformat(),
        "performer": {"display": "Homeward"},
        "prediction": predictions,
        "note": [{"text": INTENDED_PURPOSE}],
    }
    if actions := list(dict.fromkeys(one["action"] for one in reasons if one["action"])):
        resource["mitigation"] = "; ".join(actions)
    return resource


def _subject(row: AuditRow) -> dict[str, Any]:
    if row.subject is None:
        return {"display": "not told"}
    return {"identifier": {"system": f"{SYSTEM}:subject", "value": f"{row.subject:016x}"}}


def _completeness(row: AuditRow) -> list[dict[str, Any]]:
    if row.completeness is None:
        return []
    url = f"{SYSTEM}:data-completeness"
    return [{"url": url, "valueDecimal": round(row.completeness, 2)}]


def _prediction(row: AuditRow, days: int, chance: float) -> dict[str, Any]:
    asked = to_moment(row.prediction_time)
    end = asked.date() + timedelta(days=max(days - (row.days_so_far or 0), 0))
    return {
        "outcome": {
            "coding": [{"system": f"{SYSTEM}:outcome", "code": f"in-hospital-night-{days}"}],
            "text": f"Still an inpatient {days} midnights after admission",
        },
        "probabilityDecimal": percent(chance),
        "qualitativeRisk": {"coding": [{"system": TERMINOLOGY, "code": _word(chance)}]},
        "whenPeriod": {"start": asked.date().isoformat(), "end": end.isoformat()},
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
    return "moderate" if chance >= MODERATE else "low"


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
