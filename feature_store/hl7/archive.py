"""An archive of ADT messages to an event dataset, by the same door as the live feed.

The messages are replayed into a scratch store in the order in which they were sent, each received
when it was sent (MSH-7): an archive does not say when it was received.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from feature_store.clock import DAY
from feature_store.dataset import fresh_folder
from feature_store.errors import BadInput, BadRows
from feature_store.hl7.door import Feed, process
from feature_store.hl7.moments import to_utc
from feature_store.hl7.reading import DELETE, MOST_BYTES, Unreadable, read_message
from feature_store.identity import Identity
from feature_store.live.export import Origin, write_live_dataset
from feature_store.live.store import open_store
from feature_store.manifest import Manifest

_START: Final = re.compile(rb"(?:^|(?<=[\r\n\x0b\xbf]))MSH(?=[^\w\s])")
_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message lies; sorts by when it was sent, then by where it lies."""

    sent_at: int
    source: int
    offset: int
    size: int


def ingest_hl7(  # noqa: PLR0913 - a door: what a run can be told
    sources: Sequence[Path],
    out: Path,
    *,
    identity: Identity,
    now: int,
    feed: Feed = Feed(),  # noqa: B008 - frozen
    skip_rejected: bool = False,
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
    skip_rejected : bool
        Go on without messages that are refused; they are counted in the manifest.
    progress : callable
        Takes lines for a person.

    Returns
    -------
    Manifest

    Raises
    ------
    BadInput
        ``out`` exists, a source cannot be read, or there is no message or no event in it.
    BadRows
        Messages were refused and not to be skipped: how many for which reason.
    """
    with fresh_folder(out) as folder, tempfile.TemporaryDirectory(dir=folder) as scratch:
        places = sorted(_places(sources), key=lambda one: (one.sent_at, one.source, one.offset))
        if not places:
            raise BadInput("HL7: messages that begin with MSH expected, found none")
        last = min(
            now, max((one.sent_at for one in places if one.sent_at <= now + DAY), default=now)
        )
        with closing(open_store(f"sqlite:///{scratch}/live.db", durable=False)) as store:
            outcomes: Counter[str] = Counter()
            unused: Counter[str] = Counter()
            for number, place in enumerate(places, 1):
                raw = _read(sources[place.source], place)
                received_at = min(place.sent_at or last, now)
                ack = process(raw, store, received_at, identity=identity, feed=feed)
                outcomes[ack.reason or ack.outcome] += 1
                unused.update(ack.unused)
                if number % _EVERY == 0:
                    progress(f"{number:,} of {len(places):,} messages")
            rejected = _rejected(outcomes)
            if rejected and not skip_rejected:
                raise BadRows("HL7", [f"{count} x {why}" for why, count in rejected.items()])
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
                counts={
                    "messages": len(places),
                    "rejected_rows": sum(rejected.values()),
                    "duplicate_messages": outcomes["duplicate"],
                    "unused_rows": outcomes["not used"],
                    **{f"unused: {place}": count for place, count in sorted(unused.items())},
                },
            )


def _rejected(outcomes: Counter[str]) -> dict[str, int]:
    fine = {"accepted", "duplicate", "not used"}
    return {why: count for why, count in outcomes.most_common() if why not in fine}


def _places(sources: Sequence[Path]) -> Iterator[_Place]:
    """Every message of the sources, without keeping any in memory."""
    for number, path in enumerate(sources):
        try:
            data = path.read_bytes()
        except OSError as error:
            msg = f"{path.name}: a file of HL7 messages expected ({type(error).__name__})"
            raise BadInput(msg) from error
        starts = [found.start() for found in _START.finditer(data)]
        for start, end in pairwise([*starts, len(data)]):
            yield _Place(_sent_at(data[start:end]), number, start, end - start)


def _sent_at(raw: bytes) -> int:
    """MSH-7, or EVN-2; 0 where neither says: such a message is refused or known by its place."""
    try:
        reading = read_message(raw[: MOST_BYTES + 1])
    except Unreadable:
        return 0
    for place in (("MSH", 7), ("EVN", 2)):
        text = reading.text(*place)
        moment = None if text in {"", DELETE} else to_utc(text)
        if moment is not None:
            return moment
    return 0


def _read(path: Path, place: _Place) -> bytes:
    with path.open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def _hash(sources: Sequence[Path]) -> str:
    digests = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)
    return hashlib.sha256("".join(digests).encode()).hexdigest()
