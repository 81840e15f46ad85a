"""From a mapping and source files to an event dataset: the whole run, step by step."""

from __future__ import annotations

import secrets
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from feature_store.clock import DAY, to_microseconds, to_moment
from feature_store.dataset import fresh_folder, write_dataset
from feature_store.errors import BadInput
from feature_store.ingest.calendar import DESCRIPTION
from feature_store.ingest.codes import CodeBook
from feature_store.ingest.facts import FactReader
from feature_store.ingest.faults import Faults
from feature_store.ingest.keys import KeyReader
from feature_store.ingest.mapping_file import read_mapping
from feature_store.ingest.partitions import Partitions, subject_bounds
from feature_store.ingest.reading import check_header
from feature_store.ingest.rejects import check_free, kept_apart, write_rows
from feature_store.ingest.sources import match_sources
from feature_store.ingest.spell_table import SpellTable
from feature_store.ingest.tables import TableReader, spell_events, table_columns
from feature_store.ingest.times import TimeReader
from feature_store.manifest import Clock, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from feature_store.ingest.mapping import Mapping
    from feature_store.ingest.sources import Source
    from feature_store.ingest.spell_index import SpellIndex
    from feature_store.ingest.tables import Progress

FOLLOW_UP_DAYS: Final = 366
"""Of a complete extract after its last discharge: nothing in it is censored."""


def ingest(  # noqa: PLR0913 - a door: what a run can be told
    mapping: Path,
    sources: Sequence[Path],
    out: Path,
    *,
    reject_file: Path | None = None,
    progress: Progress | None = None,
    pseudonym_key: bytes | None = None,
    observed_until: datetime | None = None,
) -> Manifest:
    """Turn an extract into an event dataset.

    Parameters
    ----------
    mapping : Path
        Mapping file, see `docs/mapping.md`.
    sources : sequence of Path
        CSV, CSV.GZ or Parquet files; each is matched to a table of the mapping by its name.
    out : Path
        A new folder.
    reject_file : Path, optional
        A new file for bad rows, which are otherwise an error. It holds rows of the source.
    progress : callable, optional
        Told in a few words what has been done so far.
    pseudonym_key : bytes, optional
        Secret of the keyed hash for patient and spell keys that are not kept. Without it a random
        one is used and forgotten: such a dataset cannot be linked to another.
    observed_until : datetime, optional
        Aware moment at which the extract was taken; a spell without an end was open then. By
        default the last admission or discharge.

    Returns
    -------
    Manifest
        As written.

    Raises
    ------
    BadInput
        Anything about the mapping, the files or the folder that cannot be used.
    BadRows
        Rows that cannot be used, without ``reject_file``. Nothing is left behind in either case.
    """
    rules, mapping_hash = read_mapping(mapping)
    tables = match_sources(rules, sources)
    if reject_file is not None:
        check_free(reject_file)
    faults, codes = Faults(), CodeBook()
    keys, times = (
        KeyReader(rules.keys, pseudonym_key or secrets.token_bytes(32)),
        TimeReader(rules.time),
    )
    run = _Run(rules, tables, faults, keys, times, codes, progress or _say_nothing)
    with ExitStack() as undo, fresh_folder(out) as folder, _scratch(folder) as scratch:
        run.check_headers()
        index = run.read_spells()
        with Partitions(scratch, subject_bounds(index)) as partitions:
            index = run.read_tables(index, partitions)
            _judge(faults, index, reject_file)
            run.progress("sorting and writing events")
            manifest = Manifest(
                source=rules.name,
                synthetic=rules.synthetic,
                clock=_clock(rules),
                start=to_moment(int(index.start.min())).isoformat(),
                observed_until=to_moment(_until(rules, index, observed_until)).isoformat(),
                counts=partitions.tally,  # the very dict: what is counted while writing is in it
                mapping_hash=mapping_hash,
                settings=_settings(rules, mapping, given=pseudonym_key is not None),
            )
            if reject_file is not None:
                write = partial(write_rows, tables=tables, faults=faults)
                undo.enter_context(kept_apart(reject_file, write))
            shards = partitions.shards(codes)
            return write_dataset(folder, shards, manifest, descriptions=codes.descriptions)


