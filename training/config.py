"""One frozen configuration of a training run, read from TOML; unknown keys are refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from feature_store.errors import BadInput
from models.fit_settings import FitSettings
from models.judging.estimate import REPLICATES
from models.judging.metrics import Bootstrap
from models.scope import ScopeRules
from training.strict import build, read_toml

LEAST_REPLICATES: Final = 20
LEAST_BASELINE_ROWS: Final = 1000
LEAST_SPELLS: Final = 100
"""Of a part, by default. In fewer, one patient more or less moves every figure by a point and more,
and an interval holds everything from useless to excellent."""

FEWEST_SPELLS: Final = 20
"""Lowest that can be asked for: on fewer no figure is given (:mod:`training.evaluate`)."""

_ROUNDING: Final = 1e-9
_FOLLOWING: Final = {
    "seed": "the top of the file",
    "threads": "the top of the file",
    "least_spells": "[split]",
}
"""Settings of the trees that follow from others, and where those are."""


class Features(StrEnum):
    """Which features a model may use."""

    BOTH = "nhs+automatic"
    NHS = "nhs"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """How spells are parted; see :mod:`training.split`.

    Parameters
    ----------
    train, calibration, test : float
        Shares of the spells, in order of admission; they sum to 1.
    least_spells : int
        Of each part, and of training spells that ended; half of it on each side of the first
        horizon. With fewer the run stops. A model that has fewer than the default has it on its
        card, and is promoted only by an override.
    hold_out_site : str
        Site that is kept for the test alone; empty for none.
    """

    train: float = 0.6
    calibration: float = 0.15
    test: float = 0.25
    least_spells: int = LEAST_SPELLS
    hold_out_site: str = ""

    def __post_init__(self) -> None:
        """Shares are positive and sum to 1."""
        shares = (self.train, self.calibration, self.test)
        if min(shares) <= 0 or abs(sum(shares) - 1.0) > _ROUNDING:
            msg = "[split]: train, calibration and test above 0 and summing to 1 expected"
            raise BadInput(msg)
        if self.least_spells < FEWEST_SPELLS:
            msg = f"[split]: least_spells of {FEWEST_SPELLS} or more expected"
            raise BadInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingSettings:
    """How a model is judged.

    Parameters
    ----------
    replicates : int
        Of the bootstrap by patient.
    capacity : int
        Patients a hub can take up, a site and day (HOMEWARD_HUB_CAPACITY is the live one).
    alert : float
        Chance at which somebody is alerted, for lead time, alerts a shift and net benefit. The
        default is where a score's band is high.
    baseline_rows : int
        Most snapshots that the logistic regression is fitted on, whole spells by chance.
    """

    replicates: int = REPLICATES
    capacity: int = 10
    alert: float = 0.5
    baseline_rows: int = 60_000

    def __post_init__(self) -> None:
        """Numbers that make sense."""
        least = {
            "replicates": LEAST_REPLICATES,
            "capacity": 1,
            "baseline_rows": LEAST_BASELINE_ROWS,
        }
        for key, fewest in least.items():
            if getattr(self, key) < fewest:
                msg = f"[judging]: {key} of {fewest} or more expected"
                raise BadInput(msg)
        if not 0.0 < self.alert < 1.0:
            msg = "[judging]: alert between 0 and 1 expected, both outside"
            raise BadInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallSettings:
    """Bounds above which a feature is suspected of a leak; see :mod:`training.leaks`.

    Parameters
    ----------
    auroc : float
        Of one feature alone, at admission, on later spells.
    presence : float
        Difference in how often it is recorded for ended and for open spells, over the larger share.
    ending : float
        Share of its events recorded in the last day of a stay or after it.
    gain : float
        Share of the model's gain.
    allow : dict of str to str
        Feature to the reason for which it is used in spite of a sign.
    """

    auroc: float = 0.85
    presence: float = 0.8
    ending: float = 0.8
    gain: float = 0.8
    allow: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bounds are shares; a reason says something."""
        for key in ("auroc", "presence", "ending", "gain"):
            if not 0.0 < getattr(self, key) <= 1.0:
                msg = f"[firewall]: {key} above 0 and at most 1 expected"
                raise BadInput(msg)
        for name, reason in self.allow.items():
            if not name.strip() or not reason.strip():
                msg = "[firewall.allow]: a feature and a reason in words expected, FEATURE:reason"
                raise BadInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningSettings:
    """What ``--trials`` may try; each a lowest and a highest value.

    Parameters
    ----------
    trials : int
        How many settings are tried; 0 keeps those of ``[lightgbm]``.
    leaves, least_spells_in_leaf : tuple of int
    learning_rate, feature_share, l2, category_smoothing : tuple of float
    """

    trials: int = 0
    leaves: tuple[int, ...] = (8, 63)
    least_spells_in_leaf: tuple[int, ...] = (10, 60)
    learning_rate: tuple[float, ...] = (0.02, 0.1)
    feature_share: tuple[float, ...] = (0.3, 0.9)
    l2: tuple[float, ...] = (1.0, 100.0)
    category_smoothing: tuple[float, ...] = (10.0, 300.0)

    def __post_init__(self) -> None:
        """Two ends a range, both above 0, the lower first."""
        if self.trials < 0:
            msg = "[tuning]: trials of 0 or more expected"
            raise BadInput(msg)
        for name, ends in self.space.items():
            if len(ends) != len(("low", "high")) or not 0 < ends[0] <= ends[1]:
                msg = f"[tuning]: {name}: a lowest and a highest value above 0 expected"
                raise BadInput(msg)

    @property
    def space(self) -> dict[str, tuple[float, ...]]:
        """Ranges by name of the setting."""
        return {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if entry.name != "trials"
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Everything that decides what a run does, besides the data and the code.

    Parameters
    ----------
    seed : int
        Of everything that is left to chance.
    threads : int
    features : Features
    split : SplitSettings
    judging : JudgingSettings
    firewall : FirewallSettings
    tuning : TuningSettings
    lightgbm : FitSettings
        Its ``seed``, ``threads`` and ``least_spells`` follow the ones above.
    scope : ScopeRules
    """

    seed: int = 20260114
    threads: int = 2
    features: Features = Features.BOTH
    split: SplitSettings = field(default_factory=SplitSettings)
    judging: JudgingSettings = field(default_factory=JudgingSettings)
    firewall: FirewallSettings = field(default_factory=FirewallSettings)
    tuning: TuningSettings = field(default_factory=TuningSettings)
    lightgbm: FitSettings = field(default_factory=FitSettings)
    scope: ScopeRules = field(default_factory=ScopeRules)

    def __post_init__(self) -> None:
        """At least one thread; one seed for all."""
        if self.threads < 1 or self.seed < 0:
            msg = "configuration: threads of 1 and seed of 0 or more expected"
            raise BadInput(msg)
        raw = {
            **asdict(self.lightgbm),
            "seed": self.seed,
            "threads": self.threads,
            "least_spells": self.split.least_spells,
        }
        object.__setattr__(self, "lightgbm", FitSettings(**raw))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file; whatever it leaves out keeps its default.

        Raises
        ------
        BadInput
            No such file, not TOML, an unknown key (with the likeliest one meant), a wrong type.
        """
        return cls.from_mapping(read_toml(path), name=path.name)

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], *, name: str = "configuration") -> Self:
        """Build from nested plain data, the inverse of :meth:`to_mapping`."""
        for key, place in _FOLLOWING.items():
            inside = raw.get("lightgbm")
            if isinstance(inside, Mapping) and key in inside:
                msg = f"{name}: {key} belongs to {place}, not to [lightgbm]"
                raise BadInput(msg)
        built: Self = build(cls, raw, where=name)
        return built

    def to_mapping(self) -> dict[str, Any]:
        """Nested plain data; what follows from something else is left out."""
        raw = asdict(self)
        for key in _FOLLOWING:
            del raw["lightgbm"][key]
        if not raw["lightgbm"]["never_shorter"]:
            del raw["lightgbm"]["never_shorter"]  # a list in a file holds something
        return raw

    @property
    def bootstrap(self) -> Bootstrap:
        """One bootstrap for everything judged in a run, so that all differences are paired."""
        return Bootstrap(replicates=self.judging.replicates, seed=self.seed)

    @property
    def hash(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(json.dumps(self.to_mapping(), sort_keys=True).encode()).hexdigest()
