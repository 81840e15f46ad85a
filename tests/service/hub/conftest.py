"""A service on a live store with a simulated trust in it, whose time stands still."""

import time
from types import SimpleNamespace

import pytest

from feature_store.clock import DAY, HOUR, SECOND, to_moment
from feature_store.events import NO_SPELL, NO_TIME

NOW = time.time_ns() // 1000 // DAY * DAY - 2 * DAY + 12 * HOUR  # noon, two days ago


def stamp(moment):
    """RFC 3339 text of a moment in microseconds."""
    return to_moment(int(moment)).isoformat()


def fact(subject, spell, code, at, value=None, recorded=None):
    """One event as ``POST /v1/events`` takes it."""
    event = {"subject_id": subject, "spell_id": spell, "code": code}
    event["time"] = None if at is None else stamp(at)
    if value is not None:
        event["numeric_value"] = value
    if recorded is not None:
        event["recorded_at"] = stamp(recorded)
    return event


def stay(name, start, *, site="RXX01", ward="W1", bed="B1", age=84):
    """Events of a stay with what is known at the door."""
    subject, spell = f"P{name}", f"S{name}"
    codes = (
        *("SPELL_START", "ADMISSION_METHOD//21", "PATIENT_CLASSIFICATION//1"),
        *(f"SITE//{site}", f"WARD//{ward}", f"BED//{bed}", "SPECIALTY//430"),
    )
    events = [fact(subject, spell, code, start) for code in codes]
    events.append(fact(subject, spell, "AGE", start, age))
    events.append(fact(subject, spell, "NEWS2", start + HOUR, 4, start + 2 * HOUR))
    events.append(fact(subject, None, "SEX//2", None))
    return events


def as_sent(events):
    """Events of the store's kind as ``POST /v1/events`` takes them."""
    sent = []
    for row in range(len(events)):
        value = float(events.numeric_value[row])
        spell = int(events.spell_id[row])
        untimed = events.time[row] == NO_TIME
        event = fact(
            f"P{events.subject_id[row]}",
            None if spell == NO_SPELL else f"S{spell}",
            events.codes[events.code[row]],
            None if untimed else events.time[row],
            None if value != value else value,  # noqa: PLR0124
        )
        if not untimed:
            event["recorded_at"] = stamp(events.recorded_at[row])
        sent.append(event)
    return sent


@pytest.fixture
def hub(make_client, real_model, database_url):
    """A client of a service on a database of each kind."""
    return make_client(real_model, database_url=database_url, least_completeness=0.0)


@pytest.fixture
def one_hub(make_client, real_model):
    """A client where the kind of database does not matter."""
    return make_client(real_model, least_completeness=0.0)


def add(client, events):
    """Send events, and insist that they are taken."""
    answer = client.post("/v1/events", json={"events": events})
    assert answer.status_code == 200, answer.text
    return answer.json()


def worklist(client, at=None, **query):
    """Ask for the worklist."""
    if at is not None:
        query["at"] = stamp(at)
    answer = client.get("/v1/worklist", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def minutes(number):
    """So many minutes, in microseconds."""
    return number * 60 * SECOND


def problem(answer):
    """Status and faults of a problem document."""
    told = answer.json()
    return answer.status_code, [(one["pointer"], one["detail"]) for one in told.get("errors", [])]


@pytest.fixture(scope="session")
def trust():
    """What a test says to a service, and what it expects to hear."""
    return SimpleNamespace(
        now=NOW,
        stamp=stamp,
        fact=fact,
        stay=stay,
        as_sent=as_sent,
        add=add,
        worklist=worklist,
        minutes=minutes,
        problem=problem,
    )
