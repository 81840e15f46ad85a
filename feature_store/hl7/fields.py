"""Where the facts of an ADT message stand, and the values that each of them can have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase, digits
from types import MappingProxyType
from typing import Final

from feature_store.vocabulary import (
    ADMISSION_METHODS,
    ADMISSION_SOURCES,
    DISCHARGE_DESTINATIONS,
    ETHNIC_CATEGORIES,
    FAMILIES,
)

NOT_A_SPELL: Final = "0"
"""Class of an emergency attendance, an outpatient, a booking: a visit, but no spell."""

_OPEN = re.compile(r"[\w .,/&()+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Field:
    """One fact of a message.

    Parameters
    ----------
    name : str
        In a statement.
    family : str
        Of the vocabulary.
    segment : str
    number, component : int
    values : mapping of str to str, optional
        Code in capitals to value; None where the value set is open.
    """

    name: str
    family: str
    segment: str
    number: int
    component: int = 1
    values: Mapping[str, str] | None = None

    @property
    def place(self) -> str:
        """The field in words of HL7.

        >>> Field("method", "ADMISSION_METHOD", "PV1", 4).place
        'PV1-4'
        """
        return f"{self.segment}-{self.number}"

    def value_of(self, code: str) -> str | None:
        """Value that a code means; None where it means none.

        >>> VISIT[0].value_of("I"), VISIT[0].value_of("E"), VISIT[0].value_of("Inpatient")
        ('1', '0', None)
        """
        if self.values is not None:
            return self.values.get(code.upper())
        return code if _OPEN.fullmatch(code) else None


# HL7 table 0004; what is no stay in hospital there is none here.
_CLASSES = {"I": "1", "D": "2", "B": "1", "1": "1", "2": "2", "3": "3", "4": "4", "5": "5"}
_CLASSES |= dict.fromkeys(("E", "O", "P", "R", "C", "N", "U"), NOT_A_SPELL)
_SEXES = {"M": "1", "F": "2", "1": "1", "2": "2", "9": "9", "I": "9"}
# The second character is the hospital's own (NHS Data Dictionary, ETHNIC CATEGORY).
_ETHNICITIES = {
    code + local: code
    for code in ETHNIC_CATEGORIES
    for local in ("", *ascii_uppercase, *digits)
    if not local or len(code) == 1
}


def _as_they_are(values: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({code: code for code in values})


PERSON: Final = (
    Field("sex", "SEX", "PID", 8, values=_SEXES),
    Field("ethnicity", "ETHNICITY", "PID", 22, values=_ETHNICITIES),
)
VISIT: Final = (
    Field("class", "PATIENT_CLASSIFICATION", "PV1", 2, values=_CLASSES),
    Field("ward", "WARD", "PV1", 3),
    Field("bed", "BED", "PV1", 3, component=3),
    Field("site", "SITE", "PV1", 3, component=4),
    Field("method", "ADMISSION_METHOD", "PV1", 4, values=_as_they_are(ADMISSION_METHODS)),
    Field("specialty", "SPECIALTY", "PV1", 10),
    Field("source", "ADMISSION_SOURCE", "PV1", 14, values=_as_they_are(ADMISSION_SOURCES)),
    Field(
        "way_out",
        "DISCHARGE_METHOD",
        "PV1",
        36,
        values=_as_they_are(FAMILIES["DISCHARGE_METHOD"].values),
    ),
    Field(
        "destination",
        "DISCHARGE_DESTINATION",
        "PV1",
        37,
        values=_as_they_are(DISCHARGE_DESTINATIONS),
    ),
)
