"""Facts that a model is judged by and not made of: groups of patients, sites, the rule's inputs.

They are read by the one feature function, as known at the snapshot, whatever the model itself uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from feature_store.clock import local_day
from feature_store.definitions import Feature, FeatureSet, Read, Scope
from feature_store.events import Int64
from feature_store.vocabulary import (
    ADMISSION_METHODS,
    ETHNIC_CATEGORIES,
    FAMILIES,
    family_of,
    value_of,
)
from models.judging.estimate import Float64
from models.judging.groups import Grouping, bands

AGE_EDGES: Final = (0, 18, 40, 65, 75, 85)
AGE_BANDS: Final = ("under 18", "18 to 39", "40 to 64", "65 to 74", "75 to 84", "85 and over")
ELAPSED_EDGES: Final = (0, 1, 2, 4, 7, 14, 21)
ELAPSED_BANDS: Final = (
    "day 0",
    "day 1",
    "days 2-3",
    "days 4-6",
    "days 7-13",
    "days 14-20",
    "day 21 on",
)
QUINTILE_EDGES: Final = (1, 3, 5, 7, 9)
QUINTILES: Final = ("1 (most deprived)", "2", "3", "4", "5 (least deprived)")
UNKNOWN: Final = "not recorded"

_ETHNIC_GROUPS: Final = ("White", "Mixed", "Asian", "Black", "Other")
_ETHNIC_LETTERS: Final = ("ABC", "DEFG", "HJKL", "MNP", "RS")
"""The five groups of the 2001 census; Chinese is counted with other, as NHS England does."""

_AGE, _METHOD, _SEX, _ETHNICITY, _DEPRIVATION, _SITE, _INTERPRETER, _DEMENTIA = range(8)


def fact_set(codes: Iterable[str]) -> FeatureSet:
    """Facts to read from a dataset with these codes."""
    sites = tuple(
        sorted(value_of(code) for code in codes if family_of(code) == "SITE" and value_of(code))
    )
    return FeatureSet(
        (
            _number("AGE"),
            _category("ADMISSION_METHOD", tuple(ADMISSION_METHODS)),
            _category("SEX", tuple(FAMILIES["SEX"].values)),
            _category("ETHNICITY", tuple(ETHNIC_CATEGORIES)),
            _number("DEPRIVATION_DECILE"),
            _category("SITE", sites or (UNKNOWN,)),
            _category("INTERPRETER", ("N", "Y")),
            _category("DEMENTIA", ("N", "Y")),
        )
    )


def _number(family: str) -> Feature:
    return Feature(name=family, label=family, read=Read.LATEST, codes=(family,), scope=Scope.ANY)


def _category(family: str, categories: tuple[str, ...]) -> Feature:
    return Feature(
        name=family,
        label=family,
        read=Read.CATEGORY,
        codes=(family,),
        scope=Scope.ANY,
        categories=categories,
    )


def ages(facts: Float64) -> Float64:
    """Age in years; NaN where not recorded."""
    return facts[:, _AGE]


def methods(facts: Float64, told: FeatureSet) -> Int64:
    """Admission method as a position among the known ones, then other, then not recorded."""
    return _positions(facts, told, _METHOD)


def sites(facts: Float64, told: FeatureSet) -> Int64:
    """Site as a position in :func:`site_names`."""
    return _positions(facts, told, _SITE)


def site_names(told: FeatureSet) -> tuple[str, ...]:
    """Sites of the data, then other, then not recorded."""
    return (*told.features[_SITE].categories, "other", UNKNOWN)


def _positions(facts: Float64, told: FeatureSet, column: int) -> Int64:
    size = len(told.features[column].categories) + 1
    return np.where(np.isnan(facts[:, column]), size, facts[:, column]).astype(np.int64)


def groupings(facts: Float64, told: FeatureSet, days_so_far: Int64) -> list[Grouping]:
    """Ways to part snapshots that every model is judged by."""
    return [
        Grouping(
            "elapsed",
            ELAPSED_BANDS,
            bands(days_so_far.astype(np.float64), ELAPSED_EDGES, (*ELAPSED_BANDS, UNKNOWN)),
        ),
        Grouping(
            "age", (*AGE_BANDS, UNKNOWN), bands(ages(facts), AGE_EDGES, (*AGE_BANDS, UNKNOWN))
        ),
        Grouping(
            "sex",
            ("male", "female", "indeterminate", "other", UNKNOWN),
            _positions(facts, told, _SEX),
        ),
        Grouping("ethnicity", (*_ETHNIC_GROUPS, UNKNOWN), _ethnic_group(facts[:, _ETHNICITY])),
        Grouping(
            "deprivation",
            (*QUINTILES, UNKNOWN),
            bands(facts[:, _DEPRIVATION], QUINTILE_EDGES, (*QUINTILES, UNKNOWN)),
        ),
        Grouping(
            "language",
            ("no interpreter needed", "interpreter needed", "other", UNKNOWN),
            _positions(facts, told, _INTERPRETER),
        ),
        Grouping(
            "dementia",
            ("not known to have dementia", "known dementia", "other", UNKNOWN),
            _positions(facts, told, _DEMENTIA),
        ),
        Grouping("site", site_names(told), sites(facts, told)),
    ]


def months(prediction_time: Int64) -> Grouping:
    """Snapshots by local calendar month, oldest first."""
    number = local_day(prediction_time).astype("datetime64[D]").astype("datetime64[M]")
    names, member = np.unique(number, return_inverse=True)
    return Grouping("month", tuple(map(str, names)), member.ravel().astype(np.int64))


def _ethnic_group(column: Float64) -> Int64:
    """Position in the five groups; not stated and not known count as not recorded."""
    table = [
        next(
            (at for at, letters in enumerate(_ETHNIC_LETTERS) if letter in letters),
            len(_ETHNIC_GROUPS),
        )
        for letter in ETHNIC_CATEGORIES
    ]
    table += [len(_ETHNIC_GROUPS)] * 2  # another value; missing
    position = np.where(np.isnan(column), len(ETHNIC_CATEGORIES) + 1, column).astype(np.int64)
    return np.array(table, np.int64)[position]
