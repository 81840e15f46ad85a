"""Requests of one turn are answered in one pass, and each as if it had come alone."""

import asyncio
import json
from copy import deepcopy
from dataclasses import replace

import msgspec
import pytest

from service.answering import Answered, Asker, answer_alone
from service.gathering import MOST_BYTES, Gathering
from service.identifiers import Pseudonyms
from service.problems import Problem

PSEUDONYMS = Pseudonyms(b"k" * 32)


def asker(name="hub", **more):
    return Asker(caller=name, request_id=f"r-{name}", route="/x", pseudonyms=PSEUDONYMS, **more)


def body_of(request_body, spell_id, news2, **more):
    """A request about another spell, with another NEWS2."""
    changed = deepcopy(request_body) | more
    changed["spells"][0]["spell_id"] = spell_id
    for event in changed["spells"][0]["events"]:
        if event.get("spell_id"):
            event["spell_id"] = spell_id
        if event["code"] == "NEWS2":
            event["numeric_value"] = news2
    return json.dumps(changed).encode()


async def answers(asked):
    """What becomes of requests that come in one turn: (body, model, asker, reasons) each."""
    gathering = Gathering()
    waiting = [
        gathering.answer(body, model, who, reasons=reasons) for body, model, who, reasons in asked
    ]
    return await asyncio.gather(*waiting, return_exceptions=True)


def known_of(answered):
    """What an answer and its account say, without what is new every time."""
    told = msgspec.json.decode(answered.body)
    for score in told["scores"]:
        del score["score_id"]
    fresh = {"score_id", "answered_at", "latency_us"}
    rows = [
        {name: value for name, value in msgspec.structs.asdict(row).items() if name not in fresh}
        for row in answered.audit
    ]
    return told, answered.ages, rows


def mixed(request_body, real_model):
    """Requests of every kind."""
    good = [body_of(request_body, f"S{place}", place % 9) for place in range(6)]
    two = deepcopy(request_body)
    two["spells"].append({"spell_id": "S9", "subject_id": "P9", "events": []})
    twice = deepcopy(request_body)
    twice["spells"].append(twice["spells"][0])
    later = body_of(request_body, "S1", 4, prediction_time="2026-01-16T06:00:00+01:00")
    bodies = [*good, b"{", json.dumps(two).encode(), json.dumps(twice).encode(), later]
    of_one_site = asker("ward", sites=frozenset({"RXX01"}))
    asked = [(body, real_model, asker(str(place)), 5) for place, body in enumerate(bodies)]
    return [*asked, (good[0], real_model, of_one_site, 5), (good[0], real_model, asker(), None)]


def test_each_is_answered_as_if_it_had_come_alone(request_body, real_model):
    asked = mixed(request_body, real_model)
    told = asyncio.run(answers(asked))
    assert sum(isinstance(one, Answered) for one in told) == len(asked) - 2
    for (body, model, who, reasons), one in zip(asked, told, strict=True):
        if isinstance(one, Problem):
            with pytest.raises(Problem) as alone:
                answer_alone(body, model, who, reasons=reasons)
            assert one.document("r") == alone.value.document("r")
        else:
            assert known_of(one) == known_of(answer_alone(body, model, who, reasons=reasons))


def test_what_goes_together_is_one_pass_of_the_model(request_body, fake_model):
    bodies = [body_of(request_body, f"S{place}", 3) for place in range(5)]
    asyncio.run(answers([(body, fake_model, asker(), 5) for body in bodies]))
    assert [len(snapshots) for _, snapshots, _ in fake_model.score.asked] == [5]


def test_other_reasons_and_another_model_are_another_pass(request_body, fake_model):
    other = replace(fake_model, origin="other")
    body = body_of(request_body, "S1", 3)
    asked = [(body, fake_model, asker(), reasons) for reasons in (5, None, 5, None)]
    asyncio.run(answers([*asked, (body, other, asker(), None)]))
    passes = [(len(snapshots), reasons) for _, snapshots, reasons in fake_model.score.asked]
    assert passes == [(2, 5), (2, None), (1, None)]


def test_a_pass_is_bounded(request_body, fake_model):
    body = body_of(request_body, "S1", 3)
    body += b" " * (MOST_BYTES // 3 - len(body))
    told = asyncio.run(answers([(body, fake_model, asker(), 5)] * 7))
    assert all(isinstance(one, Answered) for one in told)
    assert [len(snapshots) for _, snapshots, _ in fake_model.score.asked] == [4, 3]


def test_one_at_which_the_model_fails_fails_alone(request_body, fake_model):
    def score(events, snapshots, *, reasons):
        if 13.0 in events.numeric_value.tolist():
            msg = "a fault of the model"
            raise RuntimeError(msg)
        return fake_model.score(events, snapshots, reasons=reasons)

    fragile = replace(fake_model, score=score)
    bodies = [body_of(request_body, f"S{news2}", news2) for news2 in (11, 12, 13, 14)]
    told = asyncio.run(answers([(body, fragile, asker(), 5) for body in bodies]))
    assert [type(one) for one in told] == [Answered, Answered, RuntimeError, Answered]


def test_who_goes_away_keeps_nobody_from_an_answer(request_body, fake_model):
    bodies = [body_of(request_body, f"S{place}", 3) for place in range(3)]

    async def with_one_gone():
        gathering = Gathering()
        tasks = [
            asyncio.create_task(gathering.answer(body, fake_model, asker(), reasons=5))
            for body in bodies
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    told = asyncio.run(with_one_gone())
    assert [type(one) for one in told] == [Answered, asyncio.CancelledError, Answered]


async def ask(gathering, body, model):
    with gathering:
        return await gathering.answer(body, model, asker(), reasons=5)


async def in_three_turns(gathering, body, model):
    tasks = []
    for _ in range(3):
        tasks.append(asyncio.create_task(ask(gathering, body, model)))
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks)


def test_who_comes_while_answers_are_sent_goes_together(request_body, fake_model):
    body = body_of(request_body, "S1", 3)

    async def pressed():
        gathering = Gathering()
        with gathering:  # one that is answered, and not yet sent
            return await in_three_turns(gathering, body, fake_model)

    told = asyncio.run(pressed())  # though that one is never sent: nobody waits for long
    assert all(isinstance(one, Answered) for one in told)
    assert [len(snapshots) for _, snapshots, _ in fake_model.score.asked] == [3]


def test_who_was_just_answered_may_ask_again_in_time(request_body, fake_model):
    body = body_of(request_body, "S1", 3)

    async def again():
        gathering = Gathering()
        with gathering:
            waiting = asyncio.create_task(ask(gathering, body, fake_model))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(waiting, ask(gathering, body, fake_model))
        await ask(gathering, body, fake_model)  # nothing is under way: at once

    asyncio.run(again())
    assert [len(snapshots) for _, snapshots, _ in fake_model.score.asked] == [2, 1]


def test_who_asks_when_nothing_is_under_way_is_answered_within_a_turn(request_body, fake_model):
    body = body_of(request_body, "S1", 3)

    async def alone():
        gathering = Gathering()
        for _ in range(3):
            await ask(gathering, body, fake_model)
            task = asyncio.create_task(ask(gathering, body, fake_model))
            await asyncio.sleep(0)  # it asks
            await asyncio.sleep(0)  # it is answered
            await asyncio.sleep(0)  # it goes on
            assert task.done()

    asyncio.run(alone())
