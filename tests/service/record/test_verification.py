"""Whatever is done to the record behind its back, the proof finds it and says where."""

from contextlib import closing, contextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.record import FeedbackRow, open_audit
from service.record.chain import first_entry
from service.record.retention import Kind, drop, due
from service.record.verification import heads_in, verify
from service.record.writing import open_database


def said(number, at):
    return FeedbackRow(f"f{number}", f"score-{number}", at, "hub", "r", "agreed", None, None, None)


@pytest.fixture
def story(database_url, a_row, wait):
    """Two chains: ten scores and a feedback by one writer, then five scores by another."""
    with closing(open_audit(database_url)) as first:
        wait(first.append([a_row(number) for number in range(1, 6)]))
        wait(first.append([said(1, 6)]))
        wait(first.append([a_row(number) for number in range(6, 11)]))
    with closing(open_audit(database_url)) as second:
        wait(second.append([a_row(number) for number in range(11, 16)]))


@contextmanager
def tampering(engine):
    """A connection of somebody who may do anything, past the triggers."""
    lite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        if lite:
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            triggers = connection.execute(text(query)).all()
            for name, _sql in triggers:
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield lambda statement, **values: connection.execute(text(statement), values)
        if lite:
            for _name, sql in triggers:
                connection.execute(text(sql))


@pytest.mark.usefixtures("story")
def test_a_sound_record_is_proved(engine):
    proof = verify(engine)
    assert proof.faults == []
    assert (proof.chains, proof.rows, proof.deleted) == (2, 16, 0)
    assert [head.entry for head in proof.heads] == [first_entry(1) + 11, first_entry(2) + 5]


def at(chain, place):
    return first_entry(chain) + place


CHANGES = {
    "a number": ("UPDATE score_audit SET probability_7 = 0.3 WHERE entry = :e", (1, 3)),
    "the last digit of a number": (
        "UPDATE score_audit SET base_value = -1.3100000000000003 WHERE entry = :e",
        (1, 3),
    ),
    "a text": ("UPDATE score_audit SET caller = 'nobody' WHERE entry = :e", (1, 3)),
    "something to nothing": ("UPDATE score_audit SET site = NULL WHERE entry = :e", (2, 1)),
    "who said it": ("UPDATE score_feedback SET caller = 'x' WHERE entry = :e", (1, 6)),
    "features": ("UPDATE score_details SET features = reasons WHERE entry = :e", (1, 2)),
    "features away": ("DELETE FROM score_details WHERE entry = :e", (1, 2)),
    "a row away": ("DELETE FROM score_audit WHERE entry = :e", (1, 4)),
    "the first row away": ("DELETE FROM score_audit WHERE entry = :e", (1, 1)),
    "the last row of an earlier chain": ("DELETE FROM score_audit WHERE entry = :e", (1, 11)),
    "feedback away": ("DELETE FROM score_feedback WHERE entry = :e", (1, 6)),
    "a beginning": ("UPDATE record_chains SET heads = '[]' WHERE chain = 2", (2, 0)),
    "a row to another place": (
        "UPDATE score_audit SET entry = entry + 1000 WHERE entry = :e",
        (1, 5),
    ),
}


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_found_and_named(engine, change):
    statement, (chain, place) = CHANGES[change]
    with tampering(engine) as tamper:
        values = {"e": at(chain, place)} if ":e" in statement else {}
        assert tamper(statement, **values).rowcount == 1
    assert verify(engine).faults[0].startswith(f"chain {chain}, row {place}: ")


@pytest.mark.usefixtures("story")
def test_rows_that_changed_places_are_found(engine):
    with tampering(engine) as tamper:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            for table in ("score_audit", "score_details"):
                tamper(
                    f"UPDATE {table} SET entry = :new WHERE entry = :old",
                    old=at(1, old),
                    new=at(1, new),
                )
    assert verify(engine).faults[0].startswith("chain 1, row 2: ")


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("hashed", [False, True])
def test_a_row_put_in_is_found(engine, hashed):
    """Also with a hash that fits the row before it: then the next does not fit."""
    with tampering(engine) as tamper:
        for place in range(11, 3, -1):  # make room
            for table in ("score_audit", "score_details", "score_feedback"):
                tamper(f"UPDATE {table} SET entry = entry + 1 WHERE entry = :e", e=at(1, place))
        source = tamper("SELECT * FROM score_audit WHERE entry = :e", e=at(1, 3)).one()
        cells = source._asdict() | {"entry": at(1, 4), "score_id": "forged", "details_hash": None}
        if hashed:
            from service.record.chain import link

            cells["row_hash"] = link(source.row_hash, "score_audit", tuple(cells.values())[:-1])
        names = ", ".join(cells)
        marks = ", ".join(f":{name}" for name in cells)
        tamper(f"INSERT INTO score_audit ({names}) VALUES ({marks})", **cells)
    place = 5 if hashed else 4
    assert verify(engine).faults[0].startswith(f"chain 1, row {place}: ")


