"""What an evaluation assumes, where it is weak, and what it cannot show: said, not implied."""

from __future__ import annotations

from typing import Final

from training.impact.measures import MEASURES
from training.impact.protocol import Design, OtherChange, Protocol
from training.impact.stays import Level

_DESIGN: Final = {
    Design.STEPPED_WEDGE: (
        "the effect is there in full after the transition and stays the same",
        "season and other trends move all units alike",
    ),
    Design.STAGGERED: (
        (
            "without the change each unit would have kept its distance from the others (parallel "
            "trends); the effect may grow and may differ between units"
        ),
    ),
    Design.DIFFERENCE: (
        "without the change, units that changed and controls would have moved alike",
        "the effect is one figure for the whole time after",
    ),
    Design.INTERRUPTED: (
        (
            "without the change the treated series less its control would have followed its own "
            "line, season included"
        ),
        "errors are normal and remember only from point to point (AR(1))",
    ),
}


def assumptions(protocol: Protocol) -> list[str]:
    """What has to be true for the estimates to be effects."""
    told = [
        *_DESIGN[protocol.design],
        "the change at one unit does nothing to another (patients and staff who move break this)",
        "nobody changed what is recorded, or how, at the same time",
        (
            "census outcomes are per 100 beds that the unit filled before the first change; "
            "released bed days assume that size throughout"
        ),
    ]
    if protocol.design is not Design.INTERRUPTED:
        told.append(
            "intervals hold the effects that are not rejected if the effect is the same in every "
            "unit and point"
        )
    money = protocol.money
    told.append(
        f"a bed day is valued at {money.low:,.0f} to {money.high:,.0f} pounds: capacity released "
        "for others, not money saved"
    )
    return told


def limits_of(protocol: Protocol) -> list[str]:
    """Doubts that belong to the evaluation as a whole."""
    told = [*_model_limits(protocol)]
    told += [
        _other(protocol, other) for other in protocol.other_changes if _within(protocol, other)
    ]
    if protocol.level is Level.WARD:
        told.append(
            "units are wards: patients move between them, so part of an effect shows elsewhere; "
            "a stay is counted to the ward of its first midnight"
        )
    others = [name for name in protocol.asked if name != protocol.primary]
    told.append(
        f"{len(others)} outcomes stand beside the primary one: among so many, one in twenty would "
        "be found by chance; they explain and do not decide"
    )
    return told


def _model_limits(protocol: Protocol) -> list[str]:
    exposed = min(step.starts for step in protocol.steps)
    used = [one for one in protocol.models if one.starts <= protocol.last]
    later = [one for one in used if one.starts > exposed]
    if not used:
        return ["the protocol does not say which model version was in use"]
    if later:
        changes = ", ".join(f"{one.version} from {one.starts}" for one in later)
        return [
            (
                f"THE MODEL CHANGED after the first step ({changes}): the estimate mixes versions "
                "and belongs to none of them"
            )
        ]
    return []


def _within(protocol: Protocol, other: OtherChange) -> bool:
    return protocol.first <= other.starts <= protocol.last


def _other(protocol: Protocol, other: OtherChange) -> str:
    if other.units and not set(other.units) & set(protocol.units):
        return f"another change ({other.what}, {other.starts}) began at units that are not compared"
    return (
        f"another change ({other.what}, {other.starts}) began at every unit: only what it did to "
        "all alike is taken out"
    )


def cannot_show(protocol: Protocol) -> list[str]:
    """What no reading of these figures can give."""
    told = [
        (
            "what the score did apart from what staff did with it, and apart from everything else "
            f"that came with the change: {protocol.changed}"
        ),
        "an effect on any single patient",
        (
            "deaths and care at home after leaving, which the hospital's data do not hold: days at "
            "home count a patient as at home who is not known to be elsewhere"
        ),
        "whether the effect lasts beyond the period, or would be the same at another hospital",
    ]
    if MEASURES[protocol.primary].less_is_better:
        told.append("that fewer bed days are good for patients: read the balancing outcomes first")
    if protocol.design in (Design.DIFFERENCE, Design.INTERRUPTED):
        told.append("that trends alike before would have stayed alike after")
    return told
