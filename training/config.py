"""One frozen configuration of a training run, read from TOML; unknown keys are refused."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self, get_args, get_origin, get_type_hints

from feature_store.errors import BadInput
from models.fit_settings import FitSettings
from models.judging.estimate import REPLICATES
from models.scope import ScopeRules

LEAST_REPLICATES: Final = 20
LEAST_BASELINE_ROWS: Final = 1000
_ROUNDING: Final = 1e-9


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
    hold_out_site : str
        Site that is kept for the test alone; empty for none.
    """

    train: float = 0.6
    calibration: float = 0.15
    test: float = 0.25
    hold_out_site: str = ""

    def __post_init__(self) -> None:
        """Shares are positive and sum to 1."""
        shares = (self.train, self.calibration, self.test)
        if min(shares) <= 0 or abs(sum(shares) - 1.0) > _ROUNDING:
            msg = "[split]: train, calibration and test above 0 and summing to 1 expected"
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
    baseline_rows : int
        Most snapshots that the logistic regression is fitted on, whole spells by chance.
    """

    replicates: int = REPLICATES
    capacity: int = 10
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
    lightgbm : FitSettings
        Its ``seed`` and ``threads`` follow the ones above.
    scope : ScopeRules
    """

    seed: int = 20260114
    threads: int = 2
    features: Features = Features.BOTH
    split: SplitSettings = field(default_factory=SplitSettings)
    judging: JudgingSettings = field(default_factory=JudgingSettings)
    lightgbm: FitSettings = field(default_factory=FitSettings)
    scope: ScopeRules = field(default_factory=ScopeRules)

    def __post_init__(self) -> None:
        """At least one thread; one seed for all."""
        if self.threads < 1 or self.seed < 0:
            msg = "configuration: threads of 1 and seed of 0 or more expected"
            raise BadInput(msg)
        raw = {**asdict(self.lightgbm), "seed": self.seed, "threads": self.threads}
        object.__setattr__(self, "lightgbm", FitSettings(**raw))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file; whatever it leaves out keeps its default.

        Raises
        ------
        BadInput
            No such file, not TOML, an unknown key (with the likeliest one meant), a wrong type.
        """
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{path.name}: a readable TOML file expected ({type(error).__name__})"
            raise BadInput(msg) from error
        except tomllib.TOMLDecodeError as error:
            msg = f"{path.name}: TOML expected; {error}"
            raise BadInput(msg) from error
        return cls.from_mapping(raw, name=path.name)

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], *, name: str = "configuration") -> Self:
        """Build from nested plain data, the inverse of :meth:`to_mapping`."""
        for key in ("seed", "threads"):
            inside = raw.get("lightgbm")
            if isinstance(inside, Mapping) and key in inside:
                msg = f"{name}: {key} belongs to the top of the file, not to [lightgbm]"
                raise BadInput(msg)
        built: Self = _build(cls, raw, where=name)
        return built

    def to_mapping(self) -> dict[str, Any]:
        """Nested plain data; what follows from something else is left out."""
        raw = asdict(self)
        for key in ("seed", "threads"):
            del raw["lightgbm"][key]
        return raw

    @property
    def hash(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(json.dumps(self.to_mapping(), sort_keys=True).encode()).hexdigest()


def _build(settings: type[Any], raw: Mapping[str, Any], *, where: str) -> Any:
    hints = get_type_hints(settings)
    known = [entry.name for entry in fields(settings)]
    for key in raw:
        if key not in known:
            raise BadInput(_unknown(key, known, where))
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in raw.items()}
    return settings(**values)


def _unknown(key: str, known: list[str], where: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"{where}: unknown key {key!r}; {meant}"


def _value(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            msg = f"{where}: a table of settings expected, got {type(value).__name__}"
            raise BadInput(msg)
        return _build(kind, value, where=where)
    if get_origin(kind) is tuple:
        return _several(get_args(kind)[0], value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _word(kind, value, where)
    return _plain(kind, value, where)


def _plain(kind: Any, value: Any, where: str) -> Any:
    # A boolean is an int to Python, and 3 is not a float to isinstance; people mean neither.
    right = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not right:
        msg = f"{where}: {kind.__name__} expected, got {type(value).__name__}"
        raise BadInput(msg)
    return value


def _several(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not value:
        msg = f"{where}: a list with at least one {kind.__name__} expected"
        raise BadInput(msg)
    return tuple(_plain(kind, item, where) for item in value)


def _word(kind: type[StrEnum], value: Any, where: str) -> StrEnum:
    words = [member.value for member in kind]
    if value not in words:
        msg = f"{where}: one of {', '.join(words)} expected"
        raise BadInput(msg)
    return kind(value)
