"""What a feature is, as data: what it reads, from where, over which window, and what to call it."""

from __future__ import annotations

import calendar
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Self

from feature_store.errors import BadInput
from feature_store.vocabulary import FAMILIES, OUTCOME_FAMILIES, family_of


class Read(StrEnum):
    """What is read from the events in the window (the first block), or from the clock alone."""

    LATEST = "latest"
    EARLIEST = "earliest"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    MEAN = "mean"
    SUM = "sum"
    COUNT = "count"
    CHANGE = "change"  # latest minus earliest; missing below two values
    HOURS_SINCE = "hours since"
    CATEGORY = "category"  # position of the latest value in ``categories``
    DAYS_SO_FAR = "days so far"  # local midnights since admission
    HOURS_SO_FAR = "hours so far"
    ADMISSION_HOUR = "admission hour"
    ADMISSION_WEEKDAY = "admission weekday"
    ADMISSION_MONTH = "admission month"
    WEEKDAY = "weekday"  # of the prediction time
    HOUR = "hour"  # of the prediction time


CLOCK_READS: Final = frozenset(tuple(Read)[tuple(Read).index(Read.DAYS_SO_FAR) :])


class Scope(StrEnum):
    """Whose events are read.

    SPELL: of this spell, and facts without a time. HISTORY: of the patient, outside this spell; a
    window counts back from admission. ANY: both.
    """

    SPELL = "this spell"
    HISTORY = "before this spell"
    ANY = "any time"


class Kind(StrEnum):
    """What a reason made of the feature is about."""

    CLINICAL = "clinical"
    FUNCTION = "frailty and function"
    SOCIAL = "home and support"
    PROCESS = "hospital process"
    HISTORY = "previous hospital use"
    PERSON = "person"
    TIMING = "timing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature.

    Parameters
    ----------
    name : str
        Unique in its set; the wire name.
    label : str
        In ward language.
    read : Read
    codes : tuple of str
        Families (``NEWS2``, matching ``NEWS2`` and ``NEWS2//...``) or whole codes.
    scope : Scope
    window_hours : float, optional
        Only events this recent; None for all in scope.
    unit : str
    categories : tuple of str
        For ``Read.CATEGORY``: the known values; another value gives ``len(categories)``.
    kind : Kind
    concept : str
        Ward concept that its reason is grouped under; the label when empty.
    actionable : bool
        A hub or ward can do something about it; otherwise background.
    action : str
        The first thing to do, where there is one.
    action_when_missing : str
        The same where the value is missing.
    protected : bool
        Never shown as a reason.
    missing : str
        What a missing value means.
    """

    name: str
    label: str
    read: Read
    codes: tuple[str, ...] = ()
    scope: Scope = Scope.SPELL
    window_hours: float | None = None
    unit: str = ""
    categories: tuple[str, ...] = ()
    kind: Kind = Kind.CLINICAL
    concept: str = ""
    actionable: bool = False
    action: str = ""
    action_when_missing: str = ""
    protected: bool = False
    missing: str = "not recorded"

    def __post_init__(self) -> None:
        """Refuse what could leak or never be computed, whoever declares it."""
        if (self.read in CLOCK_READS) == bool(self.codes):
            msg = (
                f"feature {self.name}: codes expected for reads of events "
                "and none for reads of the clock"
            )
            raise BadInput(msg)
        leaks = sorted({family_of(code) for code in self.codes} & OUTCOME_FAMILIES)
        if leaks and self.scope is not Scope.HISTORY:
            msg = (
                f"feature {self.name}: {', '.join(leaks)} belong to the end of a spell and "
                "can only be read from earlier spells (scope 'before this spell')"
            )
            raise BadInput(msg)
        if (self.read is Read.CATEGORY) != bool(self.categories):
            msg = f"feature {self.name}: categories expected for, and only for, the read 'category'"
            raise BadInput(msg)

    @property
    def categorical(self) -> bool:
        """Whether values are positions in ``categories``, not quantities."""
        return self.read is Read.CATEGORY

    def _say(self, value: str) -> str:
        """A category in words, where the vocabulary has them."""
        family = FAMILIES.get(family_of(self.codes[0])) if len(self.codes) == 1 else None
        names = {**family.values, **family.names} if family else {}
        return names.get(value, value.replace("_", " "))

    def describe(self, value: float) -> str:
        """The value as a person would read it; empty where missing.

        >>> Feature(name="a", label="A", read=Read.LATEST, codes=("A",), unit="g/L").describe(34.0)
        '34 g/L'
        """
        # NaN is the only value unlike itself
        return "" if value != value else self.speech()(value)  # noqa: PLR0124

    def speech(self) -> Callable[[float], str]:
        """How a value that is there is said: made once by whoever says many."""
        if self.categorical:
            words = (*map(self._say, self.categories), "other")
            return lambda position: words[min(int(position), len(words) - 1)]
        unit = f" {self.unit}".rstrip()
        return _SPOKEN.get(self.read, lambda value: f"{value:.4g}{unit}")


def _clock_face(hour: float) -> str:
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


_SPOKEN: Final[Mapping[Read, Callable[[float], str]]] = {
    Read.ADMISSION_HOUR: _clock_face,
    Read.HOUR: _clock_face,
    Read.ADMISSION_WEEKDAY: lambda day: calendar.day_name[int(day)],
    Read.WEEKDAY: lambda day: calendar.day_name[int(day)],
    Read.ADMISSION_MONTH: lambda month: calendar.month_name[int(month)],
}
"""How the clock's readings are said."""


@dataclass(frozen=True, eq=True)
class FeatureSet:
    """Features in the order of the columns they make.

    Parameters
    ----------
    features : tuple of Feature
    """

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        """Names are unique."""
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"feature set: unique names expected, found twice: {', '.join(twice)}"
            raise BadInput(msg)

    def __len__(self) -> int:
        """Return how many features there are."""
        return len(self.features)

    def __hash__(self) -> int:
        """Of the definitions, worked out once: sets are keys of caches on every request."""
        return self._key

    @cached_property
    def _key(self) -> int:
        return hash(self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Columns that hold positions in a list of categories."""
        return tuple(column for column, feature in enumerate(self.features) if feature.categorical)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the definitions: what a model must agree with before it may score."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def take(self, columns: Sequence[int]) -> FeatureSet:
        """Return the set of these columns."""
        return FeatureSet(tuple(self.features[column] for column in columns))

    def beside(self, other: FeatureSet, prefix: str) -> FeatureSet:
        """These, then those of another set under prefixed names: read in one pass over events."""
        more = (replace(feature, name=f"{prefix}: {feature.name}") for feature in other.features)
        return FeatureSet((*self.features, *more))

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data, in column order."""
        return [asdict(feature) for feature in self.features]

    @classmethod
    def from_json(cls, raw: Sequence[dict[str, Any]]) -> Self:
        """Inverse of :meth:`to_json`.

        Raises
        ------
        BadInput
            Unknown or missing keys, unknown words.
        """
        try:
            return cls(tuple(_feature_from_json(row) for row in raw))
        except (KeyError, TypeError, ValueError) as error:
            keys = ", ".join(sorted(entry.name for entry in fields(Feature)))
            msg = f"feature set: rows with the keys {keys} expected ({type(error).__name__})"
            raise BadInput(msg) from error


def _feature_from_json(row: dict[str, Any]) -> Feature:
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    words: dict[str, Any] = {
        "read": Read(row["read"]),
        "scope": Scope(row["scope"]),
        "kind": Kind(row["kind"]),
    }
    return Feature(**{**plain, **words})
