"""What the record says, to those who look."""

from contextlib import closing

import numpy as np
import pytest

from service.record import FeedbackRow
from service.record.feedback import feedback_id_of
from service.record.reading import NO_SUBJECT, Record


@pytest.fixture
def record(database_url):
    """The record of a database of each kind."""
    with closing(Record(database_url)) as opened:
        yield opened


def said(score_id, at, verdict="agreed"):
    given = (score_id, "hub", verdict, None, None, None)
    return FeedbackRow(feedback_id_of(*given), score_id, at, "hub", "r", verdict, None, None, None)


def test_an_empty_record_says_nothing(record):
    assert record.score("x") is None
    assert record.scores_of_spell(1) == []
    assert record.latest([1], since=0, until=9) == {}
    assert {column.size for column in record.between(0, 9).values()} == {0}
    assert record.feedback(["x"]) == {}


def test_a_score_comes_back_whole(record, audit, a_row, wait):
    wait(audit.append([a_row()]))
    assert record.score(a_row().score_id) == a_row()
    assert record.scores_of_spell(a_row().spell) == [a_row()]


def test_scores_of_a_spell_are_live_and_in_order_refusals_among_them(record, audit, a_row, wait):
    refusal = a_row(score_id=None, refused="out_of_scope", features=None, reasons=None)
    rows = [a_row(3), a_row(1), a_row(2, mode="shadow"), a_row(4, spell=7), refusal]
    wait(audit.append(rows))
    told = record.scores_of_spell(a_row().spell)
    assert told == [refusal, a_row(1), a_row(3)] or told == [a_row(1), refusal, a_row(3)]
    assert record.scores_of_spell(a_row().spell, mode="shadow") == [a_row(2, mode="shadow")]


def test_the_latest_of_many_spells(record, audit, a_row, wait):
    spells = list(range(900))
    rows = [
        a_row(spell * 10 + turn, spell=spell, answered_at=turn)
        for spell in spells
        for turn in (1, 2, 3)
    ]
    wait(audit.append(rows))
    told = record.latest([*spells, 5000], since=1, until=3)
    assert {spell: row.answered_at for spell, row in told.items()} == dict.fromkeys(spells, 2)


def test_columns_have_their_types_and_say_what_is_missing(record, audit, a_row, wait):
    refusal = a_row(
        score_id=None, answered_at=6, refused="x", subject=None, days_so_far=None, site="RXX02",
        features=None, reasons=None,
    )  # fmt: skip
    wait(audit.append([a_row(5), refusal, a_row(7), a_row(8, mode="shadow")]))
    told = record.between(5, 8, details=True)
    assert told["answered_at"].tolist() == [5, 6, 7]
    assert told["spell"].dtype == told["subject"].dtype == np.int64
    assert told["spell"][0] == a_row().spell
    assert told["subject"].tolist() == [3, NO_SUBJECT, 3]
    assert np.isnan(told["days_so_far"][1])
    assert np.isnan(told["probability_21"]).all()
    assert told["score_id"].tolist() == ["score-5", None, "score-7"]
    assert told["features"].tolist() == [b"\0" * 16, None, b"\0" * 16]
    few = record.between(5, 9, columns=["spell"], mode=None, site="RXX01")
    assert set(few) == {"spell"}
    assert few["spell"].size == 3


def test_feedback_is_found_by_score_and_by_spell(record, audit, a_row, wait):
    wait(audit.append([a_row(1, spell=11), a_row(2, spell=12)]))
    wait(audit.append([said("score-1", 5), said("score-1", 6, "seen"), said("score-2", 4)]))
    told = record.feedback(["score-1", "score-3"])
    assert [one.verdict for one in told.pop("score-1")] == ["agreed", "seen"]
    assert told == {}
    latest = record.feedback_of_spells([11, 12], since=5)
    assert {spell: one.verdict for spell, one in latest.items()} == {11: "seen"}
    assert len(record.feedback_between(4, 6)) == 2
