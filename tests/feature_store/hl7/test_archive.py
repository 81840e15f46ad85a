"""An archive of messages becomes a dataset that agrees with the live store to the last bit."""

import csv
import stat
from contextlib import closing
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR
from feature_store.compute import compute_features
from feature_store.dataset import open_dataset
from feature_store.errors import BadInput, BadRows
from feature_store.hl7 import Feed, process
from feature_store.hl7.archive import ingest_hl7
from feature_store.identity import Identity
from feature_store.live import open_store
from feature_store.live.export import read_all
from feature_store.nhs import NHS
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import find_spells

NOW = 20_500 * DAY
LATER = NOW + 90 * DAY
IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")
IN = {"class": "I", "ward": "A", "site": "X", "method": "21", "sex": "F", "born": "19400101"}


def trust(make_adt, chance, patients=6):
    """A few stays with transfers, corrections, a cancelled discharge, a merge and a move."""
    messages, number = [], count()
    for patient in range(patients):
        start = NOW + int(chance.integers(0, 60)) * HOUR
        who = {"patient": f"P{patient}", "visit": f"V{patient}"}
        told = [("A01", start, IN), ("A02", start + 9 * HOUR, {"ward": "B"})]
        told.append(("A08", start + 20 * HOUR, {"method": "22", "specialty": "430"}))
        if patient % 2:
            told.append(("A03", start + 50 * HOUR, {"way_out": "1", "destination": "19"}))
        if patient % 4 == 1:
            told.append(("A13", start + 51 * HOUR, {}))
        for trigger, at, said in told:
            messages.append(make_adt(trigger, at, number=f"M{next(number)}", **who, **said))
    end = NOW + 200 * HOUR
    merge = {"patient": "P0", "old": "P1", "visit": ""}
    messages.append(make_adt("A40", end, number="MERGE", **merge))
    move = {"patient": "P3", "old": "P2", "visit": "V2"}
    messages.append(make_adt("A45", end + HOUR, number="MOVE", **move))
    return messages


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_live_store_and_dataset_of_the_same_messages_give_the_same_features(
    tmp_path_factory, make_adt, seed
):
    folder, chance = tmp_path_factory.mktemp("archive"), np.random.default_rng(seed)
    messages = trust(make_adt, chance)
    (folder / "a.hl7").write_bytes(b"".join(messages[::2]))
    (folder / "b.mllp").write_bytes(b"".join(b"\x0b" + raw + b"\x1c\r" for raw in messages[1::2]))
    sources = [folder / "a.hl7", folder / "b.mllp"]
    manifest = ingest_hl7(sources, folder / "events", identity=IDENTITY, now=LATER)
    events = open_dataset(folder / "events").read()
    spells = find_spells(events)
    assert (len(spells), manifest.counts["spells"], manifest.counts["messages"]) == (
        6,
        6,
        len(messages),
    )
    at = NOW + 300 * HOUR
    with closing(open_store(f"sqlite:///{folder / 'live.db'}", durable=False)) as store:
        for place in chance.permutation(len(messages)):
            ack = process(messages[place], store, NOW + 250 * HOUR, identity=IDENTITY)
            assert ack.code == "AA"
        live, snapshots = store.question(at)
        still = spells.take(~spells.ended)
        assert snapshots.spell_id.tolist() == still.spell_id.tolist()
        same = Snapshots(still.subject_id, still.spell_id, still.start, np.full(len(still), at))
        assert (
            compute_features(live, snapshots, NHS).tobytes()
            == compute_features(events, same, NHS).tobytes()
        )
        # and all of them, ended or not, as the store itself would be exported
        exported = read_all(store, at=at)
        asked = daily_snapshots(spells, until=at).take(slice(None))
        late = Snapshots(
            asked.subject_id, asked.spell_id, asked.spell_start, np.full(len(asked), at)
        )
        left, right = (compute_features(one, late, NHS) for one in (exported, events))
        assert left.tobytes() == right.tobytes()


def test_the_order_and_the_repetition_of_files_change_nothing(tmp_path, make_adt):
    messages = trust(make_adt, np.random.default_rng(1))
    (tmp_path / "a.hl7").write_bytes(b"".join(messages))
    (tmp_path / "b.hl7").write_bytes(b"".join(reversed(messages)))
    once = ingest_hl7([tmp_path / "a.hl7"], tmp_path / "once", identity=IDENTITY, now=LATER)
    twice = ingest_hl7(
        [tmp_path / "b.hl7", tmp_path / "a.hl7"], tmp_path / "twice", identity=IDENTITY, now=LATER
    )
    assert once.content_hash == twice.content_hash
    assert twice.counts["duplicate_messages"] == len(messages)


def test_an_event_is_known_from_when_its_message_was_sent(tmp_path, make_adt):
    raw = make_adt("A01", NOW, number="1", sent=NOW + 5 * HOUR, **IN)
    (tmp_path / "a.hl7").write_bytes(raw)
    ingest_hl7([tmp_path / "a.hl7"], tmp_path / "events", identity=IDENTITY, now=LATER)
    assert set(open_dataset(tmp_path / "events").read().recorded_at.tolist()) == {NOW + 5 * HOUR}


