"""MLLP: a frame in, an acknowledgement out, and no sender can harm the others."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import hl7
import pytest
from sqlalchemy import text

from feature_store.clock import DAY, HOUR
from feature_store.errors import BadInput
from feature_store.hl7.mllp import BEGIN, END, Limits, Listener, check_reach
from feature_store.identity import make_key
from feature_store.live import StoreUnavailable

NOW = 20_500 * DAY
IN = {"ward": "A", "class": "I"}


def frame(raw):
    return BEGIN + raw + END


def converse(answer, talk, **limits):
    """Run a listener and, while it is open, a conversation with it; return what that returns."""
    listener = Listener(answer, Limits(**{"idle_seconds": 5, "stop_seconds": 2, **limits}))

    async def run():
        stop, opened = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            listener.serve("127.0.0.1", 0, stop=stop, told=opened.set_result)
        )
        try:
            return await talk(await opened, stop)
        finally:
            stop.set()
            await serving

    return asyncio.run(run())


async def ask(port, data, *, close=True):
    """Send bytes and read until the other side closes, or for one frame."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        if close:
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 5)
        return await asyncio.wait_for(reader.readuntil(END), 5)
    finally:
        writer.close()


def test_messages_of_one_connection_are_answered_in_order(one_ward, make_adt):
    raws = [make_adt("A01", NOW, number=f"M{n}", visit=f"V{n}", **IN) for n in range(5)]

    async def talk(port, _stop):
        return await ask(port, b"noise" + b"".join(frame(raw) for raw in raws))

    answers = [
        hl7.parse(part.strip(END + BEGIN).decode())
        for part in converse(one_ward.receive, talk).split(END)[:-1]
    ]
    assert [str(one[1][2]) for one in answers] == ["M0", "M1", "M2", "M3", "M4"]
    assert len(one_ward.store.inpatients(one_ward.clock)) == 5


def test_a_message_in_small_pieces_is_a_message(one_ward, make_adt):
    data = frame(make_adt("A01", NOW, number="M1", **IN))

    async def talk(port, _stop):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for place in range(0, len(data), 7):
            writer.write(data[place : place + 7])
            await writer.drain()
            await asyncio.sleep(0)
        answer = await reader.readuntil(END)
        writer.close()
        return answer

    assert b"MSA|AA|M1" in converse(one_ward.receive, talk)


def test_what_is_no_message_is_refused_and_the_connection_goes_on(one_ward, make_adt):
    async def talk(port, _stop):
        return await ask(port, frame(b"junk") + frame(make_adt("A01", NOW, number="M1", **IN)))

    answer = converse(one_ward.receive, talk)
    assert b"MSA|AR||" in answer
    assert b"MSA|AA|M1" in answer


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_half_a_message_is_neither_kept_nor_acknowledged(one_ward, make_adt, cut):
    async def talk(port, _stop):
        return await ask(port, frame(make_adt("A01", NOW, number="M1", **IN))[:cut])

    assert converse(one_ward.receive, talk) == b""
    with one_ward.store.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM live_messages")) == 0


def test_too_long_a_message_closes_the_connection(one_ward):
    async def talk(port, _stop):
        return await ask(port, BEGIN + b"A" * 20_000, close=False)

    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        converse(one_ward.receive, talk, message_bytes=10_000)


def test_an_idle_connection_is_closed_and_others_are_not_kept_waiting(one_ward, make_adt):
    async def talk(port, _stop):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        busy = await ask(port, frame(make_adt("A01", NOW, number="M1", **IN)))
        silent = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return busy, silent

    busy, silent = converse(one_ward.receive, talk, idle_seconds=0.5)
    assert b"MSA|AA" in busy
    assert silent == b""


def test_too_many_connections_are_closed_at_once(one_ward):
    async def talk(port, _stop):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = await asyncio.wait_for(reader.read(), 5)
        for other in (writer, *(one for _, one in held)):
            other.close()
        return answer

    assert converse(one_ward.receive, talk, connections=2) == b""


