"""The door of HL7: every message is answered, and a refusal changes nothing."""

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from feature_store.clock import DAY, HOUR
from feature_store.hl7 import Feed
from feature_store.hl7.moments import to_utc
from feature_store.hl7.reading import MOST_BYTES
from feature_store.live import open_store
from feature_store.live.messages import LONGEST_REJECT

NOW = 20_500 * DAY
KEPT = (
    "live_messages",
    "live_statements",
    "live_events",
    "live_retractions",
    "live_links",
    "live_moves",
)
CANARIES = (b"Canary", b"Surname", b"4010232137")


def counts(store, *tables):
    with store.engine.connect() as connection:
        return [connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables]


def refuse(ward, raw, code, reason):
    """Send, insist on a refusal that says why and keeps the message apart, and nothing else."""
    before, rejects = counts(ward.store, *KEPT), counts(ward.store, "live_rejects")[0]
    ack = ward.receive(raw)
    assert (ack.code, ack.outcome) == (code, "rejected")
    assert reason in ack.reason
    assert counts(ward.store, *KEPT) == before
    assert counts(ward.store, "live_rejects")[0] == rejects + 1
    assert not [canary for canary in CANARIES if canary in ack.text]
    return ack


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "AR"),
        (b"   \r\n", "AR"),
        (b"hello", "AR"),
        (b"MSH", "AR"),
        (b"MSH|", "AR"),
        (b"MSH|^~\\&", "AR"),
        (b"\xff\xfe\x00", "AR"),
        (b"PID|1||P1\rMSH|^~\\&|A|B", "AR"),
        (b"MSHA^~\\&ABAC", "AR"),
        (b"MSH|^^~\\&|PAS|RXX|||20260216||ADT^A01|1|P|2.4\r", "AR"),  # one separator for two
        (b"MSH|^^^|PAS|RXX|||20260216||ADT^A01|1|P|2.4\r", "AR"),
        (b"MSH|&~\\|PAS|RXX|||20260216||ADT&A01|1|P|2.4\r", "AR"),
        (b'{"resourceType": "Bundle"}', "AR"),
        (b"MSH|^~\\&|PAS|RXX|||20260216||ORU^R01|1|P|2.4\r", "AR"),
        (b"MSH|^~\\&|PAS|RXX|||20260216||ADT^X|1|P|2.4\r", "AR"),
        (b"MSH|^~\\&|PAS|RXX|||20260216||ADT^A01|1|P|2.4\r", "AE"),
        (b"MSH|^~\\&|PAS|RXX|||20260216||ADT^A01||P|2.4\rPID|||P1^^^RXX^MR", "AE"),
        (b"MSH|^~\\&|PAS||||20260216||ADT^A01|1|P|2.4\rPID|||P1^^^RXX^MR", "AE"),
        (b"MSH|^~\\&|PAS|RXX|||||ADT^A01|1|P|2.4\rPID|||P1^^^RXX^MR", "AE"),
    ],
)
def test_what_is_no_adt_message_is_refused(one_ward, raw, code):
    refuse(one_ward, raw, code, "expected")


def test_too_large_a_message_is_refused_and_little_of_it_kept(one_ward):
    refuse(one_ward, one_ward.message("A01") + b"Z" * MOST_BYTES, "AR", "at most")
    size = "SELECT length(raw), size_bytes FROM live_rejects"
    with one_ward.store.engine.connect() as connection:
        kept, sent = connection.execute(text(size)).one()
    assert kept == LONGEST_REJECT < MOST_BYTES < sent


def test_a_facility_that_may_not_send_is_refused(one_ward):
    one_ward.feed = Feed(facilities=frozenset({"RYY"}))
    refuse(one_ward, one_ward.message("A01"), "AR", "MSH-4")


@pytest.mark.parametrize("processing", [b"|T|", b"|D|", b"|X|"])
def test_a_training_message_does_not_enter_a_live_store(one_ward, processing):
    raw = one_ward.message("A01", ward="A").replace(b"|P|", processing)
    refuse(one_ward, raw, "AR", "MSH-11")
    one_ward.feed = Feed(live=False)
    assert one_ward.receive(raw).code == "AA"


