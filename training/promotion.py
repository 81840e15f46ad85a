"""Promote a version to champion if every gate passes, and take it back in one step."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feature_store.errors import BadInput, Refused
from models.bundle import Bundle, load_bundle
from models.card import overridden
from models.registry import MODEL_NAME, fetch, run_file, runs_of
from training.comparison import compare
from training.gate import Gate
from training.gates import Case, check_gates, failed
from training.held_out import FILE, HeldOutRows
from training.tracking import CHAMPION, Tracker

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody answers for passing a gate that failed.

    Parameters
    ----------
    reason, by : str
    """

    reason: str
    by: str

    def __post_init__(self) -> None:
        """Both are given."""
        if not self.reason.strip() or not self.by.strip():
            msg = "override: a reason and a name expected, both (--override-reason and --by)"
            raise BadInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What a promotion found and did.

    Parameters
    ----------
    version : str
    gates : list of Gate
    promoted : bool
        False for a dry run.
    before : str or None
        The champion until now.
    override : Override or None
    card : mapping
        Of the version.
    """

    version: str
    gates: list[Gate]
    promoted: bool
    before: str | None
    override: Override | None = None
    card: Mapping[str, Any] = field(default_factory=dict)


def examine(version: str, *, tracker: Tracker, cache: Path) -> Promotion:
    """Check every gate for a version; change nothing.

    Parameters
    ----------
    version : str
        A number, or ``latest``.
    tracker : Tracker
    cache : Path
        Where bundles are kept.

    Raises
    ------
    BadInput
        No such version.
    """
    number = tracker.latest() if version == LATEST else version
    bundle = load_bundle(fetch(f"models:/{MODEL_NAME}/{number}", cache))
    before = tracker.version_of(CHAMPION)
    case = _case(bundle, number, before)
    return Promotion(
        version=number, gates=check_gates(case), promoted=False, before=before, card=bundle.card
    )


def _case(bundle: Bundle, number: str, champion: str | None) -> Case:
    if champion is None or champion == number:
        return Case(bundle)
    try:
        return Case(bundle, champion=compare_versions(number, champion))
    except BadInput as error:
        return Case(bundle, not_comparable=str(error))


def compare_versions(first: str, second: str) -> dict[str, Any]:
    """Compare two versions on the most snapshots that any of their runs have in common.

    A version's runs are the one that trained it and those of ``homeward evaluate``, so an old
    champion can be judged on the data of a new candidate, and then compared.

    Raises
    ------
    BadInput
        No pair of runs has enough snapshots in common.
    """
    best: dict[str, Any] | None = None
    why = "no held-out predictions are kept"
    for one in runs_of(first):
        for other in runs_of(second):
            try:
                compared = compare(_rows(one), _rows(other))
            except BadInput as error:
                why = str(error)
                continue
            if best is None or compared["rows"] > best["rows"]:
                best = compared
    if best is None:
        raise BadInput(why)
    return best


def _rows(run_id: str) -> HeldOutRows:
    with tempfile.TemporaryDirectory(prefix="homeward.") as aside:
        return HeldOutRows.read(run_file(run_id, FILE, Path(aside)))


def promote(
    promotion: Promotion, *, tracker: Tracker, override: Override | None = None
) -> Promotion:
    """Move the alias champion to an examined version.

    Raises
    ------
    Refused
        A gate failed and nobody overrides it.
    """
    stopped = failed(promotion.gates)
    if stopped and override is None:
        note_refusal(promotion, tracker=tracker)
        raise Refused([f"{gate.name}: {gate.reason}" for gate in stopped])
    tags = {"homeward.gates": "overridden" if stopped else "passed"}
    if stopped and override is not None:
        tags |= {
            "homeward.override_reason": override.reason,
            "homeward.override_by": override.by,
            "homeward.override_gates": "; ".join(gate.name for gate in stopped),
        }
    tracker.move_champion(promotion.version, tags=tags)
    tracker.note_gates(promotion.version, _document(promotion, tags["homeward.gates"]))
    if stopped and promotion.card:
        tracker.note_card(promotion.version, overridden(promotion.card, tags))
    return Promotion(
        version=promotion.version,
        gates=promotion.gates,
        promoted=True,
        before=promotion.before,
        override=override if stopped else None,
        card=promotion.card,
    )


def note_refusal(promotion: Promotion, *, tracker: Tracker) -> None:
    """Keep it with the version that gates stopped it, and which."""
    tracker.note_gates(promotion.version, _document(promotion, "refused"))


def _document(promotion: Promotion, outcome: str) -> dict[str, Any]:
    """The table of gates as plain data, kept with the run that trained the version."""
    return {
        "version": promotion.version,
        "outcome": outcome,
        "champion_before": promotion.before,
        "gates": [
            {"name": gate.name, "verdict": gate.verdict.value, "reason": gate.reason}
            for gate in promotion.gates
        ],
    }
