"""The protocol: what changed, where, when, on what it is judged, and against what; a TOML file.

Written before the data are looked at, it is what keeps an evaluation from being a search for a good
figure. Whatever cannot be answered from it is refused with the reason.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from feature_store.errors import BadInput, Refused
from training.impact.measures import BALANCING, MEASURES
from training.impact.stays import Level
from training.strict import build, read_toml

_EPOCH: Final = date(1970, 1, 1)
_MOST_HARMONICS: Final = 3


class Design(StrEnum):
    """How the effect is told from what would have happened anyway."""

    STEPPED_WEDGE = "stepped_wedge"
    STAGGERED = "staggered"
    DIFFERENCE = "difference_in_differences"
    INTERRUPTED = "controlled_its"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A unit and the day on which the change began there."""

    unit: str
    starts: date


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherChange:
    """Something else that may have moved the outcomes; no units means everywhere."""

    what: str
    starts: date
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInUse:
    """A version of the model and the day from which it made the scores."""

    version: str
    starts: date


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A control series from a published file; see :mod:`training.impact.national`."""

    file: str
    metric: str
    level: str
    organisations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What a bed day released is worth, in pounds; capacity and not cash.

    The defaults are the two public figures: 395 a night (The King's Fund, quoted 2024) and 562
    (NHS England, quoted 2024). Give the trust's own.
    """

    low: float = 395.0
    high: float = 562.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high:
            msg = "[money]: 0 <= low <= high expected"
            raise BadInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """An evaluation as planned.

    Parameters
    ----------
    title, changed : str
        What it is called and what changed, in words.
    design : Design
    level : Level
        What a unit is.
    first, last : date
        Period of the evaluation, last day included.
    primary : str
        The one outcome that decides.
    outcomes : tuple of str
        Others; the balancing ones are always there.
    steps : tuple of Step
    controls : tuple of str
        Units that do not change.
    by_lot : bool
        Whether the order of the steps, or who changed, was drawn by lot.
    transition_weeks : int
        After each step, to be counted neither before nor after.
    weeks_a_point : int
    harmonics : int
        Of the yearly season (controlled_its).
    trend : bool
        Whether treated less control may have a trend of its own (controlled_its).
    seed : int
        Of everything that is left to chance.
    other_changes, models, external : tuple
    money : Money
    """

    title: str
    changed: str
    design: Design
    level: Level = Level.SITE
    first: date
    last: date
    primary: str
    outcomes: tuple[str, ...] = ()
    steps: tuple[Step, ...]
    controls: tuple[str, ...] = ()
    by_lot: bool = False
    transition_weeks: int = 2
    weeks_a_point: int = 1
    harmonics: int = 1
    trend: bool = True
    seed: int = 1
    other_changes: tuple[OtherChange, ...] = ()
    models: tuple[ModelInUse, ...] = ()
    external: tuple[External, ...] = ()
    money: Money = Money()

    def __post_init__(self) -> None:
        wrong = list(_misuses(self))
        if wrong:
            raise BadInput("protocol: " + "; ".join(wrong))
        against = list(_objections(self))
        if against:
            raise Refused(against)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file.

        Raises
        ------
        BadInput
            Not TOML, an unknown key, a wrong type, a number out of range.
        Refused
            A plan that could not answer its question, whatever the data.
        """
        built: Self = build(cls, read_toml(path), where=path.name)
        return built

    @property
    def days(self) -> int:
        """Length of a point."""
        return 7 * self.weeks_a_point

    @property
    def first_day(self) -> int:
        """Local day number of the first day."""
        return day_number(self.first)

    @property
    def points(self) -> int:
        """Whole points from the first day to the last."""
        return ((self.last - self.first).days + 1) // self.days

    @property
    def transition(self) -> int:
        """Points of transition, rounded up."""
        return -(-self.transition_weeks // self.weeks_a_point)

    @property
    def units(self) -> tuple[str, ...]:
        """Units that change, then controls."""
        return (*(step.unit for step in self.steps), *self.controls)

    @property
    def asked(self) -> tuple[str, ...]:
        """Outcomes: the primary one, the others, the balancing ones; each once."""
        return tuple(dict.fromkeys((self.primary, *self.outcomes, *BALANCING)))

    def to_mapping(self) -> dict[str, Any]:
        """As JSON values."""
        told: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return told

    @property
    def hash(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(json.dumps(self.to_mapping(), sort_keys=True).encode()).hexdigest()


def day_number(day: date) -> int:
    """Local day number since 1970-01-01."""
    return (day - _EPOCH).days


def _misuses(told: Protocol) -> list[str]:
    """Values that mean nothing."""
    wrong = []
    unknown = sorted({told.primary, *told.outcomes} - set(MEASURES))
    if unknown:
        wrong.append(f"outcomes among {', '.join(MEASURES)} expected, got {', '.join(unknown)}")
    if told.last <= told.first:
        wrong.append("a last day after the first expected")
    if told.transition_weeks < 0 or told.weeks_a_point < 1 or told.seed < 0:
        wrong.append("transition_weeks and seed of 0 or more, weeks_a_point of 1 or more expected")
    if not 0 <= told.harmonics <= _MOST_HARMONICS:
        wrong.append(f"harmonics from 0 to {_MOST_HARMONICS} expected")
    if len(told.external) > 1:
        wrong.append("at most one external control expected")
    return wrong


def _objections(told: Protocol) -> list[str]:
    """Plans that could not answer, whatever the data."""
    against = []
    repeated = sorted({unit for unit in told.units if told.units.count(unit) > 1})
    if repeated:
        against.append(
            f"{', '.join(repeated)}: named more than once; a unit changes once or is a control"
        )
    outside = [step.unit for step in told.steps if not told.first < step.starts <= told.last]
    if outside:
        against.append(f"{', '.join(outside)}: changes outside the period of the evaluation")
    dates = {step.starts for step in told.steps}
    one_date = told.design in (Design.DIFFERENCE, Design.INTERRUPTED)
    if one_date and len(dates) > 1:
        against.append(f"{told.design}: one date for all expected; use staggered for several")
    if one_date and not told.controls and not told.external:
        against.append(f"{told.design}: no controls; a bare before and after is not an evaluation")
    if told.external and told.design is not Design.INTERRUPTED:
        against.append("external: a published series can only be a control in controlled_its")
    if not one_date and len(dates) < 2 and not told.controls:  # noqa: PLR2004 - two dates differ
        against.append(
            "all units change at once and there are no controls: nothing to compare with"
        )
    return [*against, *_overlaps(told)]


def _overlaps(told: Protocol) -> list[str]:
    """Other changes that hit some units only: their effect cannot be told from ours."""
    against = []
    for other in told.other_changes:
        within = told.first <= other.starts <= told.last
        some = set(other.units) & set(told.units)
        if within and some and some != set(told.units):
            against.append(
                f"another change ({other.what}) began within the period at "
                f"{', '.join(sorted(some))} and not at the others: the two effects overlap and "
                "cannot be told apart; leave those units out or end the period before"
            )
    return against
