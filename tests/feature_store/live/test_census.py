"""The census is the store's own answer, whatever came, in whatever order, and whenever one asks."""

from contextlib import closing
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR, to_moment
from feature_store.events import COLUMNS, NO_SPELL, NO_TIME, Events
from feature_store.hl7 import Feed, process
from feature_store.identity import Identity
from feature_store.live import open_store
from feature_store.live.census import Census
from feature_store.live.changes import last_change
from feature_store.live.database import reading, write
from feature_store.live.names import keep_names, open_name, read_names, seal_name

NOW = 20_500 * DAY
IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")
PEOPLE = ("P1", "P2", "P3")
VISITS = ("V1", "V2", "V3")
SUBJECTS = [IDENTITY.subject(f"RXX|{name}") for name in PEOPLE]
SPELLS = [IDENTITY.spell(f"RXX|{name}") for name in VISITS]

hours = st.integers(-40, 20).map(lambda number: NOW + number * HOUR)
facts = st.tuples(
    st.sampled_from(SUBJECTS),
    st.sampled_from([*SPELLS, NO_SPELL]),
    hours,
    st.sampled_from(["NEWS2", "WARD//A", "WARD//B", "BED//1", "SITE//X", "CRP"]),
    st.one_of(st.just(np.nan), st.integers(1, 9)),
    hours.filter(lambda moment: moment <= NOW),
)
marks = st.tuples(
    st.sampled_from(SUBJECTS),
    st.sampled_from(SPELLS),
    hours,
    st.sampled_from(["SPELL_START", "SPELL_START", "SPELL_END"]),
    st.just(np.nan),
    hours.filter(lambda moment: moment <= NOW),
)
batches = st.lists(st.one_of(facts, marks), min_size=1, max_size=6)
messages = st.tuples(
    st.sampled_from(["A01", "A01", "A02", "A03", "A08", "A11", "A13", "A40", "A45"]),
    st.sampled_from(PEOPLE),
    st.sampled_from(VISITS),
    st.integers(-30, 0),
)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("add"), batches),
        st.tuples(st.just("retract"), batches),
        st.tuples(st.just("retract last"), st.none()),
        st.tuples(st.just("message"), messages),
        st.tuples(st.just("ask"), st.integers(-45, 25)),
    ),
    min_size=3,
    max_size=14,
)


def build(rows):
    names = ("subject_id", "spell_id", "time", "code", "numeric_value", "recorded_at")
    return Events.build(**dict(zip(names, zip(*rows, strict=True), strict=True)))


def told(inpatients, events):
    """An answer as plain rows; codes by name, in an order of their own."""
    rows = zip(
        *(getattr(events, column).tolist() for column in COLUMNS if column != "code"),
        (events.codes[code] for code in events.code.tolist()),
        strict=True,
    )
    return inpatients, sorted(str(row) for row in rows)


def message(trigger, at, *, number, patient, visit, old=None):
    """One ADT message."""
    stamp = to_moment(at).strftime("%Y%m%d%H%M%S+0000")
    lines = [
        f"MSH|^~\\&|PAS|RXX|HOMEWARD|RXX|{stamp}||ADT^{trigger}|M{number}|P|2.4",
        f"EVN|{trigger}|{stamp}||||{stamp}",
        f"PID|||{patient}^^^RXX^MR||||19420301|2",
    ]
    if old is not None:
        lines.append(f"MRG|{old}^^^RXX^MR")
    if trigger != "A40":
        lines.append(f"PV1||I|A^^1^X|{'|' * 15}{visit}")
    return ("\r".join(lines) + "\r").encode()


class Played:
    """A store to which things happen, with a census that was there from the start."""

    def __init__(self, store):
        self.store, self.census = store, Census(store)
        self.numbers, self.last = count(1), None

    def add(self, rows):
        self.last = build(rows)
        self.store.append(self.last, received_at=NOW)

    def retract(self, rows):
        self.store.retract(build(rows), at=NOW)

    def retract_last(self, _nothing):
        if self.last is not None:
            self.store.retract(self.last, at=NOW)

    def message(self, said):
        trigger, patient, visit, hour = said
        other = PEOPLE[PEOPLE.index(patient) - 1]
        old = {"old": other} if trigger in {"A40", "A45"} else {}
        who = {"number": next(self.numbers), "patient": patient, "visit": visit}
        raw = message(trigger, NOW + hour * HOUR, **who, **old)
        process(raw, self.store, NOW + hour * HOUR, identity=IDENTITY, feed=Feed())

    def ask(self, hour):
        at = NOW + hour * HOUR
        present = self.census.question(at)
        events, snapshots = self.store.question(at)
        inpatients = self.store.inpatients(at)
        assert told(present.inpatients, present.events) == told(inpatients, events)
        assert present.snapshots.prediction_time.tolist() == snapshots.prediction_time.tolist()
        assert present.events.is_in_order()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Open a new store whenever called."""
    folder, numbers = tmp_path_factory.mktemp("census"), count()

    def make():
        return closing(open_store(f"sqlite:///{folder / str(next(numbers))}.db", durable=False))

    return make


@settings(max_examples=40)
@given(acts)
def test_whatever_happens_the_census_is_the_store(fresh, played):
    with fresh() as store:
        play = Played(store)
        for act, content in played:
            getattr(play, act.replace(" ", "_"))(content)
            play.ask(0)
        for hour in (-30, -5, 1, 20):
            play.ask(hour)


def test_a_second_process_sees_what_the_first_did(store):
    play = Played(store)
    with closing(open_store(store.engine.url.render_as_string(hide_password=False))) as other:
        elsewhere = Played(other)
        for number in range(3):
            play.message(("A01", PEOPLE[number], VISITS[number], -9 + number))
            elsewhere.ask(0)
        play.message(("A40", "P2", "V2", -3))
        elsewhere.ask(0)
        elsewhere.ask(-4)
        play.add([(SUBJECTS[0], SPELLS[0], NOW, "NEWS2", 3, NOW)])
        elsewhere.ask(0)


def test_a_batch_that_adds_nothing_is_no_change(store):
    rows = [(SUBJECTS[0], SPELLS[0], NOW, "SPELL_START", np.nan, NOW)]
    for expected in (1, 1):
        store.append(build(rows), received_at=NOW)
        with reading(store.engine) as connection:
            assert last_change(connection) == expected


def test_a_fact_without_a_time_is_in_the_census(store):
    play = Played(store)
    start = (SUBJECTS[0], SPELLS[0], NOW - HOUR, "SPELL_START", np.nan, NOW - HOUR)
    play.add([start, (SUBJECTS[0], NO_SPELL, NO_TIME, "SEX//1", np.nan, NO_TIME)])
    play.ask(0)


# ---- names ---------------------------------------------------------------------------------------


def test_the_first_name_of_a_spell_stays_and_opens_with_its_key_only(store):
    secret, other = b"k" * 32, b"x" * 32
    for name in ("RXX|V1", "another"):
        write(store.engine, lambda one, name=name: keep_names(one, seal_name(secret, 7, name)))
    with reading(store.engine) as connection:
        sealed = read_names(connection, [7, 8])
    assert list(sealed) == [7]
    assert open_name(secret, 7, sealed[7]) == "RXX|V1"
    assert open_name(other, 7, sealed[7]) is None
    assert open_name(secret, 8, sealed[7]) is None