@pytest.mark.usefixtures("story")
def test_a_chain_that_is_gone_is_missed_by_the_next(engine, database_url, a_row, wait):
    with closing(open_audit(database_url)) as third:
        wait(third.append([a_row(99)]))
    with tampering(engine) as tamper:
        for table in ("score_audit", "score_details"):
            tamper(f"DELETE FROM {table} WHERE entry >= {at(2, 0)} AND entry < {at(3, 0)}")
        tamper("DELETE FROM record_chains WHERE chain = 2")
    faults = verify(engine).faults
    assert faults == [
        "chain 2, row 0: missing",
        "chain 2, row 5: missing: it was the last row of its chain once",
    ]


@pytest.mark.usefixtures("story")
def test_a_tail_that_was_cut_off_is_found_with_heads_kept_elsewhere(engine):
    heads = verify(engine).heads
    kept = heads_in({"heads": msgspec.to_builtins(heads)})
    assert kept == heads
    with tampering(engine) as tamper:
        for table in ("score_audit", "score_details"):
            tamper(f"DELETE FROM {table} WHERE entry >= :e", e=at(2, 4))
    assert verify(engine).faults == []
    proof = verify(engine, kept=kept)
    assert proof.faults == ["chain 2, row 5: missing: it was the last row of its chain once"]


@pytest.mark.usefixtures("story")
def test_a_chain_written_anew_does_not_end_in_the_head_that_was_kept(engine):
    kept = [msgspec.structs.replace(head, hash="0" * 64) for head in verify(engine).heads]
    assert len(verify(engine, kept=kept).faults) == 2


# ---- what goes by schedule -----------------------------------------------------------------------


@pytest.mark.usefixtures("story")
def test_features_go_and_the_chain_holds(engine):
    assert due(engine, Kind.FEATURES, before=8) == 7
    assert drop(engine, Kind.FEATURES, before=8, now=100) == 7
    assert due(engine, Kind.FEATURES, before=8) == 0
    proof = verify(engine)
    assert proof.faults == []
    assert proof.without_details == 7
    with tampering(engine) as tamper:  # one more, which the account does not cover
        tamper("DELETE FROM score_details WHERE entry = :e", e=at(2, 1))
    assert verify(engine).faults == ["chain 2, row 1: its features and reasons are missing"]


@pytest.mark.usefixtures("story")
def test_scores_go_and_feedback_stays_or_goes(engine, database_url, a_row, wait):
    kept = verify(engine).heads
    assert drop(engine, Kind.SCORES, before=13, now=100) == 12
    proof = verify(engine, kept=kept)
    assert (proof.faults, proof.deleted) == ([], 12)
    assert drop(engine, Kind.FEEDBACK, before=100, now=101) == 1
    assert drop(engine, Kind.FEEDBACK, before=100, now=102) == 0
    with closing(open_audit(database_url)) as later:
        wait(later.append([a_row(99)]))
    proof = verify(engine, kept=kept)
    assert (proof.faults, proof.deleted, proof.chains) == ([], 13, 5)


@pytest.mark.usefixtures("story")
def test_a_gap_that_nobody_accounts_for_is_found(engine):
    drop(engine, Kind.SCORES, before=3, now=100)
    with tampering(engine) as tamper:
        last = tamper("SELECT row_hash FROM score_audit WHERE entry = :e", e=at(1, 3)).scalar()
        tamper("DELETE FROM score_audit WHERE entry = :e", e=at(1, 3))
        tamper("DELETE FROM score_details WHERE entry = :e", e=at(1, 3))
        tamper(
            "UPDATE record_gaps SET last_entry = :e, last_hash = :h",
            e=at(1, 3),
            h=last,
        )
    assert verify(engine).faults == [
        "chain 1, row 1: rows were deleted that no retention accounts for"
    ]


# ---- any history ---------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 4)),
        st.tuples(st.just("say"), st.integers(0, 2), st.just(1)),
        st.tuples(st.just("restart"), st.integers(0, 2), st.just(0)),
        st.tuples(st.sampled_from(list(Kind)), st.integers(0, 40), st.just(0)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, victim=st.integers(0))
def test_any_history_is_sound_until_a_row_goes(tmp_path_factory, a_row, wait, steps, victim):
    url = f"sqlite:///{tmp_path_factory.mktemp('history') / 'h.db'}"
    writers = {number: open_audit(url) for number in range(3)}
    engine = open_database(url)
    for now, (step, number, size) in enumerate(steps, start=1):
        if step == "append":
            rows = [a_row(now * 10 + one, answered_at=now) for one in range(size)]
            wait(writers[number].append(rows))
        elif step == "say":
            wait(writers[number].append([said(now, now)]))
        elif step == "restart":
            writers[number].close()
            writers[number] = open_audit(url)
        else:
            drop(engine, step, before=number, now=now)
    for writer in writers.values():
        writer.close()
    proof = verify(engine)
    assert proof.faults == []
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT entry FROM score_audit")).scalars().all()
    if rows:
        with tampering(engine) as tamper:
            tamper("DELETE FROM score_audit WHERE entry = :e", e=rows[victim % len(rows)])
        assert verify(engine, kept=proof.heads).faults != []
    engine.dispose()
