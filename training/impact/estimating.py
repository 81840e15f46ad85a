"""From a study and a measure to an effect: count, make the panel, hand it to the design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import Refused
from training.impact.effect import Effect, Rules, estimate_panel, estimate_series
from training.impact.interrupted import Shape
from training.impact.measures import Kind, Measure
from training.impact.outcomes import Calendar, Counted, count, panel_of
from training.impact.panel import NEVER, Float64, Int64, Panel, Rollout
from training.impact.protocol import Design, Protocol, day_number
from training.impact.stays import Stays


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What every estimate of an evaluation shares.

    Parameters
    ----------
    protocol : Protocol
    stays : Stays
    rows : ndarray of int64, shape (n_units,)
        Of the protocol's units among those of the stays.
    usual : ndarray of float64, shape (n_units,)
        Beds occupied at midnight before anybody changed.
    external : ndarray of float64, shape (n_points,), or None
    """

    protocol: Protocol
    stays: Stays
    rows: Int64
    usual: Float64
    external: Float64 | None

    @property
    def calendar(self) -> Calendar:
        """Points of the protocol."""
        told = self.protocol
        return Calendar(first=told.first_day, points=told.points, days=told.days)

    def rollout(self, points: int) -> Rollout:
        """Who changed when, over the points that are due."""
        return rollout_of(self.protocol, points)


def rollout_of(protocol: Protocol, points: int) -> Rollout:
    """Who changed when; a change begins with the first point that holds none of the time before.

    The point in which a unit changes part of the way is its first of transition, or, without a
    transition, the last before.
    """
    changes = np.array(
        [(day_number(step.starts) - protocol.first_day) / protocol.days for step in protocol.steps]
    )
    begins = np.floor(changes) if protocol.transition else np.ceil(changes)
    start = np.append(begins.astype(np.int64), np.full(len(protocol.controls), NEVER))
    return Rollout(np.where(start < points, start, NEVER), points, protocol.transition)


def effect_of(study: Study, measure: Measure, member: NDArray[np.bool_] | None = None) -> Effect:
    """Estimate an outcome, of a group if one is given.

    Raises
    ------
    Refused
        Not recorded, not due, too few points, or a unit without a patient in some point.
    """
    protocol = study.protocol
    if measure.name in ("bed_days_not_residing", "ready_delay") and (
        not study.stays.records_readiness
    ):
        raise Refused(["readiness to leave is not recorded in the data"])
    counted = count(study.stays, measure, study.calendar, member=member)
    points = counted.total.shape[1]
    rules = Rules(
        design=protocol.design,
        by_lot=protocol.by_lot,
        harmonics=protocol.harmonics,
        trend=protocol.trend,
        seed=protocol.seed,
    )
    rollout = study.rollout(points)
    if not rollout.treated.any():
        raise Refused(["not due: no point after a change is over and followed up"])
    panel = _panel(study, measure, counted)
    if protocol.design is Design.INTERRUPTED:
        return _interrupted(study, measure, panel, rollout, rules)
    return estimate_panel(panel, rollout, rules)


def _panel(study: Study, measure: Measure, counted: Counted) -> Panel:
    rows = study.rows
    census_like = measure.kind is Kind.CENSUS
    per = 100.0 / study.usual if census_like else np.ones(rows.size)
    told = Counted(counted.total[rows], counted.size[rows])
    panel = panel_of(told, study.protocol.units, study.calendar, per)
    if np.isnan(panel.values).any():
        reason = (
            f"{int(np.isnan(panel.values).sum())} of {panel.values.size} cells (unit by point) "
            "have no patient; use more weeks a point"
        )
        raise Refused([reason])
    return panel


def _interrupted(
    study: Study, measure: Measure, panel: Panel, rollout: Rollout, rules: Rules
) -> Effect:
    treated = panel.values[rollout.treated].mean(axis=0)
    if study.external is not None:
        control = study.external[: panel.points]
    else:
        control = panel.values[~rollout.treated].mean(axis=0)
    shape = Shape(
        start=rollout.before,
        transition=rollout.transition,
        days=panel.days,
        harmonics=rules.harmonics,
        trend=rules.trend,
    )
    proportional = measure.kind is Kind.CENSUS or study.external is not None
    return estimate_series(treated, control, shape, rules, proportional=proportional)