@pytest.mark.parametrize("number", ["9990000018", "999 000 0018", "9999999999"])
def test_a_test_patient_does_not_enter_a_live_store(one_ward, number):
    raw = one_ward.message("A01", ward="A", nhs=number)
    refuse(one_ward, raw, "AE", "9-range")
    one_ward.feed = Feed(live=False)
    assert one_ward.receive(raw).code == "AA"


def test_an_nhs_number_never_blocks_and_never_splits_a_patient(one_ward):
    one_ward.send("A01", ward="A", class_="I")
    one_ward.send("A02", ward="B", nhs="4010232137")
    one_ward.send("A02", ward="C", nhs="4010232138")  # a slip: the check digit is wrong
    assert [code for code in one_ward.codes() if code.startswith("WARD")] == [
        "WARD//A",
        "WARD//B",
        "WARD//C",
    ]


def test_the_nhs_number_serves_where_there_is_no_other(one_ward):
    raw = one_ward.message("A01", ward="A", nhs="4010232137").replace(b"P1^^^RXX^MR~", b"")
    assert one_ward.receive(raw).code == "AA"
    wrong = one_ward.message("A01", ward="A", nhs="4010232138").replace(b"P1^^^RXX^MR~", b"")
    refuse(one_ward, wrong, "AE", "PID-3")


@pytest.mark.parametrize(
    "time",
    [
        "19700101",
        "29990101",
        "20260230",
        "2026021",
        "yesterday",
        "20260216 10",
        "\uff12\uff10\uff12\uff16\uff10\uff12\uff11\uff16",
    ],
)
def test_an_absurd_time_is_refused(one_ward, make_adt, time):
    raw = make_adt("A01", NOW, number="1", ward="A")
    told = next(line for line in raw.split(b"\r") if line.startswith(b"EVN")).split(b"|")[2]
    refuse(one_ward, raw.replace(told, time.encode()), "AE", "a time from 1990 to now")


def test_a_discharge_before_its_admission_is_refused(one_ward):
    times = {"admitted_at": NOW, "discharged_at": NOW - HOUR}
    refuse(one_ward, one_ward.message("A03", **times), "AE", "PV1-45")


def test_two_patients_in_one_message_are_refused(one_ward):
    raw = one_ward.message("A01", ward="A")
    refuse(one_ward, raw + b"PID|2||P2^^^RXX^MR\r", "AE", "one PID")


@pytest.mark.parametrize("trigger", ["A01", "A03", "A13", "A45"])
def test_a_visit_event_without_a_visit_is_refused(one_ward, trigger):
    refuse(one_ward, one_ward.message(trigger, visit="", old="P2"), "AE", "a visit number expected")


@pytest.mark.parametrize("trigger", ["A40", "A45"])
def test_a_merge_without_the_other_patient_is_refused(one_ward, trigger):
    refuse(one_ward, one_ward.message(trigger), "AE", "MRG-1")


def test_utf8_that_is_none_is_refused_where_it_was_promised(one_ward):
    raw = one_ward.message("A01", ward="A").replace(b"Canary", b"Jos\xe9")
    promised = raw.replace(b"|P|2.4", b"|P|2.4||||||UNICODE UTF-8")
    refuse(one_ward, promised, "AE", "UTF-8")
    assert one_ward.receive(raw).code == "AA"  # Latin 1, unsaid, as older systems send it


# ---- what is taken all the same ------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"\r", b"\n"),
        lambda raw: raw.replace(b"\r", b"\r\n"),
        lambda raw: b"\x0b" + raw + b"\x1c\r",
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.rstrip(b"\r"),
        lambda raw: raw + b"ZXX|local|MSH|things\r",
        lambda raw: raw.replace(b"EVN|A01", b"EVN|"),
        lambda raw: raw.replace(b"ADT^A01", b"ADT^A01^ADT_A01"),
        lambda raw: raw.replace(b"|P|2.4", b"|P|2.3"),
        lambda raw: raw.replace(b"PID|", b"SFT|x\rPID|"),
        lambda raw: raw.replace(b"|", b"!").replace(b"^", b"*"),
    ],
)
def test_a_feed_may_bend_the_standard(one_ward, change):
    one_ward.receive(change(one_ward.message("A01", ward="A")))
    assert "WARD//A" in one_ward.codes()


