"""Everything that readiness says of a dataset, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

import numpy as np

from feature_store.clock import to_moment
from feature_store.compute import compute_features
from feature_store.dataset import Dataset
from feature_store.errors import BadInput
from feature_store.outcome import outcomes_of
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import LONG_STAY_DAYS
from models.judging.groups import LEAST_EVENTS, LEAST_ROWS, rounded
from training.config import TrainingConfig
from training.facts import fact_set, groupings
from training.firewall import find_suspects
from training.preparation import prepare
from training.readiness.enough import Enough, spells_needed
from training.readiness.tally import DELAYS, Tally, tally
from training.readiness.verdict import Point, Verdict, Weight, in_order, verdict_of
from training.survey import Survey, survey

LEAST_DAYS: Final = 180
"""Span below which a season is not seen and little is left to test on."""

THIN: Final = 0.5
FALL: Final = 0.3
"""Coverage of a family that counts as thin; fall between two months that counts as a break."""

LEAST_SPELLS_A_MONTH: Final = 50
FAR_TOO_FEW: Final = 0.25
"""Share of the spells needed below which training is not worth starting."""

MANY_FAULTS: Final = 0.01
"""Share of the events."""

_DAY: Final = 86_400_000_000

Report = Callable[[str], None]


def examine(dataset: Dataset, config: TrainingConfig, report: Report) -> dict[str, Any]:
    """Look at a dataset as training would, and say what it would meet.

    Parameters
    ----------
    dataset : Dataset
    config : TrainingConfig
    report : callable
        Takes lines of progress.

    Raises
    ------
    BadInput
        No spell in scope: there is nothing to examine.
    """
    report("reading spells")
    found = survey(dataset, config.scope)
    report("counting events")
    counted = tally(found)
    report("looking for leaks")
    suspects, parameters, trouble = _suspects(dataset, config)
    enough = _enough(found, parameters)
    coverage = _coverage(counted)
    groups = _groups(found)
    points = [
        *_about_span(found, enough, trouble),
        *_about_coverage(coverage),
        *_about_faults(counted),
        *_about_leaks(suspects),
        *_about_groups(groups),
    ]
    return {
        "verdict": verdict_of(points).value,
        "points": [asdict(point) for point in in_order(points)],
        "synthetic": dataset.manifest.synthetic,
        "source": dataset.manifest.source,
        "span": {
            "first_admission": to_moment(int(found.spells.start.min())).date().isoformat(),
            "observed_until": dataset.manifest.observed_until,
            "days": _days(found),
            "dated": dataset.manifest.clock.calendar,
        },
        "counts": {
            "spells_in_scope": len(found.spells),
            "patients": int(np.unique(found.spells.subject_id).size),
            "events": counted.events,
            "deaths": int(found.spells.died.sum()),
            "still_in_hospital": int((~found.spells.ended).sum()),
            "out_of_scope": dict(found.refused),
        },
        "enough": [{**asdict(one), "met": one.met} for one in enough],
        "parameters": parameters,
        "spells": _by_month_and_site(counted),
        "coverage": coverage,
        "delays": _delays(counted),
        "faults": {kind: count for kind, count in counted.faults.items() if count},
        "outcome_by_month": _outcome_by_month(found),
        "leak_suspects": suspects,
        "groups": groups,
    }


def _suspects(dataset: Dataset, config: TrainingConfig) -> tuple[list[dict[str, Any]], int, str]:
    """Suspected leaks, features that training would use, and why it could not be tried."""
    try:
        prepared = prepare(dataset, config, lambda _line: None)
    except BadInput as error:
        return [], 0, str(error)
    found = find_suspects(prepared.found, prepared.materials, prepared.feature_set, config.firewall)
    return [one.to_json() for one in found], len(prepared.feature_set), ""


def _days(found: Survey) -> int:
    return int((found.spells.start.max() - found.spells.start.min()) // _DAY)


def _enough(found: Survey, parameters: int) -> list[Enough]:
    spells = found.spells
    asked = Snapshots(spells.subject_id, spells.spell_id, spells.start, spells.start)
    outcomes = outcomes_of(asked, spells, until=found.until)
    told = []
    for days in LONG_STAY_DAYS:
        known = outcomes.long_stay(days)
        known = known[~np.isnan(known)]
        share = float(known.mean()) if known.size else 0.0
        needed = spells_needed(max(parameters, 1), share)
        told.append(Enough(days, int(known.size), int(known.sum()), needed))
    return told


def _by_month_and_site(counted: Tally) -> list[dict[str, Any]]:
    return [
        {"month": month, "site": site, "spells": rounded(count)}
        for (month, site), count in sorted(counted.spells.items())
    ]


def _coverage(counted: Tally) -> list[dict[str, Any]]:
    """Share of spells with a fact of each family: in all, and lowest and highest month and site."""
    total = sum(counted.spells.values())
    months, sites = (sorted({pair[place] for pair in counted.spells}) for place in (0, 1))
    told = []
    for family in sorted({key[0] for key in counted.seen}):
        by_month = {month: _share(counted, family, month=month) for month in months}
        by_site = {site: _share(counted, family, site=site) for site in sites}
        has = sum(count for key, count in counted.seen.items() if key[0] == family)
        told.append(
            {
                "family": family,
                "share": round(has / total, 3),
                "by_month": {k: v for k, v in by_month.items() if v is not None},
                "by_site": {k: v for k, v in by_site.items() if v is not None},
            }
        )
    return told


def _share(
    counted: Tally, family: str, *, month: str | None = None, site: str | None = None
) -> float | None:
    pairs = [
        pair for pair in counted.spells if month in {None, pair[0]} and site in {None, pair[1]}
    ]
    spells = sum(counted.spells[pair] for pair in pairs)
    if spells < LEAST_SPELLS_A_MONTH:
        return None
    return round(sum(counted.seen[family, *pair] for pair in pairs) / spells, 3)


def _delays(counted: Tally) -> list[dict[str, Any]]:
    names = [*(f"within {hours:g} h" for hours in DELAYS), "later"]
    told = []
    for family, counts in sorted(counted.delays.items()):
        shares = np.cumsum(counts)[:-1] / max(int(counts.sum()), 1)
        cells = [*shares, 1.0 - shares[-1]]
        told.append({"family": family} | dict(zip(names, np.round(cells, 3).tolist(), strict=True)))
    return told


def _outcome_by_month(found: Survey) -> list[dict[str, Any]]:
    spells = found.spells
    asked = Snapshots(spells.subject_id, spells.spell_id, spells.start, spells.start)
    known = outcomes_of(asked, spells, until=found.until).long_stay(LONG_STAY_DAYS[0])
    month = spells.start.astype("datetime64[us]").astype("datetime64[M]")
    told = []
    for one in np.unique(month):
        values = known[(month == one) & ~np.isnan(known)]
        if values.size >= LEAST_SPELLS_A_MONTH:
            share = float(values.mean())
            told.append(
                {"month": str(one), "spells": rounded(values.size), "share": round(share, 3)}
            )
    return told


def _groups(found: Survey) -> list[dict[str, Any]]:
    """Groups with too few patients, or too few long or short stays, to be judged by."""
    names = fact_set(found.dataset.descriptions())
    facts, ids = [], []
    for events, snapshots in found.shards():
        first = snapshots.take(np.unique(snapshots.spell_id, return_index=True)[1])
        facts.append(compute_features(events, first, names))
        ids.append(first.spell_id)
    order = np.argsort(np.concatenate(ids), kind="stable")
    table = np.concatenate(facts)[order]
    asked = Snapshots(
        found.spells.subject_id, found.spells.spell_id, found.spells.start, found.spells.start
    )
    known = outcomes_of(asked, found.spells, until=found.until).long_stay(LONG_STAY_DAYS[0])
    told = []
    for grouping in groupings(table, names, np.zeros(len(asked), np.int64)):
        if grouping.name == "elapsed":
            continue
        for position, label in enumerate(grouping.labels):
            rows = (grouping.member == position) & ~np.isnan(known)
            long, short = (int((known[rows] == side).sum()) for side in (1, 0))
            if rows.any():
                told.append(
                    {
                        "grouping": grouping.name,
                        "group": label,
                        "patients": rounded(int(rows.sum())),
                        "too_few": rows.sum() < LEAST_ROWS or min(long, short) < LEAST_EVENTS,
                    }
                )
    return [{**one, "too_few": bool(one["too_few"])} for one in told]


# ---- what it means -------------------------------------------------------------------------------


def _about_span(found: Survey, enough: list[Enough], trouble: str) -> Iterator[Point]:
    if trouble:
        yield Point(Weight.STOPS, f"Training would not start: {trouble}", "Give more spells.")
    days = _days(found)
    if days < LEAST_DAYS:
        text = f"The data span {days} days; a season is not seen."
        yield Point(Weight.LIMITS, text, f"Give at least {LEAST_DAYS} days, better two years.")
    for one in enough:
        if not one.events:
            text = f"No spell of {one.horizon} nights or more: that horizon will not be told."
            yield Point(Weight.LIMITS, text, "Give a longer period, if such stays happen here.")
        elif not one.met:
            first = one.horizon == LONG_STAY_DAYS[0]
            far = one.spells < one.needed * FAR_TOO_FEW
            weight = Weight.STOPS if first and far else Weight.LIMITS
            text = (
                f"{one.spells:,} spells, {one.events:,} of {one.horizon} nights or more; the rule "
                f"asks for about {one.needed:,} for as many features."
            )
            yield Point(weight, text, "Give a longer period, or fewer features (features = nhs).")


def _about_coverage(coverage: list[dict[str, Any]]) -> Iterator[Point]:
    for one in coverage:
        shares = list(one["by_month"].values())
        falls = [a - b for a, b in pairwise(shares)]
        if falls and max(falls) > FALL:
            month = list(one["by_month"])[int(np.argmax(falls)) + 1]
            text = f"{one['family']}: recorded far less often from {month}."
            yield Point(Weight.LIMITS, text, "Ask what changed; start after it, or mend the feed.")
        sites = one["by_site"].values()
        if sites and max(sites) - min(sites) > THIN:
            text = f"{one['family']}: some sites record it, others hardly."
            yield Point(Weight.NOTE, text, "Judge by site before promoting.")


def _about_faults(counted: Tally) -> Iterator[Point]:
    for kind, count in counted.faults.items():
        if count:
            share = count / max(counted.events, 1)
            weight = (
                Weight.LIMITS if share > MANY_FAULTS or kind.startswith("spells") else Weight.NOTE
            )
            yield Point(weight, f"{count} {kind}.", "Look at the mapping and the source.")


def _about_leaks(suspects: list[dict[str, Any]]) -> Iterator[Point]:
    for one in suspects:
        text = f"{one['feature']} looks like a leak ({one['sign']}): {one['evidence']}"
        yield Point(Weight.STOPS, text, "Say in the mapping when it was known, or leave it out.")


def _about_groups(groups: list[dict[str, Any]]) -> Iterator[Point]:
    few = [f"{one['grouping']}: {one['group']}" for one in groups if one["too_few"]]
    if few:
        mend = "Fairness cannot be shown for them; pool sites or wait."
        yield Point(Weight.NOTE, f"Groups too small to be judged by: {'; '.join(few)}.", mend)


def is_ready(told: dict[str, Any]) -> bool:
    """Whether the verdict lets a site start, with limits or without."""
    return bool(told["verdict"] != Verdict.NOT_YET.value)