@dataclass(frozen=True, slots=True)
class _Run:
    """What the steps of one run share."""

    rules: Mapping
    tables: dict[str, list[Source]]
    faults: Faults
    keys: KeyReader
    times: TimeReader
    codes: CodeBook
    progress: Progress

    def check_headers(self) -> None:
        """Look for every column of every file before reading any of them."""
        for name, sources in self.tables.items():
            for source in sources:
                check_header(source, table_columns(self.rules, name))

    def read_spells(self) -> SpellIndex:
        """First reading: the table of spells, every column of it that will be needed."""
        self.progress("reading spells")
        name = self.rules.spells.table
        columns = table_columns(self.rules, name)
        table = SpellTable(self.rules, self.keys, self.times)
        return table.read(self.tables[name], columns, self.faults)

    def read_tables(self, index: SpellIndex, partitions: Partitions) -> SpellIndex:
        """Second reading: facts of the spells first, so that their faults reach the other tables.

        Returns the index without the spells that have bad facts.
        """
        first = self.rules.spells.table
        rows = {"source_rows": 0, "unused_rows": 0}
        for name in sorted(self.tables, key=lambda name: (name != first, name)):
            facts = FactReader(self.rules, index, self.times, self.codes, self.faults)
            reader = TableReader(facts, self.keys, partitions, self.progress)
            bad_spells = reader.read(self.tables[name])
            index = index.without(bad_spells) if name == first else index
            rows["source_rows"] += reader.source_rows
            rows["unused_rows"] += reader.unused_rows
        for found in spell_events(index, self.codes):
            partitions.add(found, np.zeros(1, dtype=bool))
        partitions.tally |= {
            **rows,
            "spells": len(index),
            "open_spells": int((~index.ended).sum()),
            "rejected_rows": self.faults.rejected_rows,
            "rejected_spells": int(index.rejected.size),
        }
        return index


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder beside the events, on the same disk, gone before they appear."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        yield Path(scratch)


def _judge(faults: Faults, index: SpellIndex, reject_file: Path | None) -> None:
    """Stop at bad rows, unless they are kept apart and leave something."""
    if faults and (reject_file is None or not len(index)):
        faults.raise_summary()
    if not len(index):
        msg = "spells: at least one expected, found none"
        raise BadInput(msg)


def _clock(rules: Mapping) -> Clock:
    spells = rules.spells
    if spells.order:
        return Clock.ORDER
    times = [rules.moment(time) for time in (spells.start, spells.end) if time is not None]
    of_days = bool(spells.days) or any(time.of_days for time in times)
    return Clock.DAYS if of_days else Clock.EXACT


def _until(rules: Mapping, index: SpellIndex, given: datetime | None) -> int:
    """End of the data in UTC microseconds."""
    last = int(np.where(index.ended, index.end, index.start).max())
    if rules.complete and given is not None:
        msg = "observed until: none expected, every spell has ended (complete = true)"
        raise BadInput(msg)
    if rules.complete:
        return last + FOLLOW_UP_DAYS * DAY
    if given is None:
        return last
    until = to_microseconds(given)
    late = int((index.start > until).sum())
    if late:
        msg = f"observed until: a moment after every admission expected, {late} spells start later"
        raise BadInput(msg)
    return until


def _settings(rules: Mapping, mapping: Path, *, given: bool) -> dict[str, Any]:
    """How the dataset was made, free of patient values."""
    hashed = "HMAC-SHA256 with the site's key" if given else "HMAC-SHA256 with a key used once"
    settings = {
        "mapping": mapping.name,
        "description": rules.description,
        "complete": rules.complete,
        "subject_key": "kept" if "subject" in rules.keys.keep else hashed,
        "spell_key": "kept" if "spell" in rules.keys.keep else hashed,
        "time_zone": rules.time.zone,
        "ambiguous_times": rules.time.ambiguous,
        "nonexistent_times": rules.time.nonexistent,
    }
    return settings | ({"calendar": DESCRIPTION} if rules.spells.order else {})


def _say_nothing(_: str) -> None:
    """Progress that nobody asked for."""
