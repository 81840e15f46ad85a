"""The words of Homeward: one file owns the names, units, value sets and what missing means.

A *code* is ``FAMILY`` or ``FAMILY//value``. A family listed here has a meaning that the rest of
Homeward relies on; a dataset may carry any other family besides (an unknown code is data, not an
error). Value sets are those of the NHS Data Dictionary, by the item named in ``source``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

SEPARATOR: Final = "//"
TIME_ZONE: Final = "Europe/London"
"""Decides midnights and mornings; stored times are UTC."""

LONG_STAY_DAYS: Final = (7, 14, 21)
"""Long stay: length of stay at or above each of these (>=, never >), in midnights."""

LEAVING_WITHIN: Final = {"24h": 1, "48h": 2, "72h": 3, "5d": 5}
"""Buckets of NHS England's PLOS work (nhsengland/datascience, ds_314_plos). Of a spell asked about
in the morning: it ends before so many more midnights have passed."""

MORNING_HOUR: Final = 6
"""Local hour of the daily snapshot: before the board round."""

ADMISSION_HOURS: Final = 4
"""Hours after SPELL_START of the first snapshot: the first observations and bloods are back."""

LAST_SNAPSHOT_DAY: Final = 28
"""Last day of stay on which a daily snapshot is taken."""

ADULT_AGE_YEARS: Final = 18

SPELL_START: Final = "SPELL_START"
SPELL_END: Final = "SPELL_END"
DEATH: Final = "DISCHARGE_METHOD//4"


class Availability(StrEnum):
    """When a fact of a family can first have been known to a computer."""

    ADMISSION = "at admission"
    OWN_TIME = "at its own time"
    RECORDED = "at a recorded time"
    AFTER_DISCHARGE = "only after discharge"


class Shape(StrEnum):
    """What one event of a family carries."""

    MARK = "mark"  # that it happened, at a time
    VALUE = "value"  # one of a set: FAMILY//value
    NUMBER = "number"  # numeric_value, in the family's unit


@dataclass(frozen=True, slots=True)
class Family:
    """One family of codes.

    Parameters
    ----------
    name : str
        The code, or the part of it before ``//``.
    label : str
        In ward language.
    shape : Shape
    availability : Availability
        The default; a mapping file may say later, never earlier.
    unit : str
        Of ``numeric_value``; empty where there is none.
    low, high : float
        Plausible range of ``numeric_value``; outside it a row is a bad row.
    values : mapping of str to str
        Closed value set, value to meaning; empty means open.
    names : mapping of str to str
        Names of common values of an open set.
    outcome : bool
        Belongs to the end of the spell (discharge facts, discharge-ready date, final coding): never
        a feature of the same spell, whatever a mapping says.
    protected : bool
        A protected attribute or a stand-in for one: never shown as a reason.
    display : bool
        For people to find the patient by: never a feature, whatever a mapping says.
    source : str
        Where the definition comes from.
    """

    name: str
    label: str
    shape: Shape
    availability: Availability = Availability.OWN_TIME
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    outcome: bool = False
    protected: bool = False
    display: bool = False
    source: str = ""


_MARK, _VALUE, _NUMBER = Shape.MARK, Shape.VALUE, Shape.NUMBER
_ADMISSION, _LATE = Availability.ADMISSION, Availability.AFTER_DISCHARGE

ADMISSION_METHODS: Final = MappingProxyType(
    {
        "11": "elective, waiting list",
        "12": "elective, booked",
        "13": "elective, planned",
        "21": "emergency, this provider's emergency department",
        "22": "emergency, GP",
        "23": "emergency, bed bureau",
        "24": "emergency, consultant clinic",
        "25": "emergency, mental health crisis team",
        "28": "emergency, other means",
        "2A": "emergency, another provider's emergency department",
        "2B": "emergency, transfer from another hospital",
        "2C": "baby born at home",
        "2D": "emergency, other",
        "31": "maternity, ante-partum",
        "32": "maternity, post-partum",
        "81": "non-emergency transfer",
        "82": "birth, this provider",
        "83": "birth, elsewhere",
        "98": "not applicable",
        "99": "not known",
    }
)

ETHNIC_CATEGORIES: Final = MappingProxyType(
    {
        "A": "White: British",
        "B": "White: Irish",
        "C": "White: any other",
        "D": "Mixed: White and Black Caribbean",
        "E": "Mixed: White and Black African",
        "F": "Mixed: White and Asian",
        "G": "Mixed: any other",
        "H": "Asian: Indian",
        "J": "Asian: Pakistani",
        "K": "Asian: Bangladeshi",
        "L": "Asian: any other",
        "M": "Black: Caribbean",
        "N": "Black: African",
        "P": "Black: any other",
        "R": "Chinese",
        "S": "any other ethnic group",
        "Z": "not stated",
        "99": "not known",
    }
)

ADMISSION_SOURCES: Final = MappingProxyType(
    {
        "19": "usual place of residence",
        "29": "temporary place of residence",
        "39": "penal establishment",
        "49": "NHS high-security psychiatric",
        "51": "NHS hospital, general ward",
        "52": "NHS hospital, maternity ward",
        "53": "NHS hospital, mental health ward",
        "54": "NHS-run care home",
        "65": "local authority residential accommodation",
        "66": "local authority foster care",
        "79": "born in hospital",
        "85": "non-NHS care home",
        "87": "non-NHS hospital",
        "88": "hospice",
        "98": "not applicable",
        "99": "not known",
    }
)

DISCHARGE_DESTINATIONS: Final = MappingProxyType(
    {
        "19": "usual place of residence",
        "29": "temporary place of residence",
        "30": "repatriation from high-security psychiatric",
        "37": "court",
        "38": "penal establishment",
        "48": "high-security psychiatric, Scotland",
        "49": "NHS high-security psychiatric",
        "50": "NHS medium secure unit",
        "51": "NHS hospital, general ward",
        "52": "NHS hospital, maternity ward",
        "53": "NHS hospital, mental health ward",
        "54": "NHS-run care home",
        "65": "local authority residential accommodation",
        "66": "local authority foster care",
        "79": "patient died",
        "84": "non-NHS medium secure unit",
        "85": "non-NHS care home",
        "87": "non-NHS hospital",
        "88": "hospice",
        "98": "not applicable",
        "99": "not known",
    }
)

SPECIALTIES: Final = MappingProxyType(
    {
        "100": "general surgery",
        "101": "urology",
        "110": "trauma and orthopaedics",
        "120": "ear, nose and throat",
        "130": "ophthalmology",
        "140": "oral surgery",
        "150": "neurosurgery",
        "160": "plastic surgery",
        "170": "cardiothoracic surgery",
        "180": "emergency medicine",
        "190": "anaesthetics",
        "300": "general internal medicine",
        "301": "gastroenterology",
        "302": "endocrinology",
        "303": "clinical haematology",
        "314": "rehabilitation",
        "315": "palliative medicine",
        "320": "cardiology",
        "330": "dermatology",
        "340": "respiratory medicine",
        "350": "infectious diseases",
        "361": "renal medicine",
        "370": "medical oncology",
        "400": "neurology",
        "410": "rheumatology",
        "430": "elderly medicine",
        "502": "gynaecology",
        "800": "clinical oncology",
    }
)

_YES_NO = MappingProxyType({"Y": "yes", "N": "no"})

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        family.name: family
        for family in (
            # The spell itself (NHS Data Dictionary: HOSPITAL PROVIDER SPELL).
            Family(
                SPELL_START, "admission", _MARK, source="START DATE TIME (HOSPITAL PROVIDER SPELL)"
            ),
            Family(
                SPELL_END,
                "discharge",
                _NUMBER,
                unit="midnights",
                low=0,
                high=3660,
                outcome=True,
                source="DISCHARGE DATE TIME; numeric_value is the length of stay",
            ),
            Family(
                "DISCHARGE_METHOD",
                "how the spell ended",
                _VALUE,
                values=MappingProxyType(
                    {
                        "1": "clinical advice or consent",
                        "2": "self or relative",
                        "3": "tribunal or court",
                        "4": "died",
                        "5": "stillbirth",
                    }
                ),
                outcome=True,
                source="DISCHARGE METHOD CODE",
            ),
            Family(
                "DISCHARGE_DESTINATION",
                "where the patient went",
                _VALUE,
                values=DISCHARGE_DESTINATIONS,
                outcome=True,
                source="DISCHARGE DESTINATION CODE",
            ),
            Family(
                "DISCHARGE_READY",
                "no longer met the criteria to reside",
                _MARK,
                outcome=True,
                source="NHS England discharge-ready date (no criteria to reside), definition 2023",
            ),
            Family(
                "CRITERIA_TO_RESIDE",
                "criteria to reside",
                _VALUE,
                values=MappingProxyType({"Y": "met", "N": "not met"}),
                outcome=True,
                source="NHS England hospital discharge guidance",
            ),
            Family(
                "DISCHARGE_PATHWAY",
                "discharge pathway",
                _VALUE,
                values=MappingProxyType(
                    {"0": "home", "1": "home with support", "2": "bed-based", "3": "24-hour care"}
                ),
                outcome=True,
                source="NHS England discharge to assess, pathways 0 to 3",
            ),
            Family(
                "EXPECTED_DISCHARGE",
                "staff's expected length of stay",
                _NUMBER,
                unit="midnights",
                low=0,
                high=3660,
                outcome=True,  # a comparator, never a feature (domain.md 1.2)
                source="ESTIMATED DISCHARGE DATE (HOSPITAL PROVIDER SPELL)",
            ),
            Family(
                "DIAGNOSIS",
                "coded diagnosis",
                _VALUE,
                availability=_LATE,
                source="ICD-10, coded after discharge",
            ),
            Family(
                "PROCEDURE",
                "coded procedure",
                _VALUE,
                availability=_LATE,
                source="OPCS-4, coded after discharge",
            ),
            # Known at the door.
            Family(
                "ADMISSION_METHOD",
                "how the patient was admitted",
                _VALUE,
                _ADMISSION,
                values=ADMISSION_METHODS,
                source="ADMISSION METHOD CODE",
            ),
            Family(
                "ADMISSION_SOURCE",
                "where the patient came from",
                _VALUE,
                _ADMISSION,
                values=ADMISSION_SOURCES,
                source="SOURCE OF ADMISSION CODE",
            ),
            Family(
                "PATIENT_CLASSIFICATION",
                "patient classification",
                _VALUE,
                _ADMISSION,
                values=MappingProxyType(
                    {
                        "1": "ordinary admission",
                        "2": "day case",
                        "3": "regular day",
                        "4": "regular night",
                        "5": "mother and baby, delivery facilities only",
                    }
                ),
                source="PATIENT CLASSIFICATION CODE",
            ),
            Family("SITE", "hospital site", _VALUE, _ADMISSION, source="SITE CODE (OF TREATMENT)"),
            Family(
                "SPECIALTY",
                "specialty",
                _VALUE,
                names=SPECIALTIES,
                source="CARE PROFESSIONAL MAIN SPECIALTY CODE",
            ),
            Family("WARD", "ward", _VALUE, source="WARD CODE; each event is a move to that ward"),
            Family("BED", "bed", _VALUE, display=True, source="HL7 v2 PV1-3.3; a place on a ward"),
            Family(
                "HOME_LEAVE",
                "home leave",
                _VALUE,
                values=MappingProxyType({"start": "left", "end": "came back"}),
                source="HL7 v2 ADT A21 and A22; the spell goes on",
            ),
            Family(
                "ARRIVAL_MODE",
                "arrival",
                _VALUE,
                _ADMISSION,
                values=MappingProxyType({"ambulance": "by ambulance", "other": "by other means"}),
                source="ECDS arrival mode",
            ),
            Family(
                "EMERGENCY_ARRIVAL",
                "arrival in the emergency department",
                _MARK,
                source="ECDS arrival time",
            ),
            Family(
                "DECISION_TO_ADMIT", "decision to admit", _MARK, source="DECIDED TO ADMIT DATE TIME"
            ),
            Family(
                "PRESENTING_PROBLEM",
                "presenting problem",
                _VALUE,
                source="ECDS chief complaint, grouped",
            ),
            # The person.
            Family("AGE", "age", _NUMBER, _ADMISSION, "years", 0, 130, source="AGE ON ADMISSION"),
            Family(
                "SEX",
                "sex",
                _VALUE,
                _ADMISSION,
                values=MappingProxyType({"1": "male", "2": "female", "9": "indeterminate"}),
                protected=True,
                source="PERSON STATED GENDER CODE / PHENOTYPIC SEX",
            ),
            Family(
                "ETHNICITY",
                "ethnic category",
                _VALUE,
                _ADMISSION,
                values=ETHNIC_CATEGORIES,
                protected=True,
                source="ETHNIC CATEGORY (2001)",
            ),
            Family("RACE", "race", _VALUE, _ADMISSION, protected=True, source="as in US extracts"),
            Family(
                "DEPRIVATION_DECILE",
                "deprivation decile",
                _NUMBER,
                _ADMISSION,
                "decile, 1 most deprived",
                1,
                10,
                protected=True,
                source="Index of Multiple Deprivation, from LSOA at admission",
            ),
            Family(
                "INTERPRETER",
                "interpreter needed",
                _VALUE,
                _ADMISSION,
                values=_YES_NO,
                protected=True,
                source="ECDS interpreter language",
            ),
            Family(
                "LIVES_ALONE",
                "lives alone",
                _VALUE,
                values=_YES_NO,
                source="ECDS accommodation status",
            ),
            Family(
                "CARER", "carer at home", _VALUE, values=_YES_NO, source="CARER SUPPORT INDICATOR"
            ),
            Family("CARE_PACKAGE", "existing care package", _VALUE, values=_YES_NO, source="local"),
            Family(
                "DEMENTIA", "known dementia", _VALUE, values=_YES_NO, source="local problem list"
            ),
            # Measured on the ward.
            Family(
                "NEWS2",
                "NEWS2 score",
                _NUMBER,
                unit="points",
                low=0,
                high=20,
                source="RCP NEWS2, 2017",
            ),
            Family(
                "CFS",
                "Clinical Frailty Scale",
                _NUMBER,
                unit="points",
                low=1,
                high=9,
                source="CFS 2.0",
            ),
            Family(
                "FOUR_AT",
                "4AT delirium screen",
                _NUMBER,
                unit="points",
                low=0,
                high=12,
                source="4AT",
            ),
            Family(
                "WATERLOW",
                "Waterlow score",
                _NUMBER,
                unit="points",
                low=0,
                high=64,
                source="Waterlow",
            ),
            Family("MOBILITY", "needs help to walk", _VALUE, values=_YES_NO, source="local"),
            Family("ALBUMIN", "albumin", _NUMBER, unit="g/L", low=5, high=70, source="laboratory"),
            Family(
                "CRP",
                "C-reactive protein",
                _NUMBER,
                unit="mg/L",
                low=0,
                high=900,
                source="laboratory",
            ),
            Family("UREA", "urea", _NUMBER, unit="mmol/L", low=0.1, high=100, source="laboratory"),
            Family(
                "CREATININE",
                "creatinine",
                _NUMBER,
                unit="umol/L",
                low=5,
                high=3000,
                source="laboratory",
            ),
            Family(
                "SODIUM", "sodium", _NUMBER, unit="mmol/L", low=90, high=200, source="laboratory"
            ),
            Family(
                "HAEMOGLOBIN",
                "haemoglobin",
                _NUMBER,
                unit="g/L",
                low=20,
                high=260,
                source="laboratory",
            ),
            Family(
                "LACTATE", "lactate", _NUMBER, unit="mmol/L", low=0.1, high=40, source="laboratory"
            ),
            Family(
                "REFERRAL",
                "referral",
                _VALUE,
                values=MappingProxyType(
                    {
                        "therapy": "therapy",
                        "social_care": "social care",
                        "discharge_hub": "care transfer hub",
                        "palliative": "palliative care",
                    }
                ),
                source="local order communications",
            ),
        )
    }
)

OUTCOME_FAMILIES: Final = frozenset(name for name, family in FAMILIES.items() if family.outcome)
"""Never a feature of the spell they belong to."""

PROTECTED_FAMILIES: Final = frozenset(name for name, family in FAMILIES.items() if family.protected)
"""Judged by group; never shown as a reason."""

DISPLAY_FAMILIES: Final = frozenset(name for name, family in FAMILIES.items() if family.display)
"""For people to find the patient by; never a feature."""

EMERGENCY_METHODS: Final = frozenset({"21", "22", "23", "24", "25", "28", "2A", "2B", "2D"})
ELECTIVE_METHODS: Final = frozenset({"11", "12", "13"})

INTENDED_PURPOSE: Final = (
    "Supports discharge hub and ward staff to prioritise early discharge planning for adult "
    "inpatients. It does not decide whether a patient is admitted, treated or discharged, and it "
    "does not predict clinical deterioration."
)
"""Fixed text in the API, the page and the card."""


def family_of(code: str) -> str:
    """Family of a code: the part before ``//``.

    >>> family_of("ADMISSION_METHOD//21"), family_of("NEWS2")
    ('ADMISSION_METHOD', 'NEWS2')
    """
    return code.split(SEPARATOR, 1)[0]


def value_of(code: str) -> str:
    """Value of a code: the part after ``//``, empty where there is none.

    >>> value_of("ADMISSION_METHOD//21"), value_of("NEWS2")
    ('21', '')
    """
    return code.partition(SEPARATOR)[2]


@lru_cache(maxsize=4096)
def limits_of(code: str) -> tuple[float, float]:
    """Plausible range of a code's number; an empty one for a value outside its value set.

    >>> limits_of("NEWS2"), limits_of("SEX//F"), limits_of("NOT_IN_THE_VOCABULARY")
    ((0, 20), (inf, -inf), (-inf, inf))
    """
    family = FAMILIES.get(family_of(code))
    if family is None:
        return float("-inf"), float("inf")
    if family.values and value_of(code) not in family.values:
        return float("inf"), float("-inf")
    return family.low, family.high
