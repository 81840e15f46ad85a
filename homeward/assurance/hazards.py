"""The hazard log, each control traced to the tests that prove it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeward.assurance.items import State, not_passed, read_table

RATED: Final = "to be rated by a clinical safety officer: for the deploying organisation"


@dataclass(frozen=True, slots=True)
class Control:
    """What keeps a hazard from harm.

    Parameters
    ----------
    control : str
    tests : tuple of str
        ``path::name``; none for what people do.
    by : str
        Who carries it out, if not the software.
    """

    control: str
    tests: tuple[str, ...] = ()
    by: str = ""

    def state(self, results: Mapping[str, str] | None) -> str:
        """How far it is shown: by results of a test run, if there are any."""
        if self.by:
            return f"for the {self.by}"
        if results is None:
            return "traced to tests; results not given"
        against = not_passed(self.tests, results)
        return f"NOT PROVEN: {', '.join(against)}" if against else State.EVIDENCED.value


@dataclass(frozen=True, slots=True)
class Hazard:
    """One hazard; severity as the makers propose it."""

    id: str
    hazard: str
    causes: tuple[str, ...]
    harm: str
    severity: str
    controls: tuple[Control, ...]

    def to_json(self, results: Mapping[str, str] | None) -> dict[str, Any]:
        """Plain data."""
        return {
            "id": self.id,
            "hazard": self.hazard,
            "causes": list(self.causes),
            "harm": self.harm,
            "severity_proposed": self.severity,
            "residual_risk": RATED,
            "controls": [
                {
                    "control": one.control,
                    "tests": list(one.tests),
                    "state": one.state(results),
                }
                for one in self.controls
            ],
        }


def hazards() -> list[Hazard]:
    """The log as shipped."""
    return [
        Hazard(
            id=raw["id"],
            hazard=raw["hazard"],
            causes=tuple(raw["causes"]),
            harm=raw["harm"],
            severity=raw["severity"],
            controls=tuple(
                Control(one["control"], tuple(one.get("tests", ())), one.get("by", ""))
                for one in raw["controls"]
            ),
        )
        for raw in read_table("hazards")["hazards"]
    ]


def unproven(log: Iterable[Mapping[str, Any]]) -> list[str]:
    """Controls that a test run did not prove, of hazards as JSON."""
    return [
        f"{hazard['id']}: {control['control']} ({control['state']})"
        for hazard in log
        for control in hazard["controls"]
        if control["state"].startswith("NOT PROVEN")
    ]