# ---- the answer ----------------------------------------------------------------------------------


def test_the_acknowledgement_is_hl7_and_names_the_message(one_ward):
    ack = one_ward.receive(one_ward.message("A01", ward="A", nhs="4010232137"))
    answer = hl7.parse(ack.text.decode())
    assert [str(answer[0][place]) for place in (3, 5, 6, 9, 11)] == [
        "HOMEWARD",
        "PAS",
        "RXX",
        "ACK^A01^ACK",
        "P",
    ]
    assert [str(answer[1][place]) for place in (1, 2)] == ["AA", "M1"]


# ---- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("202602161000", "202602161000+0000"),
        ("202607011000", "202607010900+0000"),
        ("20260701", "202606302300+0000"),  # a day alone is its local midnight
        ("202603290130", "202603290130+0000"),  # left out in spring: the clock was not put forward
        ("202610250130", "202610250030+0000"),  # twice in autumn: the first
        ("20261025013000.1234+0000", "20261025013000.1234+0000"),
        ("202607011000+0530", "202607010430+0000"),
    ],
)
def test_times_are_london_unless_they_say_otherwise(local, utc):
    assert to_utc(local) == to_utc(utc) is not None


@given(st.text(max_size=30) | st.from_regex(r"\d{0,26}([.+-]\d{0,8})*", fullmatch=True))
def test_no_text_breaks_the_reading_of_times(text):
    assert to_utc(text) is None or isinstance(to_utc(text), int)


# ---- fuzz ----------------------------------------------------------------------------------------


ODD = st.sampled_from(
    [
        *(b"", b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\x00", b'""', b"\xff", b"\\X0\\"),
        *(b"\\E\\", b"MSH|^~\\&|", b"\x1c\r", b"9" * 20, b"-1", b"NaN", b"\xed\xa0\x80", b"%s{}"),
        *("\u65e5\u202e".encode(), b"19700101", b"29991231235959", b"PID|", b"PV1||I", b"A" * 3000),
    ]
)


@st.composite
def mutants(draw, corpus):
    raw = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["cut", "put", "drop", "field", "repeat", "swap"]))
        if kind == "cut":
            raw = raw[:start]
        elif kind == "put":
            raw = raw[:start] + draw(ODD) + raw[start:]
        elif kind == "drop":
            raw = raw[:start] + raw[start + draw(st.integers(1, 9)) :]
        elif kind == "field":
            fields = raw.split(b"|")
            fields[start % len(fields)] = draw(ODD | st.binary(max_size=8))
            raw = b"|".join(fields)
        else:
            lines = raw.split(b"\r")
            line = lines.pop(start % len(lines)) if kind == "swap" else lines[start % len(lines)]
            lines.insert(draw(st.integers(0, len(lines))), line)
            raw = b"\r".join(lines)
    return raw


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory, make_ward):
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'live.db'}", durable=False)
    yield make_ward(store)
    store.close()


@pytest.fixture(scope="module")
def corpus(make_adt):
    told = {"ward": "A", "class": "I", "sex": "F", "born": "19400101", "nhs": "4010232137"}
    triggers = "01 02 03 06 07 08 11 12 13 21 22 23 31 34 40 44 45 60"
    return [
        make_adt(
            f"A{trigger}", NOW + place * HOUR, number=f"F{place}", old="P2", old_visit="V2", **told
        )
        for place, trigger in enumerate(triggers.split())
    ]


@settings(max_examples=250)
@given(st.data())
def test_no_mutant_breaks_the_door_and_a_refusal_changes_nothing(fuzzed, corpus, data):
    raw = data.draw(mutants(corpus) | st.binary(max_size=200))
    before = counts(fuzzed.store, *KEPT)
    ack = fuzzed.receive(raw, NOW + 100 * HOUR)
    assert ack.code in {"AA", "AE", "AR"}
    assert (ack.code == "AA") == (ack.outcome != "rejected")
    if ack.outcome in {"rejected", "duplicate"}:
        assert counts(fuzzed.store, *KEPT) == before
    answer = hl7.parse(ack.text.decode("ascii"))
    assert (len(answer), str(answer[1][1])) == (2, ack.code)
    assert len(fuzzed.store.inpatients(NOW + 100 * HOUR)) >= 0  # the store still answers
