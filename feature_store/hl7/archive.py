"""An archive of ADT messages to an event dataset, by the same door as the live feed.

The messages are replayed into a scratch store in the order in which they were sent, each received
when it was sent (MSH-7): an archive does not say when it was received.
"""

from __future__ import annotations

import csv
import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, TextIO

from feature_store.clock import DAY
from feature_store.dataset import fresh_folder
from feature_store.errors import BadInput, BadRows
from feature_store.hl7.ack import Ack
from feature_store.hl7.door import Feed, process
from feature_store.hl7.statement import sent_at_of
from feature_store.identity import Identity
from feature_store.ingest.rejects import LEADING, check_free, kept_apart
from feature_store.live.export import Origin, write_live_dataset
from feature_store.live.store import open_store
from feature_store.manifest import Manifest

_START: Final = re.compile(rb"(?:^|(?<=[\r\n\x0b\xbf]))MSH(?=[^\w\s])")
_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message lies, when it was sent (0: unsaid), and which of its file it is, from 1."""

    sent_at: int
    source: int
    number: int
    offset: int
    size: int


def ingest_hl7(  # noqa: PLR0913 - a door: what a run can be told
    sources: Sequence[Path],
    out: Path,
    *,
    identity: Identity,
    now: int,
    feed: Feed = Feed(),  # noqa: B008 - frozen
    reject_file: Path | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Manifest:
    """Turn files of ADT messages into an event dataset.

    Parameters
    ----------
    sources : sequence of Path
        Each holds any number of messages, framed by MLLP or not; a message begins with a line
        ``MSH``. Order and repetition do not matter.
    out : Path
        A new folder.
    identity : Identity
    now : int
        UTC microseconds; a message that was sent after it is refused, or every stay still open
        would count as open until then.
    feed : Feed
        By default any facility, and no test patients. One that is not live makes a dataset that is
        labelled synthetic.
    reject_file : Path, optional
        A new CSV file for messages that are refused, each with its reason; without it one of them
        stops the run. It holds patients' data as the source does: only its owner can read it.
    progress : callable
        Takes lines for a person.

    Returns
    -------
    Manifest

    Raises
    ------
    BadInput
        ``out`` or ``reject_file`` exists, a source cannot be read, or there is no message or no
        event in it.
    BadRows
        Messages were refused and are not to be kept apart: how many for which reason.
    """
    if reject_file is not None:
        check_free(reject_file)
    with (
        ExitStack() as undo,
        fresh_folder(out) as folder,
        tempfile.TemporaryDirectory(dir=folder) as scratch,
    ):
        places = sorted(_places(sources), key=lambda one: (one.sent_at, one.source, one.offset))
        if not places:
            raise BadInput("HL7: messages that begin with MSH expected, found none")
        last = min(
            now, max((one.sent_at for one in places if one.sent_at <= now + DAY), default=now)
        )
        with closing(open_store(f"sqlite:///{scratch}/live.db", durable=False)) as store:
            became = _Became()
            for number, place in enumerate(places, 1):
                raw = _read(sources[place.source], place)
                received_at = min(place.sent_at or last, now)
                ack = process(raw, store, received_at, identity=identity, feed=feed)
                became.note(place, ack)
                if number % _EVERY == 0:
                    progress(f"{number:,} of {len(places):,} messages")
            if became.refused and reject_file is None:
                raise BadRows("HL7", became.reasons())
            if reject_file is not None:
                write = partial(_write_refused, sources=sources, refused=became.refused)
                undo.enter_context(kept_apart(reject_file, write))
            return write_live_dataset(
                store,
                folder,
                at=last,
                origin=Origin(
                    source=", ".join(sorted(path.name for path in sources)),
                    synthetic=not feed.live,
                    content_hash=_hash(sources),
                    settings={
                        "codebook": feed.codebook.name,
                        "codebook_hash": feed.codebook.digest,
                    },
                ),
                counts={"messages": len(places), **became.counts()},
            )


@dataclass(slots=True)
class _Became:
    """What became of the messages."""

    outcomes: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    refused: dict[_Place, str] = field(default_factory=dict)

    def note(self, place: _Place, ack: Ack) -> None:
        self.outcomes[ack.outcome] += 1
        self.unused.update(ack.unused)
        if ack.outcome == "rejected":
            self.refused[place] = ack.reason

    def reasons(self) -> list[str]:
        """How many were refused for which reason."""
        reasons = Counter(self.refused.values()).most_common()
        return [f"{count} x {why}" for why, count in reasons]

    def counts(self) -> dict[str, int]:
        """For the manifest; a refused message is no spell that was rejected: nobody can say."""
        return {
            "rejected_rows": len(self.refused),
            "duplicate_messages": self.outcomes["duplicate"],
            "unused_rows": self.outcomes["not used"],
            **{f"unused: {place}": count for place, count in sorted(self.unused.items())},
        }


def _write_refused(file: TextIO, *, sources: Sequence[Path], refused: dict[_Place, str]) -> None:
    """Refused messages by file and place in it, with the columns that refused rows begin with."""
    writer = csv.writer(file)
    writer.writerow(LEADING)
    for place in sorted(refused, key=lambda one: (one.source, one.offset)):
        text = _read(sources[place.source], place).decode(errors="backslashreplace")
        row = sources[place.source].name, place.number, refused[place], text.strip("\x0b\x1c\r\n")
        writer.writerow(row)


def _places(sources: Sequence[Path]) -> Iterator[_Place]:
    """Every message of the sources, without keeping any in memory."""
    for number, path in enumerate(sources):
        try:
            data = path.read_bytes()
        except OSError as error:
            msg = f"{path.name}: a file of HL7 messages expected ({type(error).__name__})"
            raise BadInput(msg) from error
        starts = [found.start() for found in _START.finditer(data)]
        for place, (start, end) in enumerate(pairwise([*starts, len(data)]), 1):
            yield _Place(sent_at_of(data[start:end]) or 0, number, place, start, end - start)


def _read(path: Path, place: _Place) -> bytes:
    with path.open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def _hash(sources: Sequence[Path]) -> str:
    digests = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)
    return hashlib.sha256("".join(digests).encode()).hexdigest()
