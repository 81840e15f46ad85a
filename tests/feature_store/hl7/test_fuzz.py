"""Mutated messages at the door: an acknowledgement for each, nothing kept of what is refused."""

from contextlib import closing
from itertools import count

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from feature_store.clock import DAY, HOUR
from feature_store.hl7.moments import to_utc
from feature_store.live import open_store
from feature_store.live.database import reading
from feature_store.live.schema import EVENTS, LINKS, MESSAGES, MOVES, REJECTS, STATEMENTS

NOW = 20_500 * DAY
KEPT = (MESSAGES, STATEMENTS, EVENTS, MOVES, LINKS)
TRIGGERS = ("A01", "A02", "A03", "A08", "A11", "A12", "A13", "A21", "A23", "A31", "A40", "A45")

# 1970, 2999, the hour that spring leaves out and the one that autumn repeats, and what is no time
TIMES = (
    *("197001010000", "299912312359", "20260329013000", "20261025013000", "20260230", "2026"),
    *("202602161200+9999", "20260216250000", "NaN", "-1", "9" * 40, "00000000", '""'),
)
odd = st.one_of(
    st.sampled_from([text.encode() for text in TIMES]),
    st.sampled_from([b"NaN", b"inf", b"\\X00\\", b"\\E\\", b"^^^", b"~~~~", b"\x00", b"\xff\xfe"]),
    st.binary(max_size=12),
    st.text(max_size=8).map(lambda text: text.encode(errors="surrogatepass")),
    st.just(b"A" * 70_000),
)


@st.composite
def mutations(draw, raw):
    """A message with fields replaced, segments lost or doubled, cut off, or bytes turned."""
    lines = [line.split(b"|") for line in raw.split(b"\r") if line]
    for _ in range(draw(st.integers(0, 3))):
        line = draw(st.sampled_from(lines))
        line[draw(st.integers(0, len(line) - 1))] = draw(odd)
    change = draw(st.sampled_from(["none", "lose", "double", "swap"]))
    place = draw(st.integers(0, len(lines) - 1))
    if change == "lose":
        del lines[place]
    elif change == "double":
        lines.insert(place, lines[place])
    elif change == "swap":
        lines[place], lines[0] = lines[0], lines[place]
    told = draw(st.sampled_from([b"\r", b"\n", b"\r\n"])).join(b"|".join(line) for line in lines)
    if draw(st.booleans()):
        told = told[: draw(st.integers(0, len(told)))]
    if told and draw(st.booleans()):
        place = draw(st.integers(0, len(told) - 1))
        told = told[:place] + draw(st.binary(min_size=1, max_size=2)) + told[place + 1 :]
    return told


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Open a store that has a patient in it."""
    folder, numbers = tmp_path_factory.mktemp("fuzz"), count()

    def make():
        return closing(open_store(f"sqlite:///{folder / str(next(numbers))}.db", durable=False))

    return make


def sizes(store, *tables):
    with reading(store.engine) as connection:
        return [connection.scalar(select(func.count()).select_from(table)) for table in tables]


@settings(max_examples=15)
@given(data=st.data())
def test_whatever_comes_is_answered_and_kept_whole_or_not_at_all(stores, make_ward, make_adt, data):
    with stores() as store:
        ward = make_ward(store)
        ward.send("A01", ward="A", method="21", born="19400101")
        for number in range(data.draw(st.integers(1, 4))):
            trigger = data.draw(st.sampled_from(TRIGGERS))
            old = {"old": "P2"} if trigger in {"A40", "A45"} else {}
            raw = make_adt(
                trigger, NOW + HOUR, number=f"F{number}", ward="B", admitted_at=NOW, **old
            )
            before = sizes(store, *KEPT)
            rejects = sizes(store, REJECTS)
            ack = ward.receive(data.draw(mutations(raw)))
            answer = hl7.parse(ack.text.decode("ascii"))
            assert str(answer.segment("MSA")(1)) == ack.code
            assert ack.code in {"AA", "AE", "AR"}
            if ack.outcome in {"rejected", "duplicate"}:
                assert sizes(store, *KEPT) == before
                assert sizes(store, REJECTS)[0] == rejects[0] + (ack.outcome == "rejected")
            else:
                assert sizes(store, MESSAGES, STATEMENTS) == [size + 1 for size in before[:2]]
        assert ward.store.question(ward.clock + HOUR) is not None


@settings(max_examples=15)
@given(
    st.one_of(st.sampled_from(TIMES), st.text(max_size=30), st.from_regex(r"\d{8,14}[+-]?\d{0,4}"))
)
def test_a_time_is_a_moment_or_none_and_never_an_error(text):
    moment = to_utc(text)
    assert moment is None or isinstance(moment, int)
