"""Many writers at once, and writers that are killed: nothing acknowledged is lost or halved."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import text

from feature_store.clock import DAY
from feature_store.events import Events, concatenate
from feature_store.live import open_store

NOW = 20_000 * DAY

# Spell n has a start, 20 facts and an end; two batches in three are sent by every writer.
WRITER = """
import sys
from feature_store.clock import DAY
from feature_store.events import Events
from feature_store.live import open_store

def batch(number):
    codes = ["SPELL_START", *["NEWS2"] * 20, "SPELL_END"]
    times = [20_000 * DAY + 60_000_000 * minute for minute in range(len(codes))]
    return Events.build(subject_id=[number] * len(codes), spell_id=[number] * len(codes),
                        time=times, code=codes, numeric_value=[1.0] * len(codes))

url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = open_store(url)
print("ready", flush=True)
for number in range(first, last):
    store.append(batch(number), received_at=20_001 * DAY)
    print(number, flush=True)
"""
SIZE = 22


def start_writer(url, first, last):
    command = [sys.executable, "-c", WRITER, url, str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def events_of(store, spells):
    """How many events each of these patients has."""
    events = store.histories(spells, as_of=NOW + DAY)
    return {spell: int((events.subject_id == spell).sum()) for spell in spells}


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_loses_nothing_acknowledged_and_leaves_no_half(database_url, seed):
    chance = random.Random(seed)
    open_store(database_url).close()
    writer = start_writer(database_url, 0, 100_000)
    acknowledged = []
    assert writer.stdout.readline() == "ready\n"
    ends = time.monotonic() + chance.uniform(0.3, 0.8)
    while time.monotonic() < ends:
        acknowledged.append(int(writer.stdout.readline()))
    time.sleep(chance.uniform(0, 0.01))  # somewhere in the middle of a write
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [
        int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")
    ]
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    with closing(open_store(database_url)) as store:
        found = events_of(store, range(len(acknowledged) + 2))
        assert len(acknowledged) > 0
        assert all(found[number] == SIZE for number in acknowledged)
        assert set(found.values()) <= {0, SIZE}
        whole = [spell for spell, size in found.items() if size]
        in_hospital = store.inpatients(NOW)
        assert [one.spell_id for one in in_hospital] == whole  # the index is whole as well
        assert store.inpatients(NOW + DAY) == []
        check = "PRAGMA integrity_check" if database_url.startswith("sqlite") else "SELECT 'ok'"
        with store.engine.connect() as connection:
            assert connection.scalar(text(check)) == "ok"


def test_processes_that_send_the_same_events_store_them_once(database_url):
    writers = [start_writer(database_url, first, first + 40) for first in (0, 10, 20)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    for writer in writers:
        writer.stdout.close()
    with closing(open_store(database_url)) as store:
        assert events_of(store, range(60)) == dict.fromkeys(range(60), SIZE)
        assert len(store.inpatients(NOW)) == 60


def test_threads_that_share_a_store_and_split_spells_between_them(store):
    """Starts and ends of one spell come from different writers, in any order, with repeats."""
    spells = np.arange(30)
    size = spells.size
    starts = Events.build(
        subject_id=spells, spell_id=spells, time=[NOW] * size, code=["SPELL_START"] * size
    )
    ends = Events.build(
        subject_id=spells[:20], spell_id=spells[:20], time=[NOW + 60] * 20, code=["SPELL_END"] * 20
    )
    both = concatenate([starts, ends])
    chance = np.random.default_rng(7)
    pieces = [
        both.take(order)
        for _ in range(4)
        for order in np.array_split(chance.permutation(len(both)), 5)
    ]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda piece: store.append(piece, received_at=NOW + DAY), pieces))
    assert sum(one.added for one in done) == len(both)
    assert len(store.histories(spells.tolist(), as_of=NOW + DAY)) == len(both)
    assert [one.spell_id for one in store.inpatients(NOW + DAY)] == list(range(20, 30))
    assert len(store.inpatients(NOW)) == 30
