"""``POST /fhir/$score``: a bundle of UK Core in, a bundle of RiskAssessments out.

Nothing is kept but the account of it. Every inpatient encounter of the bundle comes back, in its
order: as a RiskAssessment, or as an OperationOutcome with the reason why there is none. What was
not used is counted at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from feature_store.errors import BadInput
from feature_store.events import Events
from feature_store.fhir import Reading, read_bundle
from feature_store.fhir.stays import Stay
from feature_store.identity import Identity
from feature_store.live.census import Present
from feature_store.live.spell_index import Inpatient
from feature_store.vocabulary import SPELL_END, family_of, value_of
from models.forecast import Refusal
from models.scoring import TOP_REASONS
from service.answering import Asker, ServedModel
from service.fhir import words
from service.fhir.answers import issue, outcome
from service.fhir.resources import full_url
from service.fhir.risk_assessment import Named, risk_assessment, subject_of
from service.hub.scoring import Asking, Limits, Scored, refused_row, score_present
from service.identifiers import looks_like_nhs_number, new_score_id
from service.problems import Fault, Problem
from service.reading import read_json
from service.record import AuditRow
from service.translate import DISCHARGED, NOT_ADMITTED, OTHER_SITE
from service.wire import RefusedSpell, Score

Read = TypeVar("Read")

MOST_RESOURCES: Final = 5000
OVERLAP: Final = Refusal(
    "bad_value", "another inpatient Encounter of this patient is open too; partOf would say why"
)
_LATER: Final = "fact of after the moment asked about"
_NO_LIMITS: Final = Limits(stale_hours=10**6, least_completeness=0.0)  # as of POST /v1/scores
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class ScoredBundle:
    """What is said of a bundle.

    Parameters
    ----------
    stays : sequence of Stay
    words : sequence of Score or RefusedSpell
        One a stay.
    rows : sequence of AuditRow
        One a stay, for the record.
    reading : Reading
    unused : Counter of str
    at : int
    """

    stays: Sequence[Stay]
    words: Sequence[Score | RefusedSpell]
    rows: Sequence[AuditRow]
    reading: Reading
    unused: Counter[str]
    at: int

    @property
    def scores(self) -> list[Score]:
        """Those that were scored."""
        return [word for word in self.words if isinstance(word, Score)]

    @property
    def refused(self) -> list[RefusedSpell]:
        """Those that were not."""
        return [word for word in self.words if isinstance(word, RefusedSpell)]

    def resource(self) -> dict[str, Any]:
        """The answer."""
        told = [
            _refusal(stay, word)
            if isinstance(word, RefusedSpell)
            else risk_assessment(row, _named(stay, row, self.reading.findings(stay, at=self.at)))
            for stay, word, row in zip(self.stays, self.words, self.rows, strict=True)
        ]
        counted = [
            issue("informational", f"{kind}: {count} not used", "information")
            for kind, count in sorted(self.unused.items())
        ]
        resources = told + ([outcome(counted)] if counted else [])
        entries = [{"fullUrl": _url(one), "resource": one} for one in resources]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def read_resources(body: bytes) -> Mapping[str, Any]:
    """A bundle as plain data, every key once and not too much of it.

    Raises
    ------
    Problem
        413, 422.
    """
    bundle = read_nested(body, _decode)
    entries = bundle.get("entry")
    if isinstance(entries, list) and len(entries) > MOST_RESOURCES:
        raise Problem(413, f"At most {MOST_RESOURCES} resources are read in a request.")
    return bundle


def read_nested(body: bytes, decode: Callable[[bytes], Read]) -> Read:
    """JSON that holds resources, which may be nested by whoever means harm.

    Raises
    ------
    Problem
        422.
    """
    try:
        return read_json(body, decode)
    except RecursionError:  # deep enough to pass one reader and not the other
        raise Problem(422, faults=[Fault("#", "less deeply nested JSON expected")]) from None


def score_bundle(
    bundle: Mapping[str, Any],
    model: ServedModel,
    asker: Asker,
    identity: Identity,
    *,
    at: int,
    tests: bool,
) -> ScoredBundle:
    """Score every inpatient encounter of a bundle, as it was known at a moment.

    Parameters
    ----------
    bundle : mapping
    model : ServedModel
    asker : Asker
    identity : Identity
    at : int
        UTC microseconds.
    tests : bool
        Whether test patients (NHS numbers of the 9-range) are taken.

    Raises
    ------
    Problem
        422: the bundle cannot be read; the element and what was expected there, never a value.
    """
    reading = _read(bundle, identity, tests=tests)
    events = reading.events
    known = events.take(events.visible_at <= at)
    places = _places(known)
    people = [_inpatient(stay, places) for stay in reading.stays]
    refused = _refused(reading.stays, known, at)
    if asker.sites is not None:
        others = (one.spell_id for one in people if one.site not in asker.sites)
        refused = dict.fromkeys(others, OTHER_SITE) | refused
    asking = Asking(model=model, asker=asker, limits=_NO_LIMITS, reasons=TOP_REASONS)
    names = {stay.spell: stay.name for stay in reading.stays}
    asked = [one for one in people if one.spell_id not in refused]
    scored = score_present(asking, Present(at, asked, known, 0), names)
    said = dict(zip((one.spell_id for one in asked), _pairs(scored), strict=True))
    for one in people:
        if (why := refused.get(one.spell_id)) is not None:
            row = refused_row(asking, one, why, at, subject=one.subject_id)
            said[one.spell_id] = RefusedSpell(names[one.spell_id], why.reason, why.detail), row
    told = [said[stay.spell] for stay in reading.stays]
    unused = reading.unused + Counter({_LATER: len(events) - len(known)})
    said_of, rows = [word for word, _ in told], [row for _, row in told]
    return ScoredBundle(reading.stays, said_of, rows, reading, unused, at)


def _pairs(scored: Scored) -> Iterable[tuple[Score | RefusedSpell, AuditRow]]:
    return zip(scored.words, scored.rows, strict=True)


def _read(bundle: Mapping[str, Any], identity: Identity, *, tests: bool) -> Reading:
    try:
        return read_bundle(bundle, identity, tests=tests)
    except BadInput as error:  # its text names elements and never a value
        raise Problem(422, str(error)) from None


def _refused(stays: Sequence[Stay], known: Events, at: int) -> dict[int, Refusal]:
    """Stays that cannot be asked about: not begun, over, or two at once."""
    ended = set(known.spell_id[known.rows_of(SPELL_END)].tolist())
    refused = {stay.spell: DISCHARGED for stay in stays if stay.spell in ended}
    refused |= {stay.spell: NOT_ADMITTED for stay in stays if stay.start > at}
    here = [stay for stay in stays if stay.spell not in refused]
    count = Counter(stay.person.subject for stay in here)
    return refused | {stay.spell: OVERLAP for stay in here if count[stay.person.subject] > 1}


def _places(known: Events) -> dict[tuple[int, str], str]:
    """Last known site and ward of each spell."""
    families = [family_of(code) for code in known.codes]
    wanted = np.array([family in {"SITE", "WARD"} for family in families], np.bool_)
    rows = np.flatnonzero(wanted[known.code]) if len(known) else np.zeros(0, np.int64)
    found = {}
    for row in rows[np.argsort(known.time[rows], kind="stable")].tolist():
        code = int(known.code[row])
        found[int(known.spell_id[row]), families[code]] = value_of(known.codes[code])
    return found


def _inpatient(stay: Stay, places: Mapping[tuple[int, str], str]) -> Inpatient:
    where = (places.get((stay.spell, family)) for family in ("SITE", "WARD"))
    return Inpatient(stay.spell, stay.person.subject, stay.start, *where)


# ---- names as they were sent ---------------------------------------------------------------------


def _named(stay: Stay, row: AuditRow, findings: Sequence[str]) -> Named:
    """References as the sender has them, but for one that is an NHS number: there, a pseudonym."""
    encounter = _reference(stay.name) or _spell(stay)
    sent = _reference(stay.encounter.subject.reference) or {}
    basis = [reference for name in findings if (reference := _reference(name)) is not None]
    return Named(encounter, sent | subject_of(row.subject), [encounter, *basis])


def _reference(name: str) -> dict[str, Any] | None:
    if looks_like_nhs_number(name.rpartition("/")[2]) or len(name.split()) != 1:
        return None
    return {"reference": name}


def _spell(stay: Stay) -> dict[str, Any]:
    return {"identifier": {"system": words.SPELL, "value": f"#{stay.spell:016x}"}}


def _refusal(stay: Stay, word: RefusedSpell) -> dict[str, Any]:
    about = {"url": words.ABOUT, "valueReference": _reference(stay.name) or _spell(stay)}
    over = word.reason == DISCHARGED.reason
    told = {
        "severity": "information" if over else "warning",
        "code": "business-rule",
        "details": {
            "coding": [{"system": words.REFUSAL, "code": word.reason}],
            "text": word.detail,
        },
    }
    return {"resourceType": "OperationOutcome", "extension": [about], "issue": [told]}


def _url(resource: Mapping[str, Any]) -> str:
    if "id" in resource:
        return full_url(dict(resource))
    return f"urn:uuid:{new_score_id()}"
