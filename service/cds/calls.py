"""What a record sends: a call of the service, and what became of cards."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from service.cds.card import suggestion_id
from service.cds.setup import Hook
from service.fhir import words
from service.identifiers import is_opaque, looks_like_nhs_number
from service.record.feedback import Action, Override, Verdict

_LONGEST: Final = 64
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Context(Struct, frozen=True):
    """Whose record was opened; by whom is not read."""

    patientId: Annotated[str, Meta(max_length=128)]  # noqa: N815 - the standard's names
    encounterId: Annotated[str, Meta(max_length=128)] | None = None  # noqa: N815

    @property
    def patient(self) -> str:
        """Id of the patient."""
        return self.patientId.removeprefix("Patient/")

    @property
    def encounter(self) -> str:
        """Id of the encounter: the name of a spell; empty where there is none that can be one."""
        name = (self.encounterId or "").removeprefix("Encounter/")
        return name if len(name) <= _LONGEST and is_opaque(name) else ""


class Call(Struct, frozen=True):
    """A call of the service; what else a record sends, tokens above all, is not read."""

    hook: Hook
    hookInstance: Annotated[str, Meta(max_length=128)]  # noqa: N815
    context: Context
    prefetch: dict[str, Any] | None = None


def reference(kind: str, name: str) -> dict[str, Any] | None:
    """Reference to a resource of the record that calls; None where its name cannot be an id."""
    if _ID.fullmatch(name) and not looks_like_nhs_number(name):
        return {"reference": f"{kind}/{name}"}
    return None


def encounter_of(name: str) -> dict[str, Any]:
    """Reference to the encounter, by its id or as Homeward has it."""
    return reference("Encounter", name) or {"identifier": {"system": words.SPELL, "value": name}}


# ---- feedback ------------------------------------------------------------------------------------


class Coding(Struct, frozen=True):
    """Why a card did not fit."""

    code: str | None = None


class Overridden(Struct, frozen=True):
    """What was said beside it; a comment in free text is never read."""

    reason: Coding | None = None


class Accepted(Struct, frozen=True):
    """A suggestion that was taken."""

    id: str


class CardFeedback(Struct, frozen=True):
    """What became of one card."""

    card: Annotated[str, Meta(max_length=64)]
    outcome: Annotated[str, Meta(pattern="^(accepted|overridden)$")]
    overrideReason: Overridden | None = None  # noqa: N815
    acceptedSuggestions: Annotated[list[Accepted], Meta(max_length=20)] = []  # noqa: N815

    @property
    def verdict(self) -> Verdict:
        """A card that was put aside without a reason of ours was seen, no more."""
        if self.outcome == "accepted":
            return Verdict.AGREED
        return Verdict.OVERRIDDEN if self.reason is not None else Verdict.SEEN

    @property
    def reason(self) -> Override | None:
        """Why, in our words; a reason of the record's own is none of them."""
        said = self.overrideReason.reason if self.overrideReason else None
        known = {code.value: code for code in Override}
        return known.get(said.code or "") if said and self.outcome == "overridden" else None

    @property
    def action(self) -> Action | None:
        """What was done: whoever takes the draft passes the patient to the hub."""
        taken = {one.id for one in self.acceptedSuggestions}
        hub = self.outcome == "accepted" and suggestion_id(self.card) in taken
        return Action.TRANSFER_OF_CARE_HUB if hub else None


class Feedback(Struct, frozen=True):
    """What became of cards."""

    feedback: Annotated[list[CardFeedback], Meta(min_length=1, max_length=100)]
