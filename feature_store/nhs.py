"""The NHS feature set: what a discharge hub would want to know, read from the vocabulary's codes.

One line a feature. Reasons are grouped by ``concept``; what a ward or hub can do something about
is *actionable* and names a first step, the rest is background. Sources for the choice: domain
knowledge summarised in docs/adr/0004-feature-engine.md.
"""

from __future__ import annotations

from typing import Final

from feature_store.definitions import Feature, FeatureSet, Kind, Read, Scope
from feature_store.vocabulary import FAMILIES, SPECIALTIES, SPELL_END, SPELL_START

_YEAR, _TWO_YEARS, _DAY, _THREE_DAYS = 365 * 24.0, 730 * 24.0, 24.0, 72.0

_PRESENTING: Final = (
    *(
        "stroke",
        "hip_fracture",
        "fall",
        "pneumonia",
        "urinary_infection",
        "sepsis",
        "heart_failure",
    ),
    *("copd", "chest_pain", "abdominal_pain", "gastrointestinal_bleed", "delirium", "confusion"),
    *("cancer", "overdose", "seizure", "syncope", "cellulitis", "kidney_injury", "covid", "other"),
)


def _yes_no(family: str, kind: Kind, *, action: str = "") -> Feature:
    words = FAMILIES[family]
    return Feature(
        name=family.lower(),
        label=words.label.capitalize(),
        read=Read.CATEGORY,
        codes=(family,),
        scope=Scope.ANY,
        categories=("N", "Y"),
        kind=kind,
        actionable=bool(action),
        action=action,
        protected=words.protected,
        missing="not asked or not recorded",
    )


def _category(family: str, kind: Kind, *, categories: tuple[str, ...] = ()) -> Feature:
    words = FAMILIES[family]
    return Feature(
        name=family.lower(),
        label=words.label.capitalize(),
        read=Read.CATEGORY,
        codes=(family,),
        categories=categories or tuple(words.values),
        kind=kind,
        protected=words.protected,
    )


def _number(
    family: str, *reads: Read, kind: Kind = Kind.CLINICAL, action: str = ""
) -> tuple[Feature, ...]:
    words = FAMILIES[family]
    label = words.label[0].upper() + words.label[1:]
    says = {
        Read.LATEST: label,
        Read.MAXIMUM: f"{label}, highest this stay",
        Read.MINIMUM: f"{label}, lowest this stay",
        Read.CHANGE: f"{label}, change this stay",
        Read.HOURS_SINCE: f"{label}, hours since last taken",
        Read.COUNT: f"{label}, times taken",
    }
    return tuple(
        Feature(
            name=f"{family}_{read.name}".lower(),
            label=says[read],
            read=read,
            codes=(family,),
            unit={Read.HOURS_SINCE: "h", Read.COUNT: ""}.get(read, words.unit),
            kind=kind,
            concept=label,
            actionable=bool(action),
            action=action,
            missing="not taken or not yet back",
        )
        for read in reads
    )


def _clock(name: str, label: str, read: Read, unit: str = "") -> Feature:
    return Feature(
        name=name, label=label, read=read, unit=unit, kind=Kind.TIMING, missing="never missing"
    )


def _referral(value: str, label: str, action: str, chase: str) -> Feature:
    """Hours since a referral; that there was none is what missing means."""
    return Feature(
        name=f"referral_{value}_hours_since",
        label=f"{label}, hours since",
        read=Read.HOURS_SINCE,
        codes=(f"REFERRAL//{value}",),
        unit="h",
        kind=Kind.PROCESS,
        concept=label,
        actionable=True,
        action=chase,
        action_when_missing=action,
        missing="not referred",
    )


def _before(
    name: str, label: str, read: Read, codes: tuple[str, ...], hours: float | None, unit: str = ""
) -> Feature:
    return Feature(
        name=name,
        label=label,
        read=read,
        codes=codes,
        scope=Scope.HISTORY,
        window_hours=hours,
        unit=unit,
        kind=Kind.HISTORY,
        missing="no earlier stay known",
    )


_LATEST_HIGH = (Read.LATEST, Read.MAXIMUM, Read.CHANGE)
_LATEST_LOW = (Read.LATEST, Read.MINIMUM, Read.CHANGE)

