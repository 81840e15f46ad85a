"""Codes of FHIR resources that Homeward has words for, and what their units come to.

LOINC and SNOMED CT name what was measured; units are UCUM. A factor turns a value into the unit of
the family (:data:`feature_store.vocabulary.FAMILIES`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from feature_store.vocabulary import FAMILIES

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
ICD_10: Final = "http://hl7.org/fhir/sid/icd-10"
ODS: Final = (
    "https://fhir.nhs.uk/Id/ods-site-code",
    "https://fhir.nhs.uk/Id/ods-organization-code",
)
"""Site before trust."""

NHS_NUMBER: Final = "https://fhir.nhs.uk/Id/nhs-number"
_EXTENSION: Final = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
ETHNIC_CATEGORY: Final = _EXTENSION + "EthnicCategory"
ADMISSION_METHOD: Final = _EXTENSION + "AdmissionMethod"
DISCHARGE_METHOD: Final = _EXTENSION + "DischargeMethod"
_BRITISH: Final = ("https://fhir.hl7.org.uk/", "https://fhir.nhs.uk/")

_POINTS: Final = MappingProxyType({"{score}": 1.0, "{points}": 1.0, "1": 1.0, "": 1.0})
_MASS: Final = MappingProxyType({"g/L": 1.0, "g/dL": 10.0})
_CRP: Final = MappingProxyType({"mg/L": 1.0, "mg/dL": 10.0})
_MOLES: Final = MappingProxyType({"mmol/L": 1.0})
_SODIUM: Final = MappingProxyType({"mmol/L": 1.0, "meq/L": 1.0})
_CREATININE: Final = MappingProxyType({"umol/L": 1.0, "mmol/L": 1000.0, "mg/dL": 88.42})
_UREA: Final = MappingProxyType({"mmol/L": 1.0, "mg/dL": 0.1665})
_UREA_NITROGEN: Final = MappingProxyType({"mmol/L": 1.0, "mg/dL": 0.357})
_LACTATE: Final = MappingProxyType({"mmol/L": 1.0, "mg/dL": 0.111})

OBSERVATIONS: Final[Mapping[tuple[str, str], tuple[str, Mapping[str, float]]]] = MappingProxyType(
    {
        (SNOMED, "1104051000000101"): ("NEWS2", _POINTS),
        (SNOMED, "763264000"): ("CFS", _POINTS),
        (LOINC, "1988-5"): ("CRP", _CRP),
        (SNOMED, "1001371000000100"): ("CRP", _CRP),
        (SNOMED, "999651000000107"): ("CRP", _CRP),
        (LOINC, "22664-7"): ("UREA", _MOLES),
        (LOINC, "3091-6"): ("UREA", _UREA),
        (LOINC, "3094-0"): ("UREA", _UREA_NITROGEN),
        (LOINC, "14937-7"): ("UREA", _MOLES),
        (LOINC, "14682-9"): ("CREATININE", _CREATININE),
        (LOINC, "2160-0"): ("CREATININE", _CREATININE),
        (SNOMED, "1000731000000107"): ("CREATININE", _CREATININE),
        (LOINC, "2951-2"): ("SODIUM", _SODIUM),
        (SNOMED, "1000661000000107"): ("SODIUM", _SODIUM),
        (SNOMED, "1017381000000106"): ("SODIUM", _SODIUM),
        (LOINC, "718-7"): ("HAEMOGLOBIN", _MASS),
        (SNOMED, "1022431000000105"): ("HAEMOGLOBIN", _MASS),
        (LOINC, "1751-7"): ("ALBUMIN", _MASS),
        (SNOMED, "1000821000000103"): ("ALBUMIN", _MASS),
        (LOINC, "2524-7"): ("LACTATE", _LACTATE),
        (LOINC, "32693-4"): ("LACTATE", _LACTATE),
    }
)
"""System and code to family and the factor of each unit; what is not here is counted."""

# UK Core tells a patient's own decision from a relative's; the NHS Data Dictionary has one code.
_DISCHARGE_METHODS: Final = MappingProxyType({"6": "2", "7": "2"})


def codings(concept: Any) -> list[tuple[str, str]]:
    """System and code of each coding of a CodeableConcept, in its order; empty for None."""
    found = [] if concept is None else (concept.coding or [])
    return [(coding.system or "", coding.code or "") for coding in found if coding is not None]


def british(concept: Any, family: str) -> str | None:
    """Value of a family that a concept of UK Core names, or None."""
    return first_value(
        [code for system, code in codings(concept) if system.startswith(_BRITISH)], family
    )


def first_value(found: Collection[str], family: str) -> str | None:
    """First code that is a value of the family, or None."""
    values = FAMILIES[family].values or FAMILIES[family].names
    same = _DISCHARGE_METHODS if family == "DISCHARGE_METHOD" else {}
    told = (same.get(code, code) for code in found)
    # A local second letter of an ethnic category says more than the value set can hold.
    cut = ((code if code in values or family != "ETHNICITY" else code[:1]) for code in told)
    return next((code for code in cut if code in values), None)


def extension(element: Any, url: str) -> Any:
    """Concept of an extension of an element, or None."""
    found = [] if element is None else (element.extension or [])
    return next((one.valueCodeableConcept for one in found if one.url == url), None)
