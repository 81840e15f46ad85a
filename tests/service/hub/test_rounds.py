"""Several workers on one database answer one worklist, scored once and on the record once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from feature_store.clock import DAY, HOUR
from feature_store.live.database import reading
from service.hub import noticeboard, rounds
from service.record import AuditUnavailable, Record, open_audit
from service.record.schema import SCORES
from service.wire import ModelName


@pytest.fixture
def make_worker(make_client, real_model, database_url):
    """Return a function that makes one more worker of the same installation."""

    def make(model=real_model, **changed):
        return make_client(model, database_url=database_url, least_completeness=0.0, **changed)

    return make


def rows_of(url):
    record = Record(url)
    with reading(record.engine) as connection:
        rows = connection.execute(select(SCORES.c.score_id, SCORES.c.prediction_time)).all()
    record.close()
    return [(row.score_id, row.prediction_time) for row in rows]


def scores_of(told):
    return [(one["spell_id"], one["score"]) for one in told["entries"]]


def fill(trust, client, patients=3):
    now = client.app.state.live.now()
    for number in range(patients):
        trust.add(client, trust.stay(str(number), now - (3 + number) * HOUR))
    trust.add(client, trust.stay("long", now - 5 * DAY))


def test_all_workers_answer_the_same_scores_which_stand_on_the_record_once(
    trust, make_worker, database_url
):
    workers = [make_worker() for _ in range(3)]
    fill(trust, workers[0])
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(trust.worklist, workers * 4))
    assert len(told[0]["entries"]) == 4
    first = {key: told[0][key] for key in ("at", "entries", "refused", "model")}
    assert all({key: one[key] for key in first} == first for one in told)
    kept = rows_of(database_url)
    now = max(moment for _, moment in kept)
    assert sorted(one for one, moment in kept if moment == now) == sorted(
        score["score_id"] for _, score in scores_of(told[0])
    )
    assert len([one for one, moment in kept if moment < now]) == 1  # yesterday's, of the long stay


def test_a_new_round_is_seen_by_all_and_yesterday_is_scored_once(trust, make_worker, database_url):
    one, other = make_worker(worklist_seconds=1), make_worker(worklist_seconds=1)
    fill(trust, one)
    before = trust.worklist(one)
    now = one.app.state.live.now() + 60_000_000
    for client in (one, other):
        client.app.state.live._clock = lambda: now * 1000
    trust.add(one, trust.stay("late", now - 4 * HOUR))
    after = trust.worklist(other)
    assert after["inpatients"] == 5
    assert scores_of(trust.worklist(one)) == scores_of(after)
    assert not {score["score_id"] for _, score in scores_of(after)} & {
        score["score_id"] for _, score in scores_of(before)
    }
    moments = [moment for _, moment in rows_of(database_url)]
    assert sorted(map(moments.count, set(moments))) == [1, 4, 5]


def test_a_worker_that_died_at_it_is_relieved(trust, make_worker, monkeypatch):
    monkeypatch.setattr(rounds, "PATIENCE_SECONDS", 0.3)
    client = make_worker()
    fill(trust, client)
    store = client.app.state.live.store
    noticeboard.prepare(store.engine)
    assert noticeboard.claim(store.engine, noticeboard.Notice(0, 0)) == 1
    assert noticeboard.claim(store.engine, noticeboard.Notice(0, 0)) is None
    told = trust.worklist(client)
    assert len(told["entries"]) == 4
    assert not noticeboard.post(store.engine, 1, b"from beyond")  # it was not dead, only late
    assert scores_of(trust.worklist(make_worker())) == scores_of(told)


def test_while_another_worker_is_at_it_the_last_board_is_answered(trust, make_worker):
    client = make_worker(worklist_seconds=1)
    live = client.app.state.live
    fill(trust, client)
    told = trust.worklist(client)
    noticeboard.claim(live.store.engine, noticeboard.Notice(1, 1))
    now = live.now() + 60_000_000
    live._clock = lambda: now * 1000
    trust.add(client, trust.stay("late", now - 4 * HOUR))
    assert scores_of(trust.worklist(client)) == scores_of(told)
    noticeboard.give_up(live.store.engine, 2)
    assert trust.worklist(client)["inpatients"] == 5


class Moody:
    """A record that cannot be written for a while."""

    def __init__(self, audit):
        self.audit, self.ill = audit, True

    async def append(self, rows):
        if self.ill:
            raise AuditUnavailable("ill")
        await self.audit.append(rows)

    async def run(self):
        await self.audit.run()

    def close(self):
        self.audit.close()


def test_what_could_not_be_put_on_the_record_is_scored_again_yesterday_included(
    trust, make_worker, database_url
):
    audit = Moody(open_audit(database_url))
    client = make_worker(audit=audit, stale_hours=200)
    fill(trust, client)
    for _ in range(2):  # at once: nobody has to be waited for
        assert client.get("/v1/worklist").status_code == 503
    audit.ill = False
    told = trust.worklist(client)
    (long,) = (one for one in told["entries"] if one["spell_id"] == "Slong")
    assert long["probability_yesterday"] is not None
    assert len(rows_of(database_url)) == 5


def test_a_worker_that_has_not_seen_the_new_champion_does_not_undo_its_board(
    trust, make_worker, real_model
):
    one, other = make_worker(), make_worker()
    fill(trust, one)
    trust.worklist(one), trust.worklist(other)
    champion = replace(real_model, name=ModelName("long-stay", "2", "champion"))
    one.app.state.parts.shelf.put(champion)
    told = trust.worklist(one)
    assert told["model"]["version"] == "2"
    for client in (other, one, other):
        assert scores_of(trust.worklist(client)) == scores_of(told)
    other.app.state.parts.shelf.put(replace(champion))
    assert scores_of(trust.worklist(other)) == scores_of(told)


def test_a_clock_that_jumped_back_does_not_hold_an_old_board(trust, make_worker):
    client = make_worker()
    live = client.app.state.live
    fill(trust, client)
    ahead = live.now() + DAY // 24
    live._clock = lambda: ahead * 1000
    told = trust.worklist(client)
    live._clock = lambda: (ahead - DAY // 48) * 1000
    assert trust.worklist(client)["at"] < told["at"]


def test_without_the_key_the_board_names_nobody(trust, make_worker, tmp_path):
    client = make_worker()
    fill(trust, client)
    told = trust.worklist(client)
    with reading(client.app.state.live.store.engine) as connection:
        sealed = noticeboard.read_sealed(connection)
    assert noticeboard.Seal(b"k" * 32).open(sealed, 1) is None
    key = client.app.state.parts.pseudonyms.key_for("worklist")
    assert noticeboard.Seal(key).open(sealed, 2) is None  # of another round
    posting = noticeboard.Seal(key).open(sealed, 1)
    assert [entry.spell_id for entry in posting.board.entries] == [
        one["spell_id"] for one in told["entries"]
    ]
    stranger = make_worker(var=tmp_path / "elsewhere")
    assert len(trust.worklist(stranger)["entries"]) == 4
