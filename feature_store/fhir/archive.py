"""Files of FHIR bundles and bulk exports to an event dataset."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from feature_store.clock import to_microseconds, to_moment
from feature_store.dataset import fresh_folder, write_dataset
from feature_store.errors import BadInput
from feature_store.events import Events
from feature_store.fhir.bundle import events_of
from feature_store.fhir.codes import NHS_NUMBER
from feature_store.fhir.people import TEST_PATIENT
from feature_store.identity import Identity, NhsNumber, nhs_number_kind
from feature_store.manifest import Clock, Manifest
from feature_store.spells import Spells, find_spells
from feature_store.table import to_table
from feature_store.vocabulary import family_of

_LINES: Final = ".ndjson"


def ingest_fhir(
    sources: Sequence[Path],
    out: Path,
    *,
    identity: Identity,
    now: int,
    observed_until: datetime | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Manifest:
    """Turn FHIR bundles and bulk exports into an event dataset.

    Parameters
    ----------
    sources : sequence of Path
        ``*.ndjson`` hold one resource a line, other files one bundle (or resource) each. All of
        them together are one source: a resource of one may refer to one of another. They are held
        in memory.
    out : Path
        A new folder.
    identity : Identity
    now : int
        UTC microseconds; nothing can have happened after it, or a stay still open would
        count as open until then.
    observed_until : datetime, optional
        When the export was taken; by default the last moment that any event tells of.
    progress : callable
        Takes lines for a person.

    Raises
    ------
    BadInput
        ``out`` exists, a source cannot be read, what :func:`events_of` refuses, test patients among
        others, no spell, or
        something after ``now`` or ``observed_until``. Nothing is stored.
    """
    with fresh_folder(out) as folder:
        entries: list[Any] = []
        for path in sources:
            entries.extend(_entries(path))
            progress(f"{len(entries):,} resources")
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        events, unused = events_of(bundle, identity)
        spells = find_spells(events)
        if not len(spells):
            raise BadInput("FHIR: at least one inpatient Encounter expected, found none")
        tests = _are_tests(entries)
        if any(tests) and not all(tests):
            msg = f"{TEST_PATIENT} among others; leave them out of the export"
            raise BadInput(msg)
        manifest = Manifest(
            source=", ".join(sorted(path.name for path in sources)),
            synthetic=all(tests),
            clock=Clock.EXACT,
            start=to_moment(int(spells.start.min())).isoformat(),
            observed_until=to_moment(_until(events, now, observed_until)).isoformat(),
            counts=_counts(len(entries), spells, unused),
            mapping_hash=_hash(sources),
        )
        return write_dataset(folder, iter([to_table(events)]), manifest)


def _are_tests(entries: Sequence[Any]) -> list[bool]:
    """Of each patient, whether the NHS number is one that is never issued to a person."""
    patients = [one["resource"] for one in entries if one["resource"]["resourceType"] == "Patient"]
    return [
        any(
            isinstance(one, dict)
            and one.get("system") == NHS_NUMBER
            and nhs_number_kind(one.get("value")) is NhsNumber.TEST
            for one in patient.get("identifier") or []
        )
        for patient in patients
    ]


def _until(events: Events, now: int, said: datetime | None) -> int:
    row = int(events.visible_at.argmax())  # NO_TIME is before all others
    last = int(events.visible_at[row])
    if last > now:
        family = family_of(events.codes[events.code[row]])
        msg = f"FHIR: moments up to now expected, found {family} in the future"
        raise BadInput(msg)
    if said is None:
        return last
    if to_microseconds(said) < last:
        raise BadInput("--observed-until: a moment at or after the last event expected")
    return to_microseconds(said)


def _counts(resources: int, spells: Spells, unused: Counter[str]) -> dict[str, int]:
    return {
        "resources": resources,
        "spells": len(spells),
        "deaths": int(spells.died.sum()),
        "open_spells": int((~spells.ended).sum()),
        "rejected_rows": 0,
        "unused_rows": unused.total(),
        **{f"unused: {kind}": count for kind, count in sorted(unused.items())},
    }


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """Entries of a bundle of one file; a resource by itself is an entry."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: a file of FHIR in UTF-8 expected ({type(error).__name__})"
        raise BadInput(msg) from None if isinstance(error, UnicodeDecodeError) else error
    if path.suffix.lower() == _LINES:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield {"resource": _parse(line, f"{path.name} line {number}")}
        return
    raw = _parse(text, path.name)
    if not isinstance(raw, dict) or raw.get("resourceType") != "Bundle":
        yield {"resource": raw}
        return
    entries = [] if raw.get("entry") is None else raw["entry"]
    if not isinstance(entries, list):
        raise BadInput("Bundle.entry: a list expected")
    yield from entries


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        msg = f"{place}: JSON expected, cannot be read as it"
        raise BadInput(msg) from None  # the cause quotes the text


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _hash(sources: Sequence[Path]) -> str:
    digests = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)
    return hashlib.sha256("".join(digests).encode()).hexdigest()
