"""One look: the record and the store in, every finding out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from feature_store.clock import DAY, local_day, to_moment
from feature_store.errors import BadInput
from feature_store.events import Events
from models.judging.estimate import Float64
from models.judging.groups import rounded
from models.judging.metrics import Bootstrap
from training.monitor.accuracy import parted, use, watch_accuracy, watch_range
from training.monitor.calibration import watch_calibration
from training.monitor.chart import SIMULATIONS
from training.monitor.checks import Silence
from training.monitor.drift import LEAST_ROWS, SCORE, Reference, shifts
from training.monitor.feeds import feeds
from training.monitor.findings import Finding, State, worst
from training.monitor.golive import judge_silence
from training.monitor.lived import Columns, Lived, horizons, live
from training.monitor.untreated import watch_untreated

RECENT_DAYS: Final = 28
"""Days whose patients are compared with the reference."""

_WEEK: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the model was like when it was judged, from its bundle.

    Parameters
    ----------
    auroc : mapping
        Horizon (as text) to the interval of its AUROC.
    reference : Reference or None
        Of the model's features.
    """

    auroc: Mapping[str, Any] = field(default_factory=dict)
    reference: Reference | None = None

    @classmethod
    def of(cls, evaluation: Mapping[str, Any]) -> Expected:
        """Read it from the evaluation that a bundle carries."""
        auroc = {
            days: told.get("metrics", {}).get("auroc", {})
            for days, told in evaluation.get("horizons", {}).items()
        }
        raw = evaluation.get("reference")
        return cls(auroc=auroc, reference=Reference.from_json(raw) if raw else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one look is taken.

    Parameters
    ----------
    until : int
        UTC microseconds: what is known now.
    capacity : int
        Patients a hub takes up, a site and day.
    days : int
        Length of the whole period of looking, which control limits allow for.
    shown_from : int or None
        When staff first saw scores; earlier ones were silent.
    not_shown_at : tuple of str
        Sites and wards where scores are made and kept from view: the hold-out slice.
    silent : bool
        Judge the scores that nobody saw, and say whether to go live.
    seed : int
    replicates : int
        Of the bootstrap.
    simulations : int
        Of the limits of control charts.
    """

    until: int
    capacity: int = 10
    days: int = 365
    shown_from: int | None = None
    not_shown_at: tuple[str, ...] = ()
    silent: bool = False
    seed: int = 20260114
    replicates: int = 200
    simulations: int = SIMULATIONS


def look(
    columns: Columns, events: Events, expected: Expected, settings: Settings
) -> dict[str, Any]:
    """Everything that a monitor says, as plain data without a patient's value.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Of ``Record.between``, live and shadow, with ``features``.
    events : Events
        Of the live store.
    expected : Expected
    settings : Settings
    """
    rng = np.random.default_rng(settings.seed)
    bootstrap = Bootstrap(replicates=settings.replicates, seed=settings.seed)
    everything = live(columns, events, until=settings.until)
    shown = _shown(everything, settings)
    lived = everything.take(_judged(everything, shown, settings))
    calibration, drawn = watch_calibration(
        lived, days=settings.days, simulations=settings.simulations, rng=rng
    )
    ranking, figures = watch_accuracy(lived, expected.auroc, bootstrap)
    held, coverage = watch_range(lived, bootstrap)
    treated, gap = watch_untreated(everything, shown, rng=rng)
    moved, drift = _drift(lived, expected.reference, rng)
    silent, arriving = _feeds(events, settings.until)
    findings = [*calibration, *ranking, *held, *moved, *silent]
    findings += [] if settings.silent else [treated]
    told = {
        "at": to_moment(settings.until).isoformat(),
        "state": worst(findings).value,
        "findings": [
            {"about": one.about, "state": one.state.value, "text": one.text} for one in findings
        ],
        "counts": _counts(columns, everything, lived),
        "weeks": _weeks(lived),
        "calibration": drawn,
        "discrimination": figures,
        "coverage": coverage,
        "use": use(lived, capacity=settings.capacity, bootstrap=bootstrap),
        "groups": parted(lived, bootstrap),
        "drift": drift,
        "feeds": arriving,
        "untreated": gap,
        "golive": None,
    }
    if settings.silent:
        silence = Silence(lived, columns, events, settings.capacity, bootstrap)
        told["golive"] = judge_silence(silence, told)
    return told


def _shown(lived: Lived, settings: Settings) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether staff could see each score."""
    seen = np.asarray(lived.told["mode"] == "live", bool)
    kept = np.zeros(len(lived), bool)
    for place in settings.not_shown_at:
        here = (lived.told["site"] == place) | (lived.told["ward"] == place)
        if len(lived) and not here.any():
            msg = f"not shown at {place}: a site or ward with scores expected, found none"
            raise BadInput(msg)
        kept |= np.asarray(here, bool)
    if settings.shown_from is not None:
        kept |= lived.snapshots.prediction_time < settings.shown_from
    return np.asarray(seen & ~kept)


def _judged(
    lived: Lived, shown: np.ndarray[Any, np.dtype[np.bool_]], settings: Settings
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Scores that are judged: those shown, or in a silent time those that nobody saw.

    In a silent time scores in the shadow are a model's own, and come first. Where nothing is said
    of when scores were shown, all are taken as silent.
    """
    if not settings.silent:
        return shown if shown.any() else np.ones(len(lived), bool)
    shadow = np.asarray(lived.told["mode"] == "shadow", bool)
    if shadow.any():
        return shadow
    return ~shown if not shown.all() else np.ones(len(lived), bool)


def _counts(columns: Columns, everything: Lived, lived: Lived) -> dict[str, Any]:
    refused = [str(one) for one in columns["refused"] if one is not None]
    return {
        "scores": len(lived),
        "not_shown": len(everything) - len(lived),
        "spells": int(np.unique(lived.snapshots.spell_id).size),
        "refused": {name: rounded(refused.count(name)) for name in sorted(set(refused))},
        "of_spells_no_longer_known": rounded(everything.gone),
        "due": {str(days): int((~np.isnan(lived.outcome(days))).sum()) for days in horizons(lived)},
    }


def _weeks(lived: Lived) -> list[dict[str, Any]]:
    """First scores by week of admission's first score: how many, how complete, what came about."""
    first = lived.take(lived.firsts())
    if not len(first):
        return []
    day = local_day(first.snapshots.prediction_time)
    week = (day - int(day.min())) // _WEEK
    days = next(iter(horizons(first)), None)
    outcome = np.full(len(first), np.nan) if days is None else first.outcome(days)
    chance = np.full(len(first), np.nan) if days is None else first.chance(days)
    told = []
    for number in np.unique(week):
        rows = week == number
        due = rows & ~np.isnan(outcome)
        begins = np.datetime64(int(day.min()) + int(number) * _WEEK, "D")
        told.append(
            {
                "week": str(begins),
                "spells": rounded(int(rows.sum())),
                "due": rounded(int(due.sum())),
                "came_about": rounded(int(outcome[due].sum())),
                "foreseen": round(float(chance[due].sum())),
                "completeness": round(float(np.mean(first.told["completeness"][rows])), 3),
            }
        )
    return told


def _drift(
    lived: Lived, reference: Reference | None, rng: np.random.Generator
) -> tuple[list[Finding], list[dict[str, Any]]]:
    """Recent patients against the reference of the model that scored them last."""
    if reference is None:
        text = "The bundle holds no reference of its features: drift cannot be told."
        return [Finding("drift", State.UNKNOWN, text)], []
    matrix = _recent(lived, [one.name for one in reference.columns])
    found = shifts(reference, matrix, rng=rng)
    if not found:
        text = f"Fewer than {LEAST_ROWS} patients in {RECENT_DAYS} days: drift cannot be told."
        return [Finding("drift", State.UNKNOWN, text)], []
    moved = sorted((one for one in found if one.state != "ok"), key=lambda one: -one.index)
    findings = [
        Finding(
            "drift",
            State(one.state),
            f"{one.name} is no longer distributed as when judged (index {one.index:.2f}; missing "
            f"{one.missing_before:.0%} then, {one.missing_now:.0%} now).",
        )
        for one in moved
    ] or [Finding("drift", State.OK, f"{len(found)} features are distributed as when judged.")]
    return findings, [
        {
            "name": one.name,
            "state": one.state,
            "index": round(one.index, 4),
            "noise": round(one.noise, 4),
            "missing_before": one.missing_before,
            "missing_now": round(one.missing_now, 4),
        }
        for one in sorted(found, key=lambda one: -one.index)
    ]


def _recent(lived: Lived, names: Sequence[str]) -> Float64:
    """Features, as the record kept them, and scores; of first scores in the recent days."""
    scores = [int(name.removeprefix(SCORE)) for name in names if name.startswith(SCORE)]
    width = len(names) - len(scores)
    first = lived.take(lived.firsts())
    recent = first.snapshots.prediction_time > lived.until - RECENT_DAYS * DAY
    chances = np.column_stack(
        [first.chance(days) for days in scores] or [np.zeros((len(first), 0))]
    )
    kept = [
        np.append(np.frombuffer(one, "<f8"), chances[row])
        for row, one in zip(np.flatnonzero(recent), first.told["features"][recent], strict=True)
        if one is not None and len(one) == 8 * width
    ]
    return np.vstack(kept) if kept else np.empty((0, len(names)))


def _feeds(events: Events, until: int) -> tuple[list[Finding], list[dict[str, Any]]]:
    found = feeds(events, until=until)
    findings = [
        Finding(
            "feed",
            State(one.state),
            f"{one.family} at {one.site or 'an unknown site'}: {one.seen:.0f} in three days, "
            f"{one.expected:.0f} expected.",
        )
        for one in found
        if one.state != "ok"
    ]
    if not findings:
        state = State.OK if found else State.UNKNOWN
        text = f"{len(found)} feeds arrive as usual." if found else "No feed is old enough to tell."
        findings = [Finding("feed", state, text)]
    return findings, [
        {
            "family": one.family,
            "site": one.site,
            "expected": round(one.expected, 1),
            "seen": one.seen,
            "silent_hours": round(one.silent_hours, 1),
            "state": one.state,
        }
        for one in found
    ]
