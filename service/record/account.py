"""The account of an answer: what the record keeps of each score and refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import Struct

from feature_store.vocabulary import LONG_STAY_DAYS
from models.forecast import Forecast, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.forecast import Reason

Mode = Literal["live", "shadow"]
_encode = msgspec.json.Encoder().encode
_SEVEN, _FOURTEEN, _TWENTY_ONE = LONG_STAY_DAYS  # a horizon more would want a column more


class AuditRow(Struct, frozen=True, gc=False):
    """One score or refusal; fields as in ``schema.SCORES``, then those of ``schema.DETAILS``.

    Parameters
    ----------
    score_id : str or None
        None for a refusal.
    answered_at, prediction_time : int
        Microseconds since 1970 in UTC.
    caller, request_id : str
    mode : str
        ``live``, or ``shadow`` for a score that was not answered.
    route : str
        Template of the address asked.
    spell, subject : int
        Pseudonyms, the numbers of the live store; the subject None where it was not said.
    site, ward : str or None
        Codes, where known at the prediction time.
    model, model_version, model_hash, feature_set_hash : str
        The model hash is the checksum of the bundle.
    inputs_hash : str or None
        Keyed, over what the features were computed from.
    days_so_far : int or None
    probability_7, probability_14, probability_21 : float or None
    discharge_p10, discharge_p50, discharge_p90 : int or None
    probability_of_death, base_value, log_odds, completeness : float or None
    missing : str or None
        Families, separated by spaces.
    refused : str or None
        Reason of a refusal.
    latency_us : int
        Of the whole answer, microseconds.
    features : bytes or None
        Values as used, float64, little-endian.
    reasons : bytes or None
        JSON, all that were told.
    """

    score_id: str | None
    answered_at: int
    caller: str
    request_id: str
    mode: Mode
    route: str
    spell: int
    subject: int | None
    site: str | None
    ward: str | None
    prediction_time: int
    model: str
    model_version: str | None
    model_hash: str | None
    feature_set_hash: str
    inputs_hash: str | None
    days_so_far: int | None
    probability_7: float | None
    probability_14: float | None
    probability_21: float | None
    discharge_p10: int | None
    discharge_p50: int | None
    discharge_p90: int | None
    probability_of_death: float | None
    base_value: float | None
    log_odds: float | None
    completeness: float | None
    missing: str | None
    refused: str | None
    latency_us: int
    features: bytes | None = None
    reasons: bytes | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """What all rows of one answer share; fields as in :class:`AuditRow`."""

    caller: str
    request_id: str
    route: str
    answered_at: int
    latency_us: int
    prediction_time: int
    model: str
    model_version: str | None
    model_hash: str | None
    feature_set_hash: str
    mode: Mode = "live"


class About(Struct, frozen=True, gc=False):
    """Whom one row is about: pseudonyms, place, and the keyed hash of what was sent."""

    spell: int
    subject: int | None = None
    site: str | None = None
    ward: str | None = None
    inputs_hash: str | None = None


_NOTHING: Final = (None,) * 12


def account(
    answer: Answer, about: About, said: Forecast | Refusal, *, score_id: str | None
) -> AuditRow:
    """Row of one score or refusal.

    Parameters
    ----------
    answer : Answer
    about : About
    said : Forecast or Refusal
        A forecast with the reasons that are told, no more.
    score_id : str or None
        Under which the score was given; None for a refusal.
    """
    return AuditRow(
        score_id,
        answer.answered_at,
        answer.caller,
        answer.request_id,
        answer.mode,
        answer.route,
        about.spell,
        about.subject,
        about.site,
        about.ward,
        answer.prediction_time,
        answer.model,
        answer.model_version,
        answer.model_hash,
        answer.feature_set_hash,
        about.inputs_hash,
        *(_of_score(said, answer) if isinstance(said, Forecast) else _of_refusal(said, answer)),
    )


def _of_refusal(refusal: Refusal, answer: Answer) -> tuple[Any, ...]:
    return (*_NOTHING, refusal.reason, answer.latency_us, None, None)


def _of_score(forecast: Forecast, answer: Answer) -> tuple[Any, ...]:
    chance, day = forecast.probability, forecast.discharge_day
    return (
        forecast.days_so_far,
        chance[_SEVEN],
        chance[_FOURTEEN],
        chance[_TWENTY_ONE],
        day.p10,
        day.p50,
        day.p90,
        forecast.probability_of_death_in_hospital,
        forecast.base_value + 0.0,  # a database may lose the sign of zero, which has none to lose
        forecast.log_odds + 0.0,
        forecast.completeness,
        " ".join(forecast.missing),
        None,
        answer.latency_us,
        forecast.features,
        told(forecast.reasons),
    )


def told(reasons: Sequence[Reason]) -> bytes:
    """Reasons as the record keeps them: JSON with the fields of ``models.forecast.Reason``.

    >>> told(())
    b'[]'
    """
    return _encode(reasons)
