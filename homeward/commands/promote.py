"""``homeward promote``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from homeward.output import json_option, show
from homeward.places import Places

if TYPE_CHECKING:
    from training.promotion import Promotion


@click.command(epilog="Example: homeward promote latest --dry-run")
@click.argument("version")
@click.option("--dry-run", is_flag=True, help="Check the gates; move nothing.")
@click.option("--override-reason", metavar="TEXT", help="Promote although a gate fails: why.")
@click.option("--by", metavar="NAME", help="Who answers for the override.")
@json_option
def command(
    version: str, dry_run: bool, override_reason: str | None, by: str | None, as_json: bool
) -> None:
    """Move the alias champion to VERSION (a number, or latest) if every gate passes.

    The champion until now becomes previous, and homeward rollback brings it back. A gate that fails
    ends with exit code 3 and nothing moved, unless somebody overrides it by name, with a reason.
    """
    from feature_store.errors import Refused
    from training.gates import failed
    from training.promotion import Override, examine, note_refusal, promote
    from training.tracking import Tracker

    override = None
    if override_reason is not None or by is not None:
        override = Override(reason=override_reason or "", by=by or "")
    places = Places.from_environment()
    tracker = Tracker.open(places.artifacts)
    promotion = examine(version, tracker=tracker, cache=places.bundles)
    stopped = failed(promotion.gates)
    if not dry_run and (not stopped or override is not None):
        promotion = promote(promotion, tracker=tracker, override=override)
    elif not dry_run:
        note_refusal(promotion, tracker=tracker)
    show(_document(promotion), _text(promotion, dry_run=dry_run), as_json=as_json)
    if stopped and not promotion.promoted:
        raise Refused([f"not promoted: {gate.name}" for gate in stopped])


def _document(promotion: Promotion) -> dict[str, Any]:
    return {
        "version": promotion.version,
        "promoted": promotion.promoted,
        "champion_before": promotion.before,
        "gates": [asdict(gate) for gate in promotion.gates],
        "override": asdict(promotion.override) if promotion.override else None,
    }


def _text(promotion: Promotion, *, dry_run: bool) -> str:
    from training.summary import gate_lines

    lines = [f"Gates of version {promotion.version}", *gate_lines(promotion.gates), ""]
    if promotion.override is not None:
        lines.append(f"OVERRIDDEN by {promotion.override.by}: {promotion.override.reason}")
    if promotion.promoted:
        before = f"; version {promotion.before} is previous" if promotion.before else ""
        lines.append(f"Version {promotion.version} is champion{before}.")
    else:
        lines.append("Dry run: nothing moved." if dry_run else "Not promoted: nothing moved.")
    return "\n".join(lines)
