"""From a MEDS dataset and a codebook to an event dataset: the whole run, step by step."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from feature_store.clock import DAY, to_microseconds, to_moment
from feature_store.dataset import fresh_folder, write_dataset
from feature_store.errors import BadInput, BadRows
from feature_store.events import concatenate
from feature_store.ingest.keys import are_nhs_numbers
from feature_store.ingest.run import FOLLOW_UP_DAYS
from feature_store.manifest import Clock, Manifest
from feature_store.meds.codebook import Codebook, read_codebook
from feature_store.meds.source import (
    MANIFEST,
    Rows,
    check_files,
    hash_of,
    pasts_of,
    read_descriptions,
    read_metadata,
    read_rows,
    read_shards,
    shards_of,
)
from feature_store.meds.translate import Tally, Translator
from feature_store.spells import STILL_HERE
from feature_store.table import to_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

_COUNTED: Final = ("spells", "open_spells", "deaths", "rejected_rows", "unused_rows")


def ingest_meds(
    codebook: Path,
    source: Path,
    out: Path,
    *,
    pseudonym_key: bytes | None = None,
    observed_until: datetime | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Manifest:
    """Turn a MEDS dataset into an event dataset.

    Parameters
    ----------
    codebook : Path
        See ``docs/meds.md``.
    source : Path
        Folder with ``data/**/*.parquet``; ``metadata/codes.parquet`` is used where it is there.
    out : Path
        A new folder.
    pseudonym_key : bytes, optional
        Secret of the keyed hash of subjects and spells that the codebook does not keep; without it
        a random one is used and forgotten.
    observed_until : datetime, optional
        Aware moment at which the data were taken. By default the last event of the data, or what an
        export of Homeward says.
    progress : callable
        Takes lines for a person.

    Returns
    -------
    Manifest

    Raises
    ------
    BadInput
        Anything about the codebook, the files or the folder that cannot be used.
    BadRows
        Rows that cannot be used, by kind. Nothing is left behind in either case.
    """
    book, codebook_hash = read_codebook(codebook)
    shards = shards_of(source)
    told = read_metadata(source).get(MANIFEST)
    told = told if isinstance(told, dict) else {}
    ours = book.exported and bool(told)
    pasts = pasts_of(source) if ours else {}
    check_files(told, shards, pasts)
    secret = pseudonym_key or secrets.token_bytes(32)
    run = _Run(book, Translator(book, secret, Tally(), ours), pasts, progress)
    with fresh_folder(out) as folder:
        (folder / "part").mkdir()
        parts = run.translate(shards, folder / "part")
        manifest = Manifest(
            source=book.name,
            synthetic=book.synthetic or told.get("synthetic") is True,
            clock=Clock(book.clock),
            start=to_moment(run.first).isoformat(),
            observed_until=to_moment(_until(run, told, observed_until)).isoformat(),
            counts=run.counts(),
            mapping_hash=codebook_hash,
            settings={
                "codebook": codebook.name,
                "description": book.description,
                "source_hash": hash_of(shards),
                "complete": book.complete,
                "time_zone": book.zone,
            },
        )
        units = {code: (text, "") for code, text in read_descriptions(source).items()}
        written = write_dataset(folder, _tables(parts), manifest, descriptions=units)
        (folder / "part").rmdir()
        return written


class _Run:
    """Shards translated one by one, each to a file of its own: memory is bounded by one of them."""

    def __init__(
        self, book: Codebook, translator: Translator, pasts: dict[str, Path], progress: Any
    ) -> None:
        self.book = book
        self.translator = translator
        self.pasts = pasts
        self.progress = progress
        self.first = STILL_HERE
        self.last = -STILL_HERE

    def translate(self, shards: list[Path], folder: Path) -> list[Path]:
        """Write the events of each shard; only then are the faults of all of them told."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - beside the only use

        tally, parts = self.translator.tally, []
        for number, rows in enumerate(read_shards(shards, self.book)):
            self._check_subjects(rows)
            events, index = self.translator.events(rows)
            if shards[number].name in self.pasts:
                past = read_rows(self.pasts[shards[number].name], self.book)
                self._check_subjects(past)
                events = concatenate([events, self.translator.stated(past, index)])
            tally.counts["spells"] += len(index)
            tally.counts["open_spells"] += int((~index.ended).sum())
            tally.counts["deaths"] += int(index.died.sum())
            if len(index):
                self.first = min(self.first, int(index.start.min()))
            if len(events):
                self.last = max(self.last, int(events.visible_at.max()))
            path = folder / f"{number:05d}.parquet"
            pq.write_table(to_table(self.translator.relabelled(events)), path)
            parts.append(path)
            self.progress(f"{shards[number].name}: {len(events):,} events")
        self._judge()
        return parts

    def _check_subjects(self, rows: Rows) -> None:
        if "subject" in self.book.keep and are_nhs_numbers(rows.subject):
            raise BadInput('subject_id: what look like NHS numbers; take "subject" out of keep')

    def _judge(self) -> None:
        tally = self.translator.tally
        faults = [f"{count:,} {fault}" for fault, count in sorted(tally.faults.items()) if count]
        if faults:
            faults.append("mend the dataset or the codebook")
            raise BadRows("MEDS", faults)
        if not tally.counts["spells"]:
            raise BadInput("MEDS: at least one spell expected, found none; see [spells]")

    def counts(self) -> dict[str, int]:
        """What was counted, the usual names among it."""
        counts = self.translator.tally.counts
        return {**dict.fromkeys(_COUNTED, 0), **counts, "rejected_spells": 0}


def _until(run: _Run, told: dict[str, Any], given: datetime | None) -> int:
    """End of the data in UTC microseconds."""
    if given is not None:
        return to_microseconds(given)
    if "observed_until" in told:
        try:
            return to_microseconds(datetime.fromisoformat(told["observed_until"]))
        except (TypeError, ValueError) as error:
            msg = "metadata/dataset.json: observed_until: ISO 8601 with an offset expected"
            raise BadInput(msg) from error
    return run.last + (FOLLOW_UP_DAYS * DAY if run.book.complete else 0)


def _tables(parts: list[Path]) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - beside the only use

    for path in parts:
        table = pq.read_table(path)
        path.unlink()
        yield table
