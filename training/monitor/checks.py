"""Questions to a silent time, each answered with go, not yet or cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from feature_store.clock import DAY, local_day
from feature_store.events import Events
from feature_store.spells import find_spells
from models.judging.groups import rounded
from models.judging.metrics import Bootstrap
from training.monitor.findings import State
from training.monitor.lived import Columns, Lived

LEAST_DAYS: Final = 56
"""Silent time below which seasons of a week and slow feeds have not been seen."""

LEAST_EVENTS: Final = 100
"""Long stays, and short ones, that must be due."""

LEAST_NIGHTS_BEFORE: Final = 2.0
"""Half of the long stays that are listed must be listed so many nights before."""

LEAST_ASKED: Final = 0.9
"""Share of stays of a night or more that must have been asked about."""

MOST_OFF: Final = 0.2
"""Calibration in the large of a group, in log-odds, that its interval must not lie beyond."""

_NOT_PEOPLE: Final = frozenset({"elapsed", "month", "model version"})


class Verdict(StrEnum):
    """What a check says of going live."""

    GO = "go"
    NOT_YET = "not yet"
    CANNOT_SAY = "cannot say"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the silent time."""

    about: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Silence:
    """What was scored and not shown.

    Parameters
    ----------
    lived : Lived
    columns : mapping of str to ndarray
        Of the record, refusals among them.
    events : Events
    capacity : int
    bootstrap : Bootstrap
    """

    lived: Lived
    columns: Columns
    events: Events
    capacity: int
    bootstrap: Bootstrap


def days_of(lived: Lived) -> int:
    """Local days from the first score to the last, both counted."""
    day = local_day(lived.snapshots.prediction_time)
    return int(day.max() - day.min()) + 1 if day.size else 0


def enough(lived: Lived, days: int | None) -> Iterator[Check]:
    """Long enough, one version, enough outcomes."""
    seen = days_of(lived)
    text = f"{seen} days of scores that nobody saw; {LEAST_DAYS} expected."
    yield Check("length", Verdict.GO if seen >= LEAST_DAYS else Verdict.NOT_YET, text)
    versions = {str(one) for one in lived.told["model_version"]}
    if len(versions) > 1:
        text = f"{len(versions)} model versions in the silent time: one frozen version expected."
        yield Check("version", Verdict.NOT_YET, text)
    outcome = np.zeros(0) if days is None else lived.take(lived.firsts()).outcome(days)
    long, short = (int((outcome == side).sum()) for side in (1, 0))
    enough = min(long, short) >= LEAST_EVENTS
    text = (
        f"{_count(long)} long and {_count(short)} short stays are due; {LEAST_EVENTS} of each "
        "expected."
    )
    if not enough:
        text = f"Too few outcomes due: {text}"
    yield Check("outcomes", Verdict.GO if enough else Verdict.CANNOT_SAY, text)


def _count(count: int) -> str:
    told = rounded(count)
    return "fewer than 10" if told is None else str(told)


_WORSE: Final = {
    State.BREACH.value: Verdict.NOT_YET,
    State.UNKNOWN.value: Verdict.CANNOT_SAY,
    State.WATCH.value: Verdict.NOTE,
    State.OK.value: Verdict.GO,
}


def of_findings(findings: Iterable[Mapping[str, Any]]) -> Iterator[Check]:
    """What the monitor found; a range that holds too few stays counts as a breach here."""
    for one in findings:
        verdict = _WORSE[one["state"]]
        if one["about"] == "coverage" and verdict is Verdict.NOTE:
            verdict = Verdict.NOT_YET
        yield Check(one["about"], verdict, one["text"])


def groups(told: Mapping[str, list[Mapping[str, Any]]]) -> Check:
    """Are chances right in the large for everybody who can be judged."""
    off, few, judged = [], [], 0
    for name, rows in told.items():
        for one in rows if name not in _NOT_PEOPLE else ():
            if one["too_few"]:
                few.append(f"{name} {one['group']}")
                continue
            judged += 1
            figure = one["metrics"]["calibration_intercept"]
            if figure["low"] is not None and (
                figure["low"] > MOST_OFF or figure["high"] < -MOST_OFF
            ):
                side = "too low" if figure["value"] > 0 else "too high"
                off.append(f"{name} {one['group']}: chances {side}")
    unjudged = f" Too few to judge: {', '.join(few)}." if few else ""
    if off:
        return Check("groups", Verdict.NOT_YET, f"{'; '.join(off)}.{unjudged}")
    if not judged:
        return Check("groups", Verdict.CANNOT_SAY, f"No group is large enough to judge.{unjudged}")
    text = f"Chances are right in the large in {judged} groups, as far as can be told.{unjudged}"
    return Check("groups", Verdict.GO, text)


