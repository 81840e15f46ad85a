"""Columns of a dataset drop: what each is, what its absence means, and what a trust calls it.

Names are those of ``homeward score`` where the same is meant. The third word of a line is the
property of the FDP canonical model that means the same; most have none, for that model knows
admissions and wards, and no scores.

References
----------
nhsengland/fdp-canonical-data-model, commit 1ee5135 of 18 July 2025: objects Admission, WardStay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from feature_store.vocabulary import LONG_STAY_DAYS

CANONICAL_MODEL: Final = "nhsengland/fdp-canonical-data-model@1ee5135 (2025-07-18)"
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
    kind : str
        ``text``, ``integer``, ``number``, ``boolean`` or ``moment``.
    meaning : str
        In words, with its unit.
    missing : str
        What it means that there is no value; empty where there always is one.
    canonical : str
        ``Object.property`` of the canonical model, or nothing.
    of : callable
        From a row of the worklist to the value.
    """

    name: str
    kind: str
    meaning: str
    missing: str
    canonical: str
    of: Callable[[Json], Any]


def _of(*path: str) -> Callable[[Json], Any]:
    def found(row: Json) -> Any:
        value: Any = row
        for name in path:
            value = value.get(name) if value is not None else None
        return value

    return found


def _moment(*path: str) -> Callable[[Json], datetime | None]:
    found = _of(*path)

    def read(row: Json) -> datetime | None:
        text = found(row)
        return None if text is None else datetime.fromisoformat(text)

    return read


def _reasons(*, actionable: bool) -> Callable[[Json], str | None]:
    """Act on: what lengthens the stay and can be acted on; background: every other reason."""

    def told(row: Json) -> str | None:
        score = row.get("score")
        if score is None:
            return None
        chosen = [
            one
            for one in score["reasons"]
            if (one["actionable"] and one["direction"] == "longer") == actionable
        ]
        return "; ".join(map(_say, chosen))

    return told


def _say(reason: Json) -> str:
    what = f"{reason['label']}: {reason['value']}" if reason["value"] else str(reason["label"])
    if reason["action"] and reason["direction"] == "longer":
        return f"{reason['action']} ({what})"
    return f"{what} ({reason['direction']})"


def _missing(row: Json) -> str | None:
    score = row.get("score")
    return None if score is None else "; ".join(score["missing"])


_NO_SCORE: Final = "there is no score: see refused"


def _chance(days: int) -> Column:
    text = f"Chance that the stay lasts {days} nights or more, 0 to 1; 1 once it has."
    untold = f"{_NO_SCORE}, or the chance cannot be told"
    return Column(f"p_{days}", "number", text, untold, "", _of("score", "probability", str(days)))


def _day(name: str, text: str) -> Column:
    untold = f"{_NO_SCORE}, or later than can be told"
    return Column(name, "integer", text, untold, "", _of("score", "discharge_day", name))


COLUMNS: Final[Sequence[Column]] = (
    Column(
        "spell_id",
        "text",
        "Spell, under the identifier that the trust's own feed sent.",
        "",
        "Admission.admissionExternalId",
        _of("spell_id"),
    ),
    Column(
        "at", "moment", "Moment of the list; what was known then counts.", "", "", _moment("at")
    ),
    Column(
        "site",
        "text",
        "Site, as sent: a code where the canonical model has a name.",
        "not known",
        "Admission.siteName",
        _of("site"),
    ),
    Column("ward", "text", "Ward, as sent.", "not known", "WardStay.wardId", _of("ward")),
    Column("bed", "text", "Bed, as sent.", "not known, or not scored", "", _of("bed")),
    Column(
        "specialty",
        "text",
        "Treatment function or main specialty code.",
        "not known, or not scored",
        "Admission.specialtyId",
        _of("specialty"),
    ),
    Column(
        "admitted_at",
        "moment",
        "Start of the spell.",
        "not scored",
        "Admission.admissionTimestamp",
        _moment("admitted_at"),
    ),
    Column(
        "section",
        "text",
        "stay_risk, or awaiting_discharge: the criteria to reside are no longer met.",
        "not scored",
        "",
        _of("section"),
    ),
    Column(
        "rank",
        "integer",
        "Place in the section of the site, from 1.",
        "not scored",
        "",
        _of("rank"),
    ),
    Column(
        "within_capacity",
        "boolean",
        "Whether the hub can take the patient on today; true once ready.",
        "not scored",
        "",
        _of("within_capacity"),
    ),
    Column(
        "days_so_far",
        "integer",
        "Length of stay so far, in midnights.",
        _NO_SCORE,
        "",
        _of("score", "days_so_far"),
    ),
    *(_chance(days) for days in LONG_STAY_DAYS),
    Column(
        "band",
        "text",
        "high, medium or low, by the next horizon.",
        _NO_SCORE,
        "",
        _of("score", "band"),
    ),
    _day("p10", "Day of stay by which 1 in 10 like this have left."),
    _day("p50", "Day of stay by which half have left."),
    _day("p90", "Day of stay by which 9 in 10 have left."),
    Column(
        "change",
        "text",
        "new, rising, steady or falling since 06:00 yesterday.",
        "a score of either day is missing",
        "",
        _of("change"),
    ),
    Column(
        "days_since_ready",
        "integer",
        "Midnights since the criteria to reside were lost; the canonical model has the date.",
        "they are met, or nobody said",
        "",
        _of("days_since_ready"),
    ),
    Column(
        "expected_discharge_at",
        "moment",
        "The clinicians' own expectation; noon stands for the day.",
        "none was said",
        "Admission.estimatedDischargeDate",
        _moment("expected_discharge_at"),
    ),
    Column(
        "act_on",
        "text",
        "What lengthens the stay and can be acted on, with a first step.",
        _NO_SCORE,
        "",
        _reasons(actionable=True),
    ),
    Column(
        "background",
        "text",
        "The other reasons, each with its direction. Associations, not causes.",
        _NO_SCORE,
        "",
        _reasons(actionable=False),
    ),
    Column(
        "missing",
        "text",
        "Families of facts that would sharpen the score.",
        _NO_SCORE,
        "",
        _missing,
    ),
    Column(
        "completeness",
        "number",
        "Share of what the model can use that was there, 0 to 1.",
        _NO_SCORE,
        "",
        _of("score", "completeness"),
    ),
    Column(
        "feedback",
        "text",
        "What was last said of a score of this spell: seen, agreed or overridden.",
        "nothing was said",
        "",
        _of("feedback", "verdict"),
    ),
    Column(
        "score_id",
        "text",
        "Score, for feedback and for the page.",
        _NO_SCORE,
        "",
        _of("score", "score_id"),
    ),
    Column(
        "refused",
        "text",
        "Why there is no score: out_of_scope, stale, too_incomplete or bad_value.",
        "there is one",
        "",
        _of("reason"),
    ),
    Column("refused_detail", "text", "The same in words.", "there is a score", "", _of("detail")),
    Column(
        "model_version",
        "text",
        "Version of the model.",
        "the model is not registered",
        "",
        _of("model_version"),
    ),
    Column(
        "synthetic",
        "boolean",
        "Whether the model or the patients are made up.",
        "",
        "",
        _of("synthetic"),
    ),
)
"""In the order of the file; one row for each inpatient, scored or not."""
