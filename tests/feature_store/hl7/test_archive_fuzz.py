"""Archives of messages, fuzzed: a dataset of what is sound, or an error and nothing left behind."""

import csv
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR
from feature_store.dataset import open_dataset
from feature_store.errors import HomewardError
from feature_store.hl7.archive import ingest_hl7
from feature_store.identity import Identity
from feature_store.spells import find_spells
from tests.hostile import harmed

NOW = 20_500 * DAY
IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")
CANARIES = ("Canary", "Surname", "4010232137")
TIMES = (
    *(b"197001010000", b"299912312359", b"20260329013000", b"20261025013000", b"20260230"),
    *(b"", b'""', b"NaN", b"9" * 40, b"20260216250000", b"202602161200+9999"),
)
odd = st.sampled_from(
    [*TIMES, b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"~~~~", b"\r", b"A" * 70_000]
)


@st.composite
def archives(draw, make_adt):
    """Files of framed and plain messages, some of them broken, and how many are as they were."""
    files, sound, number = [], 0, 0
    for _ in range(draw(st.integers(1, 2))):
        parts = []
        for _ in range(draw(st.integers(1, 4))):
            number += 1
            whole = make_adt(
                draw(st.sampled_from(["A01", "A02", "A03", "A08", "A11", "A31", "A40"])),
                NOW + number * HOUR,
                number=f"M{number}",
                visit=f"V{draw(st.integers(1, 2))}",
                old="P2",
                ward="A",
                nhs="4010232137",
            )
            kind = draw(st.sampled_from(["sound", "sound", "field", "harmed", "between"]))
            if kind == "field":
                fields = whole.split(b"|")
                fields[draw(st.integers(0, len(fields) - 1))] = draw(odd)
                whole = b"|".join(fields)
            elif kind == "harmed":
                whole = draw(harmed(whole))
            elif kind == "between":
                parts.append(draw(odd))
            sound += kind == "sound"
            parts.append(b"\x0b" + whole + b"\x1c\r" if draw(st.booleans()) else whole)
        files.append(draw(st.sampled_from([b"", b"\r", b"\n\n"])).join(parts))
    return files, sound


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


@settings(max_examples=15)
@given(data=st.data())
def test_any_archive_is_taken_or_refused_whole(make_adt, data):
    files, sound = data.draw(archives(make_adt))
    apart = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [folder / f"{place}.hl7" for place in range(len(files))]
        for path, content in zip(sources, files, strict=True):
            path.write_bytes(content)
        out, bad = folder / "out", folder / "bad.csv" if apart else None
        try:
            manifest = ingest_hl7(
                sources, out, identity=IDENTITY, now=NOW + 90 * DAY, reject_file=bad
            )
        except HomewardError as error:
            told = f"{error} {error.__cause__}"
            manifest = None
        if manifest is None:
            assert sorted(folder.iterdir()) == sources
            assert not [canary for canary in CANARIES if canary in told]
            return
        counts = manifest.counts
        assert counts["rejected_rows"] == (rows_of(bad) if apart else 0)
        assert manifest.until <= NOW + 90 * DAY
        events = open_dataset(out).read()
        events.check()
        assert len(find_spells(events)) == counts["spells"]
        stored = b"".join(one.read_bytes() for one in out.rglob("*") if one.is_file())
        assert not [canary for canary in CANARIES if canary.encode() in stored]
        assert counts["messages"] - counts["rejected_rows"] >= min(sound, 1)