def _side(figure: Mapping[str, Any]) -> str:
    """Which way chances are off beyond chance; empty if they are not."""
    if figure["low"] is None:
        return ""
    if figure["low"] > MOST_OFF:
        return "too low"
    return "too high" if figure["high"] < -MOST_OFF else ""


def burden(use: Mapping[str, Any], capacity: int) -> Check:
    """Do alerts fit what a hub can take up."""
    alerts = use.get("alerts")
    if not alerts:
        return Check("alerts", Verdict.CANNOT_SAY, "Too few days to count alerts on.")
    new = alerts["new"]
    text = (
        f"{new['value']:.1f} new alerts a site and day, at most {alerts['busy_day']:.0f} on nine "
        f"days in ten; {capacity} can be taken up."
    )
    low = new["value"] if new["low"] is None else new["low"]
    return Check("alerts", Verdict.NOT_YET if low > capacity else Verdict.GO, text)


def early(lead: Mapping[str, Any] | None) -> Check:
    """Would somebody be told soon enough to act."""
    if lead is None or lead["median_days"]["value"] is None:
        return Check("lead time", Verdict.CANNOT_SAY, "Too few long stays are due to tell.")
    nights, flagged = lead["median_days"], lead["flagged"]["value"]
    text = (
        f"With {lead['capacity']} places a site and day {flagged:.0%} of long stays are listed "
        f"before {lead['horizon']} nights, half of those {nights['value']:.0f} nights before; "
        f"{LEAST_NIGHTS_BEFORE:.0f} expected."
    )
    late = nights["value"] < LEAST_NIGHTS_BEFORE
    return Check("lead time", Verdict.NOT_YET if late else Verdict.GO, text)


def beside_staff(told: Mapping[str, Any] | None) -> Check:
    """Do the forecasts rank no worse than staff's own dates."""
    if told is None:
        text = "Staff's expected dates are not recorded, or of too few stays: not compared."
        return Check("staff's dates", Verdict.NOTE, text)
    off, gap = told["nights_off"], told["auroc"]["difference"]
    text = (
        f"Staff's dates are {off['staff']['value']:.1f} nights off on average and the forecasts "
        f"{off['forecast']['value']:.1f}; {told['alike']['value']:.0%} lie within a night of each "
        f"other. AUROC of the forecasts less that of staff's dates: {gap['value']:+.3f} "
        f"({gap['low']:+.3f} to {gap['high']:+.3f})."
    )
    return Check("staff's dates", Verdict.NOT_YET if gap["high"] < 0 else Verdict.GO, text)


def asked(silence: Silence) -> Check:
    """Share of stays begun in the silent time, of a night or more, that were asked about."""
    moments = silence.lived.snapshots.prediction_time
    if not moments.size:
        return Check("data", Verdict.CANNOT_SAY, "Nothing was scored.")
    spells = find_spells(silence.events)
    end = np.where(spells.ended, spells.end, silence.lived.until)
    within = (spells.start >= moments[0]) & (spells.start < moments[-1] - DAY)
    whole = spells.spell_id[within & (local_day(end) > local_day(spells.start))]
    if whole.size < LEAST_EVENTS:
        return Check("data", Verdict.CANNOT_SAY, "Too few stays began in the silent time to tell.")
    share = float(np.isin(whole, silence.columns["spell"]).mean())
    complete = float(np.nanmean(silence.lived.told["completeness"]))
    text = (
        f"{share:.0%} of stays of a night or more were asked about ({LEAST_ASKED:.0%} expected); "
        f"{complete:.0%} of what a score could use was known, on average."
    )
    return Check("data", Verdict.GO if share >= LEAST_ASKED else Verdict.NOT_YET, text)
