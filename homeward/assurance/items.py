"""What an assurance pack is made of: one question, what is said to it, and what shows it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, Final

from models.page import anchor

TABLES: Final = files("homeward.assurance")


class State(StrEnum):
    """Whether a question is answered."""

    EVIDENCED = "evidenced"
    PARTLY = "evidenced in part; the rest is for the deploying organisation"
    ORGANISATION = "for the deploying organisation"
    MISSING = "not evidenced"
    UNPROVEN = "NOT PROVEN: a test named as evidence did not pass"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of a checklist.

    Parameters
    ----------
    ref, asks : str
    state : State
    answers : tuple of str
        What is said: of the software, and quoted from the model card.
    evidence : tuple of str
        ``card.html#section``, files of the pack or the bundle, documents, ``path::test``.
    asked : str
        What the deploying organisation has to write; empty where it need not.
    """

    ref: str
    asks: str
    state: State
    answers: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    asked: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "ref": self.ref,
            "asks": self.asks,
            "state": self.state.value,
            "answers": list(self.answers),
            "evidence": list(self.evidence),
            "for_the_deploying_organisation": self.asked or None,
        }


def read_table(name: str) -> dict[str, Any]:
    """One of the tables that come with the package."""
    return tomllib.loads((TABLES / f"{name}.toml").read_text(encoding="utf-8"))


def quoted(card: Mapping[str, Any], place: str) -> Iterator[str]:
    """Lines of a card at ``Section`` or ``Section: Item``; none where it does not say."""
    heading, _, wanted = place.partition(": ")
    for section in card["sections"]:
        if section["heading"] == heading:
            for item in section["items"]:
                if item["name"] == wanted or not wanted:
                    yield f"{item['name']}: {item['text']}"


def not_passed(tests: Iterable[str], results: Mapping[str, str]) -> list[str]:
    """How tests ended that did not pass, each way once.

    >>> not_passed(["tests/a.py::b", "tests/a.py::c"], {"tests/a.py::b": "passed"})
    ['not run']
    """
    return sorted({results.get(test, "not run") for test in tests} - {"passed"})


def items_of(
    name: str, card: Mapping[str, Any], results: Mapping[str, str] | None = None
) -> list[Item]:
    """Items of a table, with what the card of this model says.

    Parameters
    ----------
    name : str
        ``transparency`` or ``dtac``.
    card : mapping
    results : mapping of str to str, optional
        Test to outcome.
    """
    return [_item(entry, card, results) for entry in read_table(name)["items"]]


def _item(
    entry: Mapping[str, Any], card: Mapping[str, Any], results: Mapping[str, str] | None
) -> Item:
    tests = [one for one in entry.get("evidence", []) if one.startswith("tests/")]
    failed = results is not None and bool(not_passed(tests, results))
    places = entry.get("card", [])
    told = {place: list(quoted(card, place)) for place in places}
    answers = [entry["answer"]] if "answer" in entry else []
    return Item(
        ref=entry["ref"],
        asks=entry["asks"],
        state=State.UNPROVEN if failed else _state(entry, silent=not all(told.values())),
        answers=(*answers, *(line for lines in told.values() for line in lines)),
        evidence=(*entry.get("evidence", []), *cited(places)),
        asked=entry.get("help", ""),
    )


def _state(entry: Mapping[str, Any], *, silent: bool) -> State:
    if silent:
        return State.MISSING
    if "answer" not in entry and "card" not in entry:
        return State.ORGANISATION
    return State.PARTLY if "help" in entry else State.EVIDENCED


def cited(places: list[str]) -> tuple[str, ...]:
    """Addresses of places of the card, each section once."""
    sections = dict.fromkeys(place.partition(": ")[0] for place in places)
    return tuple(f"card.html#{anchor(section)}" for section in sections)
