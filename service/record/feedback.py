"""What a clinician can say of a score: closed lists, for free text would hold patients."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct


class Verdict(StrEnum):
    """What became of a score."""

    SEEN = "seen"
    AGREED = "agreed"
    OVERRIDDEN = "overridden"


class Override(StrEnum):
    """Why a score was overridden."""

    DISCHARGE_ALREADY_PLANNED = "discharge_already_planned"
    NOT_MEDICALLY_READY = "not_medically_ready"
    SOCIAL_CARE_IN_PLACE = "social_care_in_place"
    SOCIAL_CARE_NEEDED = "social_care_needed"
    END_OF_LIFE = "end_of_life"
    TRANSFER_PLANNED = "transfer_planned"
    DATA_WRONG = "data_wrong"
    DATA_OUT_OF_DATE = "data_out_of_date"
    KNOWN_TO_TEAM_OTHERWISE = "known_to_team_otherwise"


class Action(StrEnum):
    """What was done."""

    NONE = "none"
    BOARD_ROUND = "board_round"
    DISCHARGE_DATE_SET = "discharge_date_set"
    THERAPY_REVIEW = "therapy_review"
    GERIATRIC_ASSESSMENT = "geriatric_assessment"
    MEDICINES_PREPARED = "medicines_prepared"
    TRANSPORT_BOOKED = "transport_booked"
    SOCIAL_CARE_REFERRAL = "social_care_referral"
    TRANSFER_OF_CARE_HUB = "transfer_of_care_hub"
    COMMUNITY_REFERRAL = "community_referral"
    FAMILY_CONTACTED = "family_contacted"


MEANINGS: Final = MappingProxyType(
    {
        Verdict.SEEN: "looked at, no opinion given",
        Verdict.AGREED: "the team expects the same",
        Verdict.OVERRIDDEN: "the team expects otherwise, and says why",
        Override.DISCHARGE_ALREADY_PLANNED: "a discharge is arranged that the record does not show",
        Override.NOT_MEDICALLY_READY: "treatment will take longer",
        Override.SOCIAL_CARE_IN_PLACE: "care at home is arranged already",
        Override.SOCIAL_CARE_NEEDED: "care will be needed that the record does not show",
        Override.END_OF_LIFE: "care at the end of life decides where the patient is",
        Override.TRANSFER_PLANNED: "moves to another provider",
        Override.DATA_WRONG: "a fact behind the score is wrong",
        Override.DATA_OUT_OF_DATE: "a fact behind the score has changed since",
        Override.KNOWN_TO_TEAM_OTHERWISE: "the team knows what no code says",
        Action.NONE: "nothing",
        Action.BOARD_ROUND: "put on the next board round",
        Action.DISCHARGE_DATE_SET: "an expected date of discharge was set or moved",
        Action.THERAPY_REVIEW: "therapy was asked to review",
        Action.GERIATRIC_ASSESSMENT: "a comprehensive geriatric assessment was asked for",
        Action.MEDICINES_PREPARED: "medicines to take home were ordered",
        Action.TRANSPORT_BOOKED: "transport was booked",
        Action.SOCIAL_CARE_REFERRAL: "social care was asked",
        Action.TRANSFER_OF_CARE_HUB: "passed to the transfer-of-care hub",
        Action.COMMUNITY_REFERRAL: "a community service or bed was asked for",
        Action.FAMILY_CONTACTED: "the family or carer was spoken to",
    }
)
"""Every code with its meaning, for pages and documents."""


class FeedbackRow(Struct, frozen=True, gc=False):
    """One thing said of a score; fields as in ``schema.FEEDBACK``.

    Parameters
    ----------
    feedback_id : str
        :func:`feedback_id_of` the rest: the same content said again is the same feedback.
    score_id : str
    given_at : int
        Microseconds since 1970 in UTC.
    caller, request_id : str
    verdict, reason, action : str
        Codes of this file; the last two None where not said.
    expected_discharge_at : int or None
        The clinicians' own expectation, microseconds since 1970 in UTC.
    """

    feedback_id: str
    score_id: str
    given_at: int
    caller: str
    request_id: str
    verdict: str
    reason: str | None
    action: str | None
    expected_discharge_at: int | None


def feedback_id_of(
    score_id: str,
    caller: str,
    verdict: str,
    reason: str | None,
    action: str | None,
    expected_discharge_at: int | None,
) -> str:
    """Identifier of what is said, by whom, of which score; 32 hexadecimal digits.

    >>> feedback_id_of("s", "hub", "seen", None, None, None)[:8]
    '2f3bb7c8'
    """
    content = (score_id, caller, verdict, reason, action, expected_discharge_at)
    return hashlib.sha256(msgspec.msgpack.encode(content)).hexdigest()[:32]
