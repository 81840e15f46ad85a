"""Any bytes over MLLP: each whole frame is answered once, in turn, and nothing else is kept."""

import asyncio
from contextlib import closing
from itertools import count

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from feature_store.clock import DAY
from feature_store.hl7.mllp import BEGIN, END, Limits, Listener
from feature_store.live import open_store
from feature_store.live.database import reading
from feature_store.live.schema import MESSAGES, REJECTS
from tests.hostile import harmed

NOW = 20_500 * DAY
MOST = 4_000
RUN = "R??????-"
LIMITS = Limits(message_bytes=MOST, idle_seconds=60, stop_seconds=60)


@pytest.fixture(scope="module")
def ward(tmp_path_factory, make_ward):
    """A feed into one store for all examples, which tells them apart by their numbers."""
    path = tmp_path_factory.mktemp("mllp") / "live.db"
    with closing(open_store(f"sqlite:///{path}", durable=False)) as store:
        made = make_ward(store)
        made.runs = count(1)
        yield made


def sizes(store):
    with reading(store.engine) as connection:
        return [
            connection.scalar(select(func.count()).select_from(table))
            for table in (MESSAGES, REJECTS)
        ]


@st.composite
def streams(draw, message):
    """What a sender sends: frames, and all that can be wrong with them."""
    parts = []
    for _ in range(draw(st.integers(1, 5))):
        raw = message()
        place = draw(st.integers(0, len(raw)))
        parts.append(
            draw(
                st.sampled_from(
                    [
                        BEGIN + raw + END,
                        BEGIN + raw + END,
                        BEGIN + raw,  # the end is missing
                        raw + END,  # the start is
                        BEGIN + raw[:place] + BEGIN + message() + END,  # given up half-way
                        BEGIN + BEGIN + raw + END,
                        BEGIN + raw + b"\x1c",
                        BEGIN + raw[:place] + b"\x1c" + raw[place:] + END,
                        BEGIN + END,
                        END,
                        b"\r\n\x00 HTTP/1.1 GET /\r\n",
                        BEGIN + b"A" * (MOST + 10) + END,
                        BEGIN + draw(harmed(raw)) + END,
                    ]
                )
                | st.binary(max_size=20)
            )
        )
    return b"".join(parts)


def frames_of(stream):
    """Whole frames of a stream up to one that is too long: a plain reading of the standard."""
    found, start = [], stream.find(BEGIN)
    while start >= 0:
        stream = stream[start + 1 :]
        end = stream.find(END)
        if end < 0 or end > MOST:
            break
        found.append(stream[:end].rpartition(BEGIN)[2])
        stream = stream[end + len(END) :]
        start = stream.find(BEGIN)
        if start > MOST:
            break
    return found


async def talk(port, stream, cuts, how):
    """Send in pieces, and return what comes back until the other side closes or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        for first, last in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            writer.write(stream[first:last])
            await writer.drain()
            await asyncio.sleep(0)
        if how == "end":
            writer.write_eof()
        elif how == "abort":
            writer.transport.abort()
            return None
        got = await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return None  # closed while we were sending: what was answered before may be lost
    finally:
        writer.close()
    return got


def converse(ward, stream, cuts, how):
    """One connection to a listener, and afterwards another that must be served."""
    listener = Listener(ward.receive, LIMITS)
    last = ward.message("A01", NOW, visit="V9", ward="A")  # numbered by the ward, unlike others

    async def run():
        stop, opened = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            listener.serve("127.0.0.1", 0, stop=stop, told=opened.set_result)
        )
        try:
            port = await opened
            got = await talk(port, stream, cuts, how)
            after = await talk(port, BEGIN + last + END, [], "end")
        finally:
            stop.set()
            await serving
        return got, after

    return asyncio.run(run())


@settings(max_examples=25)
@given(data=st.data())
def test_every_whole_frame_is_answered_once_and_nothing_else_is_kept(ward, make_adt, data):
    numbers = count(10)

    def message():
        number = f"{RUN}{next(numbers)}"
        return make_adt("A01", NOW, number=number, ward="A", nhs="4010232137")

    # what is drawn must be the same each time, what is sent must be new to the store
    stream = data.draw(streams(message)).replace(RUN.encode(), b"R%06d-" % next(ward.runs))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=4)))
    how = data.draw(st.sampled_from(["end", "end", "abort"]))
    before = sizes(ward.store)
    got, after = converse(ward, stream, cuts, how)
    assert b"MSA|AA" in after  # whatever came, the next sender is served
    grew = [now - then for now, then in zip(sizes(ward.store), before, strict=True)]
    frames = frames_of(stream)
    if got is None:
        assert sum(grew) <= len(frames) + 1
        return
    answers = [hl7.parse(one.strip(BEGIN + END).decode("ascii")) for one in got.split(END)[:-1]]
    assert len(answers) == len(frames)
    codes = [str(one.segment("MSA")(1)) for one in answers]
    assert grew[1] == sum(code in {"AE", "AR"} for code in codes)
    assert grew[0] <= codes.count("AA") + 1  # a repeat is acknowledged too
    assert b"4010232137" not in got
    assert b"Canary" not in got


def test_a_message_given_up_half_way_does_not_become_part_of_the_next(one_ward):
    """The head of one patient's message and the rest of another's would be a third."""
    discharge = one_ward.message("A03", patient="P1", visit="V1")
    admission = one_ward.message("A01", patient="P2", visit="V2", ward="A")
    head = discharge[: discharge.index(b"\rEVN")]
    got, _ = converse(one_ward, BEGIN + head + BEGIN + admission + END, [], "end")
    (answer,) = got.split(END)[:-1]
    assert b"MSA|AA|M2" in answer
    assert "SPELL_START" in one_ward.codes("P2")
    assert sizes(one_ward.store) == [2, 0]


@pytest.mark.parametrize("mark", [b"\x0b", b"\x1c", b"\x0bM", b"\x85"])
def test_a_line_break_that_somebody_typed_does_not_cut_a_message(one_ward, mark):
    """Word processors write 0x0B for a line break, and notes are pasted from them."""
    raw = one_ward.message("A01", ward="A").replace(b"Canary^", b"Ca" + mark + b"nary^")
    got, _ = converse(one_ward, BEGIN + raw + END, [], "end")
    assert b"MSA|AA|M1" in got
    assert "WARD//A" in one_ward.codes()


@pytest.mark.parametrize("between", [b"\x0b", b"\x1c", b"\x1c\r\x0b", b"\r", b"\x00"])
def test_two_messages_in_one_are_refused(one_ward, between):
    head = one_ward.message("A03", patient="P1", visit="V1").partition(b"\rEVN")[0]
    ack = one_ward.receive(head + between + one_ward.message("A01", patient="P2", ward="A"))
    assert ack.code in {"AE", "AR"}
    assert sizes(one_ward.store) == [0, 1]
