"""Names that Homeward gives to things in FHIR: systems, extensions, profiles."""

from __future__ import annotations

from typing import Final

SYSTEM: Final = "urn:homeward"

ASSESSMENT: Final = f"{SYSTEM}:assessment"
MODE: Final = f"{SYSTEM}:mode"
MODEL: Final = f"{SYSTEM}:model"
OUTCOME: Final = f"{SYSTEM}:outcome"
REFUSAL: Final = f"{SYSTEM}:refusal"
SCORE: Final = f"{SYSTEM}:score"
SPELL: Final = f"{SYSTEM}:spell"
SUBJECT: Final = f"{SYSTEM}:subject"

ABOUT: Final = f"{SYSTEM}:about"
COMPLETENESS: Final = f"{SYSTEM}:data-completeness"
INPUT_CUTOFF: Final = f"{SYSTEM}:input-cutoff"
WITHDRAWN: Final = f"{SYSTEM}:withdrawn"

PROFILE: Final = f"{SYSTEM}:long-stay-risk"
OPERATION: Final = f"{SYSTEM}:score-bundle"