def test_while_the_store_is_away_nothing_is_acknowledged(make_adt):
    def away(_message):
        raise StoreUnavailable("away")

    async def talk(port, _stop):
        return await ask(port, frame(make_adt("A01", NOW, number="M1", **IN)))

    assert converse(away, talk) == b""


def test_a_message_under_way_is_finished_when_the_listener_stops(one_ward, make_adt):
    begun = threading.Event()

    def slow(message):
        begun.set()
        time.sleep(0.4)
        return one_ward.receive(message)

    async def talk(port, stop):
        asking = asyncio.create_task(
            ask(port, frame(make_adt("A01", NOW, number="M1", **IN)), close=False)
        )
        await asyncio.to_thread(begun.wait, 5)
        stop.set()
        return await asking

    assert b"MSA|AA|M1" in converse(slow, talk)


@pytest.mark.parametrize(
    ("host", "peers", "reason"),
    [
        ("0.0.0.0", (), "--allow-from NETWORK expected"),
        ("10.1.2.3", (), "--allow-from NETWORK expected"),
        ("example", (), "an IP address expected"),
        ("127.0.0.1", ("everywhere",), "a network such as"),
    ],
)
def test_other_machines_reach_it_only_where_it_is_said_which(host, peers, reason):
    with pytest.raises(BadInput, match=reason):
        check_reach(host, peers)


def test_loopback_and_named_networks_are_fine():
    check_reach("127.0.0.1", ())
    check_reach("::1", ())
    check_reach("0.0.0.0", ("10.1.2.0/24",))


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def listening(tmp_path):
    """A running ``homeward listen`` on a port of its own."""
    key = tmp_path / "pseudonym.key"
    make_key(key)
    url = f"sqlite:///{tmp_path / 'live.db'}"
    settings = {"HOMEWARD_PSEUDONYM_KEY_FILE": str(key), "HOMEWARD_DATABASE_URL": url}
    program = "import sys\nfrom homeward.__main__ import main\nsys.exit(main())"
    command = [sys.executable, "-c", program, "listen", "--port", "0", "--json"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | settings
    )
    lines = [running.stdout.readline() for _ in range(5)]
    port = int(next(line for line in lines if '"port"' in line).split(":")[1].strip(" ,\n"))
    yield running, port, url
    running.kill()
    running.stdout.close()
    running.wait()


def send(port, raw):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(frame(raw))
        answer = b""
        while not answer.endswith(END):
            piece = connection.recv(4096)
            if not piece:
                break
            answer += piece
    return answer


def test_the_command_listens_stores_and_stops(listening, make_adt):
    from contextlib import closing

    from feature_store.live import open_store

    running, port, url = listening
    assert b"MSA|AA|M1" in send(port, make_adt("A01", NOW, number="M1", **IN))
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 0
    with closing(open_store(url)) as store:
        assert len(store.inpatients(NOW + 9_000 * DAY)) == 1


def test_a_killed_listener_keeps_every_message_it_acknowledged(listening, make_adt):
    from contextlib import closing

    from feature_store.live import open_store

    running, port, url = listening
    for number in range(10):
        raw = make_adt("A01", NOW + number * HOUR, number=f"M{number}", visit=f"V{number}", **IN)
        assert b"MSA|AA" in send(port, raw)
    running.kill()
    running.wait()
    with closing(open_store(url)) as store:
        assert len(store.inpatients(NOW + 9_000 * DAY)) == 10


def test_an_unforeseen_fault_closes_the_connection_and_tells_no_value(make_adt, caplog):
    def broken(message):
        raise ValueError(message)

    async def talk(port, _stop):
        return await ask(port, frame(make_adt("A01", NOW, number="M1", **IN)))

    assert converse(broken, talk) == b""
    assert "unforeseen ValueError" in caplog.text
    assert "Canary" not in caplog.text