def test_refused_messages_stop_it_or_are_counted_and_nothing_half_done_is_left(tmp_path, make_adt):
    good = make_adt("A01", NOW, number="1", **IN)
    bad = make_adt("A01", NOW, number="2", nhs="9990000018", visit="V9", **IN)
    (tmp_path / "a.hl7").write_bytes(good + bad + b"MSH|truncated")
    with pytest.raises(BadRows, match="1 x PID-3: a patient expected") as refusal:
        ingest_hl7([tmp_path / "a.hl7"], tmp_path / "events", identity=IDENTITY, now=LATER)
    assert "9990000018" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.hl7"]
    manifest = ingest_hl7(
        [tmp_path / "a.hl7"],
        tmp_path / "events",
        identity=IDENTITY,
        now=LATER,
        reject_file=tmp_path / "bad.csv",
    )
    assert (manifest.counts["spells"], manifest.counts["rejected_rows"]) == (1, 2)
    assert stat.S_IMODE((tmp_path / "bad.csv").stat().st_mode) == 0o600
    with (tmp_path / "bad.csv").open(newline="") as file:
        first, last = csv.DictReader(file)
    assert (first["homeward_file"], first["homeward_row"]) == ("a.hl7", "2")
    assert "test NHS number" in first["homeward_reason"]
    assert first["homeward_unread"].encode() == bad.rstrip(b"\r")
    assert (last["homeward_row"], last["homeward_unread"]) == ("3", "MSH|truncated")
    test_feed = ingest_hl7(
        [tmp_path / "a.hl7"],
        tmp_path / "test",
        identity=IDENTITY,
        now=LATER,
        feed=Feed(live=False),
        reject_file=tmp_path / "worse.csv",
    )
    assert (test_feed.synthetic, manifest.synthetic) == (True, False)


def test_a_message_of_a_year_to_come_is_refused_and_does_not_keep_stays_open_until_then(
    tmp_path, make_adt
):
    good = make_adt("A01", NOW, number="1", **IN)
    absurd = make_adt("A01", NOW, number="2", visit="V9", sent=NOW + 300_000 * DAY, **IN)
    (tmp_path / "a.hl7").write_bytes(good + absurd)
    with pytest.raises(BadRows, match="1 x MSH-7: a time from 1990 to now"):
        ingest_hl7([tmp_path / "a.hl7"], tmp_path / "out", identity=IDENTITY, now=LATER)
    manifest = ingest_hl7(
        [tmp_path / "a.hl7"],
        tmp_path / "out",
        identity=IDENTITY,
        now=LATER,
        reject_file=tmp_path / "bad.csv",
    )
    assert manifest.until == NOW
    assert manifest.counts["open_spells"] == 1


@pytest.mark.parametrize("content", [b"", b"no messages here", b"MSHX"])
def test_a_file_without_messages_is_refused(tmp_path, content):
    (tmp_path / "a.hl7").write_bytes(content)
    with pytest.raises(BadInput, match="found none"):
        ingest_hl7([tmp_path / "a.hl7"], tmp_path / "events", identity=IDENTITY, now=LATER)
    assert [path.name for path in tmp_path.iterdir()] == ["a.hl7"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"absent\.hl7: a file of HL7 messages expected"):
        ingest_hl7([tmp_path / "absent.hl7"], tmp_path / "events", identity=IDENTITY, now=LATER)


def test_the_command_ingests_messages(tmp_path, make_adt, capsys):
    from homeward.shell import run

    (tmp_path / "a.hl7").write_bytes(b"".join(trust(make_adt, np.random.default_rng(2))))
    told = ["ingest", "--format", "hl7v2", "--out", str(tmp_path / "events")]
    assert run([*told, str(tmp_path / "a.hl7")]) == 0
    assert "6  spells" in capsys.readouterr().out
    assert len(find_spells(open_dataset(tmp_path / "events").read())) == 6


def test_the_command_keeps_refused_messages_apart(tmp_path, make_adt, capsys):
    from homeward.shell import run

    sound = b"".join(trust(make_adt, np.random.default_rng(2)))
    (tmp_path / "a.hl7").write_bytes(sound + b"MSH|truncated\rMSH|truncated")
    told = ["ingest", "--format", "hl7v2", str(tmp_path / "a.hl7"), "--out", str(tmp_path / "out")]
    assert run(told) == 2
    assert "2 x an HL7 v2 message beginning with MSH expected" in capsys.readouterr().err
    assert run([*told, "--reject-file", str(tmp_path / "bad.csv")]) == 0
    assert "2  rows rejected, in bad.csv" in capsys.readouterr().out
    assert run([*told, "--reject-file", str(tmp_path / "bad.csv")]) == 2
    assert "bad.csv: a new file expected" in capsys.readouterr().err


def test_where_nothing_can_be_stored_no_rejects_are_kept_either(tmp_path):
    (tmp_path / "a.hl7").write_bytes(b"MSH|truncated")
    out, bad = tmp_path / "out", tmp_path / "bad.csv"
    with pytest.raises(BadInput, match="at least one spell expected"):
        ingest_hl7([tmp_path / "a.hl7"], out, identity=IDENTITY, now=LATER, reject_file=bad)
    assert [path.name for path in tmp_path.iterdir()] == ["a.hl7"]


def test_the_command_refuses_options_that_mean_nothing_for_messages(tmp_path, capsys):
    from homeward.shell import run

    told = ["ingest", "--format", "hl7v2", "--out", str(tmp_path / "events"), "--mapping", "m.toml"]
    assert run([*told, "a.hl7"]) == 2
    assert "--mapping: not an option of --format hl7v2" in capsys.readouterr().err
    assert run(["ingest", "--out", str(tmp_path / "events"), "a.csv"]) == 2
    assert "--mapping" in capsys.readouterr().err