NHS: Final = FeatureSet(
    (
        Feature(
            name="age",
            label="Age",
            read=Read.LATEST,
            codes=("AGE",),
            scope=Scope.ANY,
            unit="years",
            kind=Kind.PERSON,
        ),
        _category("SEX", Kind.PERSON),
        _category("ADMISSION_METHOD", Kind.PROCESS),
        _category("ADMISSION_SOURCE", Kind.SOCIAL),
        _category("ARRIVAL_MODE", Kind.CLINICAL),
        _category("SPECIALTY", Kind.PROCESS, categories=tuple(SPECIALTIES)),
        _category("PRESENTING_PROBLEM", Kind.CLINICAL, categories=_PRESENTING),
        _clock("days_so_far", "Nights in hospital so far", Read.DAYS_SO_FAR, "nights"),
        _clock("hours_so_far", "Hours since admission", Read.HOURS_SO_FAR, "h"),
        _clock("admission_hour", "Hour of admission", Read.ADMISSION_HOUR, "h"),
        _clock("admission_weekday", "Weekday of admission", Read.ADMISSION_WEEKDAY),
        _clock("admission_month", "Month of admission", Read.ADMISSION_MONTH),
        _clock("weekday", "Weekday today", Read.WEEKDAY),
        *_number("NEWS2", Read.LATEST, Read.MAXIMUM, Read.CHANGE, Read.COUNT, Read.HOURS_SINCE),
        Feature(
            name="news2_maximum_24h",
            label="NEWS2 score, highest in 24 h",
            read=Read.MAXIMUM,
            codes=("NEWS2",),
            window_hours=_DAY,
            unit="points",
            concept="NEWS2 score",
            missing="not taken in 24 h",
        ),
        Feature(
            name="cfs_latest",
            label="Clinical Frailty Scale",
            read=Read.LATEST,
            codes=("CFS",),
            scope=Scope.ANY,
            unit="points",
            kind=Kind.FUNCTION,
            actionable=True,
            action="Ask for a comprehensive geriatric assessment",
            action_when_missing="Assess frailty (Clinical Frailty Scale)",
            missing="not assessed",
        ),
        *_number(
            "FOUR_AT",
            Read.LATEST,
            Read.MAXIMUM,
            kind=Kind.FUNCTION,
            action="Start the delirium pathway and look for a cause",
        ),
        *_number(
            "WATERLOW",
            Read.LATEST,
            kind=Kind.FUNCTION,
            action="Review pressure-area and nutrition plan",
        ),
        _yes_no("MOBILITY", Kind.FUNCTION, action="Ask therapy to see the patient today"),
        *_number("ALBUMIN", *_LATEST_LOW),
        *_number("CRP", *_LATEST_HIGH),
        *_number("UREA", *_LATEST_HIGH),
        *_number("CREATININE", Read.LATEST, Read.CHANGE),
        *_number("SODIUM", Read.LATEST, Read.MINIMUM),
        *_number("HAEMOGLOBIN", *_LATEST_LOW),
        *_number("LACTATE", Read.LATEST, Read.MAXIMUM),
        _yes_no(
            "LIVES_ALONE", Kind.SOCIAL, action="Ask family or neighbours about support at home"
        ),
        _yes_no("CARER", Kind.SOCIAL, action="Agree the plan for home with the carer"),
        _yes_no(
            "CARE_PACKAGE", Kind.SOCIAL, action="Tell the provider early, so the package restarts"
        ),
        _yes_no("DEMENTIA", Kind.FUNCTION),
        Feature(
            name="ward_moves",
            label="Ward moves so far",
            read=Read.COUNT,
            codes=("WARD",),
            unit="wards",
            kind=Kind.PROCESS,
            missing="never missing",
        ),
        _referral(
            "therapy", "Therapy referral", "Refer to therapy", "Ask therapy what is outstanding"
        ),
        _referral(
            "social_care",
            "Social care referral",
            "Refer to social care",
            "Ask social care what is outstanding",
        ),
        _referral(
            "discharge_hub",
            "Care transfer hub referral",
            "Refer to the care transfer hub",
            "Ask the care transfer hub what is outstanding",
        ),
        _before(
            "admissions_year", "Admissions in the past year", Read.COUNT, (SPELL_START,), _YEAR
        ),
        _before(
            "bed_days_year",
            "Nights in hospital in the past year",
            Read.SUM,
            (SPELL_END,),
            _YEAR,
            "nights",
        ),
        _before(
            "longest_stay_two_years",
            "Longest stay in two years",
            Read.MAXIMUM,
            (SPELL_END,),
            _TWO_YEARS,
            "nights",
        ),
        _before(
            "hours_since_discharge",
            "Hours since last discharge",
            Read.HOURS_SINCE,
            (SPELL_END,),
            _TWO_YEARS,
            "h",
        ),
        _before(
            "diagnoses_two_years",
            "Diagnoses coded in two years",
            Read.COUNT,
            ("DIAGNOSIS",),
            _TWO_YEARS,
        ),
    )
)
"""Features of the NHS set, in column order."""
